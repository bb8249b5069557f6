"""Which runs an experiment of ``conf/experiment`` makes: experiments share folders."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from grn_exp.report.runs import Problem, Run
from grn_exp.storage.conf import conf_dir

_SEEDS = ("seed", "split.seed")  # more of them are no other experiment


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What an experiment's file says of its runs.

    Attributes
    ----------
    folder
        ``paths.experiment``: where the runs lie.
    wanted
        The values that it sweeps over, by key; without seeds.
    """

    folder: str
    wanted: Mapping[str, tuple[str, ...]]

    def has(self, item: Run | Problem) -> bool:
        """Say whether a run is one of the experiment's; of one without numbers by its folder."""
        if isinstance(item, Problem):
            data, model = PurePosixPath(item.folder).parts[-3:-1]
            names = {"data": data, "model": model}
            return all(value in self.wanted.get(key, (value,)) for key, value in names.items())
        return all(_agrees(item, key, values) for key, values in self.wanted.items())


def experiment(name: str) -> Experiment | None:
    """Return an experiment by the name of its file; None where there is none."""
    content = _content(name)
    if content is None:
        return None
    swept = {key: value for key, value in content["params"].items() if key not in _SEEDS}
    wanted = {key: tuple(str(value).split(",")) for key, value in swept.items()}
    wanted.setdefault("retriever", ("", _usual_retriever()))
    return Experiment(content["folder"], wanted)


def experiments_in(folders: list[str]) -> list[str]:
    """Return the experiments whose runs lie in one of these folders."""
    files = sorted((conf_dir() / "experiment").glob("*.yaml"))
    found = {path.stem: experiment(path.stem) for path in files}
    return [name for name, of in found.items() if of is not None and of.folder in folders]


def _content(name: str) -> dict[str, Any] | None:
    """Return folder and sweep, those of the experiments that it builds on included."""
    path = conf_dir() / "experiment" / f"{name}.yaml"
    if not path.is_file():
        return None
    own = yaml.safe_load(path.read_text(encoding="utf-8"))
    folder, params = "runs", {}
    for item in own.get("defaults", ()):
        if isinstance(item, str) and item != "_self_":
            base = _content(item.removeprefix("/experiment/")) or {"folder": folder, "params": {}}
            folder, params = base["folder"], params | base["params"]
    params |= own.get("hydra", {}).get("sweeper", {}).get("params", {})
    return {"folder": own.get("paths", {}).get("experiment", folder), "params": params}


@functools.cache
def _usual_retriever() -> str:
    text = (conf_dir() / "model" / "_selector.yaml").read_text(encoding="utf-8")
    (chosen,) = (
        v for each in yaml.safe_load(text)["defaults"] for k, v in each.items() if "retriever" in k
    )
    return chosen


def _agrees(run: Run, key: str, values: tuple[str, ...]) -> bool:
    if key in run.names:
        return str(run.names[key]).partition("(")[0] in values
    if key not in run.parameters:
        return True  # the method has no such parameter
    return any(_equal(run.parameters[key], value) for value in values)


def _equal(mine: object, told: str) -> bool:
    if isinstance(mine, int | float) and not isinstance(mine, bool):
        try:
            return float(told) == mine
        except ValueError:
            return False
    return str(mine) == told
