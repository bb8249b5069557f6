"""Refuse numbers that are out of range."""

import math

from grn_exp.core.errors import InputError


def require_in(interval: str, group: str = "model", /, **values: float) -> None:
    """Refuse options outside an interval.

    Parameters
    ----------
    interval
        As mathematicians write it: ``[0, 1)``, ``(0, inf)``.
    group
        The part of the configuration that the options are keys of.
    values
        The options by name.

    Raises
    ------
    InputError
        Naming the first option that is outside.
    """
    low, high = (float(bound) for bound in interval[1:-1].split(","))
    with_low, with_high = interval[0] == "[", interval[-1] == "]"
    wanted = f"a number in {interval}"
    if math.isinf(high):
        wanted = f"{low:g} or more" if with_low else f"a number above {low:g}"
    for name, value in values.items():
        above = value >= low if with_low else value > low
        below = value <= high if with_high else value < high
        if not (above and below):
            raise InputError(f"{group}.{name}={value}: give {wanted}")
