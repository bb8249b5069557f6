"""What every model's and every dataset's YAML promises. Composed, not run: needs no data."""

import functools
import inspect
import itertools
import re
import typing

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from grn_exp import config
from grn_exp.core.construct import load_class
from grn_exp.core.errors import InputError
from grn_exp.models.base import GRNModel
from grn_exp.models.closed_form import ClosedFormModel
from grn_exp.models.gradient import GradientModel
from grn_exp.storage.conf import contents
from hydra_plugins.grn_exp_plugins import _source
from tests.messages import naming

# other tests of the same code are measured; tracing these doubles their time
pytestmark = pytest.mark.no_cover
MODELS = config.choices("model")
PRESETS = OmegaConf.load(config.conf_dir() / "presets" / "paper.yaml")


def data_file(name):
    """A dataset's file over those that it builds on, with its class's defaults."""
    merged = OmegaConf.merge(*_source._files(config.conf_dir(), "data", name))
    _source._add_options(merged, "data", ())
    return merged


DATA = {name: data_file(name) for name in config.choices("data")}
CLASSES = {name: load_class(file["_target_"], "data") for name, file in DATA.items()}
# the methods with the most presets and the most nodes stand for their task
TYPICAL = {"edges": "infosem_bc", "sets": "residual_hos2"}


def networks_of(data):
    """The networks that a dataset has and that presets speak of."""
    kinds = typing.get_args(inspect.signature(CLASSES[data]).parameters["network"].annotation)
    return sorted({kind for kind in kinds if kind in PRESETS.deepsem})


def is_for(model, data):
    return config.model_class(model).task in CLASSES[data].tasks


def combinations():
    """Every dataset with a method of each task; every method with a dataset of each kind.

    All of all would take minutes, and find nothing more: a file is broken or it is not.
    """
    kinds = {kind: data for data, kind in reversed(CLASSES.items())}
    found = {(data, DATA[data].network, model) for data in kinds.values() for model in MODELS}
    for data, model in itertools.product(DATA, TYPICAL.values()):
        found |= {(data, network, model) for network in networks_of(data)}
    return sorted(each for each in found if is_for(each[2], each[0]))


def needed(data):
    """The values that a dataset's file leaves to the user."""
    return [f"data.{key}=mine.csv" for key in DATA[data] if OmegaConf.is_missing(DATA[data], key)]


@functools.cache
def identify(*overrides, data, model):
    overrides = [*needed(data), *overrides]
    config.register()
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        cfg = compose("config", overrides=[f"data={data}", f"model={model}", *overrides])
        return config.identify(cfg, data=data, model=model)


def home(model):
    """A small benchmark that the model is for."""
    return next(data for data in ("toy", "toy_sets") if is_for(model, data))


def test_there_is_something_to_test():
    assert {"random", "degree", "oracle"} <= set(MODELS)  # the controls are always there
    together = combinations()
    assert {data for data, _, _ in together} == set(DATA)
    assert {model for _, _, model in together} == set(MODELS)
    assert networks_of("toy") == networks_of("sergio_ds3_oracle") == ["simulated"]
    assert set(networks_of("mesc")) >= {"cell_type_specific", "non_specific"}


@pytest.mark.parametrize(("data", "network", "model"), combinations())
def test_a_models_yaml_and_its_signature_fit_on_every_dataset(data, network, model):
    spec = config.build_spec(identify(f"data.network={network}", data=data, model=model))
    assert issubclass(spec.model_class, GRNModel)
    assert spec.model_class.task in ("edges", "sets")
    for reserved in ("n_genes", "n_cells", "n_regulators"):
        assert reserved not in spec.identity.config["model"]  # sizes come from the data


@pytest.mark.parametrize("model", MODELS)
def test_keys_that_the_signature_does_not_know_are_refused(model):
    with pytest.raises(InputError, match=naming("model.no_such_option")):
        config.build_spec(identify("+model.no_such_option=1", data=home(model), model=model))


