"""Lightning's Trainer and what goes with it, from the command line."""

import csv
import json

import pytest
import torch

from tests.smoke.conftest import TOY, TRAINED

SHORT = (*TRAINED, *TOY, "trainer.max_epochs=4")


def history(outcome):
    with (outcome.folder / "history.csv").open() as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("method", [TRAINED, ("model=dot_product",)])  # RMSprop, Adam
def test_options_of_the_trainer_callbacks_and_debugging_go_together(command, method):
    own = ("trainer.precision=bf16-mixed", "trainer.gradient_clip_val=1")
    outcome = command(*method, *TOY, *own, "callbacks=early_stopping", "debug=fast")
    assert outcome.code == 0, outcome.err
    assert len(history(outcome)) == 1  # one batch of one epoch


@pytest.mark.parametrize("method", [TRAINED, ("model=degree",)])  # few batches, and one
def test_a_short_run_needs_no_number_of_batches(command, method):
    outcome = command(*method, *TOY, "debug=limit")
    assert outcome.code == 0, outcome.err
    assert len(history(outcome)) == (2 if method is TRAINED else 0)  # epochs


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The PyTorch Profiler default schedule")
@pytest.mark.parametrize("kind", ["simple", "pytorch"])
def test_a_profiler_writes_into_the_run_folder_alone(command, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    outcome = command(*TRAINED, *TOY, "trainer.max_epochs=1", f"trainer.profiler={kind}")
    assert outcome.code == 0, outcome.err
    assert [path for path in outcome.folder.iterdir() if "profile" in path.name]
    assert [
        path for path in tmp_path.rglob("*profile*") if outcome.folder not in path.parents
    ] == []
    assert list(tmp_path.glob("*.json")) == []


def test_early_stopping_ends_a_training(command):
    patient = ("callbacks=early_stopping", "callbacks.early_stopping.patience=1")
    often = ("trainer.check_val_every_n_epoch=1", "callbacks.early_stopping.min_delta=1")
    outcome = command(
        *SHORT, *patient, *(f"+{each}" if "min_delta" in each else each for each in often)
    )
    assert outcome.code == 0, outcome.err
    assert len(history(outcome)) == 2  # nothing rises by 1: the second validation is no better


def test_the_best_epochs_weights_are_the_ones_that_are_judged(command):
    outcome = command(
        *SHORT,
        "callbacks=best_checkpoint",
        "trainer.check_val_every_n_epoch=1",
        "callbacks=best_checkpoint",
    )
    assert outcome.code == 0, outcome.err
    curve = [float(row["val/ap"]) for row in history(outcome)]
    facts = json.loads((outcome.folder / "provenance.json").read_text())["model"]
    assert facts["best_score"] == max(curve) == curve[facts["best_epoch"]]
    judged = {(r["metric"], r["subset"]): r["value"] for r in outcome.rows()}
    assert judged["ap", "val"] == max(curve)


def test_learning_rates_are_logged_and_a_scheduler_moves_them(command):
    outcome = command(
        *SHORT, "callbacks=lr_monitor", "model/scheduler=exponential", "model.scheduler.gamma=0.5"
    )
    assert outcome.code == 0, outcome.err
    rates = [float(row["lr/0"]) for row in history(outcome)]
    assert rates == pytest.approx([rates[0] * 0.5**epoch for epoch in range(4)])


def test_another_optimizer_is_used(command):
    outcome = command(*SHORT, "model/optimizer=sgd", "model.optimizer.momentum=0.5")
    assert outcome.code == 0, outcome.err
    checkpoint = torch.load(outcome.folder / "checkpoints" / "last.ckpt", weights_only=True)
    node = checkpoint["hyper_parameters"]["optimizer"]
    assert (node["_target_"], node["momentum"]) == ("torch.optim.sgd.SGD", 0.5)


def test_a_training_goes_on_from_any_checkpoint(command, tmp_path):
    assert command(*SHORT, outputs=tmp_path / "whole").code == 0
    first = command(
        *TRAINED,
        *TOY,
        "trainer.max_epochs=2",
        "callbacks=best_checkpoint",
        "trainer.check_val_every_n_epoch=1",
        "callbacks.best_checkpoint.monitor=epoch",
        "callbacks.best_checkpoint.filename=kept",
        outputs=tmp_path / "first",
    )
    assert first.code == 0, first.err
    path = first.folder / "checkpoints" / "kept.ckpt"
    second = command(*SHORT, f"ckpt_path={path}", outputs=tmp_path / "second")
    assert second.code == 0, second.err
    assert history(second)[-1]["epoch"] == "3"
    (whole,) = (tmp_path / "whole").glob("*/*/*/*/metrics.json")
    assert json.loads(whole.read_text())["rows"] == second.rows()
    # labels that another split holds out, another method, and weights without their optimiser
    last = path.with_name("last.ckpt")
    for changes in (
        ["split.seed=1", f"ckpt_path={path}"],
        ["model=deepsem", f"ckpt_path={path}"],
        [f"ckpt_path={last}"],
    ):
        refused = command(*SHORT, *changes, outputs=tmp_path / "refused")
        assert (refused.code, len(refused.lines)) == (2, 1), refused.err
        assert "ckpt_path=" in refused.lines[0]
        assert not refused.outputs.exists()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("trainer.logger=true", "trainer.logger"),
        ("trainer.default_root_dir=x", "trainer.default_root_dir"),
        ("trainer.precision=17", "17"),
        ("trainer.devices=2", "trainer.devices=2"),
        ("callbacks=early", "early_stopping"),
        ("debug=fsat", "fast"),
        ("model/optimizer=adamz", "adamw"),
        ("model/optimizer=sgd model.optimizer.momentum=-1", "model.optimizer"),
        ("model/scheduler=step model.scheduler.step_size=x", "model.scheduler"),
        ("ckpt_path=nowhere.ckpt", "ckpt_path=nowhere.ckpt"),
        ("model/scheduler=step model.scheduler.step_size=0", "StepLR"),
        ("trainer.accumulate_grad_batches=0", "trainer.accumulate_grad_batches=0"),
        ("trainer.gradient_clip_val=-1", "trainer.gradient_clip_val=-1"),
        ("trainer.precision=64", "trainer.precision=64"),
        ("trainer.precision=bf16-true", "trainer.precision=bf16-true"),
        (
            "callbacks=early_stopping callbacks.early_stopping.monitor=val/loss",
            "callbacks.early_stopping.monitor=val/loss",
        ),
        (
            "callbacks=early_stopping split.validation_fraction=0",
            "callbacks.early_stopping.monitor",
        ),
    ],
)
def test_what_cannot_be_used_is_one_line(command, given, named):
    outcome = command(*SHORT, *given.split())
    assert outcome.code == 2
    assert len(outcome.lines) == 1
    assert named in outcome.lines[0]
    assert not outcome.outputs.exists()
