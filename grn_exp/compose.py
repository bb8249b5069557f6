"""From names and values in Python to a configuration, the one that the command line makes."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime
from hydra.errors import HydraException
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from grn_exp import config
from grn_exp.core.errors import InputError, brief, close_matches
from grn_exp.engine.spec import RunIdentity

_GROUPS = ("callbacks", "debug", "decoder", "logger", "pool", "prior", "retriever", "split")


def compose(overrides: Sequence[str]) -> tuple[DictConfig, dict[str, str]]:
    """Compose a configuration, whatever the caller does with Hydra.

    Returns
    -------
    tuple
        The configuration, and the names of its choices by group.
    """
    config.register()
    with _hydra_of_our_own():
        cfg = hydra.compose("config", overrides=list(overrides), return_hydra_config=True)
    chosen = config.names_of(cfg.hydra.runtime.choices)
    own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    OmegaConf.set_struct(own, value=True)
    return own, chosen


@contextlib.contextmanager
def _hydra_of_our_own() -> Iterator[None]:
    """Put the state that a caller's Hydra has in this process aside meanwhile."""
    found: Any = Singleton._instances  # Hydra has no other way to set it aside
    before = {kind: found.pop(kind, None) for kind in (GlobalHydra, VersionBase, JobRuntime)}
    try:
        with hydra.initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
            yield
    finally:
        for kind, instance in before.items():
            found.pop(kind, None)
            if instance is not None:
                found[kind] = instance


def identify(
    chosen: Mapping[str, str],
    options: Mapping[str, Any],
    keys: Mapping[str, Any],
    *,
    sections: Sequence[str],
) -> RunIdentity:
    """Return the identity of the run that the choices and the values make.

    Parameters
    ----------
    chosen
        ``data`` and ``model`` by name.
    options
        Values by their own names: of a group, of the root, or of one of the ``sections``.
    keys
        Values by dotted keys (``split.seed``), choices by group (``model/optimizer``).
    sections
        The parts of the configuration whose options go by their own names.

    Raises
    ------
    InputError
        If a choice or an option does not exist, or several options have the name.
    """
    given = {**options, **keys}
    for name in (each for each in (*options, *keys) if each in chosen):
        raise InputError(
            f"{name}={given[name]!r}: {name} is {chosen[name]!r} already, by the call's first "
            "arguments; give it there"
        )
    groups = {**chosen, **{name: given[name] for name in given if _is_group(name, given[name])}}
    for group, name in groups.items():
        known = config.choices(group)
        if name is not None and name not in known:
            raise InputError(
                f"{group}={name}: {close_matches(str(name), known)}choose from {', '.join(known)}"
            )
    texts = [f"{group}={'null' if name is None else name}" for group, name in groups.items()]
    try:
        cfg, names = compose(texts)
    except HydraException as error:
        raise InputError(f"{' '.join(texts)}: {brief(error)}") from error
    for name, value in given.items():
        if name not in groups:
            key = name if name in keys else _key_of(name, cfg, sections)
            if name in options and key in keys:
                raise InputError(f"{name}: {key} is given twice, as {value!r} and {keys[key]!r}")
            _set(cfg, key, _plain(value))
    return config.identify(cfg, **names)


def _is_group(name: str, value: object) -> bool:
    of_trainer = name == "trainer" and isinstance(value, str)
    return of_trainer or name in _GROUPS or "/" in name


def _key_of(name: str, cfg: DictConfig, sections: Sequence[str]) -> str:
    """Return the dotted key of the one option that has a name."""
    nodes = {section: cfg.get(section) for section in sections}
    known = {"": [key for key in cfg if not OmegaConf.is_dict(cfg._get_node(str(key)))]}
    known |= {
        f"{section}.": [key for key in node if not str(key).startswith("_")]
        for section, node in nodes.items()
        if isinstance(node, DictConfig)
    }
    found = [section + name for section, names in known.items() if name in names]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"{name}: there are {' and '.join(found)}; give one of them as "
            f"overrides={{{found[0]!r}: ...}}"
        )
    everything = dict.fromkeys(str(each) for names in known.values() for each in names)
    listed = "; ".join(
        f"{section.rstrip('.')} has {', '.join(map(str, names))}"
        for section, names in known.items()
        if section and section != "trainer."
    )
    raise InputError(f"{name}: no such option; {close_matches(name, everything)}{listed}")


def _set(cfg: DictConfig, key: str, value: Any) -> None:  # noqa: ANN401 - a tree
    lacking = nearby(cfg, key)
    if lacking:
        raise InputError(f"{key}: no such key; {lacking}")
    try:
        OmegaConf.update(cfg, key, value, merge=True)
    except OmegaConfBaseException as error:
        raise InputError(f"{key}={value!r}: {brief(error)}; give another value") from error


def nearby(cfg: DictConfig, key: str) -> str:
    """Say what is near a dotted key that a configuration lacks; an empty string if it has it."""
    parent, _, name = key.rpartition(".")
    node: Any = cfg
    for part in parent.split(".") if parent else []:
        if not isinstance(node, DictConfig) or part not in node:
            names = map(str, node if isinstance(node, DictConfig) else ())
            return f"{close_matches(part, names)}there is no {parent!r}"
        node = node._get_node(part)
    known = [str(each) for each in node] if isinstance(node, DictConfig) else []
    has = f"{parent or 'config'} has {', '.join(known)}"
    return "" if name in known else f"{close_matches(name, known)}{has}"


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever was given
    """Return a value as numbers, strings, lists and dicts."""
    if hasattr(value, "tolist"):  # of NumPy and pandas
        return value.tolist()
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
