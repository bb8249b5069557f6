"""A gene's expression over the cells, and the network that embeds it."""

import itertools

import numpy as np
import torch
from torch import Tensor, nn

from grn_exp.core.expression import Expression
from grn_exp.nn.dropout import Dropout


def gene_features(expression: Expression) -> Tensor:
    """Return each gene's z-scores over the cells (Residual HOS2, appendix A).

    Parameters
    ----------
    expression
        Cells x genes, log scale.

    Returns
    -------
    Tensor
        Shape ``(n_genes, n_cells)``, float32; standard deviations have ddof 0, and a gene that
        is the same in all cells becomes 0.
    """
    wide = expression.values.T.astype(np.float64)
    constant = np.ptp(expression.values, axis=0) == 0  # the mean may be off by a rounding
    wide -= wide.mean(axis=1, keepdims=True)
    spread = np.where(constant, np.inf, wide.std(axis=1))
    wide /= spread[:, None]
    return torch.from_numpy(wide.astype(np.float32))


class GeneEncoder(nn.Module):
    """A multi-layer perceptron from a gene's features to its embedding, shared by all genes.

    Each hidden layer is linear, GELU, dropout; the last layer is linear.

    Parameters
    ----------
    n_cells
        Length of a gene's feature vector.
    hidden_width
        Units in each hidden layer.
    dim
        Length of an embedding.
    depth
        Hidden layers, at least 1.
    dropout
        Share of hidden units that are zeroed in training.
    """

    def __init__(
        self, n_cells: int, *, hidden_width: int, dim: int, depth: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        widths = [n_cells, *[hidden_width] * depth]
        layers: list[nn.Module] = []
        for n_inputs, n_outputs in itertools.pairwise(widths):
            layers += [nn.Linear(n_inputs, n_outputs), nn.GELU(), Dropout(dropout)]
        self.dim = dim
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], dim))

    def forward(self, features: Tensor) -> Tensor:
        """Embed genes: shape ``(..., n_cells)`` to ``(..., dim)``."""
        return self.layers(features)