@pytest.mark.parametrize("model", MODELS)
def test_every_option_of_the_signature_is_a_key_with_pythons_default(model):
    found = identify(data=home(model), model=model).config["model"]
    parameters = inspect.signature(config.model_class(model)).parameters
    assert set(found) - {"_target_"} == set(parameters) - {"seed", "decoder"}
    said = {name for file in contents("model", model) for name in file.get("model", file)}
    for name in set(parameters) - said - {"seed", "decoder"}:
        default = parameters[name].default
        assert found[name] == (list(default) if isinstance(default, tuple) else default), name


@pytest.mark.parametrize("model", MODELS)
def test_epochs_are_for_models_that_are_trained(model):
    spec = config.build_spec(identify(data=home(model), model=model))
    is_trained = issubclass(spec.model_class, GradientModel)
    assert is_trained != issubclass(spec.model_class, ClosedFormModel)
    assert (spec.trainer.max_epochs is not None) == is_trained


@pytest.mark.parametrize("model", MODELS)
def test_the_first_line_says_what_it_is(model):
    first = (config.conf_dir() / "model" / f"{model}.yaml").read_text().splitlines()
    assert next(line for line in first if "@package" not in line).startswith("# ")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("section", ["Notes", "References"])
def test_the_card_says_what_a_method_assumes_and_where_it_comes_from(model, section):
    own = [c for c in config.model_class(model).__mro__ if "grn_exp.models." in c.__module__]
    texts = [inspect.cleandoc(vars(c)["__doc__"] or "") for c in own]
    assert any(re.search(rf"^{section}\n-+\n\S", text, re.MULTILINE) for text in texts)


# InfoSEM, appendix C: the order is hESC, hHEP, mDC, mESC
ROOT = 0.1**0.5
APPENDIX_C = {
    "cell_type_specific": {"sigma_w": (0.1, 10, 10, 1), "sigma_l": (0.1, ROOT, ROOT, 0.1)},
    "non_specific": {"sigma_w": (100, 100, 100, 100), "sigma_l": (ROOT, 0.1, ROOT, ROOT)},
}
COLUMNS = ("hesc", "hhep", "mdc", "mesc")


@pytest.mark.parametrize(
    ("network", "column"), list(itertools.product(APPENDIX_C, range(len(COLUMNS))))
)
def test_infosem_has_the_values_of_appendix_c(network, column):
    data = COLUMNS[column]
    both = {}
    for model in ("infosem_b", "infosem_bc"):
        identity = identify(f"data.network={network}", data=data, model=model)
        both[model] = identity.config["model"]
    table = APPENDIX_C[network]
    assert both["infosem_b"]["sigma_w"] == both["infosem_bc"]["sigma_w"]
    assert both["infosem_bc"]["sigma_w"] == table["sigma_w"][column]
    assert both["infosem_bc"]["sigma_l"] == pytest.approx(table["sigma_l"][column], rel=1e-8)
    assert both["infosem_bc"]["h"] == 128


SPECIFIC = {"alpha": 1.0, "beta": 0.1, "standardise": "nonzero"}
OF_TWO = {**SPECIFIC, "alpha": 0.1, "beta": 0.01}
NON_SPECIFIC = {"alpha": 100.0, "beta": 1.0, "standardise": "all"}


@pytest.mark.parametrize(
    ("network", "data", "expected", "epochs"),
    [
        # n_epochs + 1 epochs, as DeepSEM's published code counts
        ("cell_type_specific", "hesc", OF_TWO, 151),
        ("cell_type_specific", "mhsc_e", OF_TWO, 151),
        ("cell_type_specific", "mesc", SPECIFIC, 151),
        ("non_specific", "hesc", NON_SPECIFIC, 91),
        ("non_specific", "mesc", NON_SPECIFIC, 91),
    ],
)
def test_deepsem_has_its_published_settings(network, data, expected, epochs):
    settings = identify(f"data.network={network}", data=data, model="deepsem").config
    everywhere = {
        "learning_rate": 1e-4,
        "learning_rate_decay": 1.0,
        "adjacency_learning_rate": 2e-5,
        "hidden_width": 128,
        "batch_size": 64,
        "regulators": "all",
        "score": "abs",
    }
    wanted = {**everywhere, **expected}
    assert {name: settings["model"][name] for name in wanted} == wanted
    assert settings["trainer"]["max_epochs"] == epochs
