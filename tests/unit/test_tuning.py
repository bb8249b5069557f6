"""What is tried, how trials are scored, what is chosen; the default values of every method."""

import csv
import math
import shlex

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from grn_exp import config
from grn_exp.core.errors import InputError
from grn_exp.engine.spec import RunIdentity
from grn_exp.tuning.search import Axis, GridSearch, OptunaSearch
from grn_exp.tuning.study import Study
from grn_exp.tuning.trials import (
    Trial,
    tuning_key,
    validation_score,
)
from hydra_plugins.grn_exp_plugins.tuning import _axis
from tests.messages import naming


def axis(text: str) -> Axis:
    return _axis(OverridesParser.create().parse_override(text))


# -- the values ------------------------------------------------------------------------------


def test_axes_in_hydras_grammar():
    assert axis("model.a=0.1,[1,2],x") == Axis("model.a", ("0.1", "[1,2]", "x"))
    assert axis("model.a=range(1,6,2)") == Axis("model.a", ("1", "3", "5"), ordered=True)
    assert axis("model.a=interval(1,3)") == Axis("model.a", low=1.0, high=3.0)
    assert axis("model.a=int(interval(8.9,16))") == Axis("model.a", low=8, high=16, whole=True)
    assert axis("model.a=tag(log,int(interval(8,16)))") == Axis(
        "model.a", low=8, high=16, log=True, whole=True
    )
    assert axis("+model.a=tag(int,log,interval(1,8))") == Axis(
        "+model.a", low=1.0, high=8.0, log=True, whole=True
    )


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("model.a=interval(3,1)", ["model.a", 3, 1]),
        ("model.a=interval(1,inf)", ["model.a", "finite"]),
        ("model.a=interval(nan,1)", ["model.a", "finite"]),
        ("model.a=tag(int,interval(1.2,1.8))", ["model.a"]),
        ("model.a=tag(log,interval(0,1))", ["model.a", 0]),
        ("model.a=tag(lgo,interval(1,2))", ["lgo", "int, log"]),
    ],
)
def test_axes_that_cannot_be_are_named(text, parts):
    with pytest.raises(InputError, match=naming(*parts)):
        axis(text)


@pytest.mark.parametrize("text", ["int(interval(8,11))", "tag(int,interval(7.5,11.5))"])
def test_whole_numbers_are_proposed_within_the_ends(text):
    pytest.importorskip("optuna")
    search = OptunaSearch([axis(f"model.a={text}")], n_trials=40, n_jobs=40, seed=0)
    assert {setting["model.a"] for setting in search.ask()} == {"8", "9", "10", "11"}


def test_a_grid_is_every_combination_once():
    search = GridSearch([Axis("a", ("1", "2")), Axis("b", ("x", "y"))])
    settings = search.ask()
    assert settings == [{"a": a, "b": b} for a in "12" for b in "xy"]
    search.tell([0.1, None, 0.2, 0.3])
    assert search.ask() == []


def test_a_grid_of_an_interval_is_refused():
    with pytest.raises(InputError, match=naming("model.a", "hydra/sweeper=tune_optuna")):
        GridSearch([axis("model.a=interval(0,1)")])


# -- Optuna ----------------------------------------------------------------------------------


def searched(score, *, n_trials=30, seed=0, n_jobs=3):
    """Return all that a search proposes when it is told ``score(setting)``."""
    axes = [
        axis("rate=tag(log,interval(0.001,10))"),
        axis("width=tag(int,interval(2,9))"),
        axis("depth=range(1,8,3)"),
        axis("kind=none,[1,2]"),
    ]
    search = OptunaSearch(axes, n_trials=n_trials, n_jobs=n_jobs, seed=seed)
    proposed = []
    while settings := search.ask():
        assert len(settings) <= n_jobs
        search.tell([score(setting) for setting in settings])
        proposed += settings
    return proposed


