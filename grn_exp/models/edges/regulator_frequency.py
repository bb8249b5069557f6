"""The control that ranks the same regulators first for every target."""

from typing import ClassVar

import numpy as np

from grn_exp.core.scores import EdgeScores
from grn_exp.core.views import UNKNOWN, TrainView
from grn_exp.models.base import ClosedFormModel


class RegulatorFrequency(ClosedFormModel):
    """How often a candidate regulates a training target.

    Score = the candidate's share of edges among its training pairs; without any, the share
    among all training pairs. All targets get the same ranking. Candidates with the same share
    tie, so where a ranking needs an order among them, it is the reader's.

    Parameters
    ----------
    view
        With labels.
    """

    reads_labels: ClassVar[bool] = True

    def __init__(self, view: TrainView) -> None:
        super().__init__(view)
        self._shares: np.ndarray | None = None

    def fit(self) -> None:
        """Count."""
        self._shares = regulator_shares(self.view.known_labels())

    def prediction(self) -> EdgeScores:
        """Return the candidates' shares, the same for every gene but 0 for the candidate."""
        if self._shares is None:
            raise RuntimeError("fit() comes first")
        scores = np.repeat(self._shares[:, None], len(self.view.genes), axis=1)
        scores[np.arange(len(scores)), self.view.regulator_positions] = 0
        return self.as_scores(scores)


def regulator_shares(labels: np.ndarray) -> np.ndarray:
    """Return each regulator's share of edges among its known pairs.

    Parameters
    ----------
    labels
        Shape ``(n_regulators, n_genes)``, ``UNKNOWN`` where a pair is not known.

    Returns
    -------
    ndarray
        Shape ``(n_regulators,)``; the share over all known pairs for a regulator without any,
        0 if no pair is known at all.
    """
    n_known = (labels != UNKNOWN).sum(axis=1)
    n_edges = (labels == 1).sum(axis=1)
    overall = n_edges.sum() / max(n_known.sum(), 1)
    return np.divide(n_edges, n_known, out=np.full(len(labels), overall), where=n_known > 0)
