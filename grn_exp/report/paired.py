"""Two methods on the same targets: what both find, and what one of them finds alone.

A split's test targets are few (57, 39 and 19 of SERGIO DS3), so three splits say little where the
targets are counted one by one: McNemar's exact test (1947) looks at those on which the two differ.
"""

import dataclasses
import math
from pathlib import Path

import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.report.bias.run import read_table
from grn_exp.runs.sets import SETS

UNIT = ["split_seed", "seed", "target"]
_LEVEL = 0.95
_AT_K = ("recall_at_k", "strict_coverage_at_k")
_OF_SETS = ("exact_match", "exact_match_covered", "coverage")


def counts_targets(metric: str) -> bool:
    """Say whether a metric is the share of targets of which something is true."""
    return metric in (*_AT_K, *_OF_SETS)


def outcomes(rows: pd.DataFrame) -> pd.Series:
    """Return of each target whether a method was right, as its run's folder says.

    Parameters
    ----------
    rows
        Tidy rows of one method and one measure (metric, subset, set size, k), a row a run.

    Returns
    -------
    Series
        Bool, indexed by ``split_seed``, ``seed`` (the model's) and ``target``;
        ``exact_match_covered`` has the covered targets alone.

    Raises
    ------
    InputError
        If the metric is no share of targets, or a run has no table of its targets.
    """
    found = [_of_run(row) for row in rows.to_dict("records")]
    if not found:
        raise InputError("no run, so no targets")
    return pd.concat(found)


def _of_run(row: dict) -> pd.Series:  # type: ignore[type-arg]
    metric, folder = row["metric"], Path(row["folder"])
    if metric in _AT_K:
        table = read_table(folder / "ranks.csv", ["subset", "target", "set_size", "worst_rank"])
        right = table["worst_rank"] <= row["k"]
    elif metric in _OF_SETS:
        table = read_table(folder / SETS, ["subset", "target", "set_size", "exact"])
        if metric != "exact_match":
            table = table.loc[table["covered"].notna()]
        right = (table["covered" if metric == "coverage" else "exact"] == 1).astype("bool")
    else:
        raise InputError(f"{metric} is no share of targets, so there is nothing to count")
    kept = table["subset"] == row["subset"]
    if not pd.isna(row["set_size"]):
        kept &= table["set_size"] == row["set_size"]
    if metric == "exact_match_covered":
        kept &= table["covered"] == 1
    targets = table.loc[kept, "target"].astype("str")
    index = pd.MultiIndex.from_product([[row["split_seed"]], [row["seed"]], targets], names=UNIT)
    return pd.Series(right[kept].to_numpy(), index=index)


def on_common_targets(left: pd.Series, right: pd.Series) -> pd.DataFrame:
    """Put the outcomes of the same targets beside each other, in the columns 0 and 1.

    A target counts once for each split that both tested it in. Where both have one model seed a
    split, the seeds need not agree; else those are paired that do.
    """
    if all(_has_one_seed(each) for each in (left, right)):
        left, right = left.droplevel("seed"), right.droplevel("seed")
    return pd.concat([left, right], axis=1, join="inner", keys=[0, 1])


def _has_one_seed(found: pd.Series) -> bool:
    runs = found.index.droplevel("target").unique()
    return not runs.droplevel("seed").has_duplicates


@dataclasses.dataclass(frozen=True)
class Counts:
    """Targets by who was right.

    Attributes
    ----------
    both, left, right, neither
        Numbers of targets: both methods were right, the first alone, the second alone, none.
    n_splits
        From how many splits.
    """

    both: int
    left: int
    right: int
    neither: int
    n_splits: int = 1

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Counts":
        """Count what :func:`on_common_targets` returns."""
        first, second = table[0].to_numpy(dtype=bool), table[1].to_numpy(dtype=bool)
        return cls(
            both=int((first & second).sum()),
            left=int((first & ~second).sum()),
            right=int((~first & second).sum()),
            neither=int((~first & ~second).sum()),
            n_splits=table.index.get_level_values("split_seed").nunique(),
        )

    @property
    def n(self) -> int:
        """The number of targets."""
        return self.both + self.left + self.right + self.neither

    @property
    def shares(self) -> tuple[float, float]:
        """The share of targets that each was right on."""
        return (self.both + self.left) / self.n, (self.both + self.right) / self.n

    @property
    def difference(self) -> float:
        """The first share minus the second."""
        return (self.left - self.right) / self.n

    @property
    def p(self) -> float:
        """Two-sided p of McNemar's exact test: heads of a fair coin where the two differ."""
        from scipy.stats import binomtest

        differ = self.left + self.right
        return float(binomtest(self.left, differ).pvalue) if differ else 1.0

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the difference, given on how many targets the two differ.

        It is Clopper and Pearson's of the first one's share of those, so it has 0 outside where
        the exact test has p below 0.05.
        """
        differ, (low, high) = self.left + self.right, self._of_those_that_differ()
        return (2 * low - 1) * differ / self.n, (2 * high - 1) * differ / self.n

    def change_interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the first share over the second, less 1."""
        differ, (low, high) = self.left + self.right, self._of_those_that_differ()
        changes = []
        for share in (low, high):
            below = self.both + differ * (1 - share)
            changes.append((self.both + differ * share) / below - 1 if below else math.inf)
        return changes[0], changes[1]

    def _of_those_that_differ(self) -> tuple[float, float]:
        return share_interval(self.left, self.left + self.right)

    def __str__(self) -> str:
        return (
            f"of {self.n} targets ({self.n_splits} split{'s' * (self.n_splits != 1)}) both "
            f"{self.both}, the first alone {self.left}, the second alone {self.right}, p = "
            f"{self.p:.2g}"
        )


def share_interval(n_hits: int, n: int) -> tuple[float, float]:
    """Return Clopper and Pearson's exact 95 % interval of a share; a half each way of nothing."""
    from scipy.stats import binomtest

    if n == 0:
        return 0.5, 0.5
    found = binomtest(n_hits, n).proportion_ci(_LEVEL, method="exact")
    return float(found.low), float(found.high)
