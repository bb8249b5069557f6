"""The linear structural equation layer: ``z = (I - A^T) h`` for every cell, and back.

With cells as rows and ``adjacency[regulator, target]`` that reads ``Z = H (I - A)`` and
``H = Z (I - A)^-1``: the noise ``z`` of a target is its value less what its regulators explain.
"""

from typing import Protocol

import torch
from torch import Tensor


class Mixing(Protocol):
    """``I - A`` for one value of the adjacency."""

    def remove(self, h: Tensor) -> Tensor:
        """Return ``h (I - A)``; h has shape ``(n_rows, n_genes)``."""
        ...

    def propagate(self, z: Tensor) -> Tensor:
        """Return ``z (I - A)^-1``, same shape."""
        ...


class FullMixing:
    """Every gene may regulate: the adjacency is ``(n_genes, n_genes)``.

    Parameters
    ----------
    adjacency
        ``A[regulator, target]`` with a zero diagonal.
    reuse
        True if many calls will use this value: factorise once, without gradients to A.
    """

    def __init__(self, adjacency: Tensor, *, reuse: bool) -> None:
        identity = torch.eye(len(adjacency), device=adjacency.device, dtype=adjacency.dtype)
        self.matrix = identity - adjacency
        self.factors = torch.linalg.lu_factor(self.matrix) if reuse else None

    def remove(self, h: Tensor) -> Tensor:
        """Return ``h (I - A)``."""
        return h @ self.matrix

    def propagate(self, z: Tensor) -> Tensor:
        """Return ``z (I - A)^-1`` by a solve."""
        if self.factors is not None:
            return torch.linalg.lu_solve(*self.factors, z, left=False)
        return torch.linalg.solve(self.matrix, z, left=False)


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
