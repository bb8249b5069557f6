"""The control that copies the regulators of co-expressed training targets."""

from typing import Any, ClassVar

import numpy as np

from grn_exp.core.ranges import require_in
from grn_exp.core.views import UNKNOWN, TrainView
from grn_exp.models.closed_form import EdgeScorer
from grn_exp.models.edges.correlation import correlations
from grn_exp.models.edges.degree import shares_of_positives

# of the candidate's overall share, which orders the candidates without votes
_PRIOR_WEIGHT = 1.0
# columns of the result that are worked on at a time
_CHUNK_GENES = 512


class NearestTargets(EdgeScorer):
    """A vote of the k training targets whose expression correlates most with the target's.

    A voter's weight is its correlation, and only positive ones vote. The score of a candidate is
    the weighted share of edges among the voters' known pairs with it, where the candidate's
    share over all training targets (:class:`RegulatorFrequency`) has one vote more, of weight 1:
    it orders the candidates without an edge to any voter. A training target does not vote
    for itself. Voters that tie with the k-th all vote, so the order of the genes does not matter.

    Parameters
    ----------
    k
        Voters for a target.

    Notes
    -----
    A control. Assumes that co-expressed targets share regulators. Reads expression and training
    labels. Correlations cost ``T n_genes n_cells`` operations and votes ``R T n_genes``, with T
    training targets.

    References
    ----------
    - None: a control of this framework, k nearest neighbours with a prior.
    """

    reads_labels: ClassVar[bool] = True
    draws: ClassVar[bool] = False
    needs_negatives: ClassVar[bool] = True

    def __init__(self, *, k: int = 10, **options: Any) -> None:
        super().__init__(**options)
        require_in("[1, inf)", k=k)

    def score(self, view: TrainView) -> np.ndarray:
        """Find the voters of every gene and let them vote."""
        labels = view.known_labels()
        targets = np.flatnonzero((labels != UNKNOWN).any(axis=0))
        edges = (labels[:, targets] == 1).astype(np.float64)
        known = (labels[:, targets] != UNKNOWN).astype(np.float64)
        prior = _PRIOR_WEIGHT * shares_of_positives(labels)[0][:, None]
        scores = np.empty(labels.shape)
        similarity = correlations(view.expression.values, targets)
        similarity[np.arange(len(targets)), targets] = 0
        for start in range(0, len(view.genes), _CHUNK_GENES):
            columns = slice(start, start + _CHUNK_GENES)
            weights = self._vote_weights(similarity[:, columns])
            scores[:, columns] = (edges @ weights + prior) / (known @ weights + _PRIOR_WEIGHT)
        scores[np.arange(len(scores)), view.regulator_positions] = 0
        return scores

    def _vote_weights(self, similarity: np.ndarray) -> np.ndarray:
        """Set all but each column's k largest positive entries to 0."""
        weights = np.maximum(similarity, 0)
        if len(weights) > self.options.k:
            kth = np.partition(weights, -self.options.k, axis=0)[-self.options.k]
            weights[weights < kth] = 0
        return weights