def distance(setting) -> float:
    return -abs(math.log10(float(setting["rate"]))) - abs(int(setting["width"]) - 5)


def test_optuna_keeps_to_the_values_and_learns():
    settings = searched(distance, n_trials=40)
    assert len(settings) == 40
    assert all(0.001 <= float(each["rate"]) <= 10 for each in settings)
    assert {each["width"] for each in settings} <= {str(n) for n in range(2, 10)}
    assert {each["depth"] for each in settings} == {"1", "4", "7"}
    assert {each["kind"] for each in settings} == {"none", "[1,2]"}
    scores = [distance(each) for each in settings]
    # the first ten are at random
    assert sum(scores[20:]) / 20 > sum(scores[:10]) / 10


def test_optuna_goes_on_from_the_same_trials():
    short, long = (searched(distance, n_trials=n) for n in (12, 24))
    assert long[:12] == short
    assert searched(distance, n_trials=12) == short
    assert searched(distance, n_trials=12, seed=1) != short


def test_optuna_avoids_what_fails():
    def failing(setting):
        return None if setting["kind"] == "none" else distance(setting)

    settings = searched(failing, n_trials=40)
    assert sum(each["kind"] == "none" for each in settings[20:]) < 10


def test_optuna_that_is_not_installed_is_named(lack):
    lack("optuna")
    with pytest.raises(
        InputError, match=naming("hydra/sweeper=tune_optuna", "pip install 'grn_exp[optuna]'")
    ):
        OptunaSearch([Axis("a", ("1",))], n_trials=1, n_jobs=1, seed=0)


# -- trials ----------------------------------------------------------------------------------


def trial(setting, *scores, metric="ap") -> Trial:
    made = Trial(setting)
    for fold, score in enumerate(scores):
        is_problem = isinstance(score, str)
        made.add(fold, None if is_problem else (metric, score), score if is_problem else "")
    return made


def test_mean_and_deviation_by_hand():
    made = trial({"a": "1"}, 0.2, 0.4, 0.9)
    assert made.mean == pytest.approx(0.5)
    assert made.deviation == pytest.approx(math.sqrt((0.09 + 0.01 + 0.16) / 2))
    assert made.problem == ""


@pytest.mark.parametrize(
    ("scores", "problem"),
    [
        ((0.9, "too large", 0.9), "fold 1: too large"),
        (("first", "second"), "fold 0: first"),
        ((0.9, math.nan), "fold 1: the run gave no validation score"),
    ],
)
def test_a_failed_fold_fails_its_trial(scores, problem):
    made = trial({"a": "1"}, *scores)
    assert made.problem == problem
    assert made.mean is None
    assert made.deviation is None


def study_of(outputs, trials) -> Study:
    study = Study(
        title="m on d",
        overrides=["model=m"],
        identity=RunIdentity("runs", "d", "m", "abc", outputs, {}),
        search=GridSearch([]),
        key="key",
        n_folds=2,
    )
    study.tell(trials)
    return study


def test_the_best_mean_is_chosen_and_of_equals_the_first(tmp_path):
    low, high, equal = (trial({"a": "x"}, *scores) for scores in [(0, 0), (1, 3), (2, 2)])
    failed = trial({"a": "4"}, 9.0, "broken")
    assert study_of(tmp_path, [low, failed, high, equal]).chosen is high
    assert study_of(tmp_path, [failed]).chosen is None
    assert study_of(tmp_path, [low]).chosen is low


