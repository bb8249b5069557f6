"""Controls that count training labels and read nothing else."""

from typing import ClassVar

import numpy as np

from grn_exp.core.views import UNKNOWN, TrainView
from grn_exp.models.closed_form import EdgeScorer


class Degree(EdgeScorer):
    """How often a regulator, and a target, has an edge among its training pairs.

    Score = the regulator's share of positives + the target's share of positives. A gene
    without training pairs counts with the share over all training pairs, so pairs of two unseen
    genes tie. What a method scores above this on seen genes is more than class imbalance
    (InfoSEM section 4.1).

    Notes
    -----
    A control. Reads training labels alone and counts them, ``R n_genes`` operations.

    References
    ----------
    - Cui et al. (2025), InfoSEM: a deep generative model with informative priors for gene
      regulatory network inference, section 4.1.
    """

    reads_labels: ClassVar[bool] = True
    draws: ClassVar[bool] = False

    def score(self, view: TrainView) -> np.ndarray:
        """Return the sums of shares."""
        of_regulator, of_target = shares_of_positives(view.known_labels())
        return of_regulator[:, None] + of_target[None, :]


class DegreeProduct(Degree):
    """Product of the regulator's and the target's share of positives (:class:`Degree`).

    The rank-one form: a target that many regulators have counts most for a regulator that has
    many targets.
    """

    def score(self, view: TrainView) -> np.ndarray:
        """Return the products of shares."""
        of_regulator, of_target = shares_of_positives(view.known_labels())
        return of_regulator[:, None] * of_target[None, :]


def shares_of_positives(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of edges among each regulator's, and each target's, known pairs.

    Parameters
    ----------
    labels
        Shape ``(n_regulators, n_genes)``, ``UNKNOWN`` where a pair is not known.

    Returns
    -------
    tuple of ndarray
        Shapes ``(n_regulators,)`` and ``(n_genes,)``; the share over all known pairs for a gene
        without any, 0 if no pair is known at all.
    """
    known, positive = labels != UNKNOWN, labels == 1
    overall = positive.sum() / max(known.sum(), 1)
    of_regulator, of_target = (
        np.divide(
            positive.sum(axis=axis),
            known.sum(axis=axis),
            out=np.full(known.shape[1 - axis], overall),
            where=known.any(axis=axis),
        )
        for axis in (1, 0)
    )
    return of_regulator, of_target
