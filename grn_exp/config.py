"""From Hydra's configuration to a run: the key, the preset values, the checked objects.

Hydra and OmegaConf stop here and in ``cli.py``.
"""

import dataclasses
import functools
import inspect
import re
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue

from grn_exp.core.construct import check_value, hints_of, instantiate, load_class, partial
from grn_exp.core.errors import InputError, close_matches
from grn_exp.core.home import expanded
from grn_exp.engine.spec import RunIdentity, RunSpec, TrainerSettings
from grn_exp.presets import preset_value, published_ensemble
from grn_exp.runs.files import part
from grn_exp.runs.key import flattened, run_key
from grn_exp.storage import conf
from grn_exp.storage.conf import conf_dir

_RESOLVING = "InputError raised while resolving interpolation: "
_LARGEST_SEED = 2**32 - 1  # of NumPy's legacy generator, which Lightning seeds too
_MOST_MEMBERS = 10_000
_PUBLISHED = "published"  # as many seeds as the method's published scores are of
_FOLD_RUNS = ".folds"  # below the outputs: the report passes over hidden folders


@functools.cache
def register() -> None:
    """Make ``${preset:...}`` and ``${expanded:...}`` known to OmegaConf, once in a process."""
    OmegaConf.register_new_resolver("preset", preset_value, replace=True)
    OmegaConf.register_new_resolver("expanded", lambda path: str(expanded(path)), replace=True)


def choices(group: str) -> list[str]:
    """Return the names of a config group's choices; of retrievers, the methods for edges."""
    return models_by_task("edges") if group == "retriever" else conf.choices(group)


# -- identity ------------------------------------------------------------------------------


def names_of(chosen: Mapping[Any, str | None]) -> dict[str, str]:
    """Return what Hydra was told to choose, every choice by its one name.

    Hydra takes ``degree``, ``degree.yaml`` and ``../model/degree`` for the same file; here names
    are folders and columns of tables.

    Parameters
    ----------
    chosen
        Hydra's ``runtime.choices``.

    Raises
    ------
    InputError
        If benchmark or method is no name of one file, or a choice is named by a path.
    """
    names = {str(group): str(name).removesuffix(".yaml") for group, name in chosen.items()}
    for group in ("data", "model"):
        if group not in names:
            raise InputError(f"{group}: choose one of {', '.join(choices(group))}")
    for group, name in names.items():
        in_folder = "" if group in ("data", "model") else "(/[^/.][^/]*)*"
        if not re.fullmatch(rf"[^/.][^/]*{in_folder}", name):
            raise InputError(
                f"{group}={name}: give the name of a file in {group}/, not a path; "
                "--help lists them"
            )
    return names


def refuse_other_places(cfg: DictConfig) -> None:
    """Refuse other folders than ours for what Hydra writes, from a command or a file.

    Raises
    ------
    InputError
        If there is one.
    """
    given, ours = (flattened(OmegaConf.to_container(node.hydra)) for node in (cfg, _root()))
    for key in ("run.dir", "sweep.dir", "sweep.subdir", "output_subdir", "job.chdir"):
        if given.get(key) != ours[key]:
            raise InputError(
                f"hydra.{key}={given.get(key)}: a run's folder is named after its configuration, "
                "so that the same command finds it again; drop it, paths.outputs=... and "
                "paths.experiment=... move runs"
            )


def identify(cfg: DictConfig, **chosen: str | None) -> RunIdentity:
    """Return a run's identity.

    Parameters
    ----------
    cfg
        The composed configuration.
    chosen
        The names of the choices by group, as :func:`names_of` returns them; ``data`` and
        ``model`` are needed.

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
        text = str(error).partition("\n")[0]  # the rest is where in OmegaConf
        raise InputError(text.removeprefix(_RESOLVING)) from error
    if config.get("ensemble") == _PUBLISHED:
        config["ensemble"] = published_ensemble(config, str(chosen["model"]))
    _check_root(config)
    if _is_own(config["data"]) and config["data"].get("group") is not None:
        config["data"]["group"] = str(config["data"]["group"])  # groups may be numbers
    return RunIdentity(
        experiment=str(config["paths"]["experiment"]),
        data=_data_name(config["data"], str(chosen["data"])),
        model=str(chosen["model"]),
        run_key=run_key(config),
        outputs=expanded(config["paths"]["outputs"]),
        config=config,
        choices={group: str(name) for group, name in chosen.items() if part(config, group)},
    )


def _is_own(data: Mapping[str, Any]) -> bool:
    """Say whether a benchmark is made of the user's own cells."""
    return data.get("network") == "own"


