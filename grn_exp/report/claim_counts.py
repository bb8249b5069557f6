"""What a claim about sets compares, counted target by target."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.report import paired
from grn_exp.report.claim_values import Description, NotHereError, Values
from grn_exp.report.paired import Counts


class Compared(NamedTuple):
    """A difference, or a change, with its 95 % interval, and all of it in words."""

    value: float
    low: float
    high: float
    text: str


def difference(values: Values, left: Description, right: Description | float) -> Compared | None:
    """Compare two methods, or one with a constant; None where targets cannot be counted.

    Raises
    ------
    NotHereError
        If a side has no run, or runs of several settings.
    """
    if isinstance(right, int | float):
        found = _outcomes(values, [left])
        return None if found is None else _over_constant(found[0], float(right))
    counts = _counts(values, left, right)
    if counts is None:
        return None
    low, high = counts.interval()
    first, second = counts.shares
    text = f"{first:.3f} and {second:.3f}; {counts}; interval {low:.3f} to {high:.3f}"
    return Compared(counts.difference, low, high, text)


def difference_of_gains(values: Values, parts: Sequence[Description]) -> Compared | None:
    """Compare the first two's difference with the last two's, on other targets.

    The intervals of the two differences are combined as Zou and Donner (2008) do (MOVER); None
    where targets cannot be counted, or some are in both.

    Raises
    ------
    NotHereError
        As :func:`difference`.
    """
    tables = [_table(values, *pair) for pair in (parts[:2], parts[2:])]
    first, second = tables
    if first is None or second is None or first.index.isin(second.index).any():
        return None
    one, two = Counts.of(first), Counts.of(second)
    value = one.difference - two.difference
    (low, high), (other_low, other_high) = one.interval(), two.interval()
    below = math.hypot(one.difference - low, other_high - two.difference)
    above = math.hypot(high - one.difference, two.difference - other_low)
    text = (
        f"gains {one.difference:+.3f} ({one}) and {two.difference:+.3f} ({two}); difference "
        f"{value:.3f}, interval {value - below:.3f} to {value + above:.3f}"
    )
    return Compared(value, value - below, value + above, text)


def change(values: Values, left: Description, right: Description) -> Compared | None:
    """Return the relative change from the second to the first; None as :func:`difference`.

    Raises
    ------
    NotHereError
        As :func:`difference`, or if the second is never right.
    """
    counts = _counts(values, left, right)
    if counts is None:
        return None
    first, second = counts.shares
    if second == 0:
        raise NotHereError("what to compare with is 0")
    value, (low, high) = first / second - 1, counts.change_interval()
    return Compared(value, low, high, f"interval {low:+.1%} to {high:+.1%}; {counts}")


def _over_constant(found: pd.Series, constant: float) -> Compared:
    hits, n = int(found.sum()), len(found)
    low, high = (bound - constant for bound in paired.share_interval(hits, n))
    text = f"{hits} of {n} targets, {hits / n:.3f} and {constant:.3f}; "
    text += f"difference {hits / n - constant:.3f}, interval {low:.3f} to {high:.3f}"
    return Compared(hits / n - constant, low, high, text)


def _counts(values: Values, left: Description, right: Description) -> Counts | None:
    table = _table(values, left, right)
    return None if table is None else Counts.of(table)


def _table(values: Values, left: Description, right: Description) -> pd.DataFrame | None:
    found = _outcomes(values, [left, right])
    if found is None:
        return None
    table = paired.on_common_targets(*found)
    return None if table.empty else table


def _outcomes(values: Values, parts: Sequence[Description]) -> list[pd.Series] | None:
    """Return each part's outcomes; None where the metric counts none, or a run has no table."""
    if not all(paired.counts_targets(part["metric"]) for part in parts):
        return None
    runs = [values.rows(part) for part in parts]
    try:
        found = [paired.outcomes(rows) for rows in runs]
    except InputError:
        return None
    return None if any(each.empty for each in found) else found
