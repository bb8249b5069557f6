"""What a run leaves behind, when it is skipped, and what it leaves in its process: nothing."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from tests.messages import lines_naming
from tests.smoke.conftest import TOY, TRAINED

SHORT = (*TRAINED, *TOY, "trainer.max_epochs=4", "trainer.check_val_every_n_epoch=2")


def test_files_of_a_run(command):
    outcome = command(*SHORT)
    folder = outcome.folder
    assert outcome.code == 0, outcome.err
    assert "AUPRC" in outcome.out
    assert str(folder) in outcome.out

    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["model"]["_target_"].endswith("InfoSEMBC")
    assert config["trainer"]["max_epochs"] == 4

    scores = np.load(folder / "scores.npz", allow_pickle=False)
    assert scores["scores"].shape == (len(scores["regulators"]), len(scores["genes"]))
    split = np.load(folder / "split.npz", allow_pickle=False)
    assert not (split["train"] & split["test_seen"]).any()

    network = pd.read_csv(folder / "network.csv.gz")
    assert network["score"].is_monotonic_decreasing
    assert (network["source"] != network["target"]).all()
    assert network["rank"].tolist() == list(range(1, len(network) + 1))
    # a label that is held out is not shown
    assert network["known"].notna().sum() == split["train"].sum()
    assert set(network["sign"]) <= {-1, 0, 1}
    assert len(network) == scores["scores"].size - len(scores["regulators"])

    history = pd.read_csv(folder / "history.csv")
    assert history["epoch"].tolist() == [0, 1, 2, 3]
    assert history["train/loss"].notna().all()
    assert history["val/ap"].notna().tolist() == [False, True, False, True]

    facts = json.loads((folder / "provenance.json").read_text())
    assert set(facts) == {
        *("grn_exp", "git_commit", "python", "versions", "host", "data", "model", "seconds"),
        *("peak_memory_mb", "results_version", "fit_key", "choices", "method_source"),
        "network",
    }
    assert facts["seconds"].keys() == {"data", "model", "fit", "evaluate"}
    assert facts["versions"]["torch"]
    weights = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    assert "optimizer_states" not in weights
    assert outcome.status()["state"] == "finished"


def test_schema_of_the_metrics(command):
    outcome = command("model=random", *TOY)
    content = json.loads((outcome.folder / "metrics.json").read_text())
    assert content["schema"] == 1
    names = {"metric", "subset", "value", "n", "n_positive", "prevalence", "k", "set_size"}
    assert all(set(row) == names for row in content["rows"])
    assert {row["subset"] for row in content["rows"]} == {"val", "test_seen", "test_unseen"}
    assert {row["metric"] for row in content["rows"]} == {
        *("ap", "ap_ratio", "auprc_trapezoid", "auroc"),
        *("hit_at_1pct", "epr", "recall_at_half", "ap_per_regulator"),
    }


# -- skipping, repeating ---------------------------------------------------------------------


def test_a_finished_run_is_skipped_without_torch(command):
    first = command("model=random", *TOY)
    program = (
        "import sys; from grn_exp.cli import main; main();"
        "loaded = {'torch', 'pandas', 'pytorch_lightning', 'sklearn'} & set(sys.modules);"
        "sys.exit(str(loaded) if loaded else 0)"
    )
    arguments = [f"paths.outputs={first.outputs}", "model=random", *TOY]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(first.folder) in done.stderr
    assert "AUPRC" in done.stdout


def test_the_command_line_itself_needs_no_torch():
    program = (
        "import sys; import grn_exp.cli;"
        "loaded = {'torch', 'pandas', 'scipy', 'sklearn'} & set(sys.modules);"
        "sys.exit(str(loaded) if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_force_runs_again(command):
    first = command("model=random", *TOY)
    rows = first.rows()
    (first.folder / "scores.npz").write_bytes(b"")
    assert command("model=random", *TOY).was_skipped
    again = command("model=random", *TOY, "force=true")
    assert not again.was_skipped
    assert again.rows() == rows
    assert (again.folder / "scores.npz").stat().st_size > 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("status.json", "{"),
        ("status.json", "[]"),
        ("status.json", '{"state": "done?"}'),
        ("status.json", b"\xff\xfe"),
        ("metrics.json", ""),
        ("metrics.json", "[1, 2]"),
        ("metrics.json", '{"schema": 1}'),
        ("metrics.json", '{"schema": 1, "rows": "none"}'),
        ("metrics.json", '{"schema": 1, "rows": [{"metric": "ap"}]}'),
        ("metrics.json", '{"schema": 1, "rows": []}'),
        ("metrics.json", None),
    ],
)
def test_a_run_with_broken_files_is_done_again(command, name, text):
    first = command("model=random", *TOY)
    rows = first.rows()
    path = first.folder / name
    if text is None:
        path.unlink()
    else:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    again = command("model=random", *TOY)
    assert again.code == 0, again.err
    assert again.rows() == rows
    assert again.status()["state"] == "finished"


def test_a_trained_run_with_broken_metrics_is_done_again(command):
    first = command(*SHORT)
    rows, history = first.rows(), (first.folder / "history.csv").read_text()
    (first.folder / "metrics.json").write_text("{")
    again = command(*SHORT)
    assert again.code == 0, again.err
    # what is left of the checkpoint is weights
    assert lines_naming(again.err, first.folder / "checkpoints" / "last.ckpt")
    assert (again.rows(), (again.folder / "history.csv").read_text()) == (rows, history)


# -- sweeps ----------------------------------------------------------------------------------


def keys_of(outcome) -> set[str]:
    return {folder.name for folder in outcome.folders}


def test_one_run_has_one_key_wherever_it_is_started(command, tmp_path):
    commands = {
        "single": (),
        "basic": ("-m", "seed=0,1"),
        "joblib": ("-m", "seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
    }
    found = {}
    for name, extra in commands.items():
        outcome = command(*extra, "model=random", *TOY, outputs=tmp_path / name)
        assert outcome.code == 0, outcome.err
        found[name] = keys_of(outcome)
    assert len(found["basic"]) == 2
    assert found["single"] < found["basic"]
    assert found["basic"] == found["joblib"]


def test_a_bad_job_does_not_stop_a_sweep(command):
    outcome = command("-m", "model=random,degree", "split.seed=-1,0", *TOY)
    assert outcome.code == 2
    assert len(outcome.folders) == 2
    failed = [line for line in outcome.lines if line.startswith("failed: ")]
    assert len(failed) == 2
    assert "split.seed=-1: " in failed[0]
    assert "model=random" in failed[0]
    assert "Traceback" not in outcome.err
    assert len(outcome.jobs) == 2


def test_a_defect_keeps_its_traceback_and_does_not_stop_a_sweep(command, monkeypatch):
    from grn_exp.models.edges.random import Random

    def broken(self):
        raise RuntimeError("a defect")

    monkeypatch.setattr(Random, "prediction", broken)
    with pytest.raises(RuntimeError, match="a defect"):
        command("-m", "model=random,degree", *TOY)
    outcome = command("--cfg", "job")  # runs nothing
    states = {json.loads((f / "status.json").read_text())["state"] for f in outcome.folders}
    assert states == {"failed", "finished"}


def test_several_devices_are_refused_in_a_sweep(command):
    outcome = command("-m", *SHORT, "trainer.devices=2", "seed=0,1")
    assert outcome.code == 2
    assert "trainer.devices=2" in outcome.err
    assert outcome.folders == []


# -- failures --------------------------------------------------------------------------------


def test_a_failed_run_says_so_and_is_done_again(command, monkeypatch):
    from grn_exp.models.edges.random import Random

    with monkeypatch.context() as patch:
        patch.setattr(Random, "prediction", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            command("model=random", *TOY)
    outcome = command("--cfg", "job", "model=random", *TOY)  # runs nothing
    assert outcome.status()["state"] == "failed"
    assert outcome.status()["error"].startswith("ZeroDivisionError")
    log = (outcome.folder / "run.log").read_text()
    assert "ZeroDivisionError" in log
    assert "Traceback" in log
    again = command("model=random", *TOY)
    assert again.code == 0
    assert again.status()["state"] == "finished"


# -- one process, many runs ------------------------------------------------------------------


def test_runs_of_one_process_do_not_touch_each_other(command, monkeypatch, tmp_path):
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first = command(*SHORT)
        assert torch.get_num_threads() == 2
        second = command(*SHORT, outputs=tmp_path / "second")
        with monkeypatch.context() as patch:
            patch.setattr("grn_exp.engine.run.provenance", lambda **_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                command(*SHORT, "seed=1", outputs=tmp_path / "failed")
        third = command(*SHORT, outputs=tmp_path / "third")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(n_threads)
    assert first.rows() == second.rows() == third.rows()
    scores = [np.load(o.folder / "scores.npz")["scores"] for o in (second, third)]
    np.testing.assert_array_equal(*scores)


def test_threads_are_limited_for_closed_form_models_too(command, monkeypatch):
    from threadpoolctl import threadpool_info

    from grn_exp.models.edges.random import Random

    seen = []

    def fit(self):
        seen.append({torch.get_num_threads(), *(p["num_threads"] for p in threadpool_info())})

    monkeypatch.setattr(Random, "fit", fit)
    assert command("model=random", *TOY).code == 0
    assert seen == [{1}]


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("shown", [True, False])
def test_the_progress_bar_is_for_terminals(monkeypatch, terminal, shown):
    from types import SimpleNamespace

    from grn_exp.engine import callbacks

    monkeypatch.setattr(callbacks.Console, "is_terminal", terminal)
    trainer = SimpleNamespace(max_epochs=3, current_epoch=0, callback_metrics={"val/ap": 0.5})
    bar = callbacks.ProgressBar("toy random", shown=shown)
    bar.on_train_start(trainer, None)
    assert (bar.bar is not None) == (terminal and shown)
    bar.on_train_epoch_end(trainer, None)
    bar.on_train_end(trainer, None)
    assert bar.bar is None


@pytest.mark.parametrize(("n_epochs", "expected"), [(9, "epoch 4 of 9,"), (-1, "epoch 4,")])
def test_a_training_that_ends_early_has_no_time_left(monkeypatch, caplog, n_epochs, expected):
    from types import SimpleNamespace

    from grn_exp.core import progress
    from grn_exp.engine import callbacks

    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    trainer = SimpleNamespace(max_epochs=n_epochs, current_epoch=0, callback_metrics={})
    bar = callbacks.ProgressBar("toy random")
    with caplog.at_level("INFO"):
        bar.on_train_start(trainer, None)
        trainer.current_epoch = 3
        bar.on_train_epoch_end(trainer, None)
        trainer.current_epoch = 4
        bar.on_train_end(trainer, None)
    during, end = caplog.messages
    assert during.startswith(expected)
    assert end.startswith(expected)
    assert (" left" in during) == (n_epochs > 0)
    assert " left" not in end
