"""From Hydra's configuration to a run: the key, the preset values, the checked objects.

Hydra and OmegaConf stop here and in ``cli.py``.
"""

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue

from grn_exp.core.errors import InputError, close_matches
from grn_exp.engine.construct import check_value, instantiate, load_class, partial
from grn_exp.engine.spec import RunIdentity, RunSpec, TrainerSettings

# Raise it when the same configuration would give other numbers: every key changes with it.
RESULTS_VERSION = 2

_LARGEST_SEED = 2**32 - 1  # of NumPy's legacy generator, which Lightning seeds too
_NOT_IN_KEY = ("paths", "logger", "preset", "experiment", "force")
_HARDWARE = (
    "accelerator",
    "devices",
    "num_threads",
    "validate_every",
    "checkpoint_seconds",
    "progress",
)


def conf_dir() -> Path:
    """Return the folder of the configuration: beside the package, or in it when installed."""
    package = Path(__file__).resolve().parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise FileNotFoundError(f"no conf folder in {package} or beside it")


def choices(group: str) -> list[str]:
    """Return the names of a config group's choices (``model``, ``data``, ...)."""
    names = (path.stem for path in (conf_dir() / group).glob("*.yaml"))
    return sorted(name for name in names if not name.startswith("_"))


# -- resolvers -----------------------------------------------------------------------------


def register_resolvers() -> None:
    """Make ``${preset:...}`` known to OmegaConf; a second call changes nothing."""
    OmegaConf.register_new_resolver("preset", _preset_value, replace=True)


def _preset_value(path: str, *, _root_: DictConfig) -> Any:  # noqa: ANN401 - whatever it holds
    """Look a method's value up for the data at hand.

    ``${preset:infosem.sigma_w}`` is the first of: the value for this network and dataset, the
    default for this network, the method's default.
    """
    method, name = path.split(".")
    table = _root_.preset[method]
    of_network = table.get(_root_.data.get("network", "simulated"), {})
    for values in (of_network.get(_root_.data.dataset, {}), of_network.get("default", {}), table):
        if name in values:
            return values[name]
    raise InputError(
        f"preset: no value {path!r} for data.dataset={_root_.data.dataset} and "
        f"data.network={_root_.data.get('network')}; set model.{name}"
    )


# -- identity ------------------------------------------------------------------------------


def identify(cfg: DictConfig, *, data: str, model: str) -> RunIdentity:
    """Return a run's identity.

    Parameters
    ----------
    cfg
        The composed configuration.
    data, model
        Names of the choices.

    Raises
    ------
    InputError
        If a value is missing, or something outside the groups is misspelt or of the wrong kind.
    """
    try:
        config: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        key = error.full_key or "a value"
        raise InputError(f"{key}=???: no value; set it, as in {key}=...") from error
    except InterpolationResolutionError as error:
        cause = error.__cause__
        raise InputError(str(cause if isinstance(cause, InputError) else error)) from error
    _check_root(config)
    config.pop("preset", None)  # its values are where they are used
    return RunIdentity(
        experiment=str(cfg.experiment),
        data=data,
        model=model,
        run_key=run_key(config),
        outputs=_expanded(config["paths"]["outputs"]),
        config=config,
    )


@functools.cache
def _root_keys() -> tuple[list[str], list[str], list[str]]:
    """Return the keys of ``config.yaml``, those of its ``paths``, and the groups."""
    root: Any = OmegaConf.load(conf_dir() / "config.yaml")
    own = [str(key) for key in root if key not in ("defaults", "hydra")]
    groups = [path.name for path in conf_dir().iterdir() if path.is_dir() and path.name != "hydra"]
    return own, [str(key) for key in root.paths], sorted(set(groups) - set(own))


