"""The control that reads training labels and nothing else."""

from typing import ClassVar

import numpy as np

from grn_exp.core.scores import EdgeScores
from grn_exp.core.views import UNKNOWN, TrainView
from grn_exp.models.base import ClosedFormModel


class Degree(ClosedFormModel):
    """How often a regulator, and a target, has an edge among its training pairs.

    Score = the regulator's share of positives + the target's share of positives. A gene
    without training pairs counts with the share over all training pairs, so pairs of two unseen
    genes tie. What a method scores above this on seen genes is more than class imbalance
    (InfoSEM section 4.1).

    Parameters
    ----------
    view
        With labels.
    """

    reads_labels: ClassVar[bool] = True

    def __init__(self, view: TrainView) -> None:
        super().__init__(view)
        self._shares: tuple[np.ndarray, np.ndarray] | None = None

    def fit(self) -> None:
        """Count."""
        labels = self.view.known_labels()
        known, positive = labels != UNKNOWN, labels == 1
        overall = positive.sum() / known.sum()
        self._shares = tuple(  # type: ignore[assignment]
            np.divide(
                positive.sum(axis=axis),
                known.sum(axis=axis),
                out=np.full(known.shape[1 - axis], overall),
                where=known.any(axis=axis),
            )
            for axis in (1, 0)
        )

    def prediction(self) -> EdgeScores:
        """Return the sums of shares."""
        if self._shares is None:
            raise RuntimeError("fit() comes first")
        of_regulator, of_target = self._shares
        return self.as_scores(of_regulator[:, None] + of_target[None, :])
