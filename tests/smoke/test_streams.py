"""Printing never ends a job: readers that leave, closed streams, a full disk, plain ASCII."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-m", "grn_exp"]
SWEEP = ["-m", "model=random,degree", "data=toy", "split.seed=0,1"]


def shell(tail, *arguments, program=PROGRAM, **environment):
    command = " ".join(f"'{word}'" for word in (*program, *arguments))
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} {tail}"],
        check=False,
        capture_output=True,
        env={**os.environ, **environment},
    )


def finished(outputs):
    return len(list(outputs.rglob("metrics.json")))


@pytest.mark.parametrize("tail", ["| head -1", "2>&1 | head -1", ">&- 2>&-", ">/dev/full"])
def test_a_sweep_outlives_its_reader(tmp_path, tail):
    if "full" in tail and not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    done = shell(tail, *SWEEP, f"paths.outputs={tmp_path}")
    assert done.returncode == 0
    assert finished(tmp_path) == 4
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_characters_that_an_encoding_lacks_end_nothing(tmp_path, encoding):
    outputs = tmp_path / "Läufe→"
    arguments = ["model=random", "data=toy", f'paths.outputs="{outputs}"', "ensemble=2"]
    done = shell("", *arguments, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr.decode()
    assert finished(outputs) > 0
    assert b"?" in done.stdout
    program = [sys.executable, "-m", "grn_exp.report"]
    table = shell("", "table", str(outputs), program=program, PYTHONIOENCODING=encoding)
    assert table.returncode == 0, table.stderr.decode()
    assert b"random" in table.stdout.lower()


@pytest.mark.parametrize(
    "command", ["grn_exp --cfg job", "grn_exp +plan=true", "grn_exp.data list"]
)
def test_what_only_prints_needs_no_reader(tmp_path, command):
    module, *arguments = command.split()
    program = [sys.executable, "-m", module]
    if module == "grn_exp":
        arguments += ["model=degree", "data=toy", f"paths.outputs={tmp_path}"]
    assert shell("| head -c 1", *arguments, program=program).returncode == 0
