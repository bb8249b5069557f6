"""The small simulated network as a benchmark of regulator sets: needs no download."""

from collections.abc import Sequence
from typing import Literal

from grn_exp.core.expression import Expression
from grn_exp.core.network import Network
from grn_exp.data.edges.toy import ToySimulation
from grn_exp.data.sets.base import SetDataModule
from grn_exp.data.sets.pools import OraclePool, RetrievedPool
from grn_exp.data.sets.retrieval import RankedRegulators
from grn_exp.data.sets.splitting import TargetCountSplitter, TargetSplitter


class ToySetsDataModule(SetDataModule):
    """A random scale-free GRN, cells simulated from it, and its targets' regulator sets.

    Parameters
    ----------
    dataset, network
        Names under which presets hold values for this benchmark.
    n_genes, n_regulators, n_cell_types, n_cells_per_type, mean_in_degree, seed, noise
        As :class:`ToySimulation`.
    splitter, pool, set_sizes, candidates, split_seed
        As :class:`SetDataModule`.
    """

    def __init__(
        self,
        *,
        dataset: Literal["toy"] = "toy",
        network: Literal["simulated"] = "simulated",
        splitter: TargetSplitter | TargetCountSplitter | None = None,
        pool: RetrievedPool | OraclePool | None = None,
        set_sizes: Sequence[int] | None = (1, 2, 3),
        candidates: Literal["all", "known"] = "all",
        n_genes: int = 200,
        n_regulators: int = 24,
        n_cell_types: int = 9,
        n_cells_per_type: int = 60,
        mean_in_degree: float = 2.0,
        seed: int = 0,
        noise: Literal["technical", "clean"] = "clean",
        split_seed: int = 42,
    ) -> None:
        super().__init__(
            splitter=splitter,
            pool=pool,
            set_sizes=set_sizes,
            candidates=candidates,
            split_seed=split_seed,
        )
        self.dataset = dataset
        self.network = network
        self.simulation = ToySimulation(
            n_genes=n_genes,
            n_regulators=n_regulators,
            n_cell_types=n_cell_types,
            n_cells_per_type=n_cells_per_type,
            mean_in_degree=mean_in_degree,
            seed=seed,
            noise=noise,
        )

    def load(self) -> tuple[Expression, Network]:
        """Simulate network and cells."""
        return self.simulation.run()


class ToyRetrievalDataModule(RankedRegulators, ToySetsDataModule):
    """The toy's regulators, ranked for its targets as those of a real network are."""
