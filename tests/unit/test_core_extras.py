"""Packages that may not be installed: what is one, and what only has its name."""

import ast
import importlib.machinery
import importlib.util
import sys
from pathlib import Path

import pytest

from grn_exp.core import extras
from grn_exp.core.errors import InputError
from tests.messages import naming

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return ``place(path, text)``: a file where Python looks for packages."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(path, text=""):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        importlib.invalidate_caches()

    yield write
    for name in [name for name in sys.modules if name.startswith("needed")]:
        del sys.modules[name]


def refused(*parts):
    with pytest.raises(InputError, match=naming("logger=x", *parts)):
        extras.load("needed", "logger=x", "grn_exp[x]")


def test_a_package_is_imported(place):
    place("needed/__init__.py")
    place("needed/part.py", "value = 1")
    assert extras.load("needed.part", "logger=x", "grn_exp[x]").value == 1


def test_what_is_missing_or_a_mere_folder_is_not_installed(place):
    refused("needed", "pip install 'grn_exp[x]'")
    place("needed/results.csv")
    refused("needed", "pip install 'grn_exp[x]'")


def test_a_file_of_that_name_is_pointed_out_and_not_run(place, tmp_path):
    place("needed.py", "raise SystemExit")
    refused(tmp_path / "needed.py", "needed")


def test_a_package_of_that_name_where_the_command_starts_is_pointed_out(
    place, tmp_path, monkeypatch
):
    place("needed/__init__.py", "raise SystemExit")
    monkeypatch.chdir(tmp_path)
    refused(tmp_path / "needed" / "__init__.py", "rename")
    assert not extras.is_installed("needed")


@pytest.mark.parametrize(
    "content", ["import no_such_module", "1 / 0", "this is no Python", "import needed.none"]
)
def test_a_broken_package_is_one_line(place, content):
    place("needed/__init__.py", content)
    refused("needed", "pip install --force-reinstall 'grn_exp[x]'")


def test_no_other_place_looks_for_packages():
    """Only ``extras`` knows what is a package, so no place is left that does it wrong."""
    looking = set()
    for path in (
        path for top in ("grn_exp", "hydra_plugins") for path in (ROOT / top).rglob("*.py")
    ):
        names = {
            node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)
            for node in ast.walk(ast.parse(path.read_text()))
        }
        if names & {"find_spec", "ImportError", "ModuleNotFoundError"}:
            looking.add(str(path.relative_to(ROOT)))
    assert looking == {"grn_exp/core/extras.py", "grn_exp/core/defaults.py"}  # it reads sources
