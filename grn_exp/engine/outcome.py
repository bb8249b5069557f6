"""What a run has once its method is fitted: here, in an earlier run, or for several seeds."""

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from grn_exp.core.errors import InputError
from grn_exp.core.scores import EdgeScores
from grn_exp.core.sets import RegulatorSets
from grn_exp.core.tables import Table
from grn_exp.engine.artefacts import read_history, read_scores
from grn_exp.runs.folder import PROVENANCE, RunFolder
from grn_exp.runs.source import has_changed

log = logging.getLogger(__name__)

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
                history=[
                    {name: value for name, value in row.items() if not name.startswith("val/")}
                    for row in read_history(other)
                ],
                device=facts["host"]["device"],
                model=facts["model"],
                seconds={"fit": float(facts["seconds"]["fit"])},
                origin={"fitted_in": facts.get("fitted_in", other.path.name)},
            )
        except _UNREADABLE:
            continue  # half of a folder: another may be whole, or the fit is done again
    return None


def average(folders: Sequence[RunFolder], rows: Sequence[Sequence[dict[str, Any]]]) -> Outcome:
    """Return the outcome of an ensemble: the mean of its seeds' scores, pair by pair.

    DeepSEM's paper averages the |A| of ten trainings so.

    Parameters
    ----------
    folders
        The members' runs.
    rows
        Their metric rows.
    """
    scores = [read_scores(folder) for folder in folders]
    regulators, genes = scores[0].regulators, scores[0].genes
    values = np.stack([member.align(regulators, genes) for member in scores])
    if (values == values[0]).all():
        log.warning(
            "all %d seeds gave the same scores: with these options nothing is drawn at random",
            len(folders),
        )
    mean = values.mean(axis=0, dtype=np.float64).astype(np.float32)
    return Outcome(
        prediction=EdgeScores(regulators, genes, mean),
        history=[],
        device="cpu",
        model={"n_members": len(folders)},
        origin={"members": [folder.path.name for folder in folders]},
        members=rows,
    )


def with_spread(
    rows: Sequence[dict[str, Any]], members: Sequence[Sequence[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Put the members' mean and standard deviation beside the ensemble's own values.

    Parameters
    ----------
    rows
        Metric rows of the mean scores.
    members
        Metric rows of each seed's own run, on the same split.

    Returns
    -------
    list of dict
        ``rows`` with ``n_members``, ``member_mean`` and ``member_sd`` (ddof 1) in each: the
        spread over model seeds at a fixed split.

    Raises
    ------
    InputError
        If a member lacks a row.
    """
    values: dict[tuple[Any, ...], list[float]] = {}
    for run in members:
        for row in run:
            values.setdefault(_of(row), []).append(row["value"])
    found = []
    for row in rows:
        own = values.get(_of(row), [])
        if len(own) != len(members):
            raise InputError(
                f"{len(members) - len(own)} of {len(members)} members have no {row['metric']} of "
                f"{row['subset']} in their metrics.json; do them again with force=true"
            )
        spread = {
            "n_members": len(own),
            "member_mean": float(np.mean(own)),
            "member_sd": float(np.std(own, ddof=1)),
        }
        found.append({**row, **spread})
    return found


def _of(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("metric", "subset", "k", "set_size"))