def _data_name(data: Mapping[str, Any], choice: str) -> str:
    """Return what a benchmark's folder is called: own cells after their file and their group."""
    if not _is_own(data):
        return choice
    stem = re.sub(r"(\.(h5ad|h5|csv|tsv|txt|loom|gz))+$", "", Path(str(data["path"])).name)
    parts = [stem, *([str(data["group"])] if data.get("group") is not None else [])]
    return "-".join(re.sub(r"[^\w.+-]+", "_", each).strip("._") or "cells" for each in parts)


@functools.cache
def _root() -> Any:  # noqa: ANN401 - a YAML tree
    return OmegaConf.load(conf_dir() / "config.yaml")


@functools.cache
def _root_keys() -> tuple[list[str], list[str], list[str]]:
    """Return the keys of ``config.yaml``, those of its ``paths``, and the groups."""
    root = _root()
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
    # not every benchmark or method has one
    groups_left = ("decoder", "pool", "prior", "retriever", "split")
    optional = [group for group in groups_left if config.get(group) is not None]
    for name in ("data", "model", "trainer", "logger", *optional):
        if not isinstance(config.get(name), dict):
            raise InputError(f"{name}={config.get(name)}: choose from {', '.join(choices(name))}")
    seed = check_value(config.get("seed"), int, "seed")
    if not 0 <= seed <= _LARGEST_SEED:
        raise InputError(f"seed={seed}: give a whole number from 0 to {_LARGEST_SEED}")
    ensemble = check_value(config.get("ensemble"), int, "ensemble")
    if not 1 <= ensemble <= min(_MOST_MEMBERS, _LARGEST_SEED - seed):
        raise InputError(
            f"ensemble={ensemble}: give the number of seeds, 1 to {_MOST_MEMBERS}, or {_PUBLISHED}"
        )
    stability = check_value(config.get("stability"), int, "stability")
    if stability < 0 or stability == 1:
        raise InputError(f"stability={stability}: give 0, or 2 or more half-samples")
    check_value(config.get("force"), bool, "force")
    paths_of = config.get("paths") or {}
    experiment, outputs = paths_of.get("experiment"), paths_of.get("outputs")
    if experiment is None or not re.fullmatch(r"[\w-][\w.-]*", str(experiment)):
        raise InputError(
            f"paths.experiment={experiment!r}: give the name of a folder, without slashes"
        )
    if not isinstance(outputs, str) or not outputs.strip():
        raise InputError(f"paths.outputs={outputs!r}: give a folder for the runs")


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
    parts = _parts_of_data(identity, data_class)
    retriever = _retriever_spec(identity) if "retriever" in config else None
    return RunSpec(
        identity=identity,
        data_class=data_class,
        model_class=model_class,
        make_data=partial(config["data"], "data", **parts),
        make_model=partial(config["model"], "model", seed=config["seed"], **searches),
        mirror=instantiate(config["logger"], "logger"),
        trainer=_trainer_settings(config),
        models_by_task=models_by_task,
        decoder=decoder,
        retriever=retriever,
        fold_retrievers=_fold_retrievers(retriever, parts) if retriever else (),
        fit_key=_fit_key(config, model_class),
        members=_members(identity) if config["ensemble"] > 1 else (),
        halves=_halves(identity, data_class, model_class),
    )


def _trainer_settings(config: Mapping[str, Any]) -> TrainerSettings:
    node = config["trainer"]
    if node.get("_target_") != "pytorch_lightning.Trainer":
        raise InputError(
            f"trainer._target_={node.get('_target_')}: choose trainer=auto, cpu or gpu"
        )
    own = {name: node[name] for name in ("num_threads", "checkpoint_seconds") if name in node}
    path = config.get("ckpt_path")
    settings = f"{TrainerSettings.__module__}.{TrainerSettings.__qualname__}"
    make = partial(
        {"_target_": settings, **own},
        "trainer",
        options={k: v for k, v in node.items() if k not in (*own, "_target_")},
        callbacks=config.get("callbacks") or {},
        resume_from=None if path is None else expanded(path),
    )
    return make()


def _fit_key(config: Mapping[str, Any], model_class: Any) -> str | None:  # noqa: ANN401 - any class
    """Return the key that runs share which differ in nothing but the split or the half-samples."""
    reads_split = model_class.reads_labels or model_class.reads_truth
    if model_class.task != "edges" or (reads_split and config.get("split") is not None):
        return None
    return run_key({k: v for k, v in config.items() if k not in ("split", "stability")})


def _members(identity: RunIdentity) -> tuple[RunSpec, ...]:
    """Return an ensemble's runs, each the run that its seed alone would be."""
    config, first = identity.config, identity.config["seed"]
    seeds = range(first, first + config["ensemble"])
    return _with_configs(
        identity, [{**config, "seed": seed, "ensemble": 1, "stability": 0} for seed in seeds]
    )


