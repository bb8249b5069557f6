"""The run's key, the preset values, the checked objects."""

import dataclasses
from pathlib import Path
from typing import Literal

import pytest
from hydra import compose, initialize_config_dir

from grn_exp import config
from grn_exp.core.construct import check_value, load_class, partial
from grn_exp.core.errors import InputError
from grn_exp.engine.spec import TrainerSettings
from grn_exp.runs.trainer_options import COUNTED, COUNTED_WITH_CALLBACKS, REFUSED
from tests.messages import naming


@pytest.fixture
def key():
    """Return ``key(*overrides)``: the key of that command's run."""
    config.register()

    def call(*overrides: str) -> str:
        return identity(*overrides).run_key

    return call


def identity(*overrides: str):
    config.register()
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        cfg = compose("config", overrides=list(overrides))
    return config.identify(cfg, data="toy", model="infosem_bc")


# -- the key ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "overrides",
    [
        ("paths.outputs=elsewhere",),
        ("logger=tensorboard",),
        ("logger=wandb", "logger.project=x"),
        ("trainer=cpu",),
        ("trainer.num_threads=1",),
        ("trainer.enable_progress_bar=false",),
        ("trainer.checkpoint_seconds=0",),
        ("trainer.check_val_every_n_epoch=1",),
        ("force=true",),
        ("callbacks=lr_monitor",),
        ("trainer.profiler=simple",),
        ("trainer.gradient_clip_algorithm=null",),  # Lightning's own default
    ],
)
def test_what_cannot_change_a_result_is_not_in_the_key(key, overrides):
    assert key(*overrides) == key()


def test_the_experiment_is_not_in_the_key():
    values = {"trainer": {}, "seed": 0}
    assert config.run_key({**values, "paths": {"experiment": "x"}}) == config.run_key(values)


@pytest.mark.parametrize(
    "override",
    [
        *("seed=1", "split.seed=1", "split.seen_fraction=0.5", "data.seed=1", "prior=one_hot"),
        *("model.alpha=3", "model=infosem_b", "trainer.max_epochs=3", "data.noise=clean"),
        *("model.optimizer._target_=torch.optim.Adam", "model/optimizer=sgd"),
        *("model/scheduler=cosine", "callbacks=early_stopping", "trainer.precision=bf16-mixed"),
        *("trainer.gradient_clip_val=1", "trainer.accumulate_grad_batches=2", "debug=fast"),
    ],
)
def test_what_can_change_a_result_is_in_the_key(key, override):
    assert key(override) != key()


def test_a_preset_value_counts_like_one_that_is_given(key, tmp_path):
    own = tmp_path / "own.yaml"
    paper = (config.conf_dir() / "presets" / "paper.yaml").read_text()
    own.write_text(paper.replace("default: {alpha: 10.0,", "default: {alpha: 3.0,"))
    assert key(f"preset={own}") == key("model.alpha=3.0") != key()


def test_the_trainer_does_not_concern_a_closed_form(key):
    assert key("model=degree", "trainer.max_epochs=1") == key("model=degree")


def test_how_often_is_validated_counts_where_a_callback_looks_at_it(key):
    early = ("callbacks=early_stopping",)
    assert key(*early, "trainer.check_val_every_n_epoch=1") != key(*early)


def test_every_option_of_lightnings_trainer_is_a_key_and_is_known_to_count_or_not():
    import inspect

    import pytorch_lightning as pl

    found = identity().config["trainer"]
    options = set(inspect.signature(pl.Trainer.__init__).parameters) - {"self"}
    assert set(found) - {"_target_", "num_threads", "checkpoint_seconds"} == options
    hardware = {
        *("accelerator", "strategy", "devices", "inference_mode", "benchmark", "deterministic"),
        *("limit_test_batches", "limit_predict_batches", "num_sanity_val_steps", "profiler"),
        *("log_every_n_steps", "enable_progress_bar", "enable_model_summary", "sync_batchnorm"),
        *("use_distributed_sampler", "detect_anomaly", "enable_autolog_hparams"),
    }
    listed = [set(COUNTED), set(COUNTED_WITH_CALLBACKS), set(REFUSED), hardware]
    assert set().union(*listed) == options
    assert sum(map(len, listed)) == len(options)


def test_a_file_counts_by_its_content(key, tmp_path):
    command = ("data=mesc", "model=random")
    paths = [tmp_path / name for name in ("a.csv", "b.csv", "other.csv")]
    for path, text in zip(paths, ("same", "same", "not the same"), strict=True):
        path.write_text(text)
    keys = [key(*command, f"data.expression={path}") for path in paths]
    assert keys[0] == keys[1] != keys[2]
    assert key(*command) not in keys
    paths[1].write_text("changed")
    assert key(*command, f"data.expression={paths[1]}") != keys[1]


def test_a_language_models_folder_counts_by_its_content(key, tmp_path):
    command = ("data=mesc", "model=infosem_b", "prior=biobert")
    folders = [tmp_path / name for name in ("a", "moved", "other")]
    for folder, weights in zip(folders, (b"1", b"1", b"2"), strict=True):
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(weights)
    keys = [key(*command, f"prior.model={folder}") for folder in folders]
    assert keys[0] == keys[1] != keys[2]
    assert key(*command) not in keys


