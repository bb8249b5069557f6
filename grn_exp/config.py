"""From Hydra's configuration to a run: the key, the preset values, the checked objects.

Hydra and OmegaConf stop here and in ``cli.py``.
"""

import dataclasses
import functools
import inspect
import re
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue

from grn_exp.core.construct import check_value, instantiate, load_class, partial
from grn_exp.core.defaults import options_of
from grn_exp.core.errors import InputError, close_matches
from grn_exp.engine.spec import RunIdentity, RunSpec, TrainerSettings
from grn_exp.runs.key import run_key
from grn_exp.storage.conf import conf_dir

_LARGEST_SEED = 2**32 - 1  # of NumPy's legacy generator, which Lightning seeds too
# of the trainer group, beside Lightning's own
_OWN_TRAINER_KEYS = ("num_threads", "checkpoint_seconds")


def choices(group: str) -> list[str]:
    """Return the names of a config group's choices (``model``, ``data``, ``experiment/smoke``)."""
    if group == "retriever":
        return models_by_task("edges")
    names = (path.stem for path in (conf_dir() / group).glob("*.yaml"))
    own = [name for name in names if not name.startswith("_")]
    of_hydra = ["basic"] if group in ("hydra/launcher", "hydra/sweeper") else []
    return sorted(own + of_hydra)


# -- what Hydra is told -----------------------------------------------------------------------


@functools.cache
def register() -> None:
    """Make ``${preset:...}`` and ``retriever=`` known to Hydra, once in a process.

    Every method that scores edges is a choice of ``retriever`` too, its file mounted below that
    key: no second file is needed for it to retrieve.
    """
    OmegaConf.register_new_resolver("preset", _preset_value, replace=True)
    for path in (conf_dir() / "model").glob("[!_]*.yaml"):
        files = _files("model", path.stem, conf_dir())
        if any("retriever" in str(content.get("defaults")) for content in files):
            continue  # it has a retriever itself
        ConfigStore.instance().store(group="retriever", name=path.stem, node=_mounted(files))


@functools.cache
def _files(group: str, name: str, folder: Path) -> tuple[DictConfig, ...]:
    """Return a choice's file with its Python defaults, after the files that it builds on."""
    path = folder / group / f"{name}.yaml"
    content: Any = OmegaConf.load(path) if path.is_file() else OmegaConf.create()
    add_python_defaults(content, group, name, folder)
    bases = [file for base in _base_names(content) for file in _files(group, base, folder)]
    return (*bases, content)


def _base_names(content: DictConfig) -> list[str]:
    """Return the files of its own group that a file builds on."""
    names = [base for base in content.get("defaults", []) if isinstance(base, str)]
    return [name for name in names if name != "_self_"]


# what a class is given by the engine, or by another group
_NOT_OPTIONS = {
    "model": ("seed", "decoder"),
    "data": ("splitter", "prior", "pool", "split_seed"),
}


def add_python_defaults(content: Any, group: str, name: str, folder: Path) -> None:  # noqa: ANN401
    """Add to a file's content the options that it leaves to the class that it names.

    Options that a file has which this one builds on keep their values.
    """
    if group not in _NOT_OPTIONS:
        return
    node = content[group] if isinstance(content.get(group), DictConfig) else content
    target = OmegaConf.select(node, "_target_")
    if target is None:
        return
    path = folder / group / f"{name}.yaml"
    known = set(_NOT_OPTIONS[group])
    for base in _raw_bases(path):
        known |= set(base.get(group, base))
    for option, value in options_of(target).items():
        if option not in node and option not in known:
            node[option] = list(value) if isinstance(value, tuple) else value


@functools.cache
def _raw_bases(path: Path) -> tuple[Any, ...]:
    """Return the files that a file builds on, as they are."""
    content: Any = OmegaConf.load(path)
    paths = [path.with_name(f"{base}.yaml") for base in _base_names(content)]
    found = [(OmegaConf.load(each), *_raw_bases(each)) for each in paths]
    return tuple(content for contents in found for content in contents)


def _mounted(files: Iterable[DictConfig]) -> DictConfig:
    """Return what the files say of model and trainer, as one node."""
    parts = []
    for content in files:
        part = OmegaConf.masked_copy(content, [str(key) for key in content if key != "defaults"])
        is_global = "model" in part or "trainer" in part
        parts.append(part if is_global else OmegaConf.create({"model": part}))
    return OmegaConf.merge(*parts)  # type: ignore[return-value]


