"""Sweeps through every launcher: the same files, and what is lost is told."""

import importlib.util
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grn_exp.core import memory
from grn_exp.core.errors import InputError
from grn_exp.engine import devices
from tests.messages import lines_naming, naming
from tests.smoke.conftest import TOY, TRAINED

FATAL = ("model=random", "model._target_=tests.smoke.fatal.Fatal", *TOY)
LONG = (*TRAINED, *TOY, "trainer.max_epochs=100000", "trainer.checkpoint_seconds=0.1")


def metrics(outputs: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(outputs)): path.read_bytes()
        for path in outputs.glob("*/*/*/*/metrics.json")
    }


def states(outputs: Path) -> list[str]:
    from grn_exp.runs.folder import RunFolder

    return sorted(RunFolder(path.parent).state() for path in outputs.rglob("status.json"))


def until(condition, process=None, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end or (process is not None and process.poll() is not None):
            pytest.fail("it did not come about")
        time.sleep(0.05)


def children(pid: int) -> set[int]:
    """Return the processes below one."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found |= {child} | children(child)
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def fatal(tmp_path, monkeypatch):
    """Return ``fatal(n)``: Fatal kills its process so many times."""
    path = tmp_path / "fatal"
    monkeypatch.setenv("FATAL", str(path))
    return lambda n: path.write_text("x" * n)


# -- one machine -------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_job_is_done_once_more_and_the_others_go_on(command, fatal):
    fatal(3)  # the first job, the second one, and the first again
    sweep = ("-m", *FATAL, "seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=1")
    outcome = command(*sweep)
    assert outcome.code == 2
    # one for each time, and the job that failed once more in the list of those
    assert len(lines_naming(outcome.err, "SIGKILL")) == 3
    assert "Traceback" not in outcome.err
    assert states(outcome.outputs) == ["finished", "running"]
    assert command(*sweep).code == 0  # the same command does what failed again
    assert states(outcome.outputs) == ["finished", "finished"]


def test_errors_reach_another_process_with_their_reason():
    from hydra_plugins.grn_exp_plugins._jobs import portable
    from tests.smoke.fatal import UnreadableError

    with pytest.raises(TypeError):
        pickle.loads(pickle.dumps(UnreadableError(1, "no number")))  # noqa: S301
    error = portable(UnreadableError(1, "no number"))
    assert (type(error), str(error)) == (RuntimeError, "UnreadableError: no number")
    caused = ZeroDivisionError("outer")
    caused.__cause__ = InputError("seed=-1: give another")
    error = portable(caused)
    assert (type(error), str(error)) == (InputError, "seed=-1: give another")
    assert type(portable(KeyError("x"))) is KeyError


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_no_worker_outlives_its_sweep(start, outputs, number, code):
    process = start("-m", *LONG, "trainer.checkpoint_seconds=0")
    until(lambda: list(outputs.rglob("last.ckpt")), process)
    workers = children(process.pid)
    assert workers
    process.send_signal(number)  # to the command alone; a terminal sends Ctrl-C to all
    _, err = process.communicate(timeout=240)
    assert process.returncode == code, err
    assert "Traceback" not in err
    if number != signal.SIGKILL:
        assert number.name in err.strip().splitlines()[-1]
    until(lambda: not any(map(is_alive, workers)))
    assert states(outputs) == ["stopped"]


@pytest.mark.slow
def test_two_sweeps_of_the_same_jobs_at_once(start, outputs):
    jobs = (*TRAINED, *TOY, "trainer.max_epochs=30", "seed=0,1", "hydra.launcher.n_jobs=1")
    both = [start("-m", *jobs), start("-m", *jobs)]
    texts = [process.communicate(timeout=240)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], texts
    assert states(outputs) == ["finished", "finished"]
    assert sum(text.count("fitted in") for text in texts) == 2  # each was done once


@pytest.fixture
def launcher(monkeypatch):
    """Return ``launcher(**options)`` on a machine with 8 cores, 9 GB and no GPU."""
    from omegaconf import OmegaConf

    from hydra_plugins.grn_exp_plugins.joblib_launcher import JoblibLauncher

    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    monkeypatch.setattr(memory, "available", lambda: 9e9)
    monkeypatch.setattr(devices, "n_gpus", lambda: 0)

    def make(accelerator="auto", num_threads=1, **options):
        made = JoblibLauncher(**options)
        trainer = {"accelerator": accelerator, "num_threads": num_threads}
        config = OmegaConf.create({"trainer": trainer})
        made.setup(hydra_context=None, task_function=None, config=config)
        return made

    return make


def test_jobs_at_a_time_follow_from_the_machine(launcher, monkeypatch):
    assert launcher().n_at_once == 4  # by memory
    assert launcher(memory_gb_per_job=0.5).n_at_once == 8  # by cores
    assert launcher(memory_gb_per_job=50.0).n_at_once == 1
    assert [launcher(num_threads=n).n_at_once for n in (3, 20, None, "1,2")] == [2, 1, 4, 4]
    assert [launcher(n_jobs=n).n_at_once for n in (3, -1, -2, -20)] == [3, 8, 7, 1]
    monkeypatch.setattr(devices, "n_gpus", lambda: 2)
    assert launcher().n_at_once == 2
    assert launcher(jobs_per_gpu=3, memory_gb_per_job=1.0).n_at_once == 6
    assert launcher(accelerator="cpu").n_at_once == 4


@pytest.mark.parametrize(
    "options", [{"n_jobs": 0}, {"n_jobs": 1.5}, {"memory_gb_per_job": 0}, {"jobs_per_gpu": 0}]
)
def test_launcher_options_are_checked(launcher, options):
    (name, value), *_ = options.items()
    with pytest.raises(InputError, match=naming(f"hydra.launcher.{name}={value}")):
        launcher(**options)


def test_progress_shows_what_is_done_and_the_time_that_is_left(monkeypatch, capsys):
    from hydra.core.utils import JobReturn, JobStatus

    from hydra_plugins.grn_exp_plugins import _progress
    from hydra_plugins.grn_exp_plugins._jobs import Ended

    monkeypatch.setattr(_progress, "_SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr("rich.progress.Task.elapsed", 60.0)
    with _progress.progress(8, where="here") as add:
        for status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.COMPLETED):
            add(Ended(JobReturn(status=status), out="a line\n"))
    captured = capsys.readouterr()
    first, *shown = captured.err.splitlines()
    assert first.startswith("8 jobs")
    assert [re.search(r"\d of 8 jobs(, 1 failed)?,", line)[0] for line in shown] == [
        *("1 of 8 jobs,", "2 of 8 jobs, 1 failed,", "3 of 8 jobs, 1 failed,")
    ]
    assert "0:01:40" in shown[-1]  # five at 20 s
    assert captured.out == "a line\n" * 3


def test_a_single_run_loads_no_launcher(outputs):
    program = (
        "import sys; from grn_exp.cli import main; main();"
        "heavy = {'ray', 'submitit', 'joblib.externals.loky.process_executor'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    arguments = [f"paths.outputs={outputs}", "model=random", *TOY]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr


# -- Slurm -------------------------------------------------------------------------------------

# what a cluster's programs do, on this machine, without a queue
SBATCH = """#!{python}
import os, re, subprocess, sys
script = open(sys.argv[1]).read()
if os.environ.get("SLURM_FULL"):
    sys.exit("sbatch: error: QOSMaxSubmitJobPerUserLimit")
array = re.search(r"--array=0-(\\d+)%(\\d+)", script)
for task in range(int(array[1]) + 1 if array else 1):
    own = dict(os.environ, SLURM_JOB_ID=str(7 + task), SLURM_PROCID="0")
    if array:
        own |= dict(SLURM_ARRAY_JOB_ID="7", SLURM_ARRAY_TASK_ID=str(task))
    quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    subprocess.Popen(["bash", sys.argv[1]], env=own, **quiet)
print("Submitted batch job 7")
"""
SRUN = """#!/bin/bash
while [[ $1 != *python* ]]; do shift; done
[ -n "$SLURM_LOSES" ] && exit 1
exec "$@" > "$FATAL.out" 2>&1
"""
SQUEUE = """#!/bin/bash
[ -n "$SLURM_LOSES" ] && state=CANCELLED || state=RUNNING
for task in 0 1 2 3; do echo "7_$task $state"; done; echo "7 $state"
"""


@pytest.fixture
def no_queue(tmp_path, monkeypatch, fatal):
    """Put programs of Slurm's names on the path, which do the jobs here."""
    pytest.importorskip("submitit")
    from hydra_plugins.grn_exp_plugins import submitit_launcher

    fatal(0)
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN), ("squeue", SQUEUE)):
        (folder / name).write_text(text.replace("{python}", sys.executable))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setattr(submitit_launcher, "_SECONDS_BETWEEN_LOOKS", 0.1)


