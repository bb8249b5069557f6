"""A sweep does what is left, says what it would do, and tells every failure at its end."""

import random
import re
import shlex
import time

import pandas as pd
import pytest

from grn_exp.report import tables as report_tables
from grn_exp.report.collect import collect
from tests.smoke.conftest import TOY
from tests.smoke.test_bad_input import assert_refused

GRID = ("-m", "model=random,degree", *TOY)


def test_a_repeated_sweep_starts_only_what_is_new(command):
    first = command(*GRID, "split.seed=0,1")
    assert first.err.splitlines()[-1] == "4 jobs: 4 finished, 0 done before"
    written = {folder: (folder / "metrics.json").stat().st_mtime_ns for folder in first.folders}
    second = command(*GRID, "split.seed=0,1,2")
    assert "4 of 6 jobs are done already" in second.err
    assert second.out.count("AUPRC") == 2
    assert second.lines[-1] == "6 jobs: 2 finished, 4 done before"
    third = command(*GRID, "split.seed=0,1,2")
    assert third.code == 0
    assert third.lines == ["6 of 6 jobs are done already"]
    for folder, at in written.items():
        assert (folder / "metrics.json").stat().st_mtime_ns == at
    forced = command(*GRID, "split.seed=0", "force=true")
    assert forced.lines[-1] == "2 jobs: 2 finished, 0 done before"


def test_a_run_that_a_grid_names_twice_is_done_once(command):
    outcome = command("-m", "model=random", "ensemble=1", "seed=3,3", *TOY)
    assert outcome.out.count("AUPRC") == 1


def test_a_plan_lists_jobs_and_writes_nothing(command):
    empty = command(*GRID, "split.seed=0,1", "+plan=true")
    assert empty.code == 0, empty.err
    assert not empty.outputs.exists()
    assert f"all jobs: paths.outputs={empty.outputs} data=toy" in empty.out
    assert len(re.findall(r"^to do +model=", empty.out, flags=re.MULTILINE)) == 4
    assert "none like them has been done" in empty.out
    command("-m", "model=random", *TOY, "split.seed=0")
    files = sorted(empty.outputs.rglob("*"))
    begun = command(*GRID, "split.seed=0,1", "plan=true")
    assert sorted(empty.outputs.rglob("*")) == files
    assert len(re.findall(r"^done +model=random", begun.out, flags=re.MULTILINE)) == 1
    assert "3 jobs left, 1 at a time" in begun.out
    alone = command("model=random", *TOY, "+plan=true")  # not a sweep: the one job
    assert len(re.findall(r"^(done|to do) ", alone.out, flags=re.MULTILINE)) == 1


def test_failed_jobs_are_told_at_the_end_with_their_commands(command):
    outcome = command("-m", "model=random,degree", "split.seed=-1,0", *TOY)
    assert outcome.code == 2
    assert "4 jobs: 2 finished, 0 done before, 2 failed" in outcome.lines
    assert sum(line.endswith("give a whole number from 0 on") for line in outcome.lines) == 4
    told = outcome.lines[-1].rpartition(": ")[2]
    (listed,) = outcome.outputs.glob(".sweeps/*/failed.txt")
    assert told == str(listed)
    commands = [line for line in listed.read_text().splitlines() if "python -m grn_exp" in line]
    assert len(commands) == 2
    arguments = shlex.split(commands[0])[3:]
    again = command(*(each for each in arguments if not each.startswith("paths.")))
    assert again.code == 2
    assert "1 jobs: 0 finished, 0 done before, 1 failed" in again.lines


def test_a_misspelt_key_ends_a_sweep_before_it_starts(command):
    outcome = command("-m", "model=random,degree", "model.sed=1,2", *TOY)
    assert outcome.code == 2
    assert len(outcome.lines) == 1
    assert "model.sed" in outcome.lines[0]
    assert not outcome.outputs.exists()


@pytest.mark.slow
def test_a_sweep_killed_three_times_ends_with_the_table_of_an_unbroken_one(
    start, command, tmp_path
):
    sweep = (
        *("-m", *TOY, "model=deepsem,infosem_bc", "split.seed=0,1", "trainer.max_epochs=8"),
        *("model.hidden_width=8", "model.table_points=64", "trainer.checkpoint_seconds=0"),
    )
    in_workers = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    moments = random.Random(3)  # noqa: S311 - any three moments will do
    for n_done in range(3):
        process = start(*sweep, *in_workers)
        outputs = tmp_path / "outputs"
        while process.poll() is None and len(list(outputs.glob("*/*/*/*/metrics.json"))) <= n_done:
            time.sleep(0.05)
        time.sleep(moments.random())
        process.kill()
        process.wait()
    last = start(*sweep, *in_workers)
    _, told = last.communicate(timeout=300)
    assert last.returncode == 0, told
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
    assert f"cannot write {path}" in outcome.lines[0]
    assert "paths.outputs" in outcome.lines[0]


@pytest.mark.parametrize("sweeper", ["grid", "tune_grid"])
@pytest.mark.parametrize("values", ["range(0,0)", "range(5,0)"])
def test_a_sweep_over_no_value(command, sweeper, values):
    sweep = ("-m", f"hydra/sweeper={sweeper}", "model=degree", f"split.seed={values}", *TOY)
    assert_refused(command(*sweep), f"split.seed={values}: a sweep over no value")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ("+plan=maybe", "+plan=maybe: give true or false"),
        ("++plan=", "++plan=: give true or false"),
        ("hydra.sweeper.plan=x", "hydra.sweeper.plan=x: give true or false"),
        ("hydra.sweeper.max_batch_size=x", "max_batch_size=x: give a whole number from 1 on"),
        ("hydra.sweeper.params=3", "hydra.sweeper.params=3"),
        ("hydra/launcher=foo", "hydra/launcher=foo: choose from basic, joblib, ray"),
        ("hydra/sweeper=griid", "hydra/sweeper=griid: did you mean 'grid'|choose from basic"),
        ("experiment=smoke/nowhere", "experiment=smoke/nowhere|smoke/infosem_table2"),
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
    assert_refused(command(*mine), "hydra.sweeper.params has split.seed", "add -m")
    assert command("-m", *mine).lines[-1] == "2 jobs: 2 finished, 0 done before"


def test_a_file_of_the_configuration_that_is_no_yaml(command, tmp_path):
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    (folder / "x.yaml").write_text("a: [")
    outcome = command("--config-dir", str(tmp_path / "mine"), "experiment=x")
    assert_refused(outcome, "no YAML", str(folder / "x.yaml"))
