"""The linear structural equation layer: ``z = (I - A^T) h`` for every cell, and back.

With cells as rows and ``adjacency[regulator, target]`` that reads ``Z = H (I - A)`` and
``H = Z (I - A)^-1``: the noise ``z`` of a target is its value less what its regulators explain.
"""

from typing import Any

import torch
from torch import Tensor


def factorise(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the LU factors of the transpose: ``z M^-1 = (M^-T z^T)^T``.

    LAPACK stores columns first and torch rows first, so the transpose of everything is what it
    takes without reordering memory.
    """
    return torch.linalg.lu_factor(matrix.mT)


class _Solve(torch.autograd.Function):
    """``z M^-1``, one factorisation for value and gradient.

    The gradient to M is ``-h^T (dh M^-T)``. The sign goes onto the thin factor, so no pass over
    an ``n_genes x n_genes`` array is spent on it. See :func:`factorise` for the transposes.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, matrix: Tensor) -> Tensor:  # noqa: ANN401
        factors, pivots = factorise(matrix)
        h = torch.linalg.lu_solve(factors, pivots, z.mT).mT
        ctx.save_for_backward(factors, pivots, h)
        return h

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:  # noqa: ANN401
        factors, pivots, h = ctx.saved_tensors
        for_z = torch.linalg.lu_solve(factors, pivots, gradients[0].mT, adjoint=True).mT
        for_matrix = (-h).T @ for_z if ctx.needs_input_grad[1] else None
        return for_z, for_matrix


class FullMixing:
    """Every gene may regulate: the adjacency is ``(n_genes, n_genes)``.

    Parameters
    ----------
    effects
        ``A[regulator, target]``; its diagonal is taken as zero whatever it holds.
    reuse
        True if many calls will use this value: factorise once, without gradients to A.
    """

    def __init__(self, effects: Tensor, *, reuse: bool) -> None:
        self.matrix = (-effects).fill_diagonal_(1.0)
        self.factors = factorise(self.matrix) if reuse else None

    def remove(self, h: Tensor) -> Tensor:
        """Return ``h (I - A)``, shape ``(n_rows, n_genes)`` as h."""
        return h @ self.matrix

    def propagate(self, z: Tensor) -> Tensor:
        """Return ``z (I - A)^-1`` by a solve."""
        if self.factors is not None:
            return torch.linalg.lu_solve(*self.factors, z.mT).mT
        return _Solve.apply(z, self.matrix)


class RegulatorMixing:
    """Only known regulators have outgoing edges: A is ``(n_regulators, n_genes)``.

    The inverse needs a solve among the regulators alone (Schur complement), so a genome-wide
    gene set costs ``n_regulators^3`` and not ``n_genes^3``. Equal to :class:`FullMixing` with
    the other rows zero.

    Parameters
    ----------
    adjacency
        Rows of the regulators only, zero where a regulator meets itself.
    regulators
        Columns of the regulators, shape ``(n_regulators,)``, int64.
    reuse
        As in :class:`FullMixing`.
    """

    def __init__(self, adjacency: Tensor, regulators: Tensor, *, reuse: bool) -> None:
        self.adjacency = adjacency
        self.regulators = regulators
        self.among = FullMixing(adjacency[:, regulators], reuse=reuse)

    def remove(self, h: Tensor) -> Tensor:
        """Return ``h (I - A)``."""
        return h - h[:, self.regulators] @ self.adjacency

    def propagate(self, z: Tensor) -> Tensor:
        """Return ``z (I - A)^-1``: regulators first, then everything they drive."""
        return z + self.among.propagate(z[:, self.regulators]) @ self.adjacency
