"""A small simulated benchmark: needs no download and is made in a second."""

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.network import Network
from grn_exp.core.views import GeneEmbedding
from grn_exp.data.edges.base import EdgeDataModule
from grn_exp.data.edges.splitting import SeenUnseenSplitter
from grn_exp.priors.base import DatasetPrior, Prior
from grn_exp.simulate.random_grn import random_kinetic_network
from grn_exp.simulate.sergio import SergioSample, simulate_steady_state
from grn_exp.simulate.technical_noise import TechnicalNoise

_COUNTS_PER_CELL = 1e4
# milder than the simulator's defaults: with so few cells a method should find something
_NOISE = TechnicalNoise(
    outlier_prob=0.01,
    outlier_mean=0.8,
    outlier_scale=0.5,
    library_mean=7.5,
    library_scale=0.3,
    dropout_shape=4.0,
    dropout_percentile=25.0,
)


@dataclasses.dataclass(frozen=True)
class ToySimulation:
    """A random scale-free GRN and cells simulated from it.

    Parameters
    ----------
    n_genes, n_regulators, n_cell_types, n_cells_per_type, mean_in_degree
        Size of the simulation.
    seed
        Of the network and the cells.
    noise
        ``technical``: outlier genes, library sizes, dropout and UMI counts, then log1p of
        counts per 10,000; ``clean``: log1p of the simulated expression.
    """

    n_genes: int
    n_regulators: int
    n_cell_types: int
    n_cells_per_type: int
    mean_in_degree: float
    seed: int
    noise: Literal["technical", "clean"]

    def run(self) -> tuple[Expression, Network]:
        """Simulate network and cells."""
        kinetic = random_kinetic_network(
            n_genes=self.n_genes,
            n_regulators=self.n_regulators,
            n_masters=max(self.n_regulators // 3, 1),
            n_cell_types=self.n_cell_types,
            mean_in_degree=self.mean_in_degree,
            seed=self.seed,
        )
        sample = simulate_steady_state(
            kinetic, n_cells_per_type=self.n_cells_per_type, seed=self.seed
        )
        return self._observe(sample), kinetic.network()

    def _observe(self, sample: SergioSample) -> Expression:
        values = sample.expression
        if self.noise == "technical":
            counts = _NOISE.apply(values, np.random.default_rng([self.seed, 0x701]))
            total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
            values = counts / total * _COUNTS_PER_CELL
        return Expression(
            values=np.log1p(values).astype(np.float32),
            genes=sample.genes,
            transform="log1p",
            source=f"toy(seed={self.seed})",
        )


class ToyDataModule(EdgeDataModule):
    """A random scale-free GRN, cells simulated from it, counts with technical noise.

    Parameters
    ----------
    dataset, network
        Names under which presets hold values for this benchmark.
    n_genes, n_regulators, n_cell_types, n_cells_per_type, mean_in_degree
        Size of the simulation.
    seed
        Of the network, the cells and the embedding.
    noise
        As :class:`ToySimulation`.
    embedding_width
        Length of the dataset's own gene embedding (``prior=dataset``).
    informativeness
        Share in [0, 1] of that embedding that comes from the GRN; 0 is pure noise.
    splitter, prior, genes, split_seed
        As :class:`EdgeDataModule`.
    """

    def __init__(
        self,
        *,
        dataset: Literal["toy"] = "toy",
        network: Literal["simulated"] = "simulated",
        splitter: SeenUnseenSplitter | None = None,
        prior: Prior | DatasetPrior | None = None,
        genes: Literal["all", "with_embedding"] = "all",
        n_genes: int = 200,
        n_regulators: int = 24,
        n_cell_types: int = 9,
        n_cells_per_type: int = 60,
        mean_in_degree: float = 2.0,
        seed: int = 0,
        noise: Literal["technical", "clean"] = "technical",
        embedding_width: int = 32,
        informativeness: float = 0.7,
        split_seed: int = 0,
    ) -> None:
        super().__init__(splitter=splitter, prior=prior, genes=genes, split_seed=split_seed)
        if not 0 <= informativeness <= 1:
            raise InputError(f"data.informativeness={informativeness}: give a share in [0, 1]")
        if embedding_width < 1:
            raise InputError(f"data.embedding_width={embedding_width}: give a positive number")
        self.dataset = dataset
        self.network = network
        self.seed = seed
        self.simulation = ToySimulation(
            n_genes=n_genes,
            n_regulators=n_regulators,
            n_cell_types=n_cell_types,
            n_cells_per_type=n_cells_per_type,
            mean_in_degree=mean_in_degree,
            seed=seed,
            noise=noise,
        )
        self.embedding_width = embedding_width
        self.informativeness = informativeness
        self._network: Network | None = None

    def load(self) -> tuple[Expression, Network]:
        """Simulate network and cells."""
        expression, self._network = self.simulation.run()
        return expression, self._network

    def own_embedding(self) -> GeneEmbedding:
        """Return vectors that mix each gene's place in the GRN with noise.

        A gene's place: its out- and in-degree and its coordinates in the leading singular
        vectors of the adjacency, each of unit variance, in a random basis.
        """
        if self._network is None:
            self.load()
        network = self._network
        if network is None:
            raise RuntimeError("load() left no network")
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
