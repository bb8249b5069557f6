"""Controls that count training labels and read nothing else."""

from typing import Any, ClassVar

import numpy as np

from grn_exp.core.ranges import require_in
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


class RegulatorRate(Degree):
    """The regulator's share of positives alone, the same for all its targets (:class:`Degree`).

    Shows how much of a pooled average precision comes from knowing which regulators have many
    targets. Within a regulator all pairs tie.
    """

    def score(self, view: TrainView) -> np.ndarray:
        """Return each regulator's share."""
        labels = view.known_labels()
        return np.repeat(shares_of_positives(labels)[0][:, None], labels.shape[1], axis=1)


class BlockArtefact(Degree):
    """What the choice of judged targets gives away about the held-out labels.

    With ``split.known_within=block`` a seen target is judged only if it has an edge from some
    seen regulator. So one without a positive training pair must have a held-out edge, and few
    training edges make one likely rather than unlikely. The score is the regulator's share of
    positives times the number of held-out edges that the target has in expectation: 1 if it has
    no training edge, else ``d (1 - f) / f`` for ``d`` training edges, where ``f`` is the share of
    pairs that are for training. Nothing in it is fitted.

    Parameters
    ----------
    train_fraction
        ``f``, between 0 and 1; that of the split.
    options
        As in :class:`Degree`.

    Raises
    ------
    InputError
        If train_fraction is not between 0 and 1.
    """

    def __init__(self, *, train_fraction: float = 0.75, **options: Any) -> None:
        super().__init__(**options)
        require_in("(0, 1)", train_fraction=train_fraction)

    def score(self, view: TrainView) -> np.ndarray:
        """Return the products of the regulators' shares and the expected held-out edges."""
        labels = view.known_labels()
        n_edges = (labels == 1).sum(axis=0)
        share = self.options.train_fraction
        expected = np.where(n_edges == 0, 1.0, n_edges * (1 - share) / share)
        # a target outside the training pairs has no column there, and nothing follows for it
        expected[(labels == UNKNOWN).all(axis=0)] = 1.0
        return shares_of_positives(labels)[0][:, None] * expected


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
