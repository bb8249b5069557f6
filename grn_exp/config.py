"""From Hydra's configuration to a run: the key, the preset values, the checked objects.

Hydra and OmegaConf stop here and in ``cli.py``.
"""

import functools
import hashlib
import importlib
import inspect
import json
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from grn_exp.core.errors import InputError, close_matches
from grn_exp.engine.spec import RunIdentity, RunSpec, TrainerSettings

# Raise it when the same configuration would give other numbers: every key changes with it.
RESULTS_VERSION = 1

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
    """
    config: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    del config["preset"]  # its values are where they are used
    return RunIdentity(
        experiment=str(cfg.experiment),
        data=data,
        model=model,
        run_key=run_key(config),
        outputs=Path(cfg.paths.outputs).expanduser(),
        config=config,
    )


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
        path = Path(node).expanduser()
        if path.is_file():
            status = path.stat()
            return _file_hash(path, status.st_size, status.st_mtime_ns)
    return node


@functools.cache
def _file_hash(path: Path, size: int, modified: int) -> str:
    del size, modified  # part of the cache's key
    with path.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


# -- checked instantiation -----------------------------------------------------------------


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
    trainer = instantiate({"_target_": _path_of(TrainerSettings), **config["trainer"]}, "trainer")
    return RunSpec(
        identity=identity,
        data_class=load_class(config["data"]["_target_"], "data"),
        model_class=load_class(config["model"]["_target_"], "model"),
        make_data=partial(config["data"], "data", splitter=splitter, prior=prior),
        make_model=partial(config["model"], "model", given=("view",)),
        mirror=instantiate(config["logger"], "logger"),
        trainer=trainer,
        seed=config["seed"],
        models_by_task=models_by_task,
    )


def models_by_task(task: str) -> list[str]:
    """Return the names of the models that can do a task."""
    able = []
    for name in choices("model"):
        node = OmegaConf.load(conf_dir() / "model" / f"{name}.yaml")
        target = OmegaConf.select(node, "model._target_") or OmegaConf.select(node, "_target_")
        if target and load_class(target, "model").task == task:
            able.append(name)
    return able


def instantiate(node: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - any class
    """Build the object that a config node describes, children first."""
    return partial(node, path)()


def partial(
    node: Mapping[str, Any], path: str, *, given: tuple[str, ...] = (), **extra: object
) -> Callable[..., Any]:
    """Return a callable that builds the object of a config node.

    Parameters
    ----------
    node
        ``_target_`` (dotted path), its arguments, ``_partial_: true`` for a factory.
    path
        Where the node is in the configuration, for messages.
    given
        Positional arguments that the caller will pass.
    extra
        Objects that are passed beside the node's own arguments.

    Raises
    ------
    InputError
        If the target has no such argument, lacks one, or a value is of the wrong kind.
    """
    target = load_class(node["_target_"], path)
    arguments: dict[str, Any] = {}
    for name, value in node.items():
        if name in ("_target_", "_partial_"):
            continue
        if isinstance(value, Mapping) and "_target_" in value:
            child = partial(value, f"{path}.{name}")
            arguments[name] = child if value.get("_partial_") else child()
        else:
            arguments[name] = value
    _check_arguments(target, arguments, path, given=given, extra=extra)
    return functools.partial(target, **arguments, **extra)


def load_class(dotted: str, path: str) -> Any:  # noqa: ANN401 - any class
    """Import what ``package.module.Name`` names."""
    module, _, name = dotted.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"{path}._target_={dotted}: cannot import it ({error})") from error


def _path_of(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _check_arguments(
    target: Any,  # noqa: ANN401 - any class
    arguments: dict[str, Any],
    path: str,
    *,
    given: tuple[str, ...],
    extra: Mapping[str, object],
) -> None:
    parameters = inspect.signature(target).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    own = [name for name in parameters if name not in given and name not in extra]
    for name in arguments:
        if name not in own and not open_ended:
            raise InputError(
                f"{path}.{name}: no such key; {close_matches(name, own)}"
                f"{path} has {', '.join(own) or 'none'}"
            )
    if target.__module__.startswith("grn_exp"):
        missing = [n for n in own if parameters[n].default is inspect.Parameter.empty]
        missing = [name for name in missing if name not in arguments]
        if missing and not open_ended:
            raise InputError(f"{path}.{missing[0]}: no value; set it")
        # a dataclass is annotated on itself, a plain class on its constructor
        annotated = target if "__dataclass_fields__" in vars(target) else target.__init__
        hints = typing.get_type_hints(annotated)
        for name, value in arguments.items():
            arguments[name] = _check_value(value, hints.get(name, Any), f"{path}.{name}")


def _check_value(value: Any, hint: Any, path: str) -> Any:  # noqa: ANN401 - any value and type
    """Return ``value`` as its annotation wants it."""
    kinds = typing.get_args(hint) if _is_union(hint) else (hint,)
    if value is None and type(None) in kinds:
        return None
    for kind in kinds:
        if typing.get_origin(kind) is typing.Literal:
            allowed = typing.get_args(kind)
            if value in allowed:
                return value
            raise InputError(
                f"{path}={value}: {close_matches(str(value), map(str, allowed))}"
                f"choose from {', '.join(map(str, allowed))}"
            )
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if typing.get_origin(kind) is tuple and isinstance(value, list):
            return tuple(value)
        if kind not in (int, float, str, bool):
            return value  # an object: its class checks itself
        if isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
            return value
    names = " or ".join("none" if k is type(None) else k.__name__ for k in kinds)
    raise InputError(f"{path}={value!r}: give {names}")


def _is_union(hint: Any) -> bool:  # noqa: ANN401 - any type
    import types

    return typing.get_origin(hint) in (typing.Union, types.UnionType)
