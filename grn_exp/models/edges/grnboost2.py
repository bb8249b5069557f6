"""GRNBoost2 (Moerman et al. 2019), on scikit-learn."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.ranges import require_in
from grn_exp.models.edges._tree_ensemble import TreeEnsemble

_OF_ESTIMATOR = ("learning_rate", "n_estimators", "max_features", "subsample")


class GRNBoost2(TreeEnsemble):
    """Gradient boosting of every gene on the regulators, stopped early by its own rule.

    Trees are added until the mean out-of-bag improvement of the last ``window`` trees falls
    below 0. Importance = scikit-learn's normalised importance times the number of trees, so a
    gene that the regulators explain counts more than one that stops at once. The rule and the
    defaults are arboreto's, which its importances agree with.

    Parameters
    ----------
    learning_rate, n_estimators, max_features, subsample
        As scikit-learn's ``GradientBoostingRegressor``; ``n_estimators`` is the most, and the
        cells outside ``subsample`` say when to stop.
    window
        Trees that the rule averages over.

    References
    ----------
    - Moerman et al. (2019), GRNBoost2 and Arboreto: efficient and scalable inference of gene
      regulatory networks, Bioinformatics 35. doi:10.1093/bioinformatics/bty916
    """

    def __init__(
        self,
        *,
        learning_rate: float = 0.01,
        n_estimators: int = 5000,
        max_features: float = 0.1,
        subsample: float = 0.9,
        window: int = 25,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        require_in(
            "(0, inf)", learning_rate=learning_rate, n_estimators=n_estimators, window=window
        )
        require_in("(0, 1]", max_features=max_features)
        require_in("(0, 1)", subsample=subsample)

    def importances(
        self, regulators: NDArray[np.float32], target: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Boost one gene."""
        from sklearn.ensemble import GradientBoostingRegressor

        own = {name: value for name, value in self.options.items() if name in _OF_ESTIMATOR}
        estimator = GradientBoostingRegressor(**own, random_state=self.seed)
        estimator.fit(regulators, target, monitor=self._has_stopped)
        return np.asarray(estimator.feature_importances_) * len(estimator.estimators_)

    def _has_stopped(self, tree: int, estimator: Any, fitted: object) -> bool:
        if tree < self.options.window - 1:
            return False
        return bool(
            estimator.oob_improvement_[tree - self.options.window + 1 : tree + 1].mean() < 0
        )