BASIC = ("-m", "hydra/launcher=basic")
SLURM = ("-m", "hydra/launcher=submitit_slurm", "seed=0,1", *TOY)


@pytest.mark.slow
def test_jobs_through_slurms_programs(command, no_queue, tmp_path):
    outcome = command(*SLURM, "model=random")
    assert outcome.code == 0, outcome.err
    here = command(*BASIC, "seed=0,1", *TOY, "model=random", outputs=tmp_path / "here")
    assert metrics(outcome.outputs) == metrics(here.outputs)
    assert len(metrics(here.outputs)) == 2


@pytest.mark.slow
def test_a_queue_that_takes_no_jobs(command, no_queue, monkeypatch):
    monkeypatch.setenv("SLURM_FULL", "1")
    outcome = command(*SLURM, "model=random")
    assert outcome.code == 2
    assert len(lines_naming(outcome.err, "Slurm", "QOSMaxSubmitJobPerUserLimit")) == 2
    assert "Traceback" not in outcome.err


@pytest.mark.slow
def test_jobs_that_slurm_loses(command, no_queue, monkeypatch):
    monkeypatch.setenv("SLURM_LOSES", "1")
    outcome = command(*SLURM, "model=random")
    assert outcome.code == 2
    assert len(lines_naming(outcome.err, "Slurm", "CANCELLED")) == 2


