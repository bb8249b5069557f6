"""Regression of every gene on the regulators by an ensemble of trees."""

import abc
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from grn_exp.core.progress import track
from grn_exp.core.views import TrainView
from grn_exp.models.closed_form import EdgeScorer
from grn_exp.models.edges._kept_targets import KeptTargets

_TIMED = 5  # genes by which a fit is timed


class TreeEnsemble(EdgeScorer):
    """Importance of each regulator in a regression of each gene (InfoSEM eq. 2).

    A gene is left out of its own regression; a gene that is the same in all cells gets 0. The
    genes are divided among as many processes as the run has threads (``trainer.num_threads``),
    which changes no score. A gene's scores are a function of the seed, so a fit that is cut off
    goes on from the genes that are done.

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
        kept = self.kept(view)
        left = np.flatnonzero((np.ptp(values, axis=0) > 0) & ~kept.done)
        found = Parallel(n_jobs=torch.get_num_threads(), return_as="generator")(
            delayed(self._fit_gene)(inputs, values[:, gene], positions == gene) for gene in left
        )
        results: Any = track(found, title=type(self).__name__, total=len(left))
        for gene, column in zip(left, results, strict=True):
            kept.add(np.array([gene]), column[:, None])
        return kept.scores

    def seconds(self) -> float:
        """Return about how long a fit takes, by a few genes."""
        view = self.view
        values, positions = view.expression.values, view.regulator_positions
        inputs = np.asfortranarray(values[:, positions])
        varying = np.flatnonzero(np.ptp(values, axis=0) > 0)
        few = some_of(varying)
        for gene in few[:1]:  # what only a first call does
            self._fit_gene(inputs, values[:, gene], positions == gene)
        start = time.perf_counter()
        for gene in few:
            self._fit_gene(inputs, values[:, gene], positions == gene)
        each = (time.perf_counter() - start) / max(len(few), 1)
        return each * len(varying) / torch.get_num_threads()

    def kept(self, view: TrainView) -> KeptTargets:
        """Return what is done of a fit that was cut off."""
        symbols = view.regulators.symbols, view.genes.symbols
        depends_on = type(self).__name__, symbols, dict(self.options), self.facts()
        return KeptTargets(self.unfinished, (len(symbols[0]), len(symbols[1])), depends_on)

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


def some_of(genes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a few genes by which a fit is timed, from all over the list."""
    return genes[:: max(len(genes) // _TIMED, 1)][:_TIMED]
