"""A sweep does what is left, says what it would do, and tells every failure at its end."""

import random
import re
import shlex
import time

import pandas as pd
import pytest

from grn_exp.report import tables as report_tables
from grn_exp.report.collect import collect
from grn_exp.runs.methods import display_name
from tests.messages import lines_naming
from tests.smoke.conftest import TOY
from tests.smoke.test_bad_input import assert_refused

GRID = ("-m", "model=random,degree", *TOY)


def test_a_repeated_sweep_starts_only_what_is_new(command):
    first = command(*GRID, "split.seed=0,1")
    assert first.tally == [4, 4, 0]
    written = {folder: (folder / "metrics.json").stat().st_mtime_ns for folder in first.folders}
    second = command(*GRID, "split.seed=0,1,2")
    assert "4 of 6" in second.err
    assert len(second.jobs) == 2
    assert second.tally == [6, 2, 4]
    third = command(*GRID, "split.seed=0,1,2")
    assert third.code == 0
    (line,) = third.lines
    assert "6 of 6" in line
    for folder, at in written.items():
        assert (folder / "metrics.json").stat().st_mtime_ns == at
    forced = command(*GRID, "split.seed=0", "force=true")
    assert forced.tally == [2, 2, 0]


def test_a_run_that_a_grid_names_twice_is_done_once(command):
    outcome = command("-m", "model=random", "ensemble=1", "seed=3,3", *TOY)
    assert len(outcome.jobs) == 1


def test_a_plan_lists_jobs_and_writes_nothing(command):
    empty = command(*GRID, "split.seed=0,1", "+plan=true")
    assert empty.code == 0, empty.err
    assert not empty.outputs.exists()
    assert f"paths.outputs={empty.outputs} data=toy" in empty.out
    assert len(re.findall(r"^to do +model=", empty.out, flags=re.MULTILINE)) == 4
    assert empty.n_left == 4
    command("-m", "model=random", *TOY, "split.seed=0")
    files = sorted(empty.outputs.rglob("*"))
    begun = command(*GRID, "split.seed=0,1", "plan=true")
    assert sorted(empty.outputs.rglob("*")) == files
    assert len(re.findall(r"^done +model=random", begun.out, flags=re.MULTILINE)) == 1
    assert begun.n_left == 3
    alone = command("model=random", *TOY, "+plan=true")  # not a sweep: the one job
    assert len(re.findall(r"^(done|to do) ", alone.out, flags=re.MULTILINE)) == 1


def test_failed_jobs_are_listed_at_the_end_with_their_commands(command):
    outcome = command("-m", "model=random,degree", "split.seed=-1,0", *TOY)
    assert outcome.code == 2
    assert outcome.tally == [4, 2, 0, 2]
    # each as it fails and once more at the end
    assert len(lines_naming(outcome.err, "split.seed=-1:")) == 4
    (listed,) = outcome.outputs.glob(".sweeps/*/failed.txt")
    assert str(listed) in outcome.lines[-1]
    commands = [line for line in listed.read_text().splitlines() if "python -m grn_exp" in line]
    assert len(commands) == 2
    arguments = shlex.split(commands[0])[3:]
    again = command(*(each for each in arguments if not each.startswith("paths.")))
    assert again.code == 2
    assert again.tally == [1, 0, 0, 1]


def test_a_misspelt_key_ends_a_sweep_before_it_starts(command):
    outcome = command("-m", "model=random,degree", "model.sed=1,2", *TOY)
    assert outcome.code == 2
    assert len(outcome.lines) == 1
    assert "model.sed" in outcome.lines[0]
    assert not outcome.outputs.exists()


def test_a_sweep_ends_with_its_means_and_the_command_to_go_on_with(command):
    sweep = (*GRID, "split.seed=0,1", "paths.experiment=mine")
    for outcome in (command(*sweep), command(*sweep)):  # also where all of it is done
        rows = report_tables.labelled(collect(outcome.outputs).rows)
        means = report_tables.summarise(rows[rows["metric"] == "ap"])
        of_test = means[means["subset"].isin(["test_seen", "test_unseen"])]
        assert len(of_test) == 4
        for _, row in of_test.iterrows():
            cell = f"{row['mean']:.3f} ± {row['standard_error']:.3f}"
            lines = [line for line in outcome.out.splitlines() if cell in line]
            assert any(display_name(row["method"]) in line for line in lines)
        last = outcome.out.splitlines()[-1]
        assert last.endswith(f"grn_exp.report {outcome.outputs} --experiment mine")


@pytest.fixture
def experiments(tmp_path):
    """Write two experiments, which sweep over different things, and one with a launcher."""
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    for name, text in {
        "one": "paths: {experiment: ones}\nhydra: {sweeper: {params: {model: 'random,degree'}}}",
        "two": "model: {k: 3}\nhydra: {sweeper: {params: {split.seed: '5,6,7'}}}",
        "far": "hydra: {launcher: {n_jobs: 7}}",
    }.items():
        defaults = "defaults: [{override /model: nearest_targets}, _self_]\n" * (name == "two")
        (folder / f"{name}.yaml").write_text(f"# @package _global_\n{defaults}{text}\n")
    return "--config-dir", str(tmp_path / "mine")


@pytest.mark.parametrize("flag", [("-m",), ()])
def test_each_of_several_experiments_is_done_in_full(command, experiments, tmp_path, flag):
    both = command(*flag, *experiments, "experiment=one,two", *TOY, "hydra/launcher=basic")
    assert both.code == 0, both.err
    for name in ("one", "two"):
        alone = ("-m", *experiments, f"experiment={name}", *TOY)
        assert command(*alone, outputs=tmp_path / "alone").code == 0
    found, expected = (
        {path.relative_to(outputs) for path in outputs.glob("*/*/*/*/metrics.json")}
        for outputs in (both.outputs, tmp_path / "alone")
    )
    assert found == expected
    assert len(found) == 2 + 3
    assert {path.parts[0] for path in found} == {"ones", "runs"}


