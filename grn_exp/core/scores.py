"""What an edge method returns."""

import dataclasses
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex

Prediction = TypeVar("Prediction")


@dataclasses.dataclass(frozen=True, eq=False)
class EdgeScores:
    """``values[regulator, target]``, higher = likelier.

    Attributes
    ----------
    regulators, genes
        Rows and columns, in any order: the benchmark aligns them by symbol.
    values
        Shape ``(n_regulators, n_genes)``, float32; finite except, if the method likes, for the
        pair of a gene with itself.

    Raises
    ------
    InputError
        On a wrong shape or dtype, or a NaN or infinite score of two different genes.
    """

    regulators: GeneIndex
    genes: GeneIndex
    values: NDArray[np.float32]

    def __post_init__(self) -> None:
        shape = (len(self.regulators), len(self.genes))
        if self.values.shape != shape or self.values.dtype != np.float32:
            raise InputError(
                f"scores: {self.values.dtype}{self.values.shape}, expected float32{shape}"
            )
        bad = ~np.isfinite(self.values) & ~self.self_pairs()
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise InputError(
                f"scores: {self.values[row, column]} for "
                f"{self.regulators.symbols[row]} -> {self.genes.symbols[column]} "
                f"({int(bad.sum())} such pairs); either the training diverged "
                "(lower its learning rate), or a gene never varies (drop it)"
            )

    def to(self, device: object) -> "EdgeScores":
        """Return the container itself, which lives in memory: Lightning moves predictions."""
        del device
        return self

    def self_pairs(self) -> NDArray[np.bool_]:
        """Mask of a gene with itself, shape ``(n_regulators, n_genes)``."""
        mask = np.zeros(self.values.shape, dtype=np.bool_)
        rows = [row for row, gene in enumerate(self.regulators) if gene in self.genes]
        mask[rows, self.genes.positions(self.regulators.symbols[row] for row in rows)] = True
        return mask

    def align(self, regulators: GeneIndex, genes: GeneIndex) -> NDArray[np.float32]:
        """Return the scores in the order of ``regulators`` x ``genes``."""
        rows = self.regulators.positions(regulators)
        columns = self.genes.positions(genes)
        return self.values[np.ix_(rows, columns)]

    def ranked(self, n_top: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of the ``n_top`` first of :meth:`best_first`."""
        rows, columns = np.unravel_index(self.best_first()[:n_top], self.values.shape)
        return rows.astype(np.int64), columns.astype(np.int64)

    def best_first(self) -> NDArray[np.int64]:
        """Flat positions of all pairs, the likeliest first, no gene with itself.

        Ties keep the order of the rows and columns.
        """
        values = -self.values
        values[self.self_pairs()] = np.inf
        n_pairs = int(np.isfinite(values).sum())
        return np.argsort(values, axis=None, kind="stable")[:n_pairs]


@runtime_checkable
class Scored(Protocol):
    """What has scores of its edges: a network that was inferred."""

    def to_scores(self) -> EdgeScores:
        """Return the scores of all pairs."""
        ...


def scores_of(prediction: "Prediction | Scored") -> "Prediction | EdgeScores":
    """Return the scores of a network; a prediction as it is."""
    return prediction.to_scores() if isinstance(prediction, Scored) else prediction
