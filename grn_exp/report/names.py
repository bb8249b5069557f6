"""Short names of what ``config.yaml`` tells by class and parameters; how methods are called."""

import functools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

import yaml

from grn_exp.runs.methods import colour, display_name
from grn_exp.storage.conf import conf_dir

__all__ = ["choice_name", "colour", "dataset_name", "display_name", "flattened", "without"]

_MANDATORY = "???"
_DATASETS = {
    "hesc": "hESC",
    "hhep": "hHEP",
    "mdc": "mDC",
    "mesc": "mESC",
    "mhsc_e": "mHSC-E",
    "mhsc_gm": "mHSC-GM",
    "mhsc_l": "mHSC-L",
    "mesc_retrieval": "mESC (retrieval)",
    "sergio_ds1": "SERGIO DS1",
    "sergio_ds2": "SERGIO DS2",
    "sergio_ds3": "SERGIO DS3",
    "sergio_ds3_oracle": "SERGIO DS3 (oracle pools)",
    "toy_sets": "toy (sets)",
    "toy_retrieval": "toy (retrieval)",
}


def dataset_name(label: str) -> str:
    """Return how a reader writes a dataset; one of your own keeps its name.

    Parameters
    ----------
    label
        A choice of ``conf/data``, or what tables make of it.

    Examples
    --------
    >>> dataset_name("hhep non_specific")
    'hHEP, non-specific'
    """
    known, *settings = re.split(r" (?=\S*=)", label, maxsplit=1)
    name, *words = known.split(" ")
    words = [word.replace("_", "-") for word in words]
    return ", ".join([_DATASETS.get(name, name), *words, *settings])


def choice_name(group: str, node: Mapping[str, Any] | None, *, parameters: bool = False) -> str:
    """Return the name of the choice that a part of a configuration was composed from.

    It is the file of ``conf/<group>/`` with the part's ``_target_``, of several the one that
    agrees in most parameters; where no file has the class, the class.

    Parameters
    ----------
    group
        ``prior``, ``split``, ``model``, ...
    node
        The part: ``_target_`` and parameters. None, or without a class, has an empty name.
    parameters
        Put the parameters in brackets whose values are not the file's: ``random(seed=1)``; of a
        path its stem, and what the file leaves to the user without its key: ``table(mine)``.

    Examples
    --------
    >>> choice_name("prior", {"_target_": "grn_exp.priors.uninformative.OneHotPrior"})
    'one_hot'
    """
    target = (node or {}).get("_target_")
    if not node or not isinstance(target, str):
        return ""
    known = [(name, content) for name, content in _files(group) if content["_target_"] == target]
    if not known:
        return target.rpartition(".")[2]
    name, content = max(known, key=lambda file: _n_equal(file[1], node))
    changed = [
        _value(node[key]) if value == _MANDATORY else f"{key}={_value(node[key])}"
        for key, value in content.items()
        if key in node and node[key] != value and _value(node[key]) != name
    ]
    return f"{name}({', '.join(changed)})" if parameters and changed else name


@functools.cache
def _files(group: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return name and content of a group's files that name a class."""
    found = []
    for path in sorted((conf_dir() / group).glob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        content = content.get(group, content)  # a global file has its part below the group's key
        if isinstance(content, dict) and isinstance(content.get("_target_"), str):
            found.append((path.stem, content))
    return tuple(found)


def _n_equal(content: Mapping[str, Any], node: Mapping[str, Any]) -> int:
    return sum(key in node and node[key] == value for key, value in content.items())


def _value(value: object) -> str:
    text = str(value)
    return PurePath(text).stem if isinstance(value, str) and "." in Path(text).name else text


def flattened(node: object, prefix: str = "") -> dict[str, object]:
    """Return a tree of dicts as one dict with dotted keys; a list is one value, as text."""
    if not isinstance(node, dict):
        return {prefix: str(node) if isinstance(node, list) else node}
    flat: dict[str, object] = {}
    for key, value in node.items():
        flat |= flattened(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def without(flat: Mapping[str, object], prefixes: Iterable[str]) -> dict[str, object]:
    """Leave out the keys that are, or are below, one of ``prefixes``."""
    dropped = tuple(prefixes)
    below = tuple(f"{prefix}." for prefix in dropped)
    return {
        key: value
        for key, value in flat.items()
        if key not in dropped and not key.startswith(below)
    }
