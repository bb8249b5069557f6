"""A run's folder without a run."""

import json
import logging

import pytest

from grn_exp.core.errors import InputError
from grn_exp.engine.loggers import WandbMirror, flat_metrics
from grn_exp.runs.folder import RunFolder
from tests.messages import naming

ROW = {"metric": "ap", "subset": "val", "value": 0.5, "n": 4, "n_positive": 2, "prevalence": 0.5}


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def finish(folder: RunFolder) -> None:
    folder.path.mkdir(exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps({"schema": 1, "rows": [ROW]}))
    folder.set_state("finished")


def test_states(folder, tmp_path):
    assert folder.state() == "new"
    (tmp_path / "file").write_text("")
    assert RunFolder(tmp_path / "file" / "run").state() == "new"
    finish(folder)
    assert folder.state() == "finished"
    assert folder.metrics() == [ROW]
    folder.set_state("running")
    assert folder.state() == "running"
    (folder / "status.json").unlink()
    (folder / "status.json").mkdir()
    assert folder.state() == "failed"


def test_clearing_keeps_what_it_is_told_to(folder):
    finish(folder)
    folder.checkpoint.parent.mkdir()
    folder.checkpoint.write_bytes(b"x")
    (folder / "run.log").write_text("kept")
    folder.clear(keep_checkpoint=True)
    assert folder.state() == "new"
    assert folder.checkpoint.exists()
    folder.clear()
    assert not folder.checkpoint.exists()
    assert (folder / "run.log").exists()


def test_the_lock_keeps_a_second_holder_out(folder):
    with folder.locked():
        second = RunFolder(folder.path)
        with pytest.raises(InputError, match=naming(folder.path)), second.locked():
            pass
    with folder.locked():
        pass


def test_the_log_ends_with_the_failure(folder):
    folder.path.mkdir()

    def fail(error: Exception) -> None:
        with folder.logging_to_file():
            logging.getLogger("grn_exp.x").warning("said")
            raise error

    for error in (InputError("model.x=1: no"), ZeroDivisionError("division")):
        with pytest.raises(type(error)):
            fail(error)
    text = (folder / "run.log").read_text()
    assert "said" in text
    assert "InputError: model.x=1: no" in text
    assert text.count("Traceback") == 1
    (folder / "run.log").unlink()
    (folder / "run.log").mkdir()
    refused = naming(folder.path, "paths.outputs")
    with pytest.raises(InputError, match=refused), folder.logging_to_file():
        pass


def test_flat_metrics():
    assert flat_metrics([ROW]) == {"val/ap": 0.5, "val/prevalence": 0.5}


def test_wandb_goes_online_only_with_a_key(monkeypatch, tmp_path):
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    import wandb

    mirror = WandbMirror()
    assert mirror._mode() == "offline"
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password " + "x" * 40)
    assert mirror._mode() == "online"
    (tmp_path / "netrc").write_text("nonsense")
    wandb.teardown()  # a client keeps the key that it has found
    assert mirror._mode() == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    assert mirror._mode() == "online"
    assert WandbMirror(mode="offline")._mode() == "offline"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert mirror._mode() == "disabled"
