"""A cut-off training goes on where it stopped and ends where an unbroken one ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from grn_exp.engine import stopping
from tests.messages import lines_naming, naming
from tests.smoke.conftest import TOY, TRAINED

LONG = (
    *(*TRAINED, *TOY, "trainer.max_epochs=80", "trainer.checkpoint_seconds=0"),
    "trainer.check_val_every_n_epoch=3",
)
SHORT = (*LONG[:-3], "trainer.max_epochs=7", *LONG[-2:])


def results(outcome) -> tuple:
    return outcome.rows(), (outcome.folder / "history.csv").read_text()


def wait_for(outputs: Path, name: str, process) -> Path:
    """Return the path of a file of the only run once it is there."""
    end = time.monotonic() + 240
    while time.monotonic() < end and process.poll() is None:
        found = list(outputs.glob(f"*/*/*/*/{name}"))
        if found:
            return found[0]
        time.sleep(0.002)
    process.kill()
    pytest.fail(f"no {name}: {process.communicate()[1]}")


@pytest.fixture
def cut_off(command, monkeypatch):
    """Return ``cut_off(epoch, *overrides)``: a run that breaks before an epoch."""
    from grn_exp.models.edges.infosem import InfoSEMBC

    def call(epoch: int, *overrides: str) -> None:
        begin_epoch = InfoSEMBC.begin_epoch

        def breaking(self, current: int) -> None:
            if current == epoch:
                raise RuntimeError("power cut")
            begin_epoch(self, current)

        with monkeypatch.context() as patch:
            patch.setattr(InfoSEMBC, "begin_epoch", breaking)
            with pytest.raises(RuntimeError, match="power cut"):
                command(*overrides)

    return call


def test_a_killed_training_goes_on(command, start, outputs, tmp_path):
    process = start(*LONG)
    checkpoint = wait_for(outputs, "checkpoints/last.ckpt", process)
    time.sleep(0.1)
    process.kill()
    process.wait()
    folder = checkpoint.parents[1]
    status = folder / "status.json"
    assert json.loads(status.read_text())["state"] == "running"
    assert not (folder / "metrics.json").exists()

    # what a killed process half wrote, and files from the future: times decide nothing
    (folder / ".metrics.json.x1y2").write_text('{"schema": 1, "ro')
    (folder / "checkpoints" / ".last.ckpt.1").write_bytes(b"half")
    status.write_text('{"state": "running", "at": "2096-10-02T07:06:40+00:00"}')
    for path in folder.rglob("*"):
        os.utime(path, (4e9, 4e9))

    resumed = command(*LONG)
    assert resumed.code == 0, resumed.err
    assert resumed.was_resumed
    assert {path.name for path in folder.rglob(".*")} <= {".lock"}
    unbroken = command(*LONG, outputs=tmp_path / "unbroken")
    assert results(resumed) == results(unbroken)
    assert command(*LONG).was_skipped


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_every_epoch_is_a_good_one_to_stop_at(command, cut_off, tmp_path, epoch):
    cut_off(epoch, *SHORT)
    resumed = command(*SHORT)
    assert resumed.was_resumed
    unbroken = command(*SHORT, outputs=tmp_path / "unbroken")
    assert results(resumed) == results(unbroken)


def test_a_run_that_stopped_before_its_first_checkpoint(command, cut_off, tmp_path):
    rare = (*SHORT, "trainer.checkpoint_seconds=1e6")
    cut_off(3, *rare)
    resumed = command(*rare)
    assert not resumed.was_resumed
    assert results(resumed) == results(command(*SHORT, outputs=tmp_path / "unbroken"))


def test_a_run_that_stopped_after_its_last_epoch(command, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr("grn_exp.engine.run.provenance", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            command(*SHORT)
    resumed = command(*SHORT)
    assert resumed.was_resumed
    assert results(resumed) == results(command(*SHORT, outputs=tmp_path / "unbroken"))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def other_model(path: Path) -> None:
    import torch

    content = torch.load(path, weights_only=True)
    content["state_dict"].popitem()
    torch.save(content, path)


def other_content(path: Path) -> None:
    import torch

    torch.save([1, 2], path)


@pytest.mark.parametrize("damage", [truncate, empty, other_model, other_content])
def test_a_checkpoint_of_no_use(command, cut_off, tmp_path, outputs, damage):
    cut_off(4, *SHORT)
    (checkpoint,) = outputs.glob("*/*/*/*/checkpoints/last.ckpt")
    damage(checkpoint)
    resumed = command(*SHORT)
    assert resumed.code == 0, resumed.err
    assert lines_naming(resumed.err, checkpoint)
    assert results(resumed) == results(command(*SHORT, outputs=tmp_path / "unbroken"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_so_in_its_last_line(start, outputs, number):
    process = start(*LONG, "trainer.max_epochs=5000")
    checkpoint = wait_for(outputs, "checkpoints/last.ckpt", process)
    process.send_signal(number)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 128 + number, err
    *before, last = err.strip().splitlines()
    assert number.name in last
    assert len(before) == (number == signal.SIGINT)  # Ctrl-C is answered at once
    folder = checkpoint.parents[1]
    assert json.loads((folder / "status.json").read_text())["state"] == "stopped"
    assert number.name in (folder / "run.log").read_text()


def test_a_second_interruption_does_not_wait_for_the_epoch(command, monkeypatch):
    from grn_exp.models.edges.infosem import InfoSEMBC

    reached = []

    def begin_epoch(self, current: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("after the first")
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("after the second")

    monkeypatch.setattr(InfoSEMBC, "begin_epoch", begin_epoch)
    stopped = command(*SHORT)
    assert stopped.code == 128 + signal.SIGINT
    assert reached == ["after the first"]
    assert stopped.status()["state"] == "stopped"


@pytest.mark.parametrize("number", stopping.SIGNALS)
def test_a_signal_waits_for_the_end_of_the_epoch(command, tmp_path, monkeypatch, number):
    from grn_exp.models.edges.infosem import InfoSEMBC

    run = (*SHORT, "trainer.checkpoint_seconds=1000")  # nothing is saved unasked
    epochs = []

    def begin_epoch(self, current: int, original=InfoSEMBC.begin_epoch) -> None:
        epochs.append(current)
        if epochs == [0, 1, 2]:
            os.kill(os.getpid(), number)
        original(self, current)

    monkeypatch.setattr(InfoSEMBC, "begin_epoch", begin_epoch)
    stopped = command(*run)
    assert stopped.code == 128 + number
    assert "Traceback" not in stopped.err
    assert stopped.status()["state"] == "stopped"
    resumed = command(*run)
    assert resumed.code == 0, resumed.err
    assert epochs == [0, 1, 2, 3, 4, 5, 6]  # none was done twice
    assert results(resumed) == results(command(*run, outputs=tmp_path / "unbroken"))


def test_a_signal_does_not_wait_for_the_end_of_a_long_epoch(command, tmp_path, monkeypatch):
    from grn_exp.engine import callbacks
    from grn_exp.models.edges.infosem import InfoSEMBC

    run = (*SHORT, "trainer.checkpoint_seconds=0", "model.batch_size=8")
    batches = []

    def loss(self, batch, original=InfoSEMBC.loss):
        batches.append(self.current_epoch)
        if batches[-2:] == [3, 3]:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, batch)

    monkeypatch.setattr(callbacks, "_PATIENCE", 0)
    monkeypatch.setattr(InfoSEMBC, "loss", loss)
    stopped = command(*run)
    assert stopped.code == 128 + signal.SIGTERM
    assert batches.count(3) == 2 < batches.count(2)
    monkeypatch.undo()
    resumed = command(*run)
    assert resumed.code == 0, resumed.err
    assert results(resumed) == results(command(*run, outputs=tmp_path / "unbroken"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_trees_go_on_from_the_genes_that_are_done(command, outputs, tmp_path, number):
    run = ("model=genie3", "model.n_estimators=3", "trainer.num_threads=1", *TOY)
    at = np.random.default_rng().integers(2, 30)
    program = (
        "import os\n"
        "from grn_exp.models.edges.genie3 import GENIE3\n"
        "fit, genes = GENIE3.importances, []\n"
        "def dying(self, *arguments):\n"
        "    genes.append(1)\n"
        f"    if len(genes) == {at}: os.kill(os.getpid(), {int(number)})\n"
        "    return fit(self, *arguments)\n"
        "GENIE3.importances = dying\n"
        "from grn_exp.cli import main; main()\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, f"paths.outputs={outputs}", *run], check=False
    )
    assert killed.returncode in (-number, 128 + number)
    (kept,) = outputs.glob("*/*/*/*/checkpoints/targets.bin")
    assert kept.stat().st_size
    resumed = command(*run)
    assert resumed.code == 0, resumed.err
    assert not kept.exists()
    assert results(resumed) == results(command(*run, outputs=tmp_path / "unbroken"))


@pytest.mark.slow
@pytest.mark.parametrize("place", ["status.json", "config.yaml", "split.npz", "scores.npz"])
def test_a_kill_at_any_file_leaves_a_folder_that_is_taken_up_again(
    command, outputs, tmp_path, place
):
    """The process dies where it is about to put a file in its place."""
    program = (
        "import os, pathlib, signal, sys\n"
        "replace = pathlib.Path.replace\n"
        "def dying(self, target):\n"
        f"    if pathlib.Path(target).name == {place!r}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return replace(self, target)\n"
        "pathlib.Path.replace = dying\n"
        "from grn_exp.cli import main; main()\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, f"paths.outputs={outputs}", *SHORT], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    resumed = command(*SHORT)
    assert resumed.code == 0, resumed.err
    assert results(resumed) == results(command(*SHORT, outputs=tmp_path / "unbroken"))


# -- what can be watched -----------------------------------------------------------------------


def test_the_history_grows_in_one_file_and_goes_on(command, tmp_path, outputs, monkeypatch):
    from grn_exp.models.edges.infosem import InfoSEMBC

    begin_epoch, seen, files = InfoSEMBC.begin_epoch, {}, []

    def watching(self, current: int) -> None:
        for path in outputs.glob("*/*/*/*/history.csv"):
            seen[current] = path.read_text()
            files.append(path.stat().st_ino)
        if len(files) == 4:
            raise RuntimeError("power cut")
        begin_epoch(self, current)

    with monkeypatch.context() as patch:
        patch.setattr(InfoSEMBC, "begin_epoch", watching)
        with pytest.raises(RuntimeError, match="power cut"):
            command(*SHORT)
        assert [text.count("\n") for text in seen.values()] == [2, 3, 4, 5]  # with the header
        assert len(set(files)) == 1  # which a reader can keep open
        broken_off = seen[4]
        resumed = command(*SHORT)
    assert seen[4] == broken_off  # the epochs before are back before the next one ends
    assert (resumed.folder / "history.csv").read_text().startswith(seen[6])
    unbroken = command(*SHORT, outputs=tmp_path / "unbroken")
    assert results(resumed) == results(unbroken)


def test_lines_show_how_far_a_training_is(command, monkeypatch):
    monkeypatch.setattr("grn_exp.core.progress.SECONDS_BETWEEN_LINES", 0.0)
    outcome = command(*SHORT)
    in_log = (outcome.folder / "run.log").read_text().splitlines()
    for lines in (outcome.lines, in_log):
        shown = [line for line in lines if "train/loss" in line]
        assert ["epoch 3 of 7" in line for line in shown].count(True) == 1
        assert "val/ap" in shown[3]
        assert re.search(r"\d:\d\d:\d\d", shown[3])  # the time that is left
    quiet = command(*SHORT, "trainer.enable_progress_bar=false", "force=true")
    assert "train/loss" not in quiet.err
    assert "epoch 7 of 7" in (quiet.folder / "run.log").read_text()


# -- files that were finished ------------------------------------------------------------------

DEGREE = ("model=degree", *TOY)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metrics.json", '{"schema": 1, "ro'),
        ("metrics.json", '{"schema": 1, "rows": []}'),
        ("metrics.json", '{"schema": 1, "rows": [3]}'),
        ("status.json", "{"),
        ("status.json", '{"state": "asleep"}'),
    ],
)
def test_a_damaged_result_is_done_again_and_said_to_be(command, name, text):
    first = command(*DEGREE)
    rows = first.rows()
    (first.folder / name).write_text(text)
    again = command(*DEGREE)
    assert again.code == 0
    assert lines_naming(again.err, first.folder, name)
    assert again.rows() == rows


def test_a_result_of_another_version_is_not_replaced_unasked(command):
    first = command(*DEGREE)
    path = first.folder / "metrics.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))
    before = path.read_bytes()
    again = command(*DEGREE)
    assert again.code == 2
    assert re.match(naming("error", first.folder, "schema 2", "force=true"), again.lines[-1])
    assert path.read_bytes() == before
    sweep = command("-m", *DEGREE, "split.seed=0,1")
    assert sweep.tally == [2, 1, 0, 1]
    assert command(*DEGREE, "force=true").code == 0
    assert b'"schema": 1' in path.read_bytes()


def test_the_time_of_a_fit_is_that_of_all_its_parts(command, cut_off, monkeypatch):
    from grn_exp.engine import callbacks

    monkeypatch.setattr(callbacks.History, "state_dict", slow_state(callbacks.History.state_dict))
    cut_off(3, *SHORT)
    outcome = command(*SHORT)
    facts = json.loads((outcome.folder / "provenance.json").read_text())
    assert 1000 < facts["seconds"]["fit"] < 1100


def slow_state(state_dict):
    def slow(self):
        return {**state_dict(self), "seconds": 1000.0}

    return slow
