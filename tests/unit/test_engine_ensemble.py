"""Ensembles of seeds, and one fit for all splits of a method that reads no labels."""

import csv
import json

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from grn_exp import config
from grn_exp.core.errors import InputError
from grn_exp.engine.outcome import average
from grn_exp.engine.run import run
from grn_exp.runs.folder import RunFolder
from tests.messages import lines_naming, naming

pytestmark = pytest.mark.slow  # each of them makes several runs
TINY = ("data=toy", "data.n_genes=40", "data.n_regulators=12", "data.n_cells_per_type=10")


def make_spec(outputs, *overrides, model="deepsem"):
    config.register()
    names = [
        *TINY,
        f"model={model}",
        f"paths.outputs={outputs}",
        "trainer.enable_progress_bar=false",
    ]
    if model == "deepsem":
        names += ["trainer.max_epochs=3", "trainer.accelerator=cpu"]
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        cfg = compose("config", overrides=[*names, *overrides])
    return config.build_spec(config.identify(cfg, data="toy", model=model))


def read(spec, name="provenance.json"):
    return json.loads((spec.identity.folder / name).read_text())


def scores(spec):
    with np.load(spec.identity.folder / "scores.npz") as arrays:
        return arrays["scores"]


@pytest.mark.parametrize("model", ["pearson", "degree", "one_hot_lr"])
def test_an_ensemble_of_a_method_that_draws_nothing_is_refused(model, tmp_path):
    with pytest.raises(InputError, match=naming("ensemble=3", f"model={model}")):
        run(make_spec(tmp_path, "ensemble=3", model=model))
    assert not list(tmp_path.iterdir())


def test_equal_seeds_are_said(tmp_path, caplog):
    specs = [make_spec(tmp_path, f"seed={seed}", model="pearson") for seed in (0, 1)]
    rows = [run(spec) for spec in specs]
    average([RunFolder(spec.identity.folder) for spec in specs], rows)
    assert lines_naming(caplog.text, 2, "seeds")


# -- ensembles -----------------------------------------------------------------------------


def test_an_ensemble_is_the_mean_of_the_runs_of_its_seeds(tmp_path):
    ensemble = make_spec(tmp_path, "ensemble=3", "seed=4")
    rows = run(ensemble)
    singles = [make_spec(tmp_path, f"seed={seed}") for seed in (4, 5, 6)]
    assert [spec.identity.run_key for spec in singles] == read(ensemble)["members"]
    assert all((spec.identity.folder / "metrics.json").is_file() for spec in singles)
    mean = np.mean([scores(spec) for spec in singles], axis=0)
    np.testing.assert_allclose(scores(ensemble), mean, rtol=1e-6)
    own = {(row["metric"], row["subset"]): row for row in rows}
    for key, row in own.items():
        values = [
            each["value"]
            for spec in singles
            for each in read(spec, "metrics.json")["rows"]
            if (each["metric"], each["subset"]) == key
        ]
        assert row["n_members"] == len(values) == 3
        assert row["member_mean"] == pytest.approx(np.mean(values))
        assert row["member_sd"] == pytest.approx(np.std(values, ddof=1))
    assert own["ap", "test_seen"]["member_sd"] > 0


def test_an_ensemble_takes_finished_members_as_they_are(tmp_path):
    single = make_spec(tmp_path, "seed=1")
    run(single)
    before = (single.identity.folder / "metrics.json").stat().st_mtime_ns
    run(make_spec(tmp_path, "ensemble=2"))
    assert (single.identity.folder / "metrics.json").stat().st_mtime_ns == before


def test_a_member_that_lost_a_file_is_named(tmp_path):
    single = make_spec(tmp_path, "seed=1")
    run(single)
    (single.identity.folder / "scores.npz").unlink()
    missing = naming(single.identity.run_key, "scores.npz", "force=true")
    with pytest.raises(InputError, match=missing):
        run(make_spec(tmp_path, "ensemble=2"))
    run(single, force=True)
    path = single.identity.folder / "metrics.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "rows": content["rows"][:-1]}))
    with pytest.raises(InputError, match=naming("1 of 2 members", "force=true")):
        run(make_spec(tmp_path, "ensemble=2"))


def test_an_ensemble_of_one_is_the_run_itself(tmp_path):
    assert (
        make_spec(tmp_path, "ensemble=1").identity.run_key == make_spec(tmp_path).identity.run_key
    )
    assert make_spec(tmp_path, "ensemble=2").identity.run_key not in {
        make_spec(tmp_path).identity.run_key,
        make_spec(tmp_path, "ensemble=3").identity.run_key,
    }


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "two"])
def test_a_wrong_number_of_members_is_refused(tmp_path, number):
    with pytest.raises(InputError, match="ensemble"):
        make_spec(tmp_path, f"ensemble={number}")


def test_set_methods_have_no_mean(tmp_path):
    config.register()
    overrides = ["data=toy_sets", "model=pairs2", "ensemble=2", f"paths.outputs={tmp_path}"]
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        cfg = compose("config", overrides=overrides)
    names = {"data": "toy_sets", "model": "pairs2", "retriever": "context_attention"}
    spec = config.build_spec(config.identify(cfg, **names))
    with pytest.raises(InputError, match=naming("ensemble=2", "model=pairs2")):
        run(spec)
    assert not any(tmp_path.iterdir())


# -- one fit for all splits ----------------------------------------------------------------


def test_another_split_judges_the_same_fit(tmp_path, monkeypatch):
    first, second = (make_spec(tmp_path, f"split.seed={seed}") for seed in (0, 1))
    run(first)
    monkeypatch.setattr("grn_exp.engine.run.fit", None)  # would raise if it were called
    rows = run(second)
    np.testing.assert_array_equal(scores(second), scores(first))
    assert read(second)["fitted_in"] == first.identity.run_key
    assert read(second)["seconds"]["fit"] == read(first)["seconds"]["fit"]
    alone = make_spec(tmp_path / "elsewhere", "split.seed=1")
    monkeypatch.undo()
    assert run(alone) == rows
    with (second.identity.folder / "history.csv").open() as stream:
        kept = list(csv.DictReader(stream))
    with (alone.identity.folder / "history.csv").open() as stream:
        full = list(csv.DictReader(stream))
    assert [row["train/loss"] for row in kept] == [row["train/loss"] for row in full]
    assert "val/ap" in full[0]
    assert "val/ap" not in kept[0]


def test_what_changes_the_fit_is_fitted_again(tmp_path):
    run(make_spec(tmp_path))
    for change in ("seed=1", "model.alpha=3", "data.seed=2", "trainer.max_epochs=2"):
        other = make_spec(tmp_path, "split.seed=1", change)
        run(other)
        assert "fitted_in" not in read(other)


def test_a_method_that_reads_labels_is_fitted_on_every_split(tmp_path):
    for seed in (0, 1):
        spec = make_spec(tmp_path, f"split.seed={seed}", model="degree")
        run(spec)
        assert spec.fit_key is None
        assert "fitted_in" not in read(spec)


def test_force_fits_again_and_a_broken_fit_is_not_taken_over(tmp_path):
    first, second = (make_spec(tmp_path, f"split.seed={seed}") for seed in (0, 1))
    run(first)
    run(second)
    run(second, force=True)
    assert "fitted_in" not in read(second)
    for spec, n_bytes in ((first, 0), (second, 300)):
        path = spec.identity.folder / "scores.npz"
        path.write_bytes(path.read_bytes()[:n_bytes])
    third = make_spec(tmp_path, "split.seed=2")
    run(third)
    assert "fitted_in" not in read(third)
