"""A gene regulatory network with the kinetic parameters that a simulator needs."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.network import Network


@dataclasses.dataclass(frozen=True, eq=False)
class KineticNetwork:
    """An acyclic network with Hill kinetics (SERGIO, Dibaeinia & Sinha 2020).

    Attributes
    ----------
    genes
        All genes; every position below points into them.
    regulator, target
        One edge each, shape ``(n_edges,)``, int64.
    strength
        Signed maximal production ``K`` that an edge adds (concentration per unit of time), shape
        ``(n_edges,)``, float64; negative for a repressor, never 0.
    hill_coefficient
        Hill coefficient ``n > 0`` of each edge, shape ``(n_edges,)``, float64.
    masters
        The genes without a regulator, shape ``(n_masters,)``, int64.
    master_rates
        Production rate of each master regulator in each cell type (concentration per unit of
        time), shape ``(n_masters, n_cell_types)``, float64, not negative.
    source
        Where the network comes from, for messages.

    Raises
    ------
    InputError
        On shapes that do not fit, a rate, strength or coefficient out of range, a cycle, a gene
        that has neither a regulator nor a production rate, or one that has both.
    """

    genes: GeneIndex
    regulator: NDArray[np.int64]
    target: NDArray[np.int64]
    strength: NDArray[np.float64]
    hill_coefficient: NDArray[np.float64]
    masters: NDArray[np.int64]
    master_rates: NDArray[np.float64]
    source: str = "kinetic network"

    def __post_init__(self) -> None:
        self.network()
        self._check_edges()
        self._check_rates()
        self._check_masters()
        self.layers()

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return len(self.genes)

    @property
    def n_cell_types(self) -> int:
        """Number of cell types that the master regulators have rates for."""
        return self.master_rates.shape[1]

    def network(self) -> Network:
        """Return the edges without their kinetics."""
        return Network(
            genes=self.genes, regulator=self.regulator, target=self.target, source=self.source
        )

    def layers(self) -> tuple[NDArray[np.int64], ...]:
        """Return the genes by the length of the longest path that leads to them.

        Layer 0 holds the master regulators; every regulator of a gene is in an earlier layer.

        Raises
        ------
        InputError
            If the network has a cycle; the message names one.
        """
        n_waiting = np.bincount(self.target, minlength=self.n_genes)
        ready = n_waiting == 0
        done = ready.copy()
        layers: list[NDArray[np.int64]] = []
        while ready.any():
            layers.append(np.flatnonzero(ready))
            n_waiting -= np.bincount(self.target[ready[self.regulator]], minlength=self.n_genes)
            ready = (n_waiting == 0) & ~done
            done |= ready
        if not done.all():
            cycle = " -> ".join(repr(self.genes.symbols[p]) for p in self._find_cycle(~done))
            raise InputError(
                f"{self.source}: the genes {cycle} regulate each other in a cycle; steady-state "
                "simulation goes from regulators to targets, drop one of these edges"
            )
        return tuple(layers)

    def _find_cycle(self, blocked: NDArray[np.bool_]) -> list[int]:
        # Every blocked gene has a blocked regulator, so walking upstream must meet a gene twice.
        upstream = {
            int(target): int(regulator)
            for regulator, target in zip(self.regulator, self.target, strict=True)
            if blocked[regulator] and blocked[target]
        }
        path = [int(np.flatnonzero(blocked)[0])]
        while path[-1] not in path[:-1]:
            path.append(upstream[path[-1]])
        return path[path.index(path[-1]) :][::-1]

    def _check_edges(self) -> None:
        strength, coefficient = self.strength, self.hill_coefficient
        for name, values, outside, way_out in (
            ("strength", strength, strength == 0, "give a number other than 0 or drop it"),
            ("Hill coefficient", coefficient, coefficient <= 0, "give a number above 0"),
        ):
            if values.shape != self.regulator.shape:
                raise InputError(
                    f"{self.source}: {values.shape} values of the {name} for "
                    f"{len(self.regulator)} edges"
                )
            wrong = outside | ~np.isfinite(values)
            if wrong.any():
                edge = int(np.flatnonzero(wrong)[0])
                symbols = self.genes.symbols
                raise InputError(
                    f"{self.source}: {name} {values[edge]:g} of the edge "
                    f"{symbols[self.regulator[edge]]!r} -> {symbols[self.target[edge]]!r}; "
                    f"{way_out}"
                )

    def _check_rates(self) -> None:
        rates = self.master_rates
        if rates.ndim != 2 or len(rates) != len(self.masters) or rates.shape[1] == 0:
            raise InputError(
                f"{self.source}: production rates of shape {rates.shape} for "
                f"{len(self.masters)} master regulators; give one row for each of them and one "
                "column for each cell type"
            )
        outside = (self.masters < 0) | (self.masters >= self.n_genes)
        if outside.any():
            raise InputError(
                f"{self.source}: master regulator position {int(self.masters[outside][0])} is "
                f"outside 0..{self.n_genes - 1}"
            )
        wrong = ~np.isfinite(rates) | (rates < 0)
        if wrong.any():
            row, cell_type = np.argwhere(wrong)[0]
            raise InputError(
                f"{self.source}: production rate {rates[row, cell_type]:g} of master regulator "
                f"{self.genes.symbols[self.masters[row]]!r} in cell type {cell_type}; "
                "give a finite rate of 0 or more"
            )

    def _check_masters(self) -> None:
        unique, counts = np.unique(self.masters, return_counts=True)
        if (counts > 1).any():
            symbol = self.genes.symbols[unique[counts > 1][0]]
            raise InputError(
                f"{self.source}: master regulator {symbol!r} is listed twice; keep one"
            )
        is_master = np.zeros(self.n_genes, dtype=np.bool_)
        is_master[self.masters] = True
        has_regulator = np.bincount(self.target, minlength=self.n_genes) > 0
        neither = np.flatnonzero(~is_master & ~has_regulator)
        if len(neither):
            raise InputError(
                f"{self.source}: gene {self.genes.symbols[neither[0]]!r} has neither a regulator "
                f"nor a production rate ({len(neither)} such genes); list it as a master "
                "regulator or drop it"
            )
        both = np.flatnonzero(is_master & has_regulator)
        if len(both):
            raise InputError(
                f"{self.source}: gene {self.genes.symbols[both[0]]!r} is a master regulator but "
                f"has regulators ({len(both)} such genes); drop its rates or its incoming edges"
            )
