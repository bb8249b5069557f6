"""What a machine has for its jobs, and whose turn it is on a GPU. No GPU needed."""

import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from grn_exp.core.errors import InputError
from grn_exp.engine import devices
from grn_exp.engine.devices import PER_GPU, leased_gpu, n_gpus
from tests.messages import lines_naming, naming

HOLD = """
import sys
from grn_exp.engine.devices import leased_gpu
with leased_gpu(sys.argv[1:]) as number:
    print(number, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_leases(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.delenv(PER_GPU, raising=False)
    monkeypatch.setattr(devices, "_SECONDS_BETWEEN_TRIES", 0.01)
    return tmp_path


@pytest.fixture
def hold():
    """Return ``hold(*names)``: a process that holds one of the GPUs, and which."""
    started = []

    def call(*names: str) -> tuple[subprocess.Popen, int]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, int(process.stdout.readline())

    yield call
    for process in started:
        process.kill()
        process.communicate()


def test_processes_take_different_gpus_and_wait_for_one(hold, caplog, monkeypatch):
    first, taken = hold("GPU-a", "GPU-b")
    assert taken == 0
    _, taken = hold("GPU-a", "GPU-b")
    assert taken == 1
    # who sees them in another order means the same ones
    with leased_gpu(["GPU-c", "GPU-b", "GPU-a"]) as number:
        assert number == 0

    def lose_patience(seconds: float) -> None:
        first.kill()  # nothing in the process gives its lease back
        first.wait()

    monkeypatch.setattr(devices.time, "sleep", lose_patience)
    with caplog.at_level(logging.INFO), leased_gpu(["GPU-b", "GPU-a"]) as number:
        assert number == 1
    assert len(lines_naming(caplog.text, "2 GPUs")) == 1


def test_a_lease_ends_with_its_block():
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), leased_gpu(["GPU-a"]) as number:
            1 / number


def test_several_jobs_on_a_gpu_spread_over_the_gpus_first(monkeypatch):
    monkeypatch.setenv(PER_GPU, "2")
    names = ["GPU-a", "GPU-b"]
    with leased_gpu(names) as first, leased_gpu(names) as second, leased_gpu(names) as third:
        assert (first, second, third) == (0, 1, 0)
    monkeypatch.setenv(PER_GPU, "0")
    with pytest.raises(InputError, match=naming(f"{PER_GPU}=0")), leased_gpu(names):
        pass


@pytest.mark.parametrize(
    ("visible", "number"), [("", 0), ("-1", 0), ("0", 1), ("3, GPU-1f,MIG-x", 3), ("1,-1,2", 1)]
)
def test_visible_gpus_are_counted(visible, number, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert n_gpus() == number
