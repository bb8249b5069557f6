"""Choosing hyper-parameters on folds of the training labels, from the command line."""

import csv
import dataclasses
import json
import shlex
import shutil
import statistics

import pytest
import yaml

from grn_exp.data.edges.splitting import SeenUnseenSplitter
from grn_exp.data.sets.splitting import TargetSplitter
from grn_exp.report.collect import collect
from tests.messages import lines_naming
from tests.smoke.conftest import TOY
from tests.smoke.test_bad_input import assert_refused
from tests.smoke.test_set_runs import SETS

GRID = ("-m", "hydra/sweeper=tune_grid", "hydra.sweeper.folds=2")
OPTUNA = ("-m", "hydra/sweeper=tune_optuna", "hydra.sweeper.folds=2")
NEAREST = (*TOY, "model=nearest_targets")
CHOSEN_SETS = (*SETS, "model=stage1_top_r", "retriever=nearest_targets")


def fold_runs(outcome):
    return sorted(path.parent for path in outcome.outputs.glob(".tuning/*/*/*/*/metrics.json"))


def rows_of(folder):
    return json.loads((folder / "metrics.json").read_text())["rows"]


def tables(outcome):
    """Return the table of trials and the choice of the only study."""
    (folder,) = outcome.outputs.glob("*/*/*/tuning-*")
    with (folder / "trials.csv").open(newline="") as stream:
        trials = list(csv.DictReader(stream))
    path = folder / "chosen.yaml"
    return trials, yaml.safe_load(path.read_text()) if path.is_file() else None


def contents(outcome, pattern):
    return {path: path.read_bytes() for path in outcome.outputs.glob(pattern) if path.is_file()}


def test_the_best_mean_over_the_folds_is_run_once_and_tested(command):
    outcome = command(*GRID, *NEAREST, "model.k=1,3,9", "hydra.sweeper.folds=3")
    assert outcome.code == 0, outcome.err
    trials, chosen = tables(outcome)
    assert [trial["model.k"] for trial in trials] == ["1", "3", "9"]
    # the table says what the runs on the folds measured
    measured: dict[int, dict[int, float]] = {}
    for folder in fold_runs(outcome):
        of_run = yaml.safe_load((folder / "config.yaml").read_text())
        assert {row["subset"] for row in rows_of(folder)} == {"val"}
        (ap,) = (row["value"] for row in rows_of(folder) if row["metric"] == "ap")
        measured.setdefault(of_run["model"]["k"], {})[of_run["split"]["cv_fold"]] = ap
    for trial in trials:
        by_fold = measured[int(trial["model.k"])]
        assert [float(trial[f"fold_{k}"]) for k in range(3)] == [by_fold[k] for k in range(3)]
        assert float(trial["mean"]) == pytest.approx(statistics.fmean(by_fold.values()))
    winner = max(measured, key=lambda k: statistics.fmean(measured[k].values()))
    assert chosen["values"] == {"model.k": winner}
    assert chosen["objective"]["folds"] == [measured[winner][fold] for fold in range(3)]
    # one run with it, which is the one of the plain command
    assert outcome.folder.name == chosen["run"]
    assert {row["subset"] for row in outcome.rows()} == {"val", "test_seen", "test_unseen"}
    again = command(*shlex.split(chosen["command"])[3:])
    assert again.folders == outcome.folders
    assert again.was_skipped


def test_the_same_command_again_starts_nothing_and_changes_nothing(command, monkeypatch):
    first = command(*GRID, *NEAREST, "model.k=1,3")
    before = contents(first, "**/*.*")
    monkeypatch.setattr(
        "grn_exp.cli._do", lambda *args, **kwargs: pytest.fail("a job was started")
    )
    second = command(*GRID, *NEAREST, "model.k=1,3")
    assert second.code == 0, second.err
    assert contents(second, "**/*.*").items() >= before.items()
    assert len(fold_runs(second)) == 4


