"""How well sets of regulators explain a target by a linear regression."""

from collections.abc import Callable

import torch
from torch import Tensor

from grn_exp.core.sets import Positions, SetView
from grn_exp.nn.gene_encoder import gene_features
from grn_exp.nn.multiple_correlation import correlation_matrix, squared_multiple_correlation


class LinearEvidence:
    """R^2 of the regression of a target on a set (log scale), from correlations of all genes.

    Attributes
    ----------
    correlations
        Of all genes, shape ``(n_genes, n_genes)``.
    """

    def __init__(self, view: SetView) -> None:
        self._view = view
        self.correlations = correlation_matrix(gene_features(view.expression))

    def for_pool(self, target: str, pool: Positions) -> Callable[[Tensor], Tensor]:
        """Prepare sets of a pool's members (in ``view.regulators``): ``(n, R)`` to ``(n,)``."""
        columns = torch.as_tensor(self._view.regulator_positions[pool])
        among = self.correlations[columns][:, columns]
        with_target = self.correlations[int(self._view.genes.positions([target])[0]), columns]
        return lambda sets: squared_multiple_correlation(among, with_target, sets.cpu())
