"""The set that explains the target best, without labels."""

import torch

from grn_exp.core.sets import Positions
from grn_exp.decode.base import PooledScore, SetScore
from grn_exp.models.base import ClosedFormModel
from grn_exp.models.sets.base import PooledSelector
from grn_exp.nn.gene_encoder import gene_features
from grn_exp.nn.multiple_correlation import correlation_matrix, squared_multiple_correlation


class BestSubset(PooledSelector, ClosedFormModel):
    """Best multiple correlation over all subsets of the pool.

    Unsupervised but for the pool: which candidates it holds is the retrieval's choice.

    Parameters
    ----------
    decoder
        How the best set is found.

    Notes
    -----
    A control. Assumes that the target is linear in its regulators, with noise that is all its
    own. Reads expression and pools. A set costs ``R^3`` operations, and a pool of M holds ``M
    choose R`` of them.

    References
    ----------
    - None: a control of this framework, the exhaustive form of best subset regression.
    """

    def fit(self) -> None:
        """Correlate all genes once; every regression is solved from these numbers."""
        self.correlations = correlation_matrix(gene_features(self.view.expression))

    def set_score(self, target: str, pool: Positions) -> SetScore:
        """Score a set by R^2 of the regression of the target on it (log scale, linear)."""
        columns = torch.as_tensor(self.view.regulator_positions[pool])
        among = self.correlations[columns][:, columns]
        with_target = self.correlations[int(self.view.genes.positions([target])[0]), columns]
        return PooledScore(
            len(pool),
            residual=lambda sets: squared_multiple_correlation(among, with_target, sets),
        )