def test_a_fold_that_was_cut_off_is_done_and_no_other(command):
    first = command(*GRID, *NEAREST, "model.k=1,3")
    before = tables(first)
    lost, *kept = fold_runs(first)
    times = [(folder / "metrics.json").stat().st_mtime_ns for folder in kept]
    value = rows_of(lost)
    (lost / "metrics.json").unlink()
    second = command(*GRID, *NEAREST, "model.k=1,3")
    assert second.code == 0, second.err
    assert rows_of(lost) == value
    assert [(folder / "metrics.json").stat().st_mtime_ns for folder in kept] == times
    assert tables(second) == before


def test_a_report_knows_the_final_runs_only(command):
    outcome = command(*GRID, *NEAREST, "split.seed=0,1", "model.k=1,3")
    assert outcome.code == 0, outcome.err
    collected = collect(outcome.outputs)
    assert len(collected.runs) == 2  # one a split
    assert sorted(collected.rows["split_seed"].unique()) == [0, 1]
    assert collected.problems.empty
    assert len(list(outcome.outputs.glob("*/*/*/tuning-*"))) == 2


def test_sets_are_tuned_on_exact_match(command):
    outcome = command(*GRID, *CHOSEN_SETS, "retriever.model.k=1,4", "split.kind=unseen_set")
    assert outcome.code == 0, outcome.err
    trials, chosen = tables(outcome)
    assert {trial["metric"] for trial in trials} == {"exact_match"}
    assert chosen["values"]["retriever.model.k"] in (1, 4)
    for folder in fold_runs(outcome):
        assert {row["subset"] for row in rows_of(folder)} == {"val"}
    final = [folder for folder in outcome.folders if folder.name == chosen["run"]]
    assert {row["subset"] for row in rows_of(final[0])} == {"test"}


# -- no test label takes part ------------------------------------------------------------------


@pytest.fixture
def other_test_labels(monkeypatch):
    """Return a function that turns every label round which no training run may read."""

    def of_pairs(self, truth):
        split = original_pairs(self, truth)
        whole = original_pairs(dataclasses.replace(self, cv_fold=None, cv_folds=None), truth)
        held = truth.universe & ~(whole.train | whole.val)
        truth.labels[held] = ~truth.labels[held]
        return split

    def of_targets(self, sets):
        split = original_targets(self, sets)
        whole = original_targets(dataclasses.replace(self, cv_fold=None, cv_folds=None), sets)
        members = list(sets.members)
        for row in whole.positions("test"):
            # the regulators of another target, or the same where it is one of these
            other = (members[row] + 1) % len(sets.candidates)
            own = sets.candidates.positions([sets.targets.symbols[row]])[0]
            members[row] = members[row] if own in other else other
        object.__setattr__(sets, "members", tuple(members))
        return split

    original_pairs, original_targets = SeenUnseenSplitter.split, TargetSplitter.split

    def turn() -> None:
        monkeypatch.setattr(SeenUnseenSplitter, "split", of_pairs)
        monkeypatch.setattr(TargetSplitter, "split", of_targets)

    return turn


@pytest.mark.parametrize(
    "overrides",
    [
        (*NEAREST, "model.k=1,9"),
        (*TOY, "model=infosem_bc", "model.hidden_width=4", "trainer.max_epochs=2",
         "model.sigma_l=0.1,1.0"),
        (*CHOSEN_SETS, "retriever.model.k=1,4"),
    ],
    ids=["closed form", "trained", "sets"],
)  # fmt: skip
def test_other_test_labels_change_no_trial_and_no_choice(
    command, tmp_path, other_test_labels, overrides
):
    true = command(*GRID, *overrides, outputs=tmp_path / "true")
    other_test_labels()
    other = command(*GRID, *overrides, outputs=tmp_path / "other")
    assert true.code == other.code == 0, true.err + other.err

    def without_place(outcome, chosen):
        return {**chosen, "command": chosen["command"].replace(str(outcome.outputs), "")}

    trials, chosen = tables(true)
    other_trials, other_chosen = tables(other)
    assert other_trials == trials
    assert without_place(other, other_chosen) == without_place(true, chosen)
    # nor any file that a run on a fold leaves of its results
    for name in ("metrics.json", "split.npz", "scores.npz", "sets.csv"):
        pattern = f".tuning/*/*/*/*/{name}"
        found = [
            {
                path.relative_to(each.outputs): text
                for path, text in contents(each, pattern).items()
            }
            for each in (true, other)
        ]
        assert found[0] == found[1]
    # the labels did change: the final runs say so
    final, other_final = (
        {(row["metric"], row["subset"], row["set_size"]): row["value"] for row in rows_of(folder)}
        for outcome, choice in ((true, chosen), (other, other_chosen))
        for folder in outcome.folders
        if folder.name == choice["run"]
    )
    assert final != other_final


