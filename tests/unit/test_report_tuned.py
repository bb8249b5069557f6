"""Runs with chosen hyper-parameters are one method, whatever was chosen for each split."""

import pytest
import yaml

from grn_exp.report.collect import assemble, read_runs
from grn_exp.report.tuned import with_tuned
from grn_exp.runs.reading import Run


@pytest.fixture
def rows(write_run, tmp_path):
    """Return ``rows(values)``: two splits with other alphas, said to be chosen if ``values``."""

    def make(values=None, config=None):
        for split, alpha in enumerate((0.1, 10.0)):
            changed = {"model.alpha": alpha, **(config[split] if config else {})}
            folder = write_run({"test_unseen": 0.4 + split / 10}, split=split, config=changed)
            if values is not None:
                choice = folder.parent / f"tuning-{split}"
                choice.mkdir()
                content = {"run": folder.name, "values": dict.fromkeys(values, alpha)}
                (choice / "chosen.yaml").write_text(yaml.safe_dump(content))
        found = read_runs(tmp_path / "outputs")
        return assemble(with_tuned([run for run in found if isinstance(run, Run)])).rows

    return make


def test_values_that_nobody_chose_are_two_variants(rows):
    assert set(rows()["method_variant"]) == {"", "model.alpha=10.0"}


def test_chosen_values_are_one_method(rows):
    table = rows(["model.alpha"])
    assert set(table["method_variant"]) == {""}
    assert sorted(table["value"]) == [0.4, 0.5]


def test_they_stand_apart_from_the_method_as_it_is(rows, write_run):
    write_run({"test_unseen": 0.3}, split=0)
    assert set(rows(["model.alpha"])["method_variant"]) == {"model.alpha=1.0", "model.alpha=tuned"}


def test_a_chosen_prior_is_a_column(rows):
    targets = ("uninformative.OneHotPrior", "expression_pca.ExpressionPCAPrior")
    config = [{"prior": {"_target_": f"grn_exp.priors.{target}"}} for target in targets]
    table = rows(["prior", "model.alpha"], config)
    assert set(table["prior"]) == {"tuned"}
    assert set(table["method_variant"]) == {""}


def test_a_broken_choice_is_none(rows, write_run, tmp_path):
    rows()
    choice = next((tmp_path / "outputs").glob("*/*/deepsem")) / "tuning-x"
    choice.mkdir()
    for text in ("[1, 2", "[1, 2]", "run: a", "", "run: [a]\nvalues: {b: 1}"):
        (choice / "chosen.yaml").write_text(text)
        runs = [run for run in read_runs(tmp_path / "outputs") if isinstance(run, Run)]
        assert [run.parameters for run in with_tuned(runs)] == [run.parameters for run in runs]
