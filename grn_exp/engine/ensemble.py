"""Several seeds of one method: their mean scores, and how far the seeds are apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from grn_exp.core.errors import InputError
from grn_exp.core.scores import EdgeScores
from grn_exp.engine.artefacts import read_scores
from grn_exp.engine.outcome import Outcome
from grn_exp.runs.folder import RunFolder


def average(folders: Sequence[RunFolder], rows: Sequence[Sequence[dict[str, Any]]]) -> Outcome:
    """Return the outcome of an ensemble.

    Parameters
    ----------
    folders
        The members' runs.
    rows
        Their metric rows.
    """
    return Outcome(
        prediction=mean_scores([read_scores(folder) for folder in folders]),
        history=[],
        device="cpu",
        model={"n_members": len(folders)},
        origin={"members": [folder.path.name for folder in folders]},
        members=rows,
    )


def mean_scores(members: Sequence[EdgeScores]) -> EdgeScores:
    """Average scores, pair by pair (DeepSEM's paper: the mean |A| of ten trainings)."""
    first = members[0]
    values = [member.align(first.regulators, first.genes) for member in members]
    mean = np.stack(values).mean(axis=0, dtype=np.float64).astype(np.float32)
    return EdgeScores(regulators=first.regulators, genes=first.genes, values=mean)


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
