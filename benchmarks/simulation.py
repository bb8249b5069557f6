"""Time SERGIO's DS3 as the package simulates it and as :mod:`benchmarks.plain_sergio` does."""

import dataclasses
import resource
from collections.abc import Sequence

import numpy as np

from benchmarks.plain_sergio import PlainSergio
from benchmarks.processes import apart, peak_mb
from grn_exp.core.errors import InputError
from grn_exp.simulate.kinetic import KineticNetwork
from grn_exp.simulate.random_grn import random_kinetic_network
from grn_exp.simulate.sergio import read_sergio, simulate_steady_state
from grn_exp.storage import store

_KEYS = tuple(f"sergio/DS3/{name}.txt" for name in ("interactions", "master_regulators"))
_N_CELLS, _N_CELLS_SMOKE = 300, 8


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one form cost and what it simulated.

    Attributes
    ----------
    seconds
        Of the processor, for all genes.
    peak_mb
        Largest resident memory of its process.
    means
        Mean of each simulated gene's sampled cells, by cell type: ``(n_types,)`` by position.
    """

    seconds: float
    peak_mb: float
    means: dict[int, np.ndarray]

    def difference(self, others: Sequence["Cost"]) -> float:
        """Return how far the means lie from the others' average, as a share of their size."""
        genes = sorted(self.means.keys() & others[0].means.keys())
        ours = np.array([self.means[gene] for gene in genes])
        average = np.mean([[other.means[gene] for gene in genes] for other in others], axis=0)
        return float(np.sqrt(((ours - average) ** 2).mean() / (average**2).mean()))


@dataclasses.dataclass(frozen=True)
class Simulations:
    """Both forms.

    Attributes
    ----------
    plain
        Its seconds are extrapolated from ``n_plain`` genes, its memory is theirs.
    fast
        The package with several seeds: how far means lie apart by chance.
    n_genes, n_plain
        Genes of DS3, and those that the plain form simulated.
    """

    plain: Cost
    fast: tuple[Cost, ...]
    n_genes: int
    n_plain: int

    def agreement(self) -> str:
        """Say how far the plain form's means are from the package's, and what chance does."""
        apart = self.plain.difference(self.fast)
        chance = []
        for each in self.fast:
            same_genes = dataclasses.replace(
                each, means={g: each.means[g] for g in self.plain.means}
            )
            chance.append(
                same_genes.difference([other for other in self.fast if other is not each])
            )
        within = "within" if apart < 1.5 * max(chance) else "BEYOND"
        return (
            f"DS3: means of {self.n_plain} genes in each cell type, root mean square difference "
            f"from the package's average: plain {apart:.0%}, the package's {len(chance)} seeds "
            f"{min(chance):.0%} to {max(chance):.0%}: {within} noise"
        )


def measure(*, n_targets: int = 60, n_seeds: int = 5, smoke: bool = False) -> Simulations:
    """Simulate DS3 with both forms, each in a process of its own.

    Parameters
    ----------
    n_targets
        Targets that the plain form simulates, with all that is upstream of them.
    n_seeds
        Simulations of the package.
    smoke
        Simulate a small random network in this process instead.

    Raises
    ------
    InputError
        If the network is not here; nothing is downloaded for a benchmark.
    """
    absent = [key for key in _KEYS if store.locate(key) is None]
    if absent and not smoke:
        raise InputError(f"{absent[0]} is not here; python -m grn_exp.data fetch sergio_ds3")
    fast = tuple(apart(_package, seed, smoke, smoke=smoke) for seed in range(n_seeds))
    plain = apart(_plain, n_targets, smoke, smoke=smoke)
    return Simulations(plain, fast, len(fast[0].means), len(plain.means))


def _network(*, smoke: bool) -> tuple[KineticNetwork, int]:
    """Return what is simulated, and how many cells of each type."""
    if not smoke:
        return read_sergio(*map(store.fetch, _KEYS)), _N_CELLS
    network = random_kinetic_network(
        n_genes=20, n_regulators=5, n_masters=3, n_cell_types=2, mean_in_degree=2, seed=0
    )
    return network, _N_CELLS_SMOKE


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _package(seed: int, smoke: bool) -> Cost:  # noqa: FBT001 - passed between processes
    network, n_cells = _network(smoke=smoke)
    start = _cpu_seconds()
    sample = simulate_steady_state(network, n_cells_per_type=n_cells, seed=seed)
    seconds = _cpu_seconds() - start
    by_type = sample.reshape(network.n_cell_types, n_cells, -1).mean(axis=1)
    return Cost(seconds, peak_mb(), dict(enumerate(by_type.T)))


def _plain(n_targets: int, smoke: bool) -> Cost:  # noqa: FBT001 - passed between processes
    """Simulate a part; a gene costs the same, and so does an edge, whichever it is."""
    network, n_cells = _network(smoke=smoke)
    plain = PlainSergio(network, n_cells_per_type=n_cells, seed=2)
    masters = set(network.masters.tolist())
    n_masters, n_edges, of_masters, of_targets = 0, 0, 0.0, 0.0
    for gene in plain.with_regulators(n_targets):
        start = _cpu_seconds()
        plain.simulate(gene)
        taken = _cpu_seconds() - start
        if gene in masters:
            n_masters, of_masters = n_masters + 1, of_masters + taken
        else:
            n_edges, of_targets = n_edges + int((network.target == gene).sum()), of_targets + taken
    of_gene = of_masters / n_masters
    of_edge = (of_targets - (len(plain.means) - n_masters) * of_gene) / n_edges
    seconds = of_gene * network.n_genes + of_edge * len(network.target)
    means = {gene: np.array(values) for gene, values in plain.means.items()}
    return Cost(seconds, peak_mb(), means)
