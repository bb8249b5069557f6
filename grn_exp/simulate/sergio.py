"""SERGIO's steady-state simulation, one array per layer of the network.

Source: Dibaeinia & Sinha, "SERGIO: a single-cell expression simulator guided by gene regulatory
networks", Cell Systems 2020. The production rates of a whole layer depend on earlier layers
only, so they are known before the layer is simulated; what remains of the chemical Langevin
equation is a loop over time in which each step is one array of genes x cell types.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.ranges import require_in
from grn_exp.simulate.kinetic import KineticNetwork
from grn_exp.simulate.production import ConstantProduction, HillProduction

# SERGIO's demonstration: the decay rate of every gene and the time between two states
_DECAY, _DT = 0.8, 0.01
# Time is cut into blocks of about this many values, so that memory does not grow with the number
# of states; the results do not depend on it.
_BLOCK_VALUES = 2**18


def read_sergio(
    interactions_path: Path | str, master_regulators_path: Path | str
) -> KineticNetwork:
    """Read SERGIO's two input files.

    Parameters
    ----------
    interactions_path
        One line per target: its id, its number of regulators ``R``, ``R`` regulator ids, ``R``
        signed strengths, ``R`` Hill coefficients; separated by commas.
    master_regulators_path
        One line per master regulator: its id, its production rate in each cell type.

    Returns
    -------
    KineticNetwork
        Genes in the order of their ids, with the id as the symbol; edges in file order.

    Raises
    ------
    InputError
        On a missing file or a line that does not follow the format (file and line are named),
        and on everything that :class:`KineticNetwork` rejects.
    """
    interactions_path = Path(interactions_path)
    edges: list[tuple[int, int, float, float]] = []
    targets: set[int] = set()
    for where, values in _read_lines(interactions_path):
        target, target_edges = _parse_target(where, values)
        if target in targets:
            raise InputError(f"{where}: target {target} already has a line; join the two")
        targets.add(target)
        edges.extend(target_edges)
    master_ids, rates = _read_rates(Path(master_regulators_path))

    ids = sorted({*master_ids, *targets, *(regulator for regulator, *_ in edges)})
    position = {gene_id: index for index, gene_id in enumerate(ids)}
    return KineticNetwork(
        genes=GeneIndex(map(str, ids), name=str(interactions_path)),
        regulator=np.asarray([position[edge[0]] for edge in edges], dtype=np.int64),
        target=np.asarray([position[edge[1]] for edge in edges], dtype=np.int64),
        strength=np.asarray([edge[2] for edge in edges], dtype=np.float64),
        hill_coefficient=np.asarray([edge[3] for edge in edges], dtype=np.float64),
        masters=np.asarray([position[gene_id] for gene_id in master_ids], dtype=np.int64),
        master_rates=np.asarray(rates, dtype=np.float64),
        source=str(interactions_path),
    )


def _read_lines(path: Path) -> list[tuple[str, list[float]]]:
    """Return (file and line number, numbers of the line) for each line that is not empty."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the path of a SERGIO file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file; give the path of a SERGIO file") from error
    parsed = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            parsed.append((where, [float(field) for field in line.split(",")]))
        except ValueError as error:
            raise InputError(
                f"{where}: {error}; SERGIO's files hold numbers separated by commas"
            ) from error
    if not parsed:
        raise InputError(f"{path}: the file is empty; give the path of a SERGIO file")
    return parsed


def _parse_target(
    where: str, values: list[float]
) -> tuple[int, list[tuple[int, int, float, float]]]:
    """Return the target's id and its edges (regulator, target, strength, Hill coefficient)."""
    target = _whole_number(where, "gene id", values[0])
    if len(values) == 1:
        raise InputError(f"{where}: only the gene id {target}; the line is truncated")
    n_regulators = _whole_number(where, "number of regulators", values[1])
    n_expected = 2 + 3 * n_regulators
    if n_regulators == 0 or len(values) != n_expected:
        raise InputError(
            f"{where}: {len(values)} fields for target {target} with {n_regulators} regulators, "
            f"expected {n_expected} and at least one regulator (id, number of regulators, their "
            "ids, strengths and Hill coefficients); the line is truncated or misformed"
        )
    columns = (values[start::n_regulators] for start in range(2, 2 + n_regulators))
    return target, [
        (_whole_number(where, "regulator id", regulator), target, strength, coefficient)
        for regulator, strength, coefficient in columns
    ]


def _read_rates(path: Path) -> tuple[list[int], list[list[float]]]:
    """Return the master regulators' ids and their rates per cell type."""
    master_ids: list[int] = []
    rates: list[list[float]] = []
    for where, values in _read_lines(path):
        master = _whole_number(where, "gene id", values[0])
        n_expected = len(rates[0]) if rates else max(1, len(values) - 1)
        if len(values) - 1 != n_expected:
            raise InputError(
                f"{where}: {len(values) - 1} production rates for master regulator {master}, "
                f"expected {n_expected}; give one rate for each cell type"
            )
        if master in master_ids:
            raise InputError(f"{where}: master regulator {master} already has a line; keep one")
        master_ids.append(master)
        rates.append(values[1:])
    return master_ids, rates


def _whole_number(where: str, name: str, value: float) -> int:
    if not value.is_integer() or value < 0:
        raise InputError(f"{where}: {name} {value:g}; give a whole number of 0 or more")
    return int(value)


