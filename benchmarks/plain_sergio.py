"""SERGIO's steady state as one would first write it: a gene, a time step, a cell type at a time.

The reference that :mod:`grn_exp.simulate` is measured against. It shares the network's container
with the package and nothing of the simulation. NumPy is used for the random numbers only, which
are drawn one gene at a time.
"""

import math

import numpy as np

from grn_exp.simulate.kinetic import KineticNetwork

DECAY = 0.8
DT = 0.01
AMPLITUDE = 1.0
SAMPLING_STATE = 15


class PlainSergio:
    """Gene after gene, from the master regulators on.

    Parameters
    ----------
    network
        The network and its kinetics.
    n_cells_per_type
        Cells sampled from each cell type.
    seed
        Seed of all random numbers.
    """

    def __init__(self, network: KineticNetwork, *, n_cells_per_type: int, seed: int) -> None:
        self.network = network
        self.n_states = SAMPLING_STATE * n_cells_per_type
        self.rng = np.random.default_rng(seed)
        self.states = self.rng.integers(self.n_states, size=n_cells_per_type)
        self.paths: dict[int, list[list[float]]] = {}  # by gene: cell types x states
        self.means: dict[int, list[float]] = {}  # by gene: of the sampled cells, by cell type

    def order(self) -> list[int]:
        """Return the genes, every regulator before its targets."""
        return [int(gene) for layer in self.network.layers() for gene in layer]

    def with_regulators(self, n_targets: int) -> list[int]:
        """Return the first ``n_targets`` targets and all that is upstream of them, in order."""
        masters = set(self.network.masters.tolist())
        wanted = [gene for gene in self.order() if gene not in masters][:n_targets]
        needed, waiting = set(wanted), list(wanted)
        while waiting:
            for edge in np.flatnonzero(self.network.target == waiting.pop()):
                regulator = int(self.network.regulator[edge])
                if regulator not in needed:
                    needed.add(regulator)
                    waiting.append(regulator)
        return [gene for gene in self.order() if gene in needed]

    def simulate(self, gene: int) -> None:
        """Simulate one gene; its regulators come first."""
        network = self.network
        edges = [
            (int(network.regulator[e]), float(network.strength[e]), network.hill_coefficient[e])
            for e in np.flatnonzero(network.target == gene)
        ]
        n_types = network.n_cell_types
        if edges:
            rates = [0.0] * n_types
        else:
            row = int(np.flatnonzero(network.masters == gene)[0])
            rates = network.master_rates[row].tolist()
        half = {regulator: sum(self.means[regulator]) / n_types for regulator, *_ in edges}
        noise = self.rng.standard_normal((n_types, self.n_states, 2)).tolist()
        self.paths[gene] = []
        for kind in range(n_types):
            start = rates[kind]
            for regulator, strength, power in edges:
                start += _hill(self.means[regulator][kind], half[regulator], strength, power)
            x, path = start / DECAY, []
            for state in range(self.n_states):
                path.append(x)
                production = rates[kind]
                for regulator, strength, power in edges:
                    concentration = self.paths[regulator][kind][state]
                    production += _hill(concentration, half[regulator], strength, power)
                first, second = noise[kind][state]
                x += DT * (production - DECAY * x) + math.sqrt(DT) * AMPLITUDE * (
                    math.sqrt(production) * first + math.sqrt(DECAY * x) * second
                )
                x = max(x, 0.0)
            self.paths[gene].append(path)
        self.means[gene] = [float(np.mean([p[s] for s in self.states])) for p in self.paths[gene]]


def _hill(concentration: float, half: float, strength: float, power: float) -> float:
    raised, half_raised = concentration**power, half**power
    if raised + half_raised == 0:
        return 0.0 if strength > 0 else -strength  # a silent regulator represses nothing
    response = raised / (half_raised + raised)
    return strength * response if strength > 0 else -strength * (1 - response)