def test_the_command_has_the_last_word_on_several_experiments(command, experiments):
    sweep = ("-m", *experiments, "experiment=one,two", *TOY, "split.seed=0", "+plan=true")
    outcome = command(*sweep)
    assert outcome.n_left == 3
    tuned = command(*sweep, "hydra/sweeper=tune_grid", "hydra.sweeper.folds=2")
    # random and degree have nothing to tune; nearest_targets has four values, each of two folds
    assert tuned.n_left == 2 + 4 * 2


def test_experiments_that_do_not_go_together(command, experiments):
    sweep = ("-m", *experiments, "experiment=one,far", *TOY, "hydra/launcher=joblib")
    assert_refused(command(*sweep), "experiment=far", "hydra.launcher")


def test_the_experiments_of_both_papers_in_one_command(command):
    outcome = command("-m", "experiment=smoke/infosem_table2,smoke/hos2_table1", "+plan=true")
    assert outcome.code == 0, outcome.err
    assert outcome.n_left == 21 * 2 + 7 * 2


@pytest.mark.slow
def test_a_sweep_killed_twice_ends_with_the_table_of_an_unbroken_one(start, command, tmp_path):
    sweep = (
        *("-m", *TOY, "model=deepsem,infosem_bc", "split.seed=0,1", "trainer.max_epochs=8"),
        *("model.hidden_width=8", "model.table_points=64", "trainer.checkpoint_seconds=0"),
    )
    in_workers = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    moments = random.Random(3)  # noqa: S311 - any two moments will do
    for n_done in range(2):
        process = start(*sweep, *in_workers)
        outputs = tmp_path / "outputs"
        while process.poll() is None and len(list(outputs.glob("*/*/*/*/metrics.json"))) <= n_done:
            time.sleep(0.05)
        time.sleep(moments.random())
        process.kill()
        process.wait()
    last = start(*sweep, *in_workers)
    _, err = last.communicate(timeout=300)
    assert last.returncode == 0, err
    unbroken = command(*sweep, outputs=tmp_path / "unbroken")
    assert unbroken.code == 0
    tables = [
        report_tables.summarise(report_tables.labelled(collect(folder).rows))
        for folder in (outputs, tmp_path / "unbroken")
    ]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert len(tables[0]) > 0


# -- what cannot be done -----------------------------------------------------------------------


@pytest.mark.parametrize("sweeper", ["grid", "tune_grid"])
def test_outputs_that_cannot_be_written(command, tmp_path, sweeper):
    path = tmp_path / "file"
    path.touch()
    outcome = command("-m", f"hydra/sweeper={sweeper}", "model=degree", *TOY, outputs=path)
    assert outcome.code == 2
    assert len(outcome.lines) == 1
    assert str(path) in outcome.lines[0]
    assert "paths.outputs" in outcome.lines[0]


@pytest.mark.parametrize("sweeper", ["grid", "tune_grid"])
@pytest.mark.parametrize("values", ["range(0,0)", "range(5,0)"])
def test_a_sweep_over_no_value(command, sweeper, values):
    sweep = ("-m", f"hydra/sweeper={sweeper}", "model=degree", f"split.seed={values}", *TOY)
    assert_refused(command(*sweep), f"split.seed={values}")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ("+plan=maybe", "+plan=maybe|true"),
        ("++plan=", "++plan=|true"),
        ("hydra.sweeper.plan=x", "hydra.sweeper.plan=x|true"),
        ("hydra.sweeper.max_batch_size=x", "hydra.sweeper.max_batch_size=x"),
        ("hydra.sweeper.params=3", "hydra.sweeper.params=3"),
        ("hydra/launcher=foo", "hydra/launcher=foo|basic, joblib, ray"),
        ("hydra/sweeper=griid", "hydra/sweeper=griid|'grid'|basic"),
        ("hydra.sweep.dir=x", "hydra.sweep.dir=x|paths.outputs"),
        ("experiment=smoke/nowhere", "experiment=smoke/nowhere|smoke/infosem_table2"),
        ("experiment=hos2_sets,smoke/nowhere", "experiment=smoke/nowhere|smoke/hos2_sets"),
    ],
)
def test_wrong_options_of_a_sweep(command, overrides, words):
    outcome = command("-m", "model=random", *TOY, overrides)
    assert_refused(outcome, *words.split("|"))


def test_a_plan_is_asked_for_in_any_way(command):
    outcome = command("model=random", *TOY, "++plan=true")
    assert outcome.code == 0
    assert len(re.findall(r"^to do ", outcome.out, flags=re.MULTILINE)) == 1
    assert not outcome.outputs.exists()


def test_the_values_of_a_sweep_are_not_passed_over_by_a_single_run(command, tmp_path):
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    path = folder / "x.yaml"
    path.write_text("# @package _global_\nhydra: {sweeper: {params: {split.seed: '0,1'}}}\n")
    mine = ("--config-dir", str(tmp_path / "mine"), "experiment=x", "model=random", *TOY)
    assert_refused(command(*mine), "hydra.sweeper.params", "split.seed", "-m")
    assert command("-m", *mine).tally == [2, 2, 0]


def test_a_file_of_the_configuration_that_is_no_yaml(command, tmp_path):
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    (folder / "x.yaml").write_text("a: [")
    outcome = command("--config-dir", str(tmp_path / "mine"), "experiment=x")
    assert_refused(outcome, "YAML", str(folder / "x.yaml"))
