"""GENIE3 (Huynh-Thu et al. 2010), on scikit-learn."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.ranges import require_in
from grn_exp.models.edges._tree_ensemble import TreeEnsemble


class GENIE3(TreeEnsemble):
    """A random forest of every gene on the regulators.

    The gene is scaled to variance 1; importance = mean over the trees of the variance that the
    splits on a regulator take away, so a gene's importances sum to what is explained of it.

    Parameters
    ----------
    n_estimators
        Trees.
    max_features
        Regulators tried at a split: their square root or all.

    References
    ----------
    - Huynh-Thu et al. (2010), Inferring regulatory networks from expression data using
      tree-based methods, PLoS ONE 5. doi:10.1371/journal.pone.0012776
    """

    def __init__(
        self,
        *,
        n_estimators: int = 1000,
        max_features: Literal["sqrt", "all"] = "sqrt",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        require_in("(0, inf)", n_estimators=n_estimators)

    def importances(
        self, regulators: NDArray[np.float32], target: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Grow one gene's forest."""
        from sklearn.ensemble import RandomForestRegressor

        tried: Any = "sqrt" if self.options.max_features == "sqrt" else 1.0
        forest = RandomForestRegressor(
            n_estimators=self.options.n_estimators, max_features=tried, random_state=self.seed
        )
        forest.fit(regulators, target / target.std())
        trees = (tree.tree_.compute_feature_importances(normalize=False) for tree in forest)
        return np.mean(list(trees), axis=0)