def test_where_a_language_model_computes_is_not_in_the_key(key):
    command = ("data=mesc", "model=infosem_b", "prior=biobert")
    assert key(*command, "prior.device=cpu", "prior.batch_size=7") == key(*command)
    assert key(*command, "prior.lower_case=true") != key(*command)


@pytest.mark.parametrize("text", ["a/" + "b" * 5000, "~nobody_at_all/x", "a.\0b"])
def test_a_text_that_cannot_be_a_path_is_a_text(text):
    values = {"trainer": {}, "data": {"text": text}}
    assert config.run_key(values) != config.run_key({"trainer": {}, "data": {"text": "x"}})


def test_the_folder_of_a_run():
    found = identity("paths.outputs='~/runs'")
    assert found.folder == Path.home() / "runs/runs/toy/infosem_bc" / found.run_key


# -- presets and choices ---------------------------------------------------------------------


def test_presets_go_from_dataset_to_network_to_method():
    def alpha(*overrides: str) -> float:
        return identity("model=deepsem", *overrides).config["model"]["alpha"]

    assert alpha("data=hesc") == 0.1
    assert alpha("data=mdc") == 1.0
    assert alpha("data=hesc", "data.network=non_specific") == 100.0
    assert alpha() == 10.0


def test_the_published_number_of_trainings_is_the_methods_own(key):
    assert key("ensemble=published") == key("ensemble=10")  # InfoSEM-BC
    assert identity("ensemble=published").config["ensemble"] == 10
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        cfg = compose("config", overrides=["model=random", "ensemble=published"])
    assert config.identify(cfg, data="toy", model="random").config["ensemble"] == 1
    with pytest.raises(InputError, match=naming("ensemble='all'")):
        identity("ensemble=all")


def test_a_preset_that_is_missing_is_named(tmp_path):
    own = tmp_path / "own.yaml"
    paper = (config.conf_dir() / "presets" / "paper.yaml").read_text()
    own.write_text(paper.replace("  h: 128\n", ""))
    with pytest.raises(InputError, match=r"preset.*'infosem\.h'.*model\.h"):
        identity(f"preset={own}")
    with pytest.raises(InputError, match=r"preset=nowhere.*paper"):
        identity("preset=nowhere")


def test_models_by_task_finds_those_that_build_on_another():
    edges, sets = config.models_by_task("edges"), config.models_by_task("sets")
    assert sorted([*edges, *sets]) == config.choices("model")
    assert {"deepsem", "infosem_bc", "context_attention"} <= set(edges)
    assert {"pairs2", "deep_pairs2", "set_dictionary"} <= set(sets)
    assert config.models_by_task("nothing") == []


# -- checked objects -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (1, float, 1.0),
        (1, int, 1),
        (None, int | None, None),
        ("a", Literal["a", "b"], "a"),
        (None, Literal["a"] | None, None),
        (2, Literal["a"] | int, 2),
        ([1, 2], tuple[int, ...], (1, 2)),
        ([1, 2], tuple[float, float], (1.0, 2.0)),
        (["a"], list[str], ["a"]),
        ({"a": 1}, dict[str, int], {"a": 1}),
        ("x", object, "x"),
    ],
)
def test_values_that_fit(value, hint, expected):
    found = check_value(value, hint, "model.x")
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "hint", "parts"),
    [
        (True, int, ["model.x=True"]),
        (1, bool, ["model.x=1", "true"]),
        (1.5, int, ["model.x=1.5"]),
        (None, float, ["model.x=None"]),
        (float("inf"), float, ["model.x=inf"]),
        (float("nan"), float | None, ["model.x=nan"]),
        ("c", Literal["a", "b"], ["model.x=c", "a, b"]),
        (True, Literal[1, 2], ["model.x=True", "1, 2"]),
        ("ab", tuple[str, ...], ["model.x='ab'", "list"]),
        (["a"], tuple[int, ...], ["model.x.0='a'"]),
        ([1], tuple[int, int], ["model.x=[1]", "2 values"]),
        ([1], int, ["model.x=[1]"]),
        ("adam", TrainerSettings, ["model.x='adam'", "TrainerSettings"]),
        ({}, float, ["model.x={}"]),
    ],
)
def test_values_that_do_not_fit(value, hint, parts):
    with pytest.raises(InputError, match=naming(*parts)):
        check_value(value, hint, "model.x")


@dataclasses.dataclass(frozen=True)
class Inner:
    size: int = 1


class Outer:
    def __init__(self, view: str, *, inner: Inner, rate: float) -> None:
        self.view, self.inner, self.rate = view, inner, rate


def node(name: str, **values) -> dict:
    return {"_target_": f"{__name__}.{name}", **values}


def test_nodes_are_built_children_first(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules[Outer.__module__])
    made = partial(node("Outer", inner=node("Inner", size=3), rate=2), "model", view="v")()
    assert (made.view, made.inner.size, made.rate) == ("v", 3, 2.0)


def test_nodes_that_cannot_be_built():
    with pytest.raises(InputError, match=naming("model._target_=nowhere.X")):
        load_class("nowhere.X", "model")
    with pytest.raises(InputError, match=naming("model._target_")):
        partial({}, "model")
    settings = f"{TrainerSettings.__module__}.TrainerSettings"
    with pytest.raises(InputError, match=naming("trainer.thread", "'num_threads'")):
        partial({"_target_": settings, "thread": 3}, "trainer")
