"""Differences of values that are paired by split, with their intervals."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from grn_exp.report.claim_counts import Compared
from grn_exp.report.claim_values import NotHereError
from grn_exp.report.layout import with_error
from grn_exp.report.names import dataset_name

Outcome = Literal["holds", "within the error", "fails", "not here"]
_LEVEL = 0.975  # of one side of a 95 % interval


def common(series: Iterable[pd.Series]) -> pd.DataFrame:
    """Put values of the same splits beside each other, in columns 0, 1, ...

    Raises
    ------
    NotHereError
        If fewer than two splits are common, or runs read different genes or cells of a dataset.
    """
    columns = list(series)
    inputs: dict[str, str] = {}
    for data, source in (
        pair for each in columns for pair in each.attrs.get("inputs", {}).items()
    ):
        if inputs.setdefault(data, source) != source:
            name = dataset_name(data)
            raise NotHereError(f"runs on different inputs of {name}: {inputs[data]}; {source}")
    table = pd.concat(columns, axis=1, join="inner", ignore_index=True)
    if len(table) < 2:
        raise NotHereError(f"common splits: {len(table)}; at least two are needed")
    return table


def outcome_of(low: float, high: float, margin: float) -> Outcome:
    """Say whether a difference is greater than ``margin``, by its interval."""
    if low > margin:
        return "holds"
    return "fails" if high < margin else "within the error"


def mean(differences: pd.Series, means: str) -> Compared:
    """Return the mean over splits with its 95 % interval."""
    from scipy.stats import t

    values = differences.to_numpy(dtype=np.float64)
    n, mean = len(values), float(values.mean())
    error = float(values.std(ddof=1)) / math.sqrt(n)
    width = error * float(t.ppf(_LEVEL, n - 1))
    low, high = mean - width, mean + width
    text = f"difference {with_error(mean, error)}, interval {low:.3f} to {high:.3f} ({n} splits)"
    return Compared(mean, low, high, means + text)


def mean_change(found: Sequence[Any]) -> Compared:
    """Return the one change that was counted, or the mean of those of splits."""
    if isinstance(found[0], Compared):
        return found[0]
    table = common(found)
    compared = mean(pd.Series(table.to_numpy().mean(axis=1)), "")
    text = f"interval {compared.low:+.1%} to {compared.high:+.1%} ({len(table)} splits)"
    return compared._replace(text=text)


def linearised(table: pd.DataFrame) -> pd.Series:
    """Return, per split, what the ratio of the means less 1 is the mean of (delta method)."""
    left, right = table[0], table[1]
    if right.mean() == 0:
        raise NotHereError("what to compare with is 0")
    ratio = left.mean() / right.mean()
    return ratio - 1 + (left - ratio * right) / right.mean()
