"""What a prior is: a vector for every gene.

A gene without a vector of its own (no row in the file, no description, no published vector) is
handled by one rule in all priors, that of :func:`fill_missing`: it gets the mean of the vectors
of those genes of the matrix that have one, and ``known`` says so.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.views import GeneEmbedding


class Prior(Protocol):
    """Source of gene embeddings (``prior=`` on the command line)."""

    def embed(self, expression: Expression) -> GeneEmbedding:
        """Return one vector for each of ``expression.genes``, in that order."""
        ...


class DatasetPrior:
    """Stand for the embedding that the dataset itself brings; the benchmark looks it up."""


def fill_missing(
    vectors: Mapping[str, NDArray[np.float32]], genes: GeneIndex, *, source: str
) -> GeneEmbedding:
    """Look up the vectors of ``genes``; a gene without one gets the mean of those found.

    The mean says nothing about the gene, whatever the vectors have in common.

    Raises
    ------
    InputError
        If no gene has a vector (by :class:`GeneEmbedding`).
    """
    known = np.asarray([symbol in vectors for symbol in genes], dtype=np.bool_)
    width = len(next(iter(vectors.values()))) if vectors else 1
    values = np.zeros((len(genes), width), dtype=np.float32)
    for row, symbol in enumerate(genes):
        if symbol in vectors:
            values[row] = vectors[symbol]
    if known.any():
        values[~known] = values[known].mean(axis=0)
    return GeneEmbedding(genes=genes, values=values, known=known, source=source)