def _halves(identity: RunIdentity, data_class: Any, model_class: Any) -> tuple[RunSpec, ...]:  # noqa: ANN401
    """Return the runs on half-samples of the cells, if they are asked for."""
    config, n = identity.config, identity.config["stability"]
    half, sample = config["data"].get("half"), config["data"].get("sample")
    if n == 0:
        if half is None and sample is not None:
            raise InputError(f"data.sample={sample} is for stability=20; give both or neither")
        return ()
    if model_class.task != "edges" or "half" not in inspect.signature(data_class).parameters:
        raise InputError(
            f"stability={n}: half-samples are drawn of own cells (data=anndata), for methods that "
            "score edges; drop stability=..."
        )
    if half is not None:
        raise InputError(f"stability={n} and data.half={half}: give one of them")
    return _with_configs(
        identity,
        [{**config, "stability": 0, "data": {**config["data"], "half": i}} for i in range(n)],
    )


def _with_configs(identity: RunIdentity, configs: Sequence[dict[str, Any]]) -> tuple[RunSpec, ...]:
    own = (dataclasses.replace(identity, run_key=run_key(each), config=each) for each in configs)
    return tuple(map(build_spec, own))


def _parts_of_data(identity: RunIdentity, data_class: type) -> dict[str, Any]:
    """Build what a benchmark is made of, as far as it takes it."""
    taken = inspect.signature(data_class).parameters
    hints = hints_of(data_class)
    parts = {}
    for group, argument in (("split", "splitter"), ("prior", "prior"), ("pool", "pool")):
        node = identity.config.get(group)
        if node is None:
            continue
        if argument not in taken:
            raise InputError(f"{group}: data={identity.data} takes none; drop {group}=...")
        parts[argument] = instantiate(node, group)
        hint: Any = hints.get(argument)
        wanted = typing.get_args(hint) or (hint,)
        checkable = all(  # one protocol may let it in
            isinstance(kind, type) and not getattr(kind, "_is_protocol", False) for kind in wanted
        )
        if checkable and not isinstance(parts[argument], wanted):
            names = " or ".join(kind.__name__ for kind in wanted)
            raise InputError(
                f"{group}: {type(parts[argument]).__name__} does not fit data={identity.data}, "
                f"which takes a {names}; drop {group}=..."
            )
    return parts


def _retriever_spec(identity: RunIdentity) -> RunSpec:
    """Return the run that retrieves candidates: the same run as with ``model=`` that method."""
    config = dict(identity.config)
    mounted = config.pop("retriever")
    config.pop("decoder", None)
    unknown = set(mounted) - {"model", "trainer"}
    if unknown or "model" not in mounted:
        raise InputError(
            f"retriever={identity.retriever}: not a method that scores edges; choose from "
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
            choices={k: v for k, v in identity.choices.items() if k in config}
            | {"model": str(identity.retriever)},
            run_key=run_key(config),
            config=config,
        )
    )


def _fold_retrievers(retriever: RunSpec, parts: Mapping[str, Any]) -> tuple[RunSpec, ...]:
    """Return the runs that retrieve without a fold of the training targets, if they are wanted.

    They lie apart, where the report does not take them for results.
    """
    training = getattr(parts.get("pool"), "training", None)
    if training != "out_of_fold" or "splitter" not in parts:
        return ()
    identity = retriever.identity
    config, outputs = dict(identity.config), identity.outputs / _FOLD_RUNS
    pool = {name: value for name, value in config.pop("pool").items() if name != "training"}
    return _with_configs(
        dataclasses.replace(identity, outputs=outputs),
        [
            {**config, "pool": pool, "split": {**config["split"], "pool_fold": fold}}
            for fold in range(parts["splitter"].n_folds)
        ],
    )


def _class_with(node: Mapping[str, Any], path: str, attribute: str) -> Any:  # noqa: ANN401
    found = load_class(node.get("_target_", ""), path)
    if not hasattr(found, attribute):
        raise InputError(
            f"{path}._target_={node['_target_']}: that is not a {path}; choose from "
            f"{', '.join(choices(path))}"
        )
    return found


def models_by_task(task: str) -> list[str]:
    """Return the names of the models that can do a task."""
    return [name for name in choices("model") if model_class(name).task == task]


def model_class(name: str) -> Any:  # noqa: ANN401 - any class
    """Return the class of the model that ``model=`` calls ``name``."""
    nodes = [content.get("model", content) for content in conf.contents("model", name)]
    targets = [node["_target_"] for node in nodes if "_target_" in node]
    return load_class(targets[-1] if targets else "", f"model={name}")
