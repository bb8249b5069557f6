"""The control that knows everything."""

from typing import ClassVar

import numpy as np

from grn_exp.core.scores import EdgeScores
from grn_exp.models.closed_form import ClosedFormModel


class Oracle(ClosedFormModel):
    """Scores are the labels, test labels too: every metric must come out at its best.

    Notes
    -----
    A control, not a method: it reads the test labels, to prove that the judgement works.

    References
    ----------
    - None: a control of this framework.
    """

    reads_labels: ClassVar[bool] = True
    draws: ClassVar[bool] = False
    reads_truth: ClassVar[bool] = True

    def predict(self) -> EdgeScores:
        """Return 1 for an edge, 0 for none."""
        return self.as_scores((self.view.known_labels() == 1).astype(np.float32))
