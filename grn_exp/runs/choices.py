"""How tables call the choices that a run was composed from."""

import functools
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from grn_exp.core.defaults import REQUIRED
from grn_exp.runs.files import read_mapping
from grn_exp.storage.conf import conf_dir


def choice_name(
    group: str,
    node: Mapping[str, Any],
    recorded: str | None = None,
    *,
    parameters: bool = False,
) -> str:
    """Return the name of the choice that a part of a configuration was composed from.

    Parameters
    ----------
    group
        ``prior``, ``split``, ``model``, ...
    node
        The part: ``_target_`` and parameters. Without a class it has an empty name.
    recorded
        The name that the run folder has. Without one (runs from before it was recorded) it is the
        file of ``conf/<group>/`` with the part's ``_target_``, of several the one that agrees in
        most parameters; where no file has the class, the class.
    parameters
        Put the parameters in brackets whose values are not the file's: ``random(seed=1)``; of a
        path its stem, and what the file leaves to the user without its key: ``table(mine)``.

    Examples
    --------
    >>> choice_name("prior", {"_target_": "grn_exp.priors.uninformative.OneHotPrior"})
    'one_hot'
    """
    if not isinstance(node.get("_target_"), str):
        return ""
    name = recorded or _guess(group, node)
    changed = [
        _value(node[key]) if value == REQUIRED else f"{key}={_value(node[key])}"
        for key, value in _files(group).get(name, {}).items()
        if key in node and node[key] != value and _value(node[key]) != name
    ]
    return f"{name}({', '.join(changed)})" if parameters and changed else name


def _guess(group: str, node: Mapping[str, Any]) -> str:
    """Return the file of the node's class that agrees with most of the node, or the class."""
    files = _files(group)
    known = [name for name in files if files[name]["_target_"] == node["_target_"]]
    agreeing = {name: sum(node.get(k) == v for k, v in files[name].items()) for name in known}
    return max(known, key=agreeing.__getitem__, default=node["_target_"].rpartition(".")[2])


@functools.cache
def _files(group: str) -> dict[str, dict[str, Any]]:
    """Return the content of a group's files that name a class, by their names."""
    found = {}
    for path in sorted((conf_dir() / group).glob("*.yaml")):
        content = read_mapping(path)
        content = content.get(group, content)  # a global file has its part below the group's key
        if isinstance(content, dict) and isinstance(content.get("_target_"), str):
            found[path.stem] = content
    return found


def _value(value: object) -> str:
    text = str(value)
    return PurePath(text).stem if isinstance(value, str) and "." in Path(text).name else text
