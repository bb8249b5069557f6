"""Time what the framework adds to a short run, skipping finished runs, and collecting them."""

import dataclasses
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

N_RUNS = 200
N_FINISHED = 1000
N_ROWS = 1_000_000
_CONF = Path(__file__).parents[1] / "conf"


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


@dataclasses.dataclass(frozen=True)
class SweepTimes:
    """All of it.

    Attributes
    ----------
    sweep
        ``N_RUNS`` runs of ``random`` on ``toy`` by one command in one process, start-up included.
    library
        As many by calling benchmark and model in a loop in one process, imports included.
    skip
        A command whose ``N_FINISHED`` runs are finished.
    collect
        Reading these, in a process that has imported what it needs.
    rows
        Reading ``N_ROWS`` rows.
    """

    sweep: Seconds
    library: Seconds
    skip: Seconds
    collect: Seconds
    rows: Seconds

    @property
    def milliseconds_a_run(self) -> float:
        """What the framework adds to a run, of the processor."""
        return 1e3 * (self.sweep.cpu - self.library.cpu) / N_RUNS


def measure() -> SweepTimes:
    """Measure in a folder that is removed afterwards.

    Raises
    ------
    RuntimeError
        If the sweep fails, or something other than it should be is there to skip or to collect.
    """
    with tempfile.TemporaryDirectory() as name:
        outputs = Path(name) / "outputs"
        sweep = _sweep(outputs, N_RUNS)
        _sweep(outputs, N_FINISHED)
        skip = _sweep(outputs, N_FINISHED)
        collect = _in_process(_collect, outputs, N_FINISHED)
        _blow_up(outputs)
        rows = _in_process(_collect, outputs, N_FINISHED, N_ROWS)
    return SweepTimes(sweep, _in_process(_library, N_RUNS), skip, collect, rows)


def _sweep(outputs: Path, n_runs: int) -> Seconds:
    command = [sys.executable, "-m", "grn_exp", "-m", "model=random", "data=toy", "logger=csv"]
    command += [f"split.seed=range(0,{n_runs})", f"paths.outputs={outputs}"]
    command += ["hydra/launcher=basic", "trainer=cpu"]
    before, start = _cpu(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_one_thread())  # noqa: S603
    found = Seconds(_cpu(resource.RUSAGE_CHILDREN) - before, time.perf_counter() - start)
    n_finished = len(list(outputs.glob("*/*/*/*/metrics.json")))
    if done.returncode or n_finished != n_runs:
        raise RuntimeError(f"{n_finished} of {n_runs} runs finished: {done.stderr[-500:]}")
    return found


def _library(n_runs: int) -> None:
    """Do what the runs do without folders, configurations and logs."""
    from grn_exp.data.splitting import SeenUnseenSplitter
    from grn_exp.data.toy import ToyDataModule
    from grn_exp.models.edges.random import Random
    from grn_exp.priors.base import DatasetPrior

    sizes, split = _options("data/toy.yaml"), _options("split/seen_unseen.yaml")
    for seed in range(n_runs):
        splitter = SeenUnseenSplitter(**{**split, "seed": seed})
        data = ToyDataModule(splitter=splitter, prior=DatasetPrior(), **sizes)
        data.setup()
        model = Random(data.view(labels=False, embedding=False, seed=0))
        model.fit()
        data.evaluate(model.prediction())


def _options(name: str) -> dict[str, Any]:
    options = yaml.safe_load((_CONF / name).read_text())
    return {key: value for key, value in options.items() if key != "_target_"}


def _collect(outputs: Path, n_runs: int, n_rows: int | None = None) -> None:
    from grn_exp.report.collect import collect

    found = collect(outputs)
    if found.n_runs != n_runs or (n_rows is not None and len(found.rows) != n_rows):
        raise RuntimeError(f"collected {found.n_runs} runs, {len(found.rows)} rows")


def _blow_up(outputs: Path) -> None:
    """Give every run so many rows that there are ``N_ROWS`` in all."""
    paths = list(outputs.glob("*/*/*/*/metrics.json"))
    for path in paths:
        content = json.loads(path.read_text())
        row = content["rows"][0]
        content["rows"] = [
            {**row, "metric": "recall_at_k", "k": k} for k in range(1, N_ROWS // len(paths) + 1)
        ]
        copy = path.with_suffix(".new")
        copy.write_text(json.dumps(content))
        shutil.move(copy, path)


def _in_process(function: Any, *arguments: Any) -> Seconds:  # noqa: ANN401 - any of the above
    """Time a call in a fresh process."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_timed, args=(send, function, arguments))
    process.start()
    send.close()
    try:
        found = receive.recv()
    except EOFError as error:
        raise RuntimeError(f"{function.__name__} failed in its process") from error
    process.join()
    return found


def _timed(send: Any, function: Any, arguments: tuple[Any, ...]) -> None:  # noqa: ANN401
    os.environ.update(_one_thread())
    if function is _collect:  # a report's imports are not part of reading
        import grn_exp.report.collect  # noqa: F401
    start, before = time.perf_counter(), _cpu(resource.RUSAGE_SELF)
    function(*arguments)
    send.send(Seconds(_cpu(resource.RUSAGE_SELF) - before, time.perf_counter() - start))


def _cpu(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _one_thread() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
