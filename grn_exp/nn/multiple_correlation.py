"""How much of a target a set of regulators explains, for many sets at once."""

import torch
from torch import Tensor

# below this share of unexplained variance, what a regulator adds to its set cannot be
# distinguished from rounding
_LEAST_VARIANCE = 1e-6


def correlation_matrix(features: Tensor) -> Tensor:
    """Correlate rows: ``(n_genes, n_cells)``, z-scored, to ``(n_genes, n_genes)``.

    A row of zeros correlates with nothing, itself included.
    """
    return features @ features.T / features.shape[1]


def squared_multiple_correlation(among: Tensor, with_target: Tensor, sets: Tensor) -> Tensor:
    """Return R^2 of the least-squares regression of a target on each set.

    Solves all normal equations together by one Cholesky factorisation written over the members
    of a set, each step an operation on all sets.

    Parameters
    ----------
    among
        Correlations among the candidates, shape ``(n_candidates, n_candidates)``.
    with_target
        Correlations with the target, shape ``(n_candidates,)``.
    sets
        Positions, shape ``(n_sets, R)``, int64.

    Returns
    -------
    Tensor
        Shape ``(n_sets,)``. A member that the members before it explain fully adds nothing.
    """
    size = sets.shape[1]
    columns = [sets[:, place] for place in range(size)]
    factors: list[list[Tensor]] = []  # row i of the Cholesky factor, below the diagonal
    scales: list[Tensor] = []  # 1 / diagonal, or 0 for a member that adds nothing
    projections: list[Tensor] = []
    explained = torch.zeros(len(sets), dtype=among.dtype)
    for i in range(size):
        row: list[Tensor] = []
        variance = among[columns[i], columns[i]]
        projection = with_target[columns[i]]
        for j in range(i):
            entry = among[columns[i], columns[j]]
            for k in range(j):
                entry = entry - row[k] * factors[j][k]
            entry = entry * scales[j]
            row.append(entry)
            variance = variance - entry * entry
            projection = projection - entry * projections[j]
        usable = variance > _LEAST_VARIANCE
        scale = torch.where(usable, variance.clamp_min(_LEAST_VARIANCE).rsqrt(), 0.0)
        projection = projection * scale
        factors.append(row)
        scales.append(scale)
        projections.append(projection)
        explained = explained + projection * projection
    return explained
