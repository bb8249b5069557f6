"""``python -m benchmarks.recall_readings OUTPUTS``: InfoSEM's table 6, its threshold read anew.

The paper gives "recall, threshold 0.5" and does not say of what. For every finished run on a
non-specific network, the share of the positives of ``test_unseen`` that pass, where a pair's score
*s* passes if

``of the best``: *s* is half the best score of all regulators' pairs or more (``recall_at_half``);
``of its regulator``: half the best score of the pair's own regulator;
``z``: half a standard deviation or more above the mean of all pairs;
``rank``: in the upper half of all pairs.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata

from grn_exp.core.splits import Mask
from grn_exp.report.bias.run import ScoredRun, read_run
from grn_exp.report.collect import collect
from grn_exp.report.published import table_of
from grn_exp.report.tables import labelled
from grn_exp.runs.methods import display_name

_PUBLISHED = ("biobert", "biobert_published")  # the paper's priors
READINGS = ("of the best", "of its regulator", "z", "rank")


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recall_readings", description=__doc__
    )
    parser.add_argument("outputs", type=Path)
    parser.add_argument("--experiment", help="a folder in OUTPUTS")
    arguments = parser.parse_args(given)
    rows = collect(arguments.outputs, arguments.experiment).shown
    rows = rows.loc[(rows["network"] == "non_specific") & (rows["metric"] == "recall_at_half")]
    rows = labelled(rows.loc[rows["subset"] == "test_unseen"])
    keys = ["data", "model", "method", "prior", "ensemble"]
    found = [
        {key: row[key] for key in keys} | recalls(read_run(Path(row["folder"])))
        for row in rows.to_dict("records")
    ]
    table = Table("data", "method", "trainings", "splits", *READINGS, "paper")
    for key, of in pd.DataFrame(found).groupby(keys, sort=False):
        data, model, method, prior, ensemble = key  # type: ignore[misc]
        means = [f"{of[name].mean():.3f} ({of[name].sem():.3f})" for name in READINGS]
        name = display_name(model) + method.removeprefix(model)
        paper = _published(data, model) if prior in ("", *_PUBLISHED) else ""
        table.add_row(data, name, str(ensemble), str(len(of)), *means, paper)
    Console(width=140).print(table)


def recalls(run: ScoredRun) -> dict[str, float]:
    """Return the share of a run's unseen positives that pass, by the reading."""
    own = run.split.regulators.array[:, None] == run.split.genes.array[None, :]
    universe: Mask = ~own
    scores = run.scores.astype(np.float64)
    judged = run.split.test_unseen & run.labels
    best = scores[universe].max()
    of_regulator = np.where(universe, scores, -np.inf).max(axis=1)[judged.nonzero()[0]]
    ranks = np.zeros_like(scores)
    ranks[universe] = rankdata(scores[universe]) / universe.sum()
    z = (scores - scores[universe].mean()) / scores[universe].std()
    passing = (
        (scores[judged] >= 0.5 * best) & (best > 0),
        (scores[judged] >= 0.5 * of_regulator) & (of_regulator > 0),
        z[judged] >= 0.5,
        ranks[judged] > 0.5,
    )
    return {name: float(of.mean()) for name, of in zip(READINGS, passing, strict=True)}


def _published(data: object, model: object) -> str:
    entries, _ = table_of("infosem", "6")
    own = entries.loc[(entries["data"] == data) & (entries["model"] == model)]
    return "" if own.empty else f"{own['value'].iloc[0]:.3f} ({own['standard_error'].iloc[0]:.3f})"


if __name__ == "__main__":
    main()
