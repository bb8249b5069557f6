"""What a run has once its method is fitted, here or in an earlier run."""

import csv
import dataclasses
from collections.abc import Sequence
from typing import Any

from grn_exp.core.scores import EdgeScores
from grn_exp.core.sets import RegulatorSets
from grn_exp.core.tables import Table
from grn_exp.engine.artefacts import read_scores
from grn_exp.runs.folder import HISTORY, PROVENANCE, RunFolder
from grn_exp.runs.source import has_changed

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A prediction and what is known of how it came about.

    Attributes
    ----------
    prediction
        Scores or sets.
    history
        The training curves, one row an epoch.
    device
        Where it was fitted.
    model
        Facts about the fitted model.
    tables
        The model's own tables by file name.
    seconds
        Wall times that go before this run's own.
    origin
        Where the fit comes from, if not from this run.
    members
        Metric rows of an ensemble's runs.
    """

    prediction: EdgeScores | RegulatorSets
    history: list[dict[str, Any]]
    device: str
    model: dict[str, Any]
    tables: dict[str, Table] = dataclasses.field(default_factory=dict)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    origin: dict[str, Any] = dataclasses.field(default_factory=dict)
    members: Sequence[Sequence[dict[str, Any]]] = ()


def earlier_fit(folder: RunFolder, fit_key: str) -> Outcome | None:
    """Return the outcome of a finished run beside this one that differs in the split alone.

    A method that reads no labels is fitted once for all splits. The curves on that run's own
    validation pairs are left out.

    Parameters
    ----------
    folder
        The run that is to be done.
    fit_key
        Hash of everything that can change the fit.
    """
    for path in sorted(folder.path.parent.glob(f"*/{PROVENANCE}")):
        other = RunFolder(path.parent)
        if other.path == folder.path:
            continue
        try:
            facts = other.facts()
            if facts.get("fit_key") != fit_key or other.state() != "finished":
                continue
            if has_changed(other, other.config()):
                continue
            return Outcome(
                prediction=read_scores(other),
                history=_training_curves(other),
                device=facts["host"]["device"],
                model=facts["model"],
                seconds={"fit": float(facts["seconds"]["fit"])},
                origin={"fitted_in": facts.get("fitted_in", other.path.name)},
            )
        except _UNREADABLE:
            continue  # half of a folder: another may be whole, or the fit is done again
    return None


def _training_curves(folder: RunFolder) -> list[dict[str, Any]]:
    with (folder / HISTORY).open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return [{k: v for k, v in row.items() if not k.startswith("val/")} for row in rows]