# -- what is tuned -----------------------------------------------------------------------------


def test_a_method_that_reads_no_labels_is_fitted_once_for_all_folds(command):
    tuned = ("model=genie3", "model.n_estimators=2", "model.max_features=sqrt,all")
    outcome = command(*GRID, *TOY, *tuned)
    assert outcome.code == 0, outcome.err
    fitted_in = []
    for folder in fold_runs(outcome):
        facts = json.loads((folder / "provenance.json").read_text())
        fitted_in.append(facts.get("fitted_in"))
    assert len(fitted_in) == 4
    assert fitted_in.count(None) == 2  # one fit for each of the two settings
    assert len(set(fitted_in)) == 3


def test_a_method_has_values_of_its_own_and_the_command_has_the_last_word(command):
    outcome = command(*GRID, *NEAREST)
    assert outcome.code == 0, outcome.err
    trials, _ = tables(outcome)
    assert [trial["model.k"] for trial in trials] == ["5", "10", "20", "50"]
    fixed = command(*GRID, *NEAREST, "model.k=5", outputs=outcome.outputs / "fixed")
    assert lines_naming(fixed.err, "nearest_targets", "toy")
    assert not list(fixed.outputs.glob("*/*/*/tuning-*"))
    assert len(fixed.folders) == 1


def test_a_method_without_values_runs_as_it_is_beside_those_that_have_some(command):
    outcome = command(*GRID, *TOY, "model=random,nearest_targets")
    assert outcome.code == 0, outcome.err
    assert lines_naming(outcome.err, "random", "toy")
    assert {folder.parent.name for folder in outcome.folders} == {"random", "nearest_targets"}


def test_a_prior_can_be_tuned_when_it_is_named(command):
    tiny = (*TOY, "model=infosem_b", "model.hidden_width=4", "trainer.max_epochs=1")
    outcome = command(*GRID, *tiny, "hydra.sweeper.tune=[prior]", "prior=dataset,random")
    assert outcome.code == 0, outcome.err
    trials, chosen = tables(outcome)
    assert [trial["prior"] for trial in trials] == ["dataset", "random"]
    assert chosen["values"]["prior"] in ("dataset", "random")


def test_optuna_searches_intervals_and_goes_on(command):
    search = (*OPTUNA, *NEAREST, "model.k=tag(int,log,interval(1,20))")
    first = command(*search, "hydra.sweeper.n_trials=2")
    assert first.code == 0, first.err
    more = command(*search, "hydra.sweeper.n_trials=4", "hydra.sweeper.max_batch_size=2")
    assert more.code == 0, more.err
    trials, chosen = tables(more)  # one folder: the same search goes on
    assert len(trials) == 4
    assert all(1 <= int(trial["model.k"]) <= 20 for trial in trials)
    means = {int(trial["model.k"]): float(trial["mean"]) for trial in trials}
    assert chosen["values"]["model.k"] == max(means, key=lambda k: means[k])


def test_a_plan_says_what_would_be_started(command):
    outcome = command(*GRID, *NEAREST, "model.k=1,3", "+plan=true")
    assert outcome.code == 0, outcome.err
    assert outcome.n_left == 4
    assert outcome.files == []


# -- what goes wrong ---------------------------------------------------------------------------


