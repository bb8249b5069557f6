"""All that a model may see."""

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex

UNKNOWN = -1

# what a batch is made of
Items = Literal["cells", "pairs", "targets"]


@dataclasses.dataclass(frozen=True, eq=False)
class GeneEmbedding:
    """One vector per gene.

    Attributes
    ----------
    genes
        One symbol per row.
    values
        Shape ``(n_genes, width)``, float32, finite.
    known
        Shape ``(n_genes,)``, bool: whether the gene has a vector of its own or the stand-in.
    source
        Where the vectors come from.

    Raises
    ------
    InputError
        On a wrong shape, a non-finite value, if no gene has a vector, or if all are zero.
    """

    genes: GeneIndex
    values: NDArray[np.float32]
    known: NDArray[np.bool_]
    source: str

    def __post_init__(self) -> None:
        n_genes = len(self.genes)
        if self.values.ndim != 2 or self.values.shape[0] != n_genes or self.values.shape[1] == 0:
            raise InputError(f"{self.source}: {self.values.shape} vectors for {n_genes} genes")
        if self.values.dtype != np.float32 or self.known.shape != (n_genes,):
            raise InputError(f"{self.source}: vectors must be float32, one known flag a gene")
        if not np.isfinite(self.values).all():
            row = int(np.argwhere(~np.isfinite(self.values))[0, 0])
            raise InputError(
                f"{self.source}: the vector of {self.genes.symbols[row]!r} has a NaN or infinite "
                "entry; drop that gene from the file"
            )
        if not self.known.any():
            raise InputError(
                f"{self.source}: no vector for any of the {n_genes} genes (such as "
                f"{', '.join(map(repr, self.genes.symbols[:3]))}); use the same symbols in both"
            )
        if not self.values.any():
            raise InputError(
                f"{self.source}: the vectors of all {n_genes} genes are zero, so they carry no "
                "information; write the vectors again, or choose another prior"
            )
        if n_genes > 1 and (self.values == self.values[0]).all():
            raise InputError(
                f"{self.source}: all {n_genes} genes have the same vector ({self.known.sum()} "
                "have one of their own), so they cannot distinguish genes; use the symbols of the "
                "expression matrix, or choose another prior"
            )

    @property
    def width(self) -> int:
        """Length of one vector."""
        return self.values.shape[1]

    def take(self, genes: GeneIndex) -> "GeneEmbedding":
        """Return the vectors of ``genes``, in that order."""
        rows = self.genes.positions(genes)
        return dataclasses.replace(
            self, genes=genes, values=self.values[rows], known=self.known[rows]
        )


@dataclasses.dataclass(frozen=True, eq=False)
class TrainView:
    """Training data of one run: no validation and no test label is in it.

    Attributes
    ----------
    expression
        Cells x genes.
    regulators
        The genes whose outgoing edges are asked for; a subset of ``expression.genes``.
    labels
        Shape ``(n_regulators, n_genes)``, int8: 1 edge, 0 no edge, ``UNKNOWN`` for every pair
        that is not for training. None for a method that declares that it reads no labels.
    embedding
        Prior gene embedding; None for a method that declares that it reads none.
    """

    expression: Expression
    regulators: GeneIndex
    labels: NDArray[np.int8] | None
    embedding: GeneEmbedding | None

    def __post_init__(self) -> None:
        self.genes.positions(self.regulators)
        if self.labels is not None and self.labels.shape != (
            len(self.regulators),
            len(self.genes),
        ):
            raise InputError(f"view: labels of shape {self.labels.shape} do not fit its genes")
        if self.embedding is not None and self.embedding.genes != self.genes:
            raise InputError("view: the embedding's genes are not the expression's genes")

    @property
    def genes(self) -> GeneIndex:
        """The genes of the expression matrix."""
        return self.expression.genes

    @property
    def regulator_positions(self) -> NDArray[np.int64]:
        """Columns of the regulators in the expression matrix."""
        return self.genes.positions(self.regulators)

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of the pairs with a training label, no gene with itself."""
        rows, columns = np.nonzero(self.known_labels() != UNKNOWN)
        return rows, columns

    def labelled_targets(self) -> NDArray[np.int64]:
        """Columns of the genes that have a training label as a target."""
        return np.unique(self.pairs()[1])

    def count(self, items: Items) -> int:
        """Return the number of items that a training goes through in batches."""
        if items == "cells":
            return self.expression.n_cells
        return len(self.pairs()[0] if items == "pairs" else self.labelled_targets())

    def by_symbol(self) -> "TrainView":
        """Return the same view with regulators and genes in the order of their symbols."""
        rows = np.argsort(self.regulators.array)
        genes = self.genes.take(np.argsort(self.genes.array))
        columns = self.genes.positions(genes)
        return dataclasses.replace(
            self,
            expression=self.expression.take_genes(genes),
            regulators=self.regulators.take(rows),
            labels=None if self.labels is None else self.labels[np.ix_(rows, columns)],
            embedding=None if self.embedding is None else self.embedding.take(genes),
        )

    def known_labels(self) -> NDArray[np.int8]:
        """Return the training labels with the pairs of a gene with itself as unknown.

        Returns
        -------
        ndarray
            A copy, shape ``(n_regulators, n_genes)``: 1, 0 or ``UNKNOWN``.
        """
        if self.labels is None:
            raise RuntimeError("the view has no labels although the model reads them")
        labels = self.labels.copy()
        labels[np.arange(len(self.regulators)), self.regulator_positions] = UNKNOWN
        return labels
