"""The set that explains the target best, without labels."""

from grn_exp.core.sets import Positions
from grn_exp.decode.base import PooledScore
from grn_exp.models.closed_form import ClosedFormModel
from grn_exp.models.sets.base import PooledSelector
from grn_exp.models.sets.linear_evidence import LinearEvidence


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
        self.evidence = LinearEvidence(self.view)

    def set_score(self, target: str, pool: Positions) -> PooledScore:
        """Score a set by R^2 of the regression of the target on it (log scale, linear)."""
        return PooledScore(len(pool), residual=self.evidence.for_pool(target, pool))
