"""Numbers out of range are refused by name and value, with the range."""

import math

import pytest

from grn_exp.core.errors import InputError
from grn_exp.core.ranges import require_in


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [
        ("[0, 1)", [0, 0.5], [-0.1, 1, math.nan]),
        ("(0, 1]", [0.5, 1], [0, 1.1]),
        ("[0, 1]", [0, 1], [-1, 2]),
        ("(0, inf)", [1e-9, 7], [0, -1]),
        ("[2, inf)", [2, 3], [1]),
    ],
)
def test_ends_belong_to_an_interval_as_its_brackets_say(interval, inside, outside):
    for value in inside:
        require_in(interval, option=value)
    for value in outside:
        with pytest.raises(InputError, match=rf"model\.option={value}:"):
            require_in(interval, option=value)


def test_the_first_wrong_option_is_named_with_its_group_and_bounds():
    with pytest.raises(InputError, match=r"split\.seed=-1: .*0.*4294967295"):
        require_in(f"[0, {2**32 - 1}]", "split", share=0.5, seed=-1, other=-2)
