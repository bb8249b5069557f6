"""SERGIO's networks with cells simulated from them: every regulator set is known exactly."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.network import Network
from grn_exp.core.ranges import require_in
from grn_exp.data.benchmark import FromFiles, own_file
from grn_exp.data.readers import read_expression
from grn_exp.data.sets.base import SetDataModule
from grn_exp.data.simulated import observed
from grn_exp.simulate.kinetic import KineticNetwork
from grn_exp.simulate.sergio import read_sergio, simulate_steady_state
from grn_exp.simulate.technical_noise import TechnicalNoise
from grn_exp.storage import store
from grn_exp.storage.atomic import read_npz, write_npz

log = logging.getLogger(__name__)

Dataset = Literal["DS1", "DS2", "DS3"]

# raise it when the simulation changes: older copies are then left alone and not read
_SIMULATION_VERSION = 1
_LAST_PUBLISHED = 14
_SAMPLING_STATE = 15  # SERGIO's own
# the demonstration's library size is for 100 genes; it grows with the genes
_DEMONSTRATION_GENES = 100


class SergioDataModule(FromFiles, SetDataModule):
    """One of SERGIO's steady-state networks (Dibaeinia & Sinha 2020) with expression.

    DS1 has 100 genes, DS2 400, DS3 1,200 (the Residual HOS2 paper's); 9 cell types with 300 cells
    each. Which cell is of which type is not handed on.

    Parameters
    ----------
    dataset, network
        Which network; ``network`` is a name under which presets hold values.
    source
        ``simulated``: cells simulated here, with SERGIO's model and parameters, kept in the
        cache. ``published``: the authors' simulation, downloaded.
    simulation
        The simulation's seed; with ``published`` the number of the file, 0..14.
    expression
        A matrix of the user's in place of either: concentrations or counts, no logarithms, of
        the network's genes under SERGIO's ids. ``.csv`` or ``.csv.gz`` (genes x cells, ids in
        the first column) or ``.h5ad``.
    sampling_state
        Simulated states between two sampled cells, on average. SERGIO's setting is 15, at which
        the cells of a type are close in time and so correlated; at several hundred they are
        independent.
    noise
        ``clean``: log1p of the values. ``technical``: outlier genes, library sizes, dropout and
        counts, then log1p of counts per 10,000.
    set_sizes, options
        As in :class:`SetDataModule`.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        network: Literal["simulated"] = "simulated",
        source: Literal["simulated", "published"] = "simulated",
        simulation: int = 0,
        expression: str | None = None,
        sampling_state: int = 15,
        noise: Literal["clean", "technical"] = "clean",
        set_sizes: Sequence[int] | None = (2, 3, 4),
        **options: Any,
    ) -> None:
        super().__init__(set_sizes=set_sizes, **options)
        require_in("[0, inf)", "data", simulation=simulation)
        if source == "published" and simulation > _LAST_PUBLISHED:
            raise InputError(
                f"data.simulation={simulation}: {dataset} was published with simulations "
                f"0..{_LAST_PUBLISHED}; choose one of them, or data.source=simulated"
            )
        require_in("[1, inf)", "data", sampling_state=sampling_state)
        self.dataset = dataset
        self.network = network
        self.source = source
        self.simulation = simulation
        self.sampling_state = sampling_state
        self.expression_path = own_file(expression)
        self.noise = noise
        self._refuse_what_has_no_effect()

    def _refuse_what_has_no_effect(self) -> None:
        """Refuse options that cells that exist already do not follow."""
        changed: dict[str, tuple[object, object]]
        changed = {"sampling_state": (self.sampling_state, _SAMPLING_STATE)}
        if self.expression_path is not None:
            given = "expression"
            changed |= {"source": (self.source, "simulated"), "simulation": (self.simulation, 0)}
        elif self.source == "published":
            given = "source=published"
        else:
            return
        for name, (value, default) in changed.items():
            if value != default:
                raise InputError(
                    f"data.{name}={value}: data.{given} reads cells that exist already, so this "
                    "has no effect; leave one of the two out"
                )

    @property
    def keys(self) -> list[str]:
        """Registry keys of the files that this choice needs; the network's two come first."""
        keys = network_keys(self.dataset)
        if self.source == "published" and self.expression_path is None:
            keys.append(f"sergio/{self.dataset}/simulated_noNoise_{self.simulation}.csv")
        return keys

    def load(self) -> tuple[Expression, Network]:
        """Read the network, and read or simulate cells."""
        interactions, masters, *published = [store.fetch(key) for key in self.keys]
        kinetic = read_sergio(interactions, masters)
        if self.expression_path is not None:
            clean = _read_matrix(self.expression_path, kinetic.genes)
        elif published:
            clean = _read_matrix(published[0], kinetic.genes)
        else:
            clean = simulated(
                kinetic,
                interactions,
                masters,
                seed=self.simulation,
                sampling_state=self.sampling_state,
            )
        library_mean = TechnicalNoise.library_mean + np.log(clean.n_genes / _DEMONSTRATION_GENES)
        noise = TechnicalNoise(library_mean=float(library_mean))
        expression = observed(
            clean.values,
            clean.genes,
            noise=noise if self.noise == "technical" else None,
            rng=np.random.default_rng([self.simulation, 0x7EC4]),
            source=f"{clean.source}, {self.noise}",
        )
        return expression, kinetic.network()