def simulate_steady_state(
    network: KineticNetwork,
    *,
    n_cells_per_type: int = 300,
    noise_amplitude: float = 1.0,
    sampling_state: int = 15,
    seed: int,
) -> NDArray[np.float32]:
    """Simulate every gene's concentration at steady state and sample cells from it.

    A concentration ``x`` with production ``P`` follows SERGIO's chemical Langevin equation with
    "dual production decay" noise (Dibaeinia & Sinha 2020), stepped by Euler and Maruyama's rule
    and clipped at 0, with decay 0.8 and dt 0.01 as in its demonstration::

        x += dt (P - decay x) + sqrt(dt) q (sqrt(P) xi_1 + sqrt(decay x) xi_2)

    ``P`` is the rate of a master regulator; for a target it is the sum over its regulators of
    ``|K| c^n / (H^n + c^n)``, or ``|K| H^n / (H^n + c^n)`` where ``K < 0``, at the regulator's
    concentration ``c`` of the same step. The half response ``H`` is the mean of the regulator
    over its sampled cells, averaged over the cell types. A simulation starts at the production
    of the regulators' mean divided by the decay rate, and has no burn-in.

    Parameters
    ----------
    network
        Genes, edges, kinetics and the master regulators' rates per cell type.
    n_cells_per_type
        Cells sampled from each cell type, with replacement; the same states for all genes and
        cell types.
    noise_amplitude
        ``q``, the same for all genes.
    sampling_state
        States simulated per sampled cell: ``sampling_state * n_cells_per_type`` in all, the
        initial one included.
    seed
        Seed of all random numbers.

    Returns
    -------
    numpy.ndarray
        Concentrations without technical noise, shape ``(n_cells, n_genes)``; the cells are
        ordered by cell type.

    Raises
    ------
    InputError
        If an option is out of range.
    """
    require_in(
        "[1, inf)", "simulation", n_cells_per_type=n_cells_per_type, sampling_state=sampling_state
    )
    require_in("[0, inf)", "simulation", noise_amplitude=noise_amplitude, seed=seed)
    rng = np.random.default_rng(seed)
    n_states = sampling_state * n_cells_per_type
    states = rng.integers(n_states, size=n_cells_per_type)
    n_types = network.n_cell_types
    expression = np.empty((n_types, n_cells_per_type, network.n_genes), dtype=np.float32)
    sampled_mean = np.zeros((network.n_genes, n_types))
    trajectories: dict[int, NDArray[np.float32]] = {}
    layers = network.layers()
    last_use = _last_use(network, layers)

    for depth, layer in enumerate(layers):
        production = (
            ConstantProduction(network)
            if depth == 0
            else HillProduction(network, layer, sampled_mean, trajectories)
        )
        kept = np.flatnonzero(last_use[layer] > depth)
        kept_paths = [np.empty((n_states, n_types), dtype=np.float32) for _ in kept]
        for start, path in _paths(production, n_states, noise_amplitude, rng):
            stop = start + len(path)
            for gene, kept_path in zip(kept, kept_paths, strict=True):
                kept_path[start:stop] = path[:, gene]
            cells = np.flatnonzero((states >= start) & (states < stop))
            expression[:, cells[:, None], layer] = path[states[cells] - start].transpose(2, 0, 1)
        sampled_mean[layer] = expression[:, :, layer].mean(axis=1, dtype=np.float64).T
        trajectories.update(zip(layer[kept].tolist(), kept_paths, strict=True))
        for position in np.flatnonzero(last_use == depth):
            del trajectories[int(position)]

    return expression.reshape(-1, network.n_genes)


def _last_use(network: KineticNetwork, layers: tuple[NDArray[np.int64], ...]) -> NDArray[np.int64]:
    """Last layer that a gene regulates, -1 for a gene without targets; shape ``(n_genes,)``."""
    depth = np.empty(network.n_genes, dtype=np.int64)
    for index, layer in enumerate(layers):
        depth[layer] = index
    last = np.full(network.n_genes, -1, dtype=np.int64)
    np.maximum.at(last, network.regulator, depth[network.target])
    return last


def _paths(
    production: ConstantProduction | HillProduction,
    n_states: int,
    noise_amplitude: float,
    rng: np.random.Generator,
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield a layer's states in blocks: the first one's number, ``(steps, n_layer, n_types)``."""
    scale = float(np.sqrt(_DT) * noise_amplitude)
    x = production.initial() / _DECAY
    root = np.empty_like(x)
    n_steps = max(1, _BLOCK_VALUES // x.size)
    for start in range(0, n_states, n_steps):
        rates = production.at(start, min(start + n_steps, n_states))
        xi = rng.standard_normal((len(rates), 2, *x.shape), dtype=np.float32)
        gain = _DT * rates + scale * np.sqrt(rates) * xi[:, 0]
        loss = (scale * np.sqrt(_DECAY)) * xi[:, 1].astype(np.float64)
        path = np.empty_like(gain)
        for step, state in enumerate(path):
            state[...] = x
            x *= 1 - _DECAY * _DT
            x += gain[step]
            np.sqrt(state, out=root)
            root *= loss[step]
            x += root
            np.maximum(x, 0, out=x)
        yield start, path
