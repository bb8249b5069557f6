"""What scale a matrix's values are on, as far as the values themselves tell."""

from typing import Any

import numpy as np

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression

_LOG_NORMALISE = "log-normalise first (scanpy.pp.normalize_total, scanpy.pp.log1p)"
# log2 of a thousand million: more than any cell's total
LARGEST_LOG = 30.0


def are_counts(values: Any) -> bool:
    """Say whether all values are whole numbers, and not only 0 and 1.

    Parameters
    ----------
    values
        A dense array, or the stored values of a sparse one.
    """
    return bool(values.size and values.max() > 1 and (values == np.floor(values)).all())


def refuse_other_scales(expression: Expression) -> None:
    """Refuse a matrix that cannot be on a log scale, or whose cells are all alike.

    Raises
    ------
    InputError
        With what the values look like.
    """
    values = expression.values
    if (values == values[:1]).all():
        raise InputError(
            f"{expression.source}: all {expression.n_cells} cells are identical, so "
            "nothing can be inferred from them; give the matrix of single cells"
        )
    if are_counts(values):
        raise InputError(
            f"{expression.source}: all values are whole numbers, up to {values.max():.0f}: raw "
            f"counts; {_LOG_NORMALISE}"
        )
    if values.max() > LARGEST_LOG:
        raise InputError(
            f"{expression.source}: the largest value is {values.max():.6g}, too large for a "
            f"log scale; {_LOG_NORMALISE}"
        )
