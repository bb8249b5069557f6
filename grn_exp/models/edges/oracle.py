"""The control that knows everything."""

import numpy as np

from grn_exp.core.scores import EdgeScores
from grn_exp.models.base import ControlWithTruth


class Oracle(ControlWithTruth):
    """Scores are the labels: every metric must come out at its best."""

    def fit(self) -> None:
        """Nothing to fit."""

    def prediction(self) -> EdgeScores:
        """Return 1 for an edge, 0 for none."""
        return self.as_scores(self.truth.labels.astype(np.float32))
