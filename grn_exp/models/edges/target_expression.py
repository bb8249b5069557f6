"""A control that looks at the target alone: how much of it there is."""

from typing import ClassVar

import numpy as np

from grn_exp.core.views import TrainView
from grn_exp.models.closed_form import EdgeScorer


class TargetExpression(EdgeScorer):
    """Mean expression of the target over the cells, the same for all regulators.

    Networks from binding experiments list the targets that are active in the cells, so a gene's
    level alone ranks pairs. What a method scores above this, regulator by regulator, is more
    than the target's level.

    Notes
    -----
    A control. Reads expression alone, as the matrix has it (log scale in BEELINE's), and no
    label. Costs one pass over the matrix.

    References
    ----------
    - None: a control of this framework.
    """

    draws: ClassVar[bool] = False

    def score(self, view: TrainView) -> np.ndarray:
        """Return the targets' means, shape ``(n_regulators, n_genes)``."""
        means = view.expression.values.mean(axis=0, dtype=np.float64)
        return np.repeat(means[None, :], len(view.regulators), axis=0)
