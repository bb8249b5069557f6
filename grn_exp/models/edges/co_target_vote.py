"""The control that copies the targets of regulators with the same targets."""

from typing import ClassVar

import numpy as np

from grn_exp.core.views import TrainView
from grn_exp.models.closed_form import EdgeScorer


class CoTargetVote(EdgeScorer):
    """A vote of the other regulators, weighted by the training targets that they share.

    Score of ``r -> t`` = the number of paths ``r -> u <- s -> t`` of training edges: every
    regulator ``s`` of ``t`` votes with the number of targets that it has in common with ``r``.
    No expression is read: on seen genes this is collaborative filtering, and a pair with a gene
    that has no training edge scores 0.

    Notes
    -----
    A control. Reads training labels alone. Two matrix products, ``R^2 n_genes`` operations.

    References
    ----------
    - None: a control of this framework, in the sense of InfoSEM, section 4.1.
    """

    reads_labels: ClassVar[bool] = True
    draws: ClassVar[bool] = False

    def score(self, view: TrainView) -> np.ndarray:
        """Let the regulators vote."""
        edges = (view.known_labels() == 1).astype(np.float64)
        shared = edges @ edges.T
        np.fill_diagonal(shared, 0)
        return shared @ edges
