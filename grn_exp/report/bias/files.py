"""What ``python -m grn_exp.report bias`` writes."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from grn_exp.core.errors import InputError
from grn_exp.report import figures
from grn_exp.report.bias.degree import compare_runs
from grn_exp.report.bias.run import ScoredRun, read_run
from grn_exp.report.figures.bias import imbalance_figure, probability_figure
from grn_exp.report.names import dataset_name
from grn_exp.runs.methods import display_name
from grn_exp.storage.atomic import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write(runs: Sequence[Path], folder: Path) -> list[str]:
    """Write ``degrees.csv`` of all runs; figures 3b and 3c of InfoSEM where the runs allow.

    Returns
    -------
    list of str
        The files, then why a figure is missing.

    Raises
    ------
    InputError
        If a folder does not hold a finished run of an edge method.
    """
    scored = [read_run(run) for run in runs]
    table = folder / "degrees.csv"
    write_text(table, compare_runs(scored).to_csv(index=False, lineterminator="\n"))
    written, missing = [str(table)], []
    draws = {
        f"imbalance_{run.name['run_key']}": partial(
            imbalance_figure, run.folder, title=_title(run)
        )
        for run in scored
        if (run.folder / "coefficients.csv").is_file()
    }
    for name, draw in {**draws, "probabilities": partial(_probabilities, scored)}.items():
        try:
            written += map(str, figures.save(draw(), folder / name))
        except InputError as error:
            missing.append(f"no figure {name}: {error}")
    return [*written, *missing]


def _probabilities(runs: Sequence[ScoredRun]) -> "Figure":
    of_split = [[run.name[key] for key in ("data", "network", "split_seed")] for run in runs]
    if any(each != of_split[0] for each in of_split):
        raise InputError("these are runs of several splits; give those of one")
    names = [display_name(run.name["model"]) for run in runs]
    return probability_figure(runs, names, title=_title(runs[0]))


def _title(run: ScoredRun) -> str:
    return f"{dataset_name(run.name['data'])}, split {run.name['split_seed']}"