def _preset_value(path: str, *, _root_: DictConfig) -> Any:  # noqa: ANN401 - whatever it holds
    """Look a method's value up for the data at hand.

    ``${preset:infosem.sigma_w}`` is the first of: the value for this network and dataset, the
    default for this network, the method's default.
    """
    method, name = path.split(".")
    table = _preset(str(_root_.get("preset")))[method]
    of_network = table.get(_root_.data.get("network", "simulated"), {})
    for values in (of_network.get(_root_.data.dataset, {}), of_network.get("default", {}), table):
        if name in values:
            return values[name]
    raise InputError(
        f"preset: no value {path!r} for data.dataset={_root_.data.dataset} and "
        f"data.network={_root_.data.get('network')}; set model.{name}"
    )


@functools.cache
def _preset(name: str) -> Any:  # noqa: ANN401 - a YAML tree
    own = conf_dir() / "presets" / f"{name}.yaml"
    path = own if own.is_file() else Path(name).expanduser()
    if not path.is_file():
        raise InputError(
            f"preset={name}: choose from {', '.join(choices('presets'))}, or give a file's path"
        )
    return OmegaConf.to_container(OmegaConf.load(path))


# -- identity ------------------------------------------------------------------------------


def identify(
    cfg: DictConfig, *, data: str, model: str, retriever: str | None = None
) -> RunIdentity:
    """Return a run's identity.

    Parameters
    ----------
    cfg
        The composed configuration.
    data, model, retriever
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
    return RunIdentity(
        experiment=str(config["paths"]["experiment"]),
        data=data,
        model=model,
        run_key=run_key(config),
        outputs=_expanded(config["paths"]["outputs"]),
        config=config,
        retriever=retriever if "retriever" in config else None,
    )


@functools.cache
def _root_keys() -> tuple[list[str], list[str], list[str]]:
    """Return the keys of ``config.yaml``, those of its ``paths``, and the groups."""
    root: Any = OmegaConf.load(conf_dir() / "config.yaml")
    own = [str(key) for key in root if key not in ("defaults", "hydra")]
    groups = [path.name for path in conf_dir().iterdir() if path.is_dir() and path.name != "hydra"]
    groups.append("retriever")
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
    optional = {"prior", "pool", "decoder", "retriever"}  # not every benchmark or method has one
    for name in ("data", "model", "split", "trainer", "logger", *sorted(optional)):
        if name in optional and config.get(name) is None:
            continue
        if not isinstance(config.get(name), dict):
            raise InputError(f"{name}={config.get(name)}: choose from {', '.join(choices(name))}")
    seed = check_value(config.get("seed"), int, "seed")
    if not 0 <= seed <= _LARGEST_SEED:
        raise InputError(f"seed={seed}: give a whole number from 0 to {_LARGEST_SEED}")
    ensemble = check_value(config.get("ensemble"), int, "ensemble")
    if not 1 <= ensemble <= _LARGEST_SEED - seed:
        raise InputError(f"ensemble={ensemble}: give the number of seeds, 1 or more")
    check_value(config.get("force"), bool, "force")
    paths_of = config.get("paths") or {}
    experiment, outputs = paths_of.get("experiment"), paths_of.get("outputs")
    if not re.fullmatch(r"[\w-][\w.-]*", str(experiment)):
        raise InputError(
            f"paths.experiment={experiment!r}: give the name of a folder, without slashes"
        )
    if not isinstance(outputs, str) or not outputs.strip():
        raise InputError(f"paths.outputs={outputs!r}: give a folder for the runs")


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{path}: {error}; give the folder's full path") from error


# -- the run ------------------------------------------------------------------------------


def build_spec(identity: RunIdentity) -> RunSpec:
    """Turn a configuration into the objects of a run.

    Raises
    ------
    InputError
        If a key is misspelt, missing or of the wrong kind, at any depth.
    """
    config = identity.config
    data_class = _class_with(config["data"], "data", "tasks")
    model_class = _class_with(config["model"], "model", "task")
    decoder = instantiate(config["decoder"], "decoder") if config.get("decoder") else None
    searches = {} if decoder is None else {"decoder": decoder}
    return RunSpec(
        identity=identity,
        data_class=data_class,
        model_class=model_class,
        make_data=partial(config["data"], "data", **_parts_of_data(identity, data_class)),
        make_model=partial(config["model"], "model", seed=config["seed"], **searches),
        mirror=instantiate(config["logger"], "logger"),
        trainer=_trainer_settings(config),
        seed=config["seed"],
        models_by_task=models_by_task,
        decoder=decoder,
        retriever=_retriever_spec(identity) if "retriever" in config else None,
        fit_key=_fit_key(config, model_class),
        members=_members(identity) if config["ensemble"] > 1 else (),
    )


def _trainer_settings(config: Mapping[str, Any]) -> TrainerSettings:
    node = config["trainer"]
    if node.get("_target_") != "pytorch_lightning.Trainer":
        raise InputError(
            f"trainer._target_={node.get('_target_')}: choose trainer=auto, cpu or gpu"
        )
    own = {name: node[name] for name in _OWN_TRAINER_KEYS if name in node}
    path = config.get("ckpt_path")
    settings = f"{TrainerSettings.__module__}.{TrainerSettings.__qualname__}"
    make = partial(
        {"_target_": settings, **own},
        "trainer",
        options={k: v for k, v in node.items() if k not in (*own, "_target_")},
        callbacks=config.get("callbacks") or {},
        resume_from=None if path is None else _expanded(path),
    )
    return make()


def _fit_key(config: Mapping[str, Any], model_class: Any) -> str | None:  # noqa: ANN401 - any class
    """Return the key that runs share which differ in nothing but the split."""
    if model_class.task != "edges" or model_class.reads_labels or model_class.reads_truth:
        return None
    return run_key({name: value for name, value in config.items() if name != "split"})


def _members(identity: RunIdentity) -> tuple[RunSpec, ...]:
    """Return an ensemble's runs, each the run that its seed alone would be."""
    config = identity.config
    members = []
    for seed in range(config["seed"], config["seed"] + config["ensemble"]):
        own = {**config, "seed": seed, "ensemble": 1}
        members.append(build_spec(dataclasses.replace(identity, run_key=run_key(own), config=own)))
    return tuple(members)