def network_keys(network: str) -> list[str]:
    """Return the registry keys of the files that cells of a network are simulated from."""
    return [f"sergio/{network}/{name}.txt" for name in ("interactions", "master_regulators")]


def _read_matrix(path: Path, genes: GeneIndex) -> Expression:
    """Read concentrations of ``genes``, whatever order the file has them in."""
    expression = read_expression(path, transform="clean")
    if expression.n_cells == len(genes) != expression.n_genes:
        raise InputError(
            f"{path}: {expression.n_genes} genes x {expression.n_cells} cells, and the network "
            f"has {len(genes)} genes: the matrix is transposed; give genes as rows (csv)"
        )
    missing = [symbol for symbol in genes.symbols if symbol not in expression.genes]
    if missing:
        raise InputError(
            f"{path}: no gene {missing[0]!r} ({len(missing)} of the network's {len(genes)} "
            f"missing, the file has {', '.join(map(repr, expression.genes.symbols[:3]))}); give "
            "genes x cells with SERGIO's gene ids in the first column and a header line"
        )
    if expression.n_genes > len(genes):
        log.info(
            "%s: %d genes outside the network left out", path, expression.n_genes - len(genes)
        )
    return expression.take_genes(genes)


def simulated(
    kinetic: KineticNetwork,
    interactions: Path,
    masters: Path,
    *,
    seed: int,
    sampling_state: int,
) -> Expression:
    """Return a simulation of a network, from its copy in the cache if there is one.

    The copy carries the hashes of the two files, the seed, the sampling if it is not SERGIO's,
    and a version in its name, so no other network or simulator ever meets it; an unreadable copy
    is made again.
    """
    hashes = "-".join(store.git_blob_sha1(path)[:16] for path in (interactions, masters))
    own = "" if sampling_state == _SAMPLING_STATE else f"-sampling{sampling_state}"

    def simulate() -> NDArray[np.float32]:
        log.info("simulating %d genes (seed %d%s)", kinetic.n_genes, seed, own)
        return simulate_steady_state(kinetic, sampling_state=sampling_state, seed=seed)

    def write(path: Path, simulation: NDArray[np.float32]) -> None:
        write_npz(path, {"expression": simulation, "genes": kinetic.genes.array})

    values = store.kept(
        f"simulated/v{_SIMULATION_VERSION}/{hashes}-seed{seed}{own}.npz",
        make=simulate,
        read=lambda path: _read_copy(path, kinetic.genes),
        write=write,
    )
    return Expression(
        values=values,
        genes=kinetic.genes,
        transform="clean",
        source=f"simulation of {interactions.parent.name} (seed {seed}{own})",
    )


def _read_copy(path: Path, genes: GeneIndex) -> NDArray[np.float32]:
    """Return the values of a cached simulation; a ``ValueError`` if they cannot be used."""
    values, symbols = read_npz(path, "expression", "genes")
    fits = values.dtype == np.float32 and values.ndim == 2 and values.shape[1] == len(genes)
    if not fits or tuple(symbols.tolist()) != genes.symbols:
        raise ValueError("other genes")
    return values
