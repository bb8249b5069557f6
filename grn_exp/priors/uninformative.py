"""Embeddings without information: the controls that an informative prior has to beat."""

import dataclasses

import numpy as np

from grn_exp.core.expression import Expression
from grn_exp.core.ranges import require_in
from grn_exp.core.views import GeneEmbedding


@dataclasses.dataclass(frozen=True)
class OneHotPrior:
    """A direction of its own for every gene: the identity matrix (InfoSEM figure 4)."""

    def embed(self, expression: Expression) -> GeneEmbedding:
        """Return the identity, shape ``(n_genes, n_genes)``."""
        n_genes = expression.n_genes
        return GeneEmbedding(
            genes=expression.genes,
            values=np.eye(n_genes, dtype=np.float32),
            known=np.ones(n_genes, dtype=np.bool_),
            source="one-hot",
        )


@dataclasses.dataclass(frozen=True)
class RandomPrior:
    """Independent standard normal vectors of about unit length (InfoSEM figure 4).

    Parameters
    ----------
    width
        Length of a vector; 768 as BioBERT's.
    seed
        Seed of the vectors.
    """

    width: int = 768
    seed: int = 0

    def embed(self, expression: Expression) -> GeneEmbedding:
        """Return vectors drawn from N(0, 1 / width), shape ``(n_genes, width)``."""
        require_in("[1, inf)", "prior", width=self.width)
        require_in("[0, inf)", "prior", seed=self.seed)
        rng = np.random.default_rng([self.seed, 0xE3B])
        n_genes = expression.n_genes
        values = rng.standard_normal((n_genes, self.width)) / np.sqrt(self.width)
        return GeneEmbedding(
            genes=expression.genes,
            values=values.astype(np.float32),
            known=np.ones(n_genes, dtype=np.bool_),
            source=f"random(width={self.width}, seed={self.seed})",
        )
