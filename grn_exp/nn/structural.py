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


class _RemoveOfRegulators(torch.autograd.Function):
    """``h - h_R A``, where ``h_R`` are the regulators' columns."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, adjacency: Tensor, regulators: Tensor) -> Tensor:  # noqa: ANN401
        thin = -h.index_select(1, regulators)
        ctx.save_for_backward(thin, adjacency, regulators)
        return h + thin @ adjacency

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (gradient,) = gradients
        thin, adjacency, regulators = ctx.saved_tensors
        for_h = for_adjacency = None
        if ctx.needs_input_grad[0]:
            for_h = gradient.index_add(1, regulators, gradient @ adjacency.T, alpha=-1)
        if ctx.needs_input_grad[1]:
            for_adjacency = _without_self_pairs(thin.T @ gradient, regulators)
        return for_h, for_adjacency, None


class _PropagateOfRegulators(torch.autograd.Function):
    """``z + s A``, where the regulators' own values are ``s = z_R (I - A_RR)^-1``.

    What goes to A comes through both places at once: an array of zeros for each column that is
    looked at would be as large as A.
    """

    @staticmethod
    def forward(  # noqa: PLR0917 - what autograd is given has no names
        ctx: Any,  # noqa: ANN401
        z: Tensor,
        adjacency: Tensor,
        regulators: Tensor,
        factors: Tensor,
        pivots: Tensor,
    ) -> Tensor:
        of_regulators = z.index_select(1, regulators)
        s = torch.linalg.lu_solve(factors, pivots, of_regulators.mT).mT
        ctx.save_for_backward(s, adjacency, regulators, factors, pivots)
        return z + s @ adjacency

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (gradient,) = gradients
        s, adjacency, regulators, factors, pivots = ctx.saved_tensors
        for_s = gradient @ adjacency.T
        for_thin = torch.linalg.lu_solve(factors, pivots, for_s.mT, adjoint=True).mT
        for_z = gradient.index_add(1, regulators, for_thin)
        for_adjacency = None
        if ctx.needs_input_grad[1]:
            for_adjacency = s.T @ gradient
            for_adjacency.index_add_(1, regulators, s.T @ for_thin)
            _without_self_pairs(for_adjacency, regulators)
        return for_z, for_adjacency, None, None, None


def _without_self_pairs(gradient: Tensor, regulators: Tensor) -> Tensor:
    """Return the gradient with zero where a regulator meets itself: nothing is learnt there."""
    gradient[torch.arange(len(regulators), device=gradient.device), regulators] = 0
    return gradient


class RegulatorMixing:
    """Only known regulators have outgoing edges: A is ``(n_regulators, n_genes)``.

    The inverse needs a solve among the regulators alone (Schur complement), so a genome-wide
    gene set costs ``n_regulators^3`` and not ``n_genes^3``. Equal to :class:`FullMixing` with
    the other rows zero.

    Parameters
    ----------
    adjacency
        Rows of the regulators only, zero where a regulator meets itself; so is its gradient.
    regulators
        Columns of the regulators, shape ``(n_regulators,)``, int64.
    """

    def __init__(self, adjacency: Tensor, regulators: Tensor) -> None:
        self.adjacency = adjacency
        self.regulators = regulators
        among = -adjacency.detach().index_select(1, regulators)
        self.factors = factorise(among.fill_diagonal_(1.0))

    def remove(self, h: Tensor) -> Tensor:
        """Return ``h (I - A)``."""
        return _RemoveOfRegulators.apply(h, self.adjacency, self.regulators)

    def propagate(self, z: Tensor) -> Tensor:
        """Return ``z (I - A)^-1``: regulators first, then everything they drive."""
        return _PropagateOfRegulators.apply(z, self.adjacency, self.regulators, *self.factors)
