"""What mirrors show of a finished run, read from its folder."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.genes import GeneIndex
from grn_exp.core.tables import Table
from grn_exp.engine.artefacts import read_scores
from grn_exp.metrics.titles import key_of
from grn_exp.runs.edges import best_edges
from grn_exp.runs.folder import SCORES, SPLIT, RunFolder

_CURVE_POINTS = 1000
_TOP_EDGES = 100
_CURVES_OF = ("val", "test_seen", "test_unseen")

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def flat_metrics(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return ``{"test_unseen/ap": value, ...}`` with each subset's prevalence."""
    flat = {key_of(row): row["value"] for row in rows}
    for row in rows:
        if row["prevalence"] is not None:  # a set is compared with a set: no pairs
            flat[f"{row['subset']}/prevalence"] = row["prevalence"]
    return flat


def cost(facts: dict[str, Any]) -> dict[str, float]:
    """Return what a run took, from its provenance, as ``seconds/fit`` and the like."""
    seconds = {f"seconds/{stage}": value for stage, value in facts["seconds"].items()}
    return {**seconds, "peak_memory_mb": facts["peak_memory_mb"]}


def top_edges(folder: RunFolder) -> Table | None:
    """Return the best edges of a run; None for a method that scores none."""
    found = best_edges(folder, _TOP_EDGES)
    return None if found is None else (found[0][:3], [row[:3] for row in found[1]])


def precision_recall(folder: RunFolder) -> dict[str, Curve]:
    """Return recall and precision of each held-out set of pairs, at most 1,000 points each.

    Nothing for a method that chooses sets or a benchmark that holds out targets.
    """
    if not (folder / SCORES).is_file():
        return {}
    with np.load(folder / SPLIT) as split:
        if not set(_CURVES_OF) <= set(split):
            return {}
        scores = read_scores(folder).align(
            GeneIndex(split["regulators"].tolist()), GeneIndex(split["genes"].tolist())
        )
        labels = split["labels"]
        masks = {subset: split[subset] for subset in _CURVES_OF}
    return {
        subset: _curve(scores[mask], labels[mask])
        for subset, mask in masks.items()
        if labels[mask].any()
    }


def _curve(scores: NDArray[np.float32], labels: NDArray[np.bool_]) -> Curve:
    """Return the steps whose area is the average precision; ties are one step, as there."""
    from sklearn.metrics import precision_recall_curve

    found = precision_recall_curve(labels, scores, drop_intermediate=True)
    precision, recall = found[0][::-1], found[1][::-1]
    last = len(recall) - 1
    kept = np.unique(np.linspace(0, last, _CURVE_POINTS // 2 + 1).round().astype(int))
    # not the library's own first point, precision 1: a line to it flatters a large tie
    return np.repeat(recall[kept], 2)[1:-1], np.repeat(precision[kept][1:], 2)
