"""What a run's parameters are where nobody sets them: the files of ``conf`` and their classes.

Hydra composes the same, in a second a run; a report of a thousand runs reads the files itself.
"""

import functools
from collections.abc import Mapping
from typing import Any

from grn_exp.core.defaults import options_of
from grn_exp.runs.key import flattened
from grn_exp.runs.reading import Run
from grn_exp.storage.conf import contents, preset_values

_PRESET = "${preset:"


def usual(run: Run) -> Mapping[str, object]:
    """Return the parameters, by dotted key, that a run of its method and dataset has by default.

    What is not known has no entry: of a choice that is not in ``conf``, of a value that has none.
    The choices themselves (``prior``, ``split``, ``pool``, ``decoder``, ``retriever``) are there
    under their names.
    """
    return _usual(*(run.names[name] for name in ("data", "model", "retriever", "network")))


@functools.cache
def _usual(data: str, model: str, retriever: str, network: str) -> Mapping[str, object]:
    root = contents("", "config")[-1]["defaults"]
    own = {key: value for each in root if isinstance(each, dict) for key, value in each.items()}
    choices: dict[str, str | None] = {"prior": own["prior"], "split": own["split"]}
    flat: dict[str, object] = {}
    for group, name in (("data", data), ("model", model)):
        for content in contents(group, name):
            for entry in content.get("defaults", ()):
                if isinstance(entry, dict):  # {"override /split@_global_.split": "targets"}
                    choices |= {key.rpartition(".")[2]: value for key, value in entry.items()}
            flat |= _placed(content, group)
    for group in choices.keys() - {"retriever"}:
        for content in contents(group, str(choices[group])):
            flat |= _placed(content, group)
    for content in contents("model", retriever or str(choices.get("retriever"))):
        placed = _placed(content, "model")
        flat |= {f"retriever.{key}": value for key, value in placed.items()}
    for node in ("data", "model", "retriever.model"):  # the other groups' files leave nothing out
        for option, value in options_of(str(flat.get(f"{node}._target_", ""))).items():
            plain = list(value) if isinstance(value, tuple) else value
            flat = {**flattened(plain, f"{node}.{option}"), **flat}
    flat.setdefault("data.network", network)
    known = {
        key: _resolved(value, {**flat, "data.network": network}) for key, value in flat.items()
    }
    known |= {group: choice or "" for group, choice in choices.items()}
    return {key: value for key, value in known.items() if value != "???"}


def _placed(content: Mapping[str, Any], group: str) -> dict[str, object]:
    """Return a file's values by their keys; a global file has its part below the group's key."""
    own = {key: value for key, value in content.items() if key != "defaults"}
    is_global = isinstance(own.get(group), dict) or "trainer" in own
    return flattened(own, "" if is_global else group)


def resolved(value: object, key: str, run: Run) -> object:
    """Return the value of an experiment's file for a run: what a preset gives is looked up."""
    if key == "ensemble" and value == "published":
        return _preset("ensemble").get(run.names["model"], 1)
    return _resolved(value, run.parameters | {"data.network": run.names["network"]})


def _resolved(value: object, flat: Mapping[str, object]) -> object:
    """Look up what the paper's preset gives for the dataset and its network."""
    if not isinstance(value, str) or "${" not in value:
        return value
    if not value.startswith(_PRESET):
        return "???"
    method, _, name = value.removeprefix(_PRESET).rstrip("}").partition(".")
    table = _preset(method)
    network, dataset = flat["data.network"] or "simulated", flat.get("data.dataset")
    return preset_values(table, network, dataset).get(name, "???")


@functools.cache
def _preset(method: str) -> Mapping[Any, Any]:
    """Return the paper's preset for a method: a report asks for it by the ten thousand."""
    return contents("presets", "paper")[-1][method]


def is_equal(mine: object, other: object) -> bool:
    """Say whether a run's value is that of a file or a command line, where it may be text."""
    if isinstance(mine, int | float) and not isinstance(mine, bool):
        try:
            return float(str(other)) == mine
        except ValueError:
            return False
    return str(mine) == str(other)