def _parts_of_data(identity: RunIdentity, data_class: type) -> dict[str, Any]:
    """Build what a benchmark is made of, as far as it takes it."""
    taken = inspect.signature(data_class).parameters
    hints = typing.get_type_hints(data_class.__init__)
    parts = {}
    for group, argument in (("split", "splitter"), ("prior", "prior"), ("pool", "pool")):
        node = identity.config.get(group)
        if node is None:
            continue
        if argument not in taken:
            raise InputError(f"{group}: data={identity.data} takes none; drop {group}=...")
        parts[argument] = instantiate(node, group)
        wanted = _classes(hints.get(argument))
        checkable = all(_is_checkable(kind) for kind in wanted)  # one protocol may let it in
        if checkable and not isinstance(parts[argument], wanted):
            names = " or ".join(kind.__name__ for kind in wanted)
            raise InputError(
                f"{group}: {type(parts[argument]).__name__} does not fit data={identity.data}, "
                f"which takes a {names}; drop {group}=..."
            )
    return parts


def _classes(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any annotation
    return typing.get_args(hint) or (hint,)


def _is_checkable(kind: Any) -> bool:  # noqa: ANN401 - any annotation
    return isinstance(kind, type) and not getattr(kind, "_is_protocol", False)


def _retriever_spec(identity: RunIdentity) -> RunSpec:
    """Return the run that retrieves candidates: the same run as with ``model=`` that method."""
    config = dict(identity.config)
    mounted = config.pop("retriever")
    config.pop("decoder", None)
    unknown = set(mounted) - {"model", "trainer"}
    if unknown or "model" not in mounted:
        raise InputError(
            f"retriever={identity.retriever}: no method that scores edges; choose from "
            f"{', '.join(choices('retriever'))}"
        )
    trainer = {name: value for name, value in config["trainer"].items() if name != "max_epochs"}
    config["trainer"] = {**trainer, **mounted.get("trainer", {})}
    config |= {"callbacks": {}, "ckpt_path": None}  # those are the selector's
    config["model"] = mounted["model"]
    return build_spec(
        dataclasses.replace(
            identity,
            model=str(identity.retriever),
            retriever=None,
            run_key=run_key(config),
            config=config,
        )
    )


def _class_with(node: Mapping[str, Any], path: str, attribute: str) -> Any:  # noqa: ANN401
    found = load_class(node.get("_target_", ""), path)
    if not hasattr(found, attribute):
        raise InputError(
            f"{path}._target_={node['_target_']}: that is no {path}; choose from "
            f"{', '.join(choices(path))}"
        )
    return found


def models_by_task(task: str) -> list[str]:
    """Return the names of the models that can do a task."""
    return [name for name in choices("model") if model_class(name).task == task]


def model_class(name: str) -> Any:  # noqa: ANN401 - any class
    """Return the class of the model that ``model=`` calls ``name``."""
    node = _mounted(_files("model", name, conf_dir()))
    return load_class(OmegaConf.select(node, "model._target_") or "", f"model={name}")