def test_the_files_tell_all(tmp_path):
    trials = [
        trial({"model.a": "5e-1", "+model.b": "[1,2]"}, 0.25, 0.75),
        trial({"model.a": "x y", "+model.b": "null"}, 0.5, "no, not so"),
    ]
    study = study_of(tmp_path, trials)
    study.write()
    folder = tmp_path / "runs" / "d" / "m" / "tuning-key"
    with (folder / "trials.csv").open(newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == ["trial", "model.a", "+model.b", "metric", "mean", "sd", "fold_0", "fold_1",
                      "problem"]  # fmt: skip
    assert rows[0][:5] == ["0", "5e-1", "[1,2]", "ap", "0.5"]
    assert float(rows[0][5]) == pytest.approx(math.sqrt(0.125))
    assert rows[0][6:] == ["0.25", "0.75", ""]
    assert rows[1] == ["1", "x y", "null", "ap", "", "", "", "", "fold 1: no, not so"]
    assert "chose model.a=5e-1 +model.b=[1,2] (2 trials, 1 failed)" in study.conclude("abc")
    content = yaml.safe_load((folder / "chosen.yaml").read_text())
    assert content["values"] == {"model.a": 0.5, "model.b": [1, 2]}
    assert content["objective"]["folds"] == [0.25, 0.75]
    assert content["objective"]["mean"] == 0.5
    assert content["trials"] == {"n": 2, "failed": 1}
    command = ["model=m", "model.a=5e-1", "+model.b=[1,2]"]
    assert shlex.split(content["command"])[3:] == command
    assert content["run"] == "abc"


def test_the_key_is_of_all_that_the_choice_depends_on():
    axes = [Axis("a", ("1", "2"))]
    others = [
        tuning_key("run", axes, folds=5),
        tuning_key("run", axes, folds=4),
        tuning_key("other", axes, folds=5),
        tuning_key("run", [Axis("a", ("1",))], folds=5),
        tuning_key("run", axes, folds=5, search="optuna"),
    ]
    assert len(set(others)) == len(others)
    assert tuning_key("run", list(axes), folds=5) == others[0]


def row(metric, subset, value, set_size=None):
    return {"metric": metric, "subset": subset, "value": value, "set_size": set_size}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row("ap", "test_seen", 0.9), row("ap", "val", 0.1)], ("ap", 0.1)),
        ([row("exact_match", "test", 0.9), row("ap", "test", 0.9)], None),
        (
            [
                row("exact_match", "val", 0.4, 2),
                row("ap", "val", 0.1),
                row("exact_match", "val", 0.3),
            ],
            ("exact_match", 0.3),
        ),
        ([], None),
    ],
)
def test_the_objective_is_never_a_test_value(rows, expected):
    assert validation_score(rows) == expected


# -- the default values ----------------------------------------------------------------------


def sweeper(name: str):
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        composed = compose("config", [f"hydra/sweeper={name}"], return_hydra_config=True)
    return composed.hydra.sweeper


@pytest.mark.parametrize("name", ["tune_grid", "tune_optuna"])
def test_both_sweepers_have_the_same_spaces(name):
    spaces = sweeper(name).spaces
    assert spaces.infosem_b == {"model.sigma_w": "0.1,1,10,100"}  # InfoSEM appendix C
    assert spaces.infosem_bc["model.sigma_w"] == "0.1,1,10,100"
    assert spaces.infosem_bc["model.sigma_l"] == "0.1,0.316227766"


@pytest.mark.parametrize("model", list(sweeper("tune_grid").spaces))
def test_every_default_value_is_one_that_the_method_takes(model):
    config.register()
    is_pairs = config.model_class(model).task == "edges"
    data = "toy" if is_pairs else "toy_sets"
    space = sweeper("tune_grid").spaces[model]
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        composed = compose("config", [f"data={data}", f"model={model}"])
    keys = set()
    for name, text in space.items():
        for value in axis(f"{name}={text}").choices:
            changed = composed.copy()
            OmegaConf.set_struct(changed, value=True)  # a key that is not there is refused
            override = OverridesParser.create().parse_override(f"{name}={value}")
            OmegaConf.update(changed, name, override.value())
            identity = config.identify(changed, data=data, model=model)
            config.build_spec(identity)  # names and kinds of the arguments
            keys.add(identity.run_key)
    assert len(keys) >= 2
