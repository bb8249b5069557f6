"""What methods are called, and their colours."""

import re

import pytest

from grn_exp.report.names import dataset_name
from grn_exp.runs.methods import colour, display_name, methods
from grn_exp.storage.conf import conf_dir

CHOICES = {path.stem for path in (conf_dir() / "model").glob("[!_]*.yaml")}


def test_every_method_has_a_name_and_a_colour_of_its_own():
    assert methods().keys() == CHOICES
    names, colours = zip(*methods().values(), strict=True)
    assert len(set(names)) == len(set(colours)) == len(CHOICES)
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in colours)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("hhep", "hHEP"),
        ("sergio_ds3", "SERGIO DS3"),
        ("hesc non_specific", "hESC, non-specific"),
        ("mine data.a_b=1; data.c=2", "mine, data.a_b=1; data.c=2"),
        ("my_data", "my_data"),
    ],
)
def test_datasets_have_names(label, name):
    assert dataset_name(label) == name


@pytest.mark.parametrize("control", ["random", "oracle", "degree", "most_frequent_set"])
def test_controls_are_grey(control):
    red, green, blue = re.findall("..", colour(control)[1:])
    assert red == green == blue


def test_a_method_of_ones_own_keeps_its_name_and_has_a_colour():
    assert display_name("my_method") == "my_method"
    assert display_name("random-forest") == "random-forest"
    assert display_name("my_method<dot_product prior") == "my_method (Dot product) prior"
    assert re.fullmatch("#[0-9A-F]{6}", colour("my_method"))
