"""W&B and TensorBoard mirror what the run folder holds."""

import json
import subprocess
import sys

import pytest

from tests.smoke.conftest import TOY, TRAINED

RUN = (*TRAINED, *TOY, "trainer.max_epochs=4", "trainer.validate_every=2")


def inspect(outputs, *options: str) -> list[dict]:
    (path,) = outputs.glob("*/*/*/*/wandb/offline-run-*/*.wandb")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", *options, "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    try:
        return [json.loads(done.stdout)]
    except json.JSONDecodeError:
        return [json.loads(line) for line in done.stdout.splitlines()]


def test_wandb_without_a_key_goes_offline(command):
    import wandb

    outcome = command(*RUN, "logger=wandb")
    assert outcome.code == 0, outcome.err
    assert "wandb sync" in outcome.err
    assert wandb.run is None
    (summary,) = inspect(outcome.outputs, "--summary")
    text = json.dumps(summary)
    assert summary["exit_code"] == 0, text
    expected = {(row["subset"], row["metric"]): row["value"] for row in outcome.rows()}
    assert summary["summary"]["test_unseen/ap"] == pytest.approx(expected["test_unseen", "ap"])
    assert summary["config"]["model"]["hidden_width"] == 8
    records = json.dumps(inspect(outcome.outputs))
    assert "train/loss" in records
    assert "val/ap" in records


def test_wandb_is_told_of_a_failure(command, monkeypatch):
    import wandb

    from grn_exp.models.edges.random import Random

    with monkeypatch.context() as patch:
        patch.setattr(Random, "prediction", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            command("model=random", *TOY, "logger=wandb")
    assert wandb.run is None
    outputs = command("--cfg", "job").outputs
    (summary,) = inspect(outputs, "--summary")
    assert summary["exit_code"] == 1


def test_wandb_switched_off(command, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    outcome = command("model=random", *TOY, "logger=wandb")
    assert outcome.code == 0, outcome.err
    assert not list(outcome.outputs.rglob("*.wandb"))


def test_a_mirror_that_breaks_at_the_end_does_not_take_the_run_along(command, monkeypatch):
    from grn_exp.engine.loggers import FilesOnly

    monkeypatch.setattr(FilesOnly, "close", lambda self, *args, **kwargs: 1 / 0)
    outcome = command("model=random", *TOY)
    assert outcome.code == 0
    assert "did not close" in outcome.err
    assert outcome.status()["state"] == "finished"


def test_tensorboard_writes_events(command):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    outcome = command(*RUN, "logger=tensorboard")
    assert outcome.code == 0, outcome.err
    events = EventAccumulator(str(outcome.folder / "tensorboard")).Reload()
    tags = events.Tags()["scalars"]
    assert {"train/loss", "val/ap", "test_unseen/ap"} <= set(tags)
    assert len(events.Scalars("train/loss")) == 4
