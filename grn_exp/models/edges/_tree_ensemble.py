"""Regression of every gene on the regulators by an ensemble of trees."""

import abc
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from grn_exp.core.progress import track
from grn_exp.core.views import TrainView
from grn_exp.models.closed_form import EdgeScorer


class TreeEnsemble(EdgeScorer):
    """Importance of each regulator in a regression of each gene (InfoSEM eq. 2).

    A gene is left out of its own regression; a gene that is the same in all cells gets 0. The
    genes are divided among as many processes as the run has threads (``trainer.num_threads``),
    which changes no score.

    Notes
    -----
    Assumes that regulators predict their target's expression, in whatever form. Reads
    expression alone. A tree of one gene costs about ``regulators tried x n_cells log n_cells``
    operations.
    """

    @abc.abstractmethod
    def importances(
        self, regulators: NDArray[np.float32], target: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return one gene's importances, shape ``(n_regulators,)``, not negative.

        Parameters
        ----------
        regulators
            Cells x regulators, the gene itself left out.
        target
            The gene in each cell.
        """

    def score(self, view: TrainView) -> np.ndarray:
        """Fit every gene."""
        from joblib import Parallel, delayed

        values, positions = view.expression.values, view.regulator_positions
        inputs = np.asfortranarray(values[:, positions])
        varying = np.flatnonzero(np.ptp(values, axis=0) > 0)
        found = Parallel(n_jobs=torch.get_num_threads(), return_as="generator")(
            delayed(self._fit_gene)(inputs, values[:, gene], positions == gene) for gene in varying
        )
        scores = np.zeros((len(positions), len(view.genes)))
        results: Any = track(found, title=type(self).__name__, total=len(varying))
        for gene, column in zip(varying, results, strict=True):
            scores[:, gene] = column
        return scores

    def _fit_gene(
        self, inputs: NDArray[np.float32], target: NDArray[np.float32], itself: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        from sklearn import config_context

        column = np.zeros(inputs.shape[1])
        if not itself.all():
            others = inputs[:, ~itself] if itself.any() else inputs
            # an ensemble would check options and numbers again for every tree
            with config_context(skip_parameter_validation=True, assume_finite=True):
                column[~itself] = self.importances(others, target.astype(np.float64))
        return column
