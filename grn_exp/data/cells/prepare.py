"""From a file of cells to the matrix, the regulators, and what became of all others."""

import dataclasses
import logging
import warnings
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from grn_exp.core import memory
from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.memory import Sizes
from grn_exp.core.network import likely_cause
from grn_exp.data.cells import preprocess, symbols
from grn_exp.data.cells.files import open_cells
from grn_exp.data.cells.preprocess import Normalisation
from grn_exp.data.cells.symbols import Cells

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Choices:
    """What to take from a file, as in :class:`~grn_exp.data.cells.module.CellsDataModule`."""

    layer: str | None
    use_raw: bool | None
    gene_column: str | None
    obs_filter: str | None
    groupby: str | None
    group: str | None
    sample: str | None
    normalise: Normalisation
    genes: int | None
    min_cells: int
    duplicates: str


class Asked(NamedTuple):
    """The regulators that were asked for, and what list they are from."""

    symbols: Sequence[str]
    source: str


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """What comes out of a file.

    Attributes
    ----------
    expression, regulators
        Of the genes that are used, on a log scale.
    samples
        The sample of each cell; None without samples.
    means
        Mean over the cells of each gene of the file.
    audit
        Gene, role and status of each regulator that was asked for and of each gene of the file.
    facts
        For the run's provenance.
    """

    expression: Expression
    regulators: GeneIndex
    samples: NDArray[np.str_] | None
    means: Mapping[str, float]
    audit: Sequence[tuple[str, str, str]]
    facts: Mapping[str, Any]

    def half(self, number: int) -> NDArray[np.int64]:
        """Return the cells of a half-sample, half of each sample's.

        Numbers 2k and 2k + 1 share a division and take its two halves (Shah & Samworth 2013,
        complementary pairs).
        """
        rng = np.random.default_rng([number // 2, 0x4A1F])
        groups = np.zeros(self.expression.n_cells) if self.samples is None else self.samples
        chosen = []
        for group in np.unique(groups):
            order = rng.permutation(np.flatnonzero(groups == group))
            middle = len(order) // 2
            chosen.append(order[middle:] if number % 2 else order[:middle])
        return np.sort(np.concatenate(chosen)).astype(np.int64)


# while a run has them, its half-samples and its ensemble's members need not read them again
_in_use: "weakref.WeakValueDictionary[tuple[Any, ...], Prepared]" = weakref.WeakValueDictionary()


def prepare(path: Path, choices: Choices, asked: Asked) -> Prepared:
    """Read a file; a second call while the first one's result is in use returns that.

    Raises
    ------
    InputError
        If the file or a choice cannot be used, or no regulator is left.
    """
    written = path.stat().st_mtime_ns if path.exists() else 0
    key = (path, written, choices, tuple(asked.symbols))
    found = _in_use.get(key)
    if found is None:
        with warnings.catch_warnings():  # symbols that occur twice are refused, by name
            warnings.filterwarnings("ignore", message=".*names are not unique.*")
            found = _in_use[key] = _prepare(path, choices, asked)
    return found


def _prepare(path: Path, choices: Choices, asked: Asked) -> Prepared:
    name = path.name
    cells = open_cells(path, landmarks={symbol.upper() for symbol in asked.symbols})
    facts: dict[str, Any] = {"n_cells_read": cells.n_obs}
    cells = choose_cells(cells, choices, name)
    samples = None
    if choices.sample is not None:
        samples = preprocess.column_of_obs(cells, choices.sample, "sample", name)
        preprocess.refuse_tiny_samples(samples, choices.sample, name)
    cells = preprocess.choose_values(
        cells, layer=choices.layer, use_raw=choices.use_raw, source=name
    )
    names = symbols.name_genes(cells, choices.gene_column, source=name)
    cells, facts["normalisation"] = preprocess.normalise(cells, choices.normalise, source=name)
    cells, repeated = _one_gene_a_symbol(cells, names, choices.duplicates, name)
    genes = GeneIndex(cells.var_names, name=name)
    found = symbols.find(asked.symbols, genes)
    if not any(found):
        symbols.refuse_unfound(asked.symbols, genes, source=asked.source, cells=cells.obs_names)
    mask, reasons = preprocess.choose_genes(
        cells,
        n_genes=choices.genes,
        min_cells=choices.min_cells,
        kept={gene for gene in found if gene},
        source=name,
    )
    used = GeneIndex(sorted(genes.array[mask].tolist()), name=name)
    regulators = _used_regulators(used, asked, found, reasons)
    means = np.asarray(cells.X.mean(axis=0), dtype=np.float64).ravel()
    sizes = Sizes(cells.n_obs, len(used), len(regulators))
    way_out = "give data.genes=3000 or fewer, or fewer cells (data.obs_filter)"
    memory.require(memory.held() + sizes.matrix, f"{name}, {sizes}", way_out)
    values = cells.X[:, genes.positions(used)]
    del cells
    values = values.toarray() if sparse.issparse(values) else np.asarray(values)
    facts |= {
        "n_genes_read": len(names),
        "n_genes_without_symbol": names.count(""),
        "n_regulators_asked": len(asked.symbols),
        "regulators_source": asked.source,
    }
    return Prepared(
        expression=Expression(np.ascontiguousarray(values, np.float32), used, "log", name),
        regulators=regulators,
        samples=samples,
        means=dict(zip(genes, means.tolist(), strict=True)),
        audit=_audit(asked, found, genes, reasons, repeated),
        facts=facts,
    )


def choose_cells(cells: Cells, choices: Choices, source: str) -> Cells:
    """Return the cells of the filter and of the group."""
    return preprocess.choose_cells(
        cells,
        obs_filter=choices.obs_filter,
        groupby=choices.groupby,
        group=choices.group,
        source=source,
    )


def _one_gene_a_symbol(
    cells: Cells, names: list[str], how: str, source: str
) -> tuple[Cells, Mapping[str, str]]:
    """Return the cells with their genes called by symbol, and what became of repeated ones."""
    totals = np.asarray(cells.X.sum(axis=0), dtype=np.float64).ravel()
    mask, repeated = preprocess.without_repetitions(names, totals, how, source=source)
    cells = cells if mask.all() else cells[:, mask].copy()
    cells.var_names = [names[place] for place in np.flatnonzero(mask)]
    return cells, repeated


def _used_regulators(
    used: GeneIndex, asked: Asked, found: Sequence[str | None], reasons: Mapping[str, str]
) -> GeneIndex:
    """Return the regulators among the genes that are used; refuse none at all."""
    regulators = GeneIndex(sorted({g for g in found if g and g in used}), name=asked.source)
    lost = {symbol for symbol, gene in zip(asked.symbols, found, strict=True) if gene is None}
    log.info(
        "%d of %d regulators of %s are used%s",
        *(len(regulators), len(asked.symbols), asked.source, likely_cause(lost, used)),
    )
    if not regulators:
        reason = reasons[next(gene for gene in found if gene)]
        raise InputError(
            f"{used.name}: {sum(map(bool, found))} of {len(asked.symbols)} regulators of "
            f"{asked.source} are in the matrix, but none is used (the first is {reason}); give "
            "more cells, a smaller data.min_cells, or other regulators"
        )
    if len(used) == 1:
        raise InputError(
            f"{used.name}: {used.symbols[0]} is the only gene that is used, so it has no target; "
            "give more genes, more cells or a smaller data.min_cells"
        )
    return regulators


def _audit(
    asked: Asked,
    found: Sequence[str | None],
    genes: GeneIndex,
    reasons: Mapping[str, str],
    repeated: Mapping[str, str],
) -> list[tuple[str, str, str]]:
    """Say what became of each regulator that was asked for, and of each gene of the file."""
    rows = [
        (
            gene or symbol,
            "regulator",
            "not in the matrix" if gene is None else reasons.get(gene, "used"),
        )
        for symbol, gene in zip(asked.symbols, found, strict=True)
    ]
    regulators = {gene for gene in found if gene}
    rows += [
        (gene, "gene", reasons.get(gene) or repeated.get(gene, "used"))
        for gene in genes
        if gene not in regulators
    ]
    return rows
