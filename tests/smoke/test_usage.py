"""What the command line says of itself."""

import re

import pytest

import grn_exp
from grn_exp.config import choices

INFOSEM_B = {"model=infosem_b", "model=infosem_b_untrained", "model=infosem_bc"}


def test_the_version_is_ours(command):
    outcome = command("--version")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"grn_exp {grn_exp.__version__} ")


def test_help_lists_every_choice_and_no_part_of_one(command):
    outcome = command("--help")
    assert (outcome.code, outcome.err) == (0, "")
    listed = dict(re.findall(r"^([\w/]+): ((?:.*\n)(?:    .*\n)*)", outcome.out, re.MULTILINE))
    names = {group: re.findall(r"[\w/]+", text) for group, text in listed.items()}
    for group in ("model", "data", "hydra/launcher", "hydra/sweeper"):
        assert names[group] == choices(group)
    assert not any(name.startswith("_") for each in names.values() for name in each)
    assert {f"smoke/{name}" for name in choices("experiment/smoke")} < set(names["experiment"])
    assert max(map(len, outcome.out.splitlines())) <= 80


def test_help_lists_choices_of_a_folder_of_ones_own(command, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("_target_: mine.Mine\n")
    assert " mine," in command("--config-dir", str(tmp_path), "--help").out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("exp", {"experiment="}),
        ("model=infosem_b", INFOSEM_B),
        ("model=_", set()),
        ("-m model=deepsem model.be", {"model.beta="}),
        ("experiment=s", {"experiment=smoke/"}),
        (
            "experiment=smoke/infosem_figure",
            {f"experiment=smoke/infosem_figure{n}" for n in "3456"},
        ),
        ("hydra/sweeper=tune_g", {"hydra/sweeper=tune_grid"}),
        ("model=nowhere model.", set()),
    ],
)
def test_completion(command, monkeypatch, words, expected):
    assert completed(command, monkeypatch, f"grn-exp {words}") == expected


@pytest.mark.parametrize("program", ["python -m grn_exp", ".venv/bin/python3 -m grn_exp"])
def test_completion_of_the_module(command, monkeypatch, program):
    found = completed(command, monkeypatch, f"{program} model=infosem_b")
    assert found == INFOSEM_B


def completed(command, monkeypatch, line) -> set[str]:
    monkeypatch.setenv("COMP_LINE", line)
    outcome = command("--shell-completion", "query=bash")
    assert (outcome.code, outcome.err) == (0, "")
    return set(outcome.out.split())


def test_completion_is_of_the_installed_command(command):
    outcome = command("--shell-completion", "install=bash")
    assert outcome.out.strip().endswith("grn-exp")
