"""Methods compared regulator by regulator: a mean over pairs is that of the largest regulators."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.core.splits import SUBSETS
from grn_exp.metrics.ranking import average_precision
from grn_exp.report.bias.run import ScoredRun, read_run
from grn_exp.report.compare import comparisons, holm, require_method
from grn_exp.report.tables import labelled

NOTE = (
    "AUPRC of each regulator's pairs, its mean over the splits of both methods that judge it; "
    "Wilcoxon signed-rank test over regulators, Holm's correction within a column; "
    "regulators share targets, so p is too small"
)
_METRIC = "ap_per_regulator"
_COLUMNS = (
    *("dataset", "subset", "method", "other", "n_splits", "n_regulators"),
    *("method_better", "other_better", "mean_difference", "p"),
)


def paired_regulators(rows: pd.DataFrame, *, reference: str | None = None) -> pd.DataFrame:
    """Compare methods over regulators.

    Parameters
    ----------
    rows
        Tidy rows; those of ``ap_per_regulator`` name the runs.
    reference
        Compare with this method only; None compares all pairs.

    Returns
    -------
    DataFrame
        ``dataset``, ``subset``, ``method``, ``other``, ``n_splits`` (common ones),
        ``n_regulators`` that have an edge and a negative pair in one of them,
        ``method_better`` and ``other_better`` (numbers of regulators), ``mean_difference``
        (method minus other, over regulators), ``p`` (two-sided) and ``p_holm`` (corrected for
        all comparisons of the column).

    Raises
    ------
    InputError
        If there is no such reference, or no two methods have a regulator in common.
    """
    rows = labelled(rows.loc[rows["metric"] == _METRIC])
    require_method(reference, rows)
    found = []
    for key, column in rows.groupby(["dataset", "subset"], sort=False):
        dataset, subset = key  # type: ignore[misc]
        groups = column.groupby("method", sort=False)["folder"].unique()
        of = {str(name): _precisions(folders, str(subset)) for name, folders in groups.items()}
        for method, other in comparisons(list(of), reference):
            table = pd.concat([of[method], of[other]], axis=1, join="inner", keys=[0, 1])
            if not table.empty:
                found.append([dataset, subset, method, other, *_tested(table)])
    if not found:
        raise InputError(
            "no two methods have a regulator in common that was judged for itself; methods that "
            "choose sets have none, --show tests compares their splits"
        )
    table = pd.DataFrame(found, columns=pd.Index(_COLUMNS))
    corrected = table.groupby(["dataset", "subset"])["p"].transform(holm)
    return table.assign(p_holm=corrected)


def _precisions(folders: Sequence[str], subset: str) -> pd.Series:
    """Return each regulator's average precision in each split, its model seeds averaged.

    Returns
    -------
    Series
        Indexed by ``split_seed`` and ``regulator``, of those with positive and negative pairs.
    """
    values = [_of_run(read_run(Path(folder)), subset) for folder in folders]
    return pd.Series(pd.concat(values).groupby(level=["split_seed", "regulator"]).mean())


def _of_run(run: ScoredRun, subset: str) -> pd.Series:
    mask = run.split.mask(next(name for name in SUBSETS if name == subset))
    positive, negative = (mask & run.labels).any(axis=1), (mask & ~run.labels).any(axis=1)
    judged = np.flatnonzero(positive & negative)
    values = [average_precision(run.scores[r, mask[r]], run.labels[r, mask[r]]) for r in judged]
    index = pd.MultiIndex.from_product(
        [[run.name["split_seed"]], run.split.regulators.array[judged]],
        names=["split_seed", "regulator"],
    )
    return pd.Series(values, index=index, dtype=np.float64)


def _tested(table: pd.DataFrame) -> list[Any]:
    """Return the numbers of a comparison."""
    from scipy.stats import wilcoxon

    n_splits = table.index.get_level_values("split_seed").nunique()
    of_regulator = (table[0] - table[1]).groupby(level="regulator").mean().to_numpy()
    unequal = of_regulator[of_regulator != 0.0]  # equal values say nothing
    result: Any = wilcoxon(unequal) if len(unequal) else None
    p = 1.0 if result is None else float(result.pvalue)
    better = int((of_regulator > 0).sum()), int((of_regulator < 0).sum())
    return [n_splits, len(of_regulator), *better, float(of_regulator.mean()), p]
