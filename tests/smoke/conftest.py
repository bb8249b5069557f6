"""The command line in this process: what it returns, prints and writes."""

import dataclasses
import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.messages import lines_naming

# a benchmark that is made and trained on in a second
TOY = (
    "data=toy",
    "data.n_genes=60",
    "data.n_regulators=16",
    "data.n_cell_types=3",
    "data.n_cells_per_type=15",
    "trainer=cpu",
    "trainer.num_threads=1",
)
TRAINED = ("model=infosem_bc", "model.hidden_width=8", "model.table_points=64")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str
    outputs: Path

    @property
    def lines(self) -> list[str]:
        return self.err.strip().splitlines()

    @property
    def jobs(self) -> list[str]:
        """The lines of a sweep's jobs."""
        return [line for line in self.out.splitlines() if re.search(r" (AUPRC|exact)  ", line)]

    @property
    def was_skipped(self) -> bool:
        """Whether a finished run was taken as it is: a line says how to do it again."""
        return bool(lines_naming(self.err, self.folder, "force=true"))

    @property
    def was_resumed(self) -> bool:
        """Whether a line names the checkpoint that the training went on from."""
        return bool(lines_naming(self.err, self.folder / "checkpoints" / "last.ckpt"))

    @property
    def tally(self) -> list[int]:
        """The numbers of a sweep's jobs: all, finished, done before and, if any, failed."""
        (line,) = (line for line in self.lines if re.match(r"\d+ jobs?: ", line))
        return [int(number) for number in re.findall(r"\d+", line)]

    @property
    def n_left(self) -> int:
        """The number of jobs that a plan leaves to do."""
        return int(re.search(r"(\d+) jobs? left", self.out + self.err)[1])

    @property
    def files(self) -> list[str]:
        return sorted(str(p.relative_to(self.outputs)) for p in self.outputs.rglob("*.*"))

    @property
    def folders(self) -> list[Path]:
        return sorted(path.parent for path in self.outputs.glob("*/*/*/*/status.json"))

    @property
    def folder(self) -> Path:
        (folder,) = self.folders
        return folder

    def status(self) -> dict[str, str]:
        return json.loads((self.folder / "status.json").read_text())

    def rows(self) -> list[dict]:
        return json.loads((self.folder / "metrics.json").read_text())["rows"]


@pytest.fixture
def outputs(tmp_path) -> Path:
    return tmp_path / "outputs"


@pytest.fixture(autouse=True)
def own_surroundings(tmp_path, monkeypatch) -> Iterator[None]:
    """Undo what a run does to its process, and keep W&B out of the user's folders."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    for name in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS"):
        monkeypatch.setenv(name, "0")
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name in ("DATA_DIR", "CACHE_DIR", "CONFIG_DIR"):
        monkeypatch.setenv(f"WANDB_{name}", str(tmp_path / "wandb"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    # a shell's background job ignores Ctrl-C, and so would what is tested here
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    root, own = logging.getLogger(), logging.getLogger("grn_exp")
    before = root.handlers[:], root.level, own.handlers[:], own.level
    yield
    root.handlers[:], own.handlers[:] = before[0], before[2]
    signal.signal(signal.SIGINT, interrupt)
    root.setLevel(before[1])
    own.setLevel(before[3])


@pytest.fixture
def command(outputs, monkeypatch, capfd) -> Callable[..., Outcome]:
    """Return ``command(*overrides)``: the command line, run in this process."""
    from grn_exp import cli

    def call(*overrides: str, outputs: Path = outputs) -> Outcome:
        launcher = any(each.startswith("hydra/launcher=") for each in overrides)
        if "-m" in overrides and not launcher:  # in this process, where tests may patch things
            overrides = (*overrides, "hydra/launcher=basic")
        monkeypatch.setattr(sys, "argv", ["grn_exp", f"paths.outputs={outputs}", *overrides])
        capfd.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as error:
            code = error.code
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err, outputs)

    return call


@pytest.fixture
def start(outputs) -> Callable[..., subprocess.Popen]:
    """Return ``start(*overrides)``: the command line in a process of its own."""
    started = []

    def call(*overrides: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", "grn_exp", f"paths.outputs={outputs}", *overrides],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
            # a shell's background job ignores Ctrl-C, and so would its children
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        started.append(process)
        return process

    yield call
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