def test_no_slurm_here(command, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", "")
    outcome = command("-m", "model=random", "hydra/launcher=submitit_slurm", *TOY)
    assert outcome.code == 2
    assert re.search(naming("error", "sbatch"), outcome.err.strip())


@pytest.mark.parametrize(
    ("launcher", "package", "extra"),
    [("ray", "ray", "ray"), ("submitit_slurm", "submitit", "slurm")],
)
def test_a_launcher_whose_package_is_missing(command, lack, launcher, package, extra):
    lack(package)
    outcome = command("-m", "model=random", f"hydra/launcher={launcher}", *TOY)
    assert outcome.code == 2
    missing = naming("error", f"hydra/launcher={launcher}", f"pip install 'grn_exp[{extra}]'")
    assert re.search(missing, outcome.err.strip())


def has_slurm() -> bool:
    found = shutil.which("sinfo")
    return (
        found is not None
        and not subprocess.run([found], check=False, capture_output=True).returncode
    )


@pytest.mark.slurm
@pytest.mark.slow
@pytest.mark.skipif(not has_slurm(), reason="no Slurm answers here")
class TestSlurm:
    SWEEP = ("-m", "model=deepsem,infosem_b,infosem_bc,genelink", "split.seed=0,1", "trainer=cpu")
    OPTIONS = ("hydra/launcher=submitit_slurm", "hydra.launcher.mem_gb=2")

    @pytest.fixture(autouse=True)
    def same_code(self, monkeypatch):
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))

    def test_the_files_are_those_of_joblib(self, command, tmp_path):
        sweep = (*self.SWEEP, "trainer.max_epochs=3")
        queued = command(*sweep, *self.OPTIONS)
        assert queued.code == 0, queued.err
        here = command(*sweep, "hydra/launcher=joblib", outputs=tmp_path / "here")
        assert metrics(queued.outputs) == metrics(here.outputs)
        assert len(metrics(here.outputs)) == 8

    @pytest.mark.parametrize("number", ["USR2", "USR1", "requeue"])
    def test_a_job_that_is_preempted_goes_on(self, command, start, outputs, tmp_path, number):
        run = (*TRAINED, *TOY, "trainer.max_epochs=2000", "trainer.checkpoint_seconds=1000")
        process = start("-m", *run, *self.OPTIONS)
        until(lambda: list(outputs.rglob("status.json")), process)
        time.sleep(2)
        (task,) = subprocess.check_output(["squeue", "-h", "-n", "grn_exp", "-o", "%i"]).split()
        how = ["scontrol", "requeue"] if number == "requeue" else ["scancel", f"--signal={number}"]
        subprocess.check_call([*how, task])
        until(lambda: states(outputs) == ["stopped"], process)
        until(lambda: b"PENDING" in subprocess.check_output(["squeue", "-h", "-o", "%T"]), process)
        subprocess.check_call(["scontrol", "update", f"JobId={task.decode()}", "StartTime=now"])
        _, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        assert "last.ckpt" in err
        command(*run, outputs=tmp_path / "unbroken")
        assert metrics(outputs) == metrics(tmp_path / "unbroken")


# -- Ray ---------------------------------------------------------------------------------------


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
class TestRay:
    @pytest.fixture(autouse=True)
    def own_cluster(self, monkeypatch):
        import ray

        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        yield
        ray.shutdown()

    def test_the_files_are_those_of_joblib(self, command, tmp_path):
        models = "model=deepsem,infosem_b,infosem_bc,genelink"
        sweep = ("-m", models, "split.seed=0,1", "trainer=cpu", "trainer.max_epochs=3")
        on_ray = command(*sweep, "hydra/launcher=ray")
        assert on_ray.code == 0, on_ray.err
        here = command(*sweep, "hydra/launcher=joblib", outputs=tmp_path / "here")
        assert metrics(on_ray.outputs) == metrics(here.outputs)
        assert len(metrics(here.outputs)) == 8

    def test_a_lost_job_is_reported_and_the_others_go_on(self, command, fatal):
        fatal(1)
        outcome = command("-m", *FATAL, "seed=0,1,2", "hydra/launcher=ray")
        assert outcome.code == 2
        assert len(lines_naming(outcome.err, "Ray", "WorkerCrashedError")) == 1
        assert states(outcome.outputs) == ["finished", "finished", "running"]

    def test_no_cluster_answers(self, command):
        outcome = command(
            "-m", "model=random", *TOY, "hydra/launcher=ray", "hydra.launcher.address=127.0.0.1:9"
        )
        assert outcome.code == 2
        assert lines_naming(outcome.err, "hydra.launcher.address=127.0.0.1:9", "Ray")
