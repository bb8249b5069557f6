"""The control that reads expression and nothing else."""

import numpy as np

from grn_exp.core.expression import Expression
from grn_exp.core.scores import EdgeScores
from grn_exp.core.views import TrainView
from grn_exp.models.base import ClosedFormModel


class Correlation(ClosedFormModel):
    """Absolute Pearson correlation of regulator and target over the cells.

    A gene that is the same in all cells correlates with none; a gene with itself scores 0.

    Parameters
    ----------
    view
        Expression on a log scale.
    """

    def __init__(self, view: TrainView) -> None:
        super().__init__(view)
        self._scores: np.ndarray | None = None

    def fit(self) -> None:
        """Correlate."""
        positions = self.view.regulator_positions
        scores = np.abs(correlations(self.view.expression, positions))
        scores[np.arange(len(positions)), positions] = 0
        self._scores = scores

    def prediction(self) -> EdgeScores:
        """Return the absolute correlations."""
        if self._scores is None:
            raise RuntimeError("fit() comes first")
        return self.as_scores(self._scores)


def correlations(expression: Expression, positions: np.ndarray) -> np.ndarray:
    """Return Pearson's correlations of some genes with all genes.

    Parameters
    ----------
    expression
        Cells x genes.
    positions
        Columns of the genes that are rows of the result, shape ``(n,)``.

    Returns
    -------
    ndarray
        Shape ``(n, n_genes)``, float64, within [-1, 1]; 0 where a gene is constant.
    """
    constant = np.ptp(expression.values, axis=0) == 0  # the mean may be off by a rounding
    centred = expression.values - expression.values.mean(axis=0, dtype=np.float64)
    norms = np.where(constant, np.inf, np.sqrt(np.square(centred).sum(axis=0)))
    centred /= norms
    return np.clip(centred[:, positions].T @ centred, -1, 1)
