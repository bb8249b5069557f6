"""Random gene regulatory networks with hubs, for the SERGIO simulator."""

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.ranges import require_in
from grn_exp.simulate.kinetic import KineticNetwork

# A master regulator is low or high in a cell type; SERGIO's DS1 draws from the same two ranges.
_LOW_RATE = (0.2, 0.5)
_HIGH_RATE = (0.7, 1.0)
_STRENGTHS = (1.0, 5.0)  # |K|, as in DS1
_REPRESSOR_SHARE = 0.5
_HILL_COEFFICIENT = 2.0


def random_kinetic_network(
    *,
    n_genes: int,
    n_regulators: int,
    n_masters: int,
    n_cell_types: int,
    mean_in_degree: float,
    seed: int,
) -> KineticNetwork:
    """Draw an acyclic network in which few regulators have most of the targets.

    The regulators stand in a line, master regulators first; a regulator regulates genes behind
    it only. Each regulator has an attractiveness that follows Zipf's law, ``1 / rank``, in an
    order independent of its place in the line. A gene that is not a master has a geometrically
    distributed number of regulators, drawn without replacement by attractiveness. Every regulator
    has at least one target. One half of the edges repress, and their strengths are uniform.
    Positions and symbols are shuffled at the end, so neither distinguishes a regulator from
    another gene.

    Parameters
    ----------
    n_genes
        All genes.
    n_regulators
        Genes that regulate something, the masters included.
    n_masters
        Genes without a regulator.
    n_cell_types
        Columns of the masters' production rates.
    mean_in_degree
        Expected number of regulators of a gene that is not a master. The mean of one network
        varies around it, and is lower where few regulators stand in front of a gene.
    seed
        Seed of all random numbers.

    Returns
    -------
    KineticNetwork
        Edges in the order of their targets, then of their regulators.

    Raises
    ------
    InputError
        If the sizes do not fit each other or an option is out of range.
    """
    if not 1 <= n_masters <= n_regulators < n_genes:
        raise InputError(
            f"n_masters={n_masters}, n_regulators={n_regulators}, n_genes={n_genes}; give "
            "1 <= n_masters <= n_regulators < n_genes"
        )
    require_in("[1, inf)", "data", n_cell_types=n_cell_types)
    if not 1 <= mean_in_degree <= n_regulators:
        raise InputError(
            f"mean_in_degree={mean_in_degree}; give a number from 1 to n_regulators={n_regulators}"
        )
    require_in("[0, inf)", "data", seed=seed)
    rng = np.random.default_rng(seed)
    regulator, target = _draw_edges(
        rng,
        n_genes=n_genes,
        n_regulators=n_regulators,
        n_masters=n_masters,
        mean_in_degree=mean_in_degree,
    )
    position = rng.permutation(n_genes)
    regulator, target = position[regulator], position[target]
    order = np.lexsort((regulator, target))
    sign = np.where(rng.random(len(order)) < _REPRESSOR_SHARE, -1.0, 1.0)
    is_high = rng.random((n_masters, n_cell_types)) < 0.5
    width = max(4, len(str(n_genes)))
    return KineticNetwork(
        genes=GeneIndex(
            (f"G{number:0{width}d}" for number in range(1, n_genes + 1)),
            name="random network",
        ),
        regulator=regulator[order],
        target=target[order],
        strength=sign * rng.uniform(*_STRENGTHS, size=len(order)),
        hill_coefficient=np.full(len(order), _HILL_COEFFICIENT),
        masters=np.sort(position[:n_masters]),
        master_rates=np.where(
            is_high,
            rng.uniform(*_HIGH_RATE, size=is_high.shape),
            rng.uniform(*_LOW_RATE, size=is_high.shape),
        ),
        source=f"random network of seed {seed}",
    )


def _draw_edges(
    rng: np.random.Generator,
    *,
    n_genes: int,
    n_regulators: int,
    n_masters: int,
    mean_in_degree: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw edges between places in the line: masters, other regulators, genes without targets."""
    attractiveness = rng.permutation(1 / np.arange(1.0, n_regulators + 1))
    # One target for each regulator comes first, so that none ends up without.
    chosen: list[list[int]] = [[] for _ in range(n_genes)]
    for regulator in range(n_regulators):
        first_target = int(rng.integers(max(regulator + 1, n_masters), n_genes))
        chosen[first_target].append(regulator)
    in_degree = rng.geometric(1 / mean_in_degree, size=n_genes)
    for gene in range(n_masters, n_genes):
        weight = attractiveness[: min(gene, n_regulators)].copy()
        weight[chosen[gene]] = 0
        n_more = min(int(in_degree[gene]) - len(chosen[gene]), int((weight > 0).sum()))
        if n_more > 0:
            drawn = rng.choice(len(weight), n_more, replace=False, p=weight / weight.sum())
            chosen[gene].extend(drawn.tolist())
    regulator = [place for places in chosen for place in places]
    target = np.repeat(np.arange(n_genes), [len(places) for places in chosen])
    return np.asarray(regulator, dtype=np.int64), target.astype(np.int64)
