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
    bounds = interval[1:-1].split(", ")
    low, high = map(float, bounds)
    with_low, with_high = interval[0] == "[", interval[-1] == "]"
    wanted = f"a number in {interval}"
    if math.isinf(high):
        wanted = f"{bounds[0]} or more" if with_low else f"a number above {bounds[0]}"
    elif with_low and with_high:
        wanted = f"a number from {bounds[0]} to {bounds[1]}"
    for name, value in values.items():
        above = value >= low if with_low else value > low
        below = value <= high if with_high else value < high
        if not (above and below):
            raise InputError(f"{group}.{name}={value}: give {wanted}")
