"""Time what the framework adds to a short run, skipping finished runs, and collecting them."""

import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.processes import apart


@dataclasses.dataclass(frozen=True)
class Seconds:
    """What something took.

    Attributes
    ----------
    cpu, wall
        Of the processor, of the clock.
    """

    cpu: float
    wall: float

    def __sub__(self, earlier: "Seconds") -> "Seconds":
        return Seconds(self.cpu - earlier.cpu, self.wall - earlier.wall)


@dataclasses.dataclass(frozen=True)
class SweepTimes:
    """All of it.

    Attributes
    ----------
    n_runs, sweep
        So many runs of ``random`` on ``toy`` by one command in one process, start-up included.
    library
        As many by calling benchmark and model in a loop, without what importing them takes.
    n_finished, skip
        A command whose runs, so many, are finished.
    collect
        Reading these, likewise.
    n_rows, rows
        Reading so many rows.
    """

    n_runs: int
    n_finished: int
    n_rows: int
    sweep: Seconds
    library: Seconds
    skip: Seconds
    collect: Seconds
    rows: Seconds

    @property
    def milliseconds_a_run(self) -> float:
        """What the framework adds to a run, of the processor."""
        return 1e3 * (self.sweep.cpu - self.library.cpu) / self.n_runs


def measure(
    n_runs: int = 200, n_finished: int = 1000, n_rows: int = 1_000_000, *, smoke: bool = False
) -> SweepTimes:
    """Measure in a folder that is removed afterwards.

    Parameters
    ----------
    n_runs, n_finished, n_rows
        As in :class:`SweepTimes`; ``n_finished`` is at least ``n_runs``.
    smoke
        Call the library in this process; the commands have their own in any case.

    Raises
    ------
    RuntimeError
        If the sweep fails, or something other than it should be is there to skip or to collect.
    """
    if not smoke:  # of this process's children: one thread, as a run has
        os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    with tempfile.TemporaryDirectory() as name:
        outputs = Path(name) / "outputs"
        sweep = _sweep(outputs, n_runs)
        if n_finished > n_runs:
            _sweep(outputs, n_finished)
        skip = _sweep(outputs, n_finished)
        collect = apart(_collect, outputs, n_finished, smoke=smoke)
        _blow_up(outputs, n_rows)
        rows = apart(_collect, outputs, n_finished, n_rows, smoke=smoke)
    library = apart(_library, n_runs, smoke=smoke)
    return SweepTimes(n_runs, n_finished, n_rows, sweep, library, skip, collect, rows)


def _sweep(outputs: Path, n_runs: int) -> Seconds:
    command = [sys.executable, "-m", "grn_exp", "-m", "model=random", "data=toy", "logger=csv"]
    command += [f"split.seed=range(0,{n_runs})", f"paths.outputs={outputs}"]
    command += ["hydra/launcher=basic", "trainer=cpu"]
    start = _now(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    seconds = _now(resource.RUSAGE_CHILDREN) - start
    n_finished = len(list(outputs.glob("*/*/*/*/metrics.json")))
    if done.returncode or n_finished != n_runs:
        raise RuntimeError(f"{n_finished} of {n_runs} runs finished: {done.stderr[-500:]}")
    return seconds


def _library(n_runs: int) -> Seconds:
    """Do what the runs do without folders, configurations and logs."""
    from grn_exp.data.edges.toy import ToyDataModule
    from grn_exp.models.edges.random import Random

    start = _now(resource.RUSAGE_SELF)
    for seed in range(n_runs):
        data = ToyDataModule(split_seed=seed)
        data.evaluate(Random().attach(data.view()).predict())
    return _now(resource.RUSAGE_SELF) - start


def _collect(outputs: Path, n_runs: int, n_rows: int | None = None) -> Seconds:
    from grn_exp.report.collect import collect

    start = _now(resource.RUSAGE_SELF)
    found = collect(outputs)
    seconds = _now(resource.RUSAGE_SELF) - start
    if len(found.runs) != n_runs or (n_rows is not None and len(found.rows) != n_rows):
        raise RuntimeError(f"collected {len(found.runs)} runs, {len(found.rows)} rows")
    return seconds


def _blow_up(outputs: Path, n_rows: int) -> None:
    """Give every run so many rows that there are ``n_rows`` in all."""
    paths = list(outputs.glob("*/*/*/*/metrics.json"))
    for path in paths:
        content = json.loads(path.read_text())
        row = {**content["rows"][0], "metric": "recall_at_k"}
        content["rows"] = [{**row, "k": k} for k in range(1, n_rows // len(paths) + 1)]
        path.write_text(json.dumps(content))


def _now(who: int) -> Seconds:
    usage = resource.getrusage(who)
    return Seconds(usage.ru_utime + usage.ru_stime, time.perf_counter())