def _check_root(config: Mapping[str, Any]) -> None:
    """Refuse what is wrong outside the groups' own classes."""
    own, paths, groups = _root_keys()
    for path, found, known in (
        ("", config, [*own, *groups]),
        ("paths.", config.get("paths") or {}, paths),
    ):
        for name in found:
            if name not in known:
                raise InputError(
                    f"{path}{name}: no such key; {close_matches(name, known)}"
                    f"choose from {', '.join(path + key for key in known)}"
                )
    for name in ("data", "model", "prior", "split", "trainer", "logger"):
        if not isinstance(config.get(name), dict):
            raise InputError(f"{name}={config.get(name)}: choose from {', '.join(choices(name))}")
    seed = check_value(config.get("seed"), int, "seed")
    if not 0 <= seed <= _LARGEST_SEED:
        raise InputError(f"seed={seed}: give a whole number from 0 to {_LARGEST_SEED}")
    check_value(config.get("force"), bool, "force")
    experiment = str(config.get("experiment"))
    if not re.fullmatch(r"[\w-][\w.-]*", experiment):
        raise InputError(f"experiment={experiment!r}: give the name of a folder, without slashes")
    outputs = (config.get("paths") or {}).get("outputs")
    if not isinstance(outputs, str) or not outputs.strip():
        raise InputError(f"paths.outputs={outputs!r}: give a folder for the runs")


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{path}: {error}; give the folder's full path") from error


def run_key(config: Mapping[str, Any]) -> str:
    """Hash everything in a resolved configuration that can change a result.

    Paths, loggers and hardware are left out. A text that names an existing file counts by the
    file's content, so a changed file is another run and a moved file is not.
    """
    relevant = {name: value for name, value in config.items() if name not in _NOT_IN_KEY}
    relevant["trainer"] = {
        name: value for name, value in config["trainer"].items() if name not in _HARDWARE
    }
    relevant["results_version"] = RESULTS_VERSION
    text = json.dumps(_by_content(relevant), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _by_content(node: Any) -> Any:  # noqa: ANN401 - a JSON tree
    if isinstance(node, dict):
        return {name: _by_content(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_by_content(value) for value in node]
    if isinstance(node, str) and ("/" in node or "." in node):
        try:
            path = Path(node).expanduser()
            if path.is_file():
                status = path.stat()
                return _file_hash(path, status.st_size, status.st_mtime_ns)
        except (OSError, RuntimeError):  # a text too long for a file name, no such user
            return node
    return node


@functools.cache
def _file_hash(path: Path, size: int, modified: int) -> str:
    del size, modified  # part of the cache's key
    with path.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


# -- the run ------------------------------------------------------------------------------


def build_spec(identity: RunIdentity) -> RunSpec:
    """Turn a configuration into the objects of a run.

    Raises
    ------
    InputError
        If a key is misspelt, missing or of the wrong kind, at any depth.
    """
    config = identity.config
    splitter = instantiate(config["split"], "split")
    prior = instantiate(config["prior"], "prior")
    settings = f"{TrainerSettings.__module__}.{TrainerSettings.__qualname__}"
    trainer = instantiate({"_target_": settings, **config["trainer"]}, "trainer")
    return RunSpec(
        identity=identity,
        data_class=_class_with_task(config["data"], "data"),
        model_class=_class_with_task(config["model"], "model"),
        make_data=partial(config["data"], "data", splitter=splitter, prior=prior),
        make_model=partial(config["model"], "model", given=("view",)),
        mirror=instantiate(config["logger"], "logger"),
        trainer=trainer,
        seed=config["seed"],
        models_by_task=models_by_task,
    )


def _class_with_task(node: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - any class
    found = load_class(node.get("_target_", ""), path)
    if not hasattr(found, "task"):
        raise InputError(
            f"{path}._target_={node['_target_']}: that is no {path}; choose from "
            f"{', '.join(choices(path))}"
        )
    return found


def models_by_task(task: str) -> list[str]:
    """Return the names of the models that can do a task."""
    able = []
    for name in choices("model"):
        target = _model_target(name)
        if target and load_class(target, "model").task == task:
            able.append(name)
    return able


def _model_target(name: str) -> str | None:
    """Return the class that a model's file names, itself or through the file it builds on."""
    path = conf_dir() / "model" / f"{name}.yaml"
    node: Any = OmegaConf.load(path) if path.is_file() else OmegaConf.create()
    target = OmegaConf.select(node, "model._target_") or OmegaConf.select(node, "_target_")
    bases = [base for base in node.get("defaults", []) if isinstance(base, str)]
    inherited = (_model_target(base) for base in bases if base != "_self_")
    return target or next(filter(None, inherited), None)