def test_a_setting_that_fails_is_reported_and_the_others_are_compared(command):
    outcome = command(*GRID, *NEAREST, "model.k=0,2")
    assert outcome.code == 0, outcome.err
    trials, chosen = tables(outcome)
    assert trials[0]["problem"].startswith("fold 0: model.k=0")
    assert trials[0]["mean"] == ""
    assert chosen["values"] == {"model.k": 2}
    assert chosen["trials"] == {"n": 2, "failed": 1}
    assert len(fold_runs(outcome)) == 2  # the first fold was enough


def test_when_all_settings_fail_there_is_one_reason_and_no_final_run(command):
    outcome = command(*GRID, *NEAREST, "model.k=0,-1")
    assert outcome.code == 2
    assert lines_naming(outcome.lines[-1], "error", "nearest_targets", 2, "fold 0", "model.k=0")
    trials, chosen = tables(outcome)
    assert all(trial["problem"] for trial in trials)
    assert chosen is None
    assert not outcome.folders


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("model.kk=1,2",), ["model.kk", "k"]),
        (("model.k=interval(1,9)",), ["model.k", "tune_optuna"]),
        (("split.seed=interval(1,9)", "model.k=1,2"), ["split.seed", "hydra.sweeper.tune"]),
        (("hydra.sweeper.folds=1",), ["hydra.sweeper.folds=1"]),
        (
            ("hydra.sweeper.tune=[data.*]", "data.mean_in_degree=1,2"),
            ["data.mean_in_degree"],
        ),
    ],
)
def test_what_cannot_be_tuned_is_refused_before_anything_is_written(command, overrides, words):
    assert_refused(command(*GRID, *NEAREST, *overrides), *words)


@pytest.mark.parametrize("text", ["interval(1,9)", "tag(log,interval(1,9))"])
def test_an_interval_of_fractions_is_refused_where_whole_numbers_are_wanted(
    command, tmp_path, text
):
    outcome = command(*OPTUNA, *NEAREST, f"model.k={text}")
    assert_refused(outcome, "model.k=", f"model.k=int({text})")
    assert not list(tmp_path.rglob("trials.csv"))


@pytest.mark.parametrize(
    ("sweeper", "option"),
    [
        ("tune_grid", "folds=abc"),
        ("tune_grid", "folds=1"),
        ("tune_grid", "spaces=3"),
        ("tune_grid", "tune=3"),
        ("tune_optuna", "n_trials=abc"),
        ("tune_optuna", "n_trials=2.5"),
        ("tune_optuna", "n_trials=0"),
        ("tune_optuna", "n_jobs=0"),
        ("tune_optuna", "seed=x"),
    ],
)
def test_wrong_options_of_a_search(command, sweeper, option):
    options = (f"hydra/sweeper={sweeper}", f"hydra.sweeper.{option}")
    assert_refused(command("-m", *NEAREST, "model.k=1,3", *options), f"hydra.sweeper.{option}: ")


def test_tuning_is_a_sweep_without_the_flag(command):
    outcome = command(*GRID[1:], *NEAREST, "model.k=1,3")
    assert outcome.code == 0, outcome.err
    assert tables(outcome)[1] is not None


def test_a_plan_lists_the_last_run_too(command):
    command(*GRID, *NEAREST, "model.k=1,3")
    shutil.rmtree(command(*GRID, *NEAREST, "model.k=1,3").folder)
    planned = command(*GRID, *NEAREST, "model.k=1,3", "+plan=true")
    lines = [line for line in planned.out.splitlines() if line.startswith(("done", "to do"))]
    assert [line.split()[0] for line in lines] == ["done"] * 4 + ["to"]
    assert ".tuning" not in lines[-1]
    assert planned.n_left == 1


def test_a_failed_trial_is_named_with_its_reason(command):
    outcome = command(*GRID, *NEAREST, "model.k=1,-3")
    assert outcome.code == 0, outcome.err
    assert tables(outcome)[1]["values"] == {"model.k": 1}
    assert lines_naming(outcome.lines[-1], "model.k=-3", "fold 0")
