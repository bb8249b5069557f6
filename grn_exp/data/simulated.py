"""What the simulated benchmarks share: the toy's network and cells, and what is seen of cells."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.network import Network
from grn_exp.data.benchmark import Benchmark
from grn_exp.simulate.random_grn import random_kinetic_network
from grn_exp.simulate.sergio import simulate_steady_state
from grn_exp.simulate.technical_noise import TechnicalNoise

Noise = Literal["technical", "clean"]

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


class ToyBenchmark(Benchmark):
    """A random scale-free GRN and cells simulated from it; goes before the kind of benchmark.

    Parameters
    ----------
    dataset, network
        Names under which presets hold values for this benchmark.
    n_genes, n_regulators, n_cell_types, n_cells_per_type, mean_in_degree
        Size of the simulation.
    seed
        Of the network and the cells.
    noise
        ``technical``: outlier genes, library sizes, dropout and UMI counts, then log1p of
        counts per 10,000; ``clean``: log1p of the simulated expression.
    options
        As in the kind of benchmark.
    """

    def __init__(
        self,
        *,
        dataset: Literal["toy"] = "toy",
        network: Literal["simulated"] = "simulated",
        n_genes: int = 200,
        n_regulators: int = 24,
        n_cell_types: int = 9,
        n_cells_per_type: int = 60,
        mean_in_degree: float = 2.0,
        seed: int = 0,
        noise: Noise = "technical",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.dataset = dataset
        self.network = network
        self.n_genes = n_genes
        self.n_regulators = n_regulators
        self.n_cell_types = n_cell_types
        self.n_cells_per_type = n_cells_per_type
        self.mean_in_degree = mean_in_degree
        self.seed = seed
        self.noise = noise

    def load(self) -> tuple[Expression, Network]:
        """Simulate network and cells."""
        kinetic = random_kinetic_network(
            n_genes=self.n_genes,
            n_regulators=self.n_regulators,
            n_masters=max(self.n_regulators // 3, 1),
            n_cell_types=self.n_cell_types,
            mean_in_degree=self.mean_in_degree,
            seed=self.seed,
        )
        expression = observed(
            simulate_steady_state(kinetic, n_cells_per_type=self.n_cells_per_type, seed=self.seed),
            kinetic.genes,
            noise=_NOISE if self.noise == "technical" else None,
            rng=np.random.default_rng([self.seed, 0x701]),
            source=f"toy(seed={self.seed})",
        )
        return expression, kinetic.network()


def observed(
    values: NDArray[np.float32],
    genes: GeneIndex,
    *,
    noise: TechnicalNoise | None,
    rng: np.random.Generator,
    source: str,
) -> Expression:
    """Return log1p of simulated values, or of the counts per 10,000 that ``noise`` leaves.

    Parameters
    ----------
    values
        Concentrations, shape ``(n_cells, n_genes)``.
    genes, source
        Of the result.
    noise, rng
        What is put on the values, and what draws it; None for the values themselves.
    """
    if noise is not None:
        counts = noise.apply(values, rng)
        total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
        values = counts / total * _COUNTS_PER_CELL
    return Expression(
        values=np.log1p(values).astype(np.float32),
        genes=genes,
        transform="log1p",
        source=source,
    )
