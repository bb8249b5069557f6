"""Runs whose hyper-parameters were chosen by cross-validation."""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import yaml

from grn_exp.runs.key import without
from grn_exp.runs.reading import Problem, Run

TUNED = "tuned"


def with_tuned(found: Sequence[Run | Problem]) -> list[Run | Problem]:
    """Write ``tuned`` for each parameter that a run's ``chosen.yaml`` says was chosen.

    What is chosen differs from split to split; the runs are one method all the same, and their
    mean is what is reported.
    """
    folders = [Path(item.names["folder"]) for item in found if isinstance(item, Run)]
    chosen: dict[Path, set[str]] = defaultdict(set)
    for parent in {folder.parent for folder in folders}:
        for path in parent.glob("tuning-*/chosen.yaml"):
            # where it cannot be read, the run is one with the values that it has
            with suppress(OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
                content = yaml.safe_load(path.read_text(encoding="utf-8"))
                chosen[parent / content["run"]] |= set(content["values"])
    return [
        _marked(item, chosen[Path(item.names["folder"])]) if isinstance(item, Run) else item
        for item in found
    ]


def _marked(run: Run, keys: set[str]) -> Run:
    # a choice of a group (prior=...) is all that is below it, and may have a column of its own
    parameters = without(run.parameters, keys) | dict.fromkeys(keys, TUNED)
    columns = {key: TUNED for key in ("prior", "retriever") if key in keys}
    return dataclasses.replace(run, parameters=parameters, names={**run.names, **columns})
