"""The control that ranks the same regulators first for every target."""

from typing import ClassVar

import numpy as np

from grn_exp.core.views import TrainView
from grn_exp.models.closed_form import EdgeScorer
from grn_exp.models.edges.degree import shares_of_positives


class RegulatorFrequency(EdgeScorer):
    """How often a candidate regulates a training target.

    Score = the candidate's share of edges among its training pairs; without any, the share
    among all training pairs. All targets get the same ranking. Candidates with the same share
    tie, so where a ranking needs an order among them, it is the reader's.

    Notes
    -----
    A control. Reads training labels alone and counts them, ``R n_genes`` operations.

    References
    ----------
    - None: a control of this framework. It is to Residual HOS2's retrieval what a gene's degree
      is to InfoSEM's pairs.
    """

    reads_labels: ClassVar[bool] = True
    draws: ClassVar[bool] = False
    needs_negatives: ClassVar[bool] = True

    def score(self, view: TrainView) -> np.ndarray:
        """Return the candidates' shares, the same for every gene but 0 for the candidate."""
        shares, _ = shares_of_positives(view.known_labels())
        scores = np.repeat(shares[:, None], len(view.genes), axis=1)
        scores[np.arange(len(scores)), view.regulator_positions] = 0
        return scores
