"""A small simulated benchmark: needs no download and is made in a second."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.expression import Expression
from grn_exp.core.network import Network
from grn_exp.core.ranges import require_in
from grn_exp.core.views import GeneEmbedding
from grn_exp.data.edges.base import EdgeDataModule
from grn_exp.data.simulated import ToyBenchmark


class ToyDataModule(ToyBenchmark, EdgeDataModule):
    """A random scale-free GRN, cells simulated from it, counts with technical noise.

    Parameters
    ----------
    embedding_width
        Length of the dataset's own gene embedding (``prior=dataset``), which ``seed`` draws.
    informativeness
        Share in [0, 1] of that embedding that comes from the GRN; 0 is pure noise.
    options
        As in :class:`ToyBenchmark` and :class:`EdgeDataModule`.
    """

    def __init__(
        self,
        *,
        embedding_width: int = 32,
        informativeness: float = 0.7,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        require_in("[0, 1]", "data", informativeness=informativeness)
        require_in("[1, inf)", "data", embedding_width=embedding_width)
        self.embedding_width = embedding_width
        self.informativeness = informativeness
        self._network: Network | None = None

    def load(self) -> tuple[Expression, Network]:
        """Simulate network and cells."""
        expression, self._network = super().load()
        return expression, self._network

    def own_embedding(self) -> GeneEmbedding:
        """Return vectors that mix each gene's place in the GRN with noise.

        A gene's place: its out- and in-degree and its coordinates in the leading singular
        vectors of the adjacency, each of unit variance, in a random basis.
        """
        network = self._network or self.load()[1]
        rng = np.random.default_rng([self.seed, 0xE3B])
        signal = _places(network.adjacency().astype(np.float64), self.embedding_width)
        basis = np.linalg.qr(rng.standard_normal((self.embedding_width, self.embedding_width)))[0]
        noise = rng.standard_normal(signal.shape)
        share = self.informativeness
        values = (share * signal + (1 - share) * noise) @ basis
        return GeneEmbedding(
            genes=network.genes,
            values=values.astype(np.float32),
            known=np.ones(len(network.genes), dtype=np.bool_),
            source=f"toy(seed={self.seed}, informativeness={share})",
        )


def _places(adjacency: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return ``(n_genes, width)`` features of a gene's place in the network, unit variance."""
    left, _, right = np.linalg.svd(adjacency)
    degrees = np.stack([np.log1p(adjacency.sum(axis=1)), np.log1p(adjacency.sum(axis=0))], axis=1)
    n_vectors = max((width - 2) // 2, 0)
    features = np.concatenate([degrees, left[:, :n_vectors], right.T[:, :n_vectors]], axis=1)
    places = np.zeros((len(adjacency), width))
    features = features[:, :width]
    places[:, : features.shape[1]] = (features - features.mean(axis=0)) / (
        features.std(axis=0) + 1e-12
    )
    return places
