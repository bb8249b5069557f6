"""Beam search for the sets with the largest evidence times a weight for each member."""

import numpy as np

from grn_exp.models.sets.posterior.evidence import PoolEvidence
from grn_exp.models.sets.posterior.labelled_cells import Floats, Integers

_WIDTH = 200  # sets that are kept at each step; three times as many at the last


def likely_sets(evidence: PoolEvidence, size: int, log_weight: Floats) -> Integers:
    """Search sets of a pool's members, one signed member after the other.

    The result holds ascending positions in the pool, shape ``(n, R)``, each set once.

    Parameters
    ----------
    evidence
        Of the pool.
    size
        R.
    log_weight
        Added to the log evidence for each member, shape ``(n_pool,)``.
    """
    effects, n_pool = evidence.effects, len(log_weight)
    gram, rhs = evidence.signed()
    shift = rhs + effects.pull
    diagonal = np.diag(gram) + effects.precision
    start = np.tile(log_weight, 2) - np.log(2) - effects.cost
    beams, score = np.zeros((1, 0), dtype=np.int64), np.zeros(1)
    for depth in range(size):
        inner = gram[beams[:, :, None], beams[:, None, :]] + np.eye(depth) * effects.precision
        cross = gram[beams]
        solved = np.linalg.solve(inner, cross) if depth else cross
        # one more member changes the evidence by a rank-one update
        pivot = np.maximum(diagonal - (cross * solved).sum(axis=1), effects.precision)
        residual = shift - (solved * shift[beams][:, :, None]).sum(axis=1)
        total = score[:, None] + start + 0.5 * residual**2 / pivot - 0.5 * np.log(pivot)
        row = np.arange(len(beams))[:, None]
        total[row, beams % n_pool] = -np.inf
        total[row, beams % n_pool + n_pool] = -np.inf
        beams, score = _best(beams, total, _WIDTH if depth < size - 1 else 3 * _WIDTH)
    return np.unique(np.sort(beams % n_pool, axis=1), axis=0)


def _best(beams: Integers, score: Floats, keep: int) -> tuple[Integers, Floats]:
    """Return the ``keep`` best extensions of the beams, each set of signed members once."""
    flat = score.ravel()
    # a set can be reached in as many orders as it has members
    n_read = min(6 * keep, flat.size)
    best = np.argpartition(-flat, n_read - 1)[:n_read]
    best = best[np.isfinite(flat[best])]
    best = best[np.lexsort((best, -flat[best]))]
    row, column = np.divmod(best, score.shape[1])
    joined = np.sort(np.concatenate([beams[row], column[:, None]], axis=1), axis=1)
    first = np.sort(np.unique(joined, axis=0, return_index=True)[1])[:keep]
    return joined[first], flat[best[first]]
