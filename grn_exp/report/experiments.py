"""Which runs an experiment of ``conf/experiment`` makes: experiments share folders."""

import dataclasses
import functools
import re
from collections.abc import Mapping

from grn_exp.report.tuned import TUNED
from grn_exp.report.usual import is_equal, resolved, usual
from grn_exp.runs.folder import place_of
from grn_exp.runs.key import flattened
from grn_exp.runs.reading import Problem, Run
from grn_exp.runs.trainer_options import counted_callbacks
from grn_exp.storage.conf import conf_dir, contents

_PAPERS = {"infosem": "InfoSEM", "hos2": "Residual HOS2"}
_SEEDS = ("seed", "split.seed")  # more of them are no other experiment
_FILE = "data.expression"  # nor is a dataset's matrix that had to come from a file of one's own
_CHOICES = ("prior", "retriever")  # that have a column
_COUNTED_IF_SET = ("trainer.", "retriever.trainer.", "ensemble", "ckpt_path")


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What an experiment's file says of its runs.

    Attributes
    ----------
    folder
        ``paths.experiment``: where the runs lie.
    wanted
        The values that it sweeps over or sets, by key; without seeds.
    """

    folder: str
    wanted: Mapping[str, tuple[str, ...]]

    def has(self, item: Run | Problem) -> bool:
        """Say whether a run is one of the experiment's; of one without numbers by its folder.

        A run is the experiment's if each parameter has a value that the experiment gives, or the
        default where it gives none.
        """
        if isinstance(item, Problem):
            place = place_of(item.folder)
            names = {"data": place.data, "model": place.model}
            return all(value in self.wanted.get(key, (value,)) for key, value in names.items())
        keys = {*item.parameters, *_CHOICES, "data", "model"}
        if "ensemble" in self.wanted:  # or a member would be taken for the mean
            keys.add("ensemble")
        return all(self._agrees(item, key) for key in keys)

    def _agrees(self, run: Run, key: str) -> bool:
        of_run, default = run.parameters.get(key), usual(run)
        if key in (*_CHOICES, "data", "model"):
            of_run = str(run.names[key]).partition("(")[0]
        elif key == "ensemble":
            of_run = run.names[key]
        if key in (*_SEEDS, _FILE) or of_run == TUNED or (key == "retriever" and not of_run):
            return True
        if key in self.wanted:
            known = tuple(resolved(value, key, run) for value in self.wanted[key])
        elif key in default:
            known = (default[key],)
        elif key.startswith("callbacks.") and key.endswith("._target_"):
            return not counted_callbacks({"callbacks": {key: {"_target_": of_run}}})
        else:  # what is not known of a class cannot differ
            return not key.startswith(_COUNTED_IF_SET)
        return any(is_equal(of_run, value) for value in known)


@functools.cache
def experiment(name: str) -> Experiment | None:
    """Return an experiment by the name of its file; None where there is none."""
    folder, found = "runs", {}
    for content in (files := contents("experiment", name)):
        set_here = {k: v for k, v in content.items() if k not in ("defaults", "hydra", "paths")}
        params = content.get("hydra", {}).get("sweeper", {}).get("params", {})
        found |= {key: (value,) for key, value in flattened(set_here).items()}
        found |= {key: tuple(str(value).split(",")) for key, value in params.items()}
        folder = content.get("paths", {}).get("experiment", folder)
    wanted = {key: values for key, values in found.items() if key not in _SEEDS}
    return Experiment(folder, wanted) if files else None


def heading(folder: str) -> str:
    """Return what a folder of runs is called: the tables and figures of the papers it is for."""
    found: dict[str, dict[str, list[str]]] = {}
    for name in sorted(experiments_in([folder])):
        match = re.fullmatch(r"(?:smoke/)?(infosem|hos2)_(table|figure)(\d+)", name)
        if match:
            paper = found.setdefault(_PAPERS[match[1]], {"table": [], "figure": []})
            paper[match[2]].append(match[3])
    texts = []
    for paper, of in found.items():
        kinds = [f"{k}{'s' * (len(n) > 1)} {', '.join(n)}" for k, n in of.items() if n]
        texts.append(f"{paper} {' and '.join(kinds)}")
    if not texts:
        return "Single runs" if folder == "runs" else folder.replace("_", " ").capitalize()
    return "; ".join(texts) + " in small" * folder.startswith("smoke")


def experiments_in(folders: list[str]) -> list[str]:
    """Return the experiments whose runs lie in one of these folders."""
    files = sorted((conf_dir() / "experiment").glob("**/[!_]*.yaml"))
    names = [path.relative_to(conf_dir() / "experiment").with_suffix("") for path in files]
    found = {name.as_posix(): experiment(name.as_posix()) for name in names}
    return [name for name, of in found.items() if of is not None and of.folder in folders]
