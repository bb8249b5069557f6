"""The rows of ``metrics.json``: their fields, and which rows no run writes."""

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grn_exp.metrics.titles import SHARES
from grn_exp.runs.files import UnreadableError

TEXTS = ("metric", "subset")
COUNTS = ("set_size", "k", "n", "n_positive")
NUMBERS = ("low", "high", "prevalence", "member_mean", "member_sd")
_FIELDS = (*TEXTS, "value", *COUNTS, *NUMBERS)
_NEEDED = (*TEXTS, "value", "n")
_LARGEST = 2**53  # beyond it not every whole number is a float
_ROUNDING = 1e-9

Columns = dict[str, Sequence[str] | NDArray[np.float64]]


def columns_of(rows: Sequence[Any]) -> Columns:
    """Return each field as a list of strings or an array, which is NaN where a row lacks it.

    Raises
    ------
    UnreadableError
        If a row lacks a field that it needs, holds something else in one, repeats an earlier
        row's measure, or has a share outside 0 to 1.
    """
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise UnreadableError(f"metrics.json: row {number} is not a mapping")
    columns = {name: [row.get(name) for row in rows] for name in _FIELDS}
    for name, values in columns.items():
        if not _all_valid(name, values):
            number = next(i for i, value in enumerate(values) if not _all_valid(name, [value]))
            kind = "string" if name in TEXTS else "whole number" if name in COUNTS else "number"
            raise UnreadableError(
                f"metrics.json: row {number} ({rows[number].get('metric')}): {name} is "
                f"{values[number]!r}, not a {kind}"
            )
    _refuse_repeated(columns)
    for number, (metric, value) in enumerate(
        zip(columns["metric"], columns["value"], strict=True)
    ):
        if metric in SHARES and not 0 <= value <= 1 + _ROUNDING:
            raise UnreadableError(
                f"metrics.json: row {number} ({metric}): value {value} is not a share"
            )
    return {
        name: list(map(sys.intern, values)) if name in TEXTS else np.array(values, np.float64)
        for name, values in columns.items()
    }


def _all_valid(name: str, values: list[Any]) -> bool:
    """Say whether a column holds what it should; looks at a million values in no time."""
    types = set(map(type, values))
    if types <= {type(None)}:
        return not types or name not in _NEEDED
    if name in _NEEDED and type(None) in types:
        return False
    if name in TEXTS:
        return types == {str}
    allowed = {int, type(None)} if name in COUNTS else {int, float, type(None)}
    if not types <= allowed:
        return False
    if float not in types or int in types:
        whole = [value for value in values if type(value) is int]
        if min(whole) < -_LARGEST or max(whole) > _LARGEST:
            return False
    # a value that is not finite makes the sum so
    known = [value for value in values if value is not None] if type(None) in types else values
    return math.isfinite(sum(known))


def _refuse_repeated(columns: dict[str, list[Any]]) -> None:
    """Refuse two values of one measure, which would be averaged; k tells lists of k apart."""
    seen: dict[tuple[Any, ...], int] = {}
    keys = zip(*(columns[name] for name in ("metric", "subset", "set_size", "k")), strict=True)
    for number, (metric, subset, size, k) in enumerate(keys):
        key = metric, subset, size, k if metric.endswith("_at_k") else None
        first = seen.setdefault(key, number)
        if first != number:
            raise UnreadableError(
                f"metrics.json: row {number} ({metric}, {subset}) repeats the measure of row "
                f"{first}"
            )
