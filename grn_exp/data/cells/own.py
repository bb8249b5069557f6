"""What benchmarks of the user's own cells have in common: how cells are read."""

import logging
from collections.abc import Collection
from typing import Literal

import numpy as np

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.home import expanded
from grn_exp.core.memory import Sizes
from grn_exp.core.network import Network
from grn_exp.core.ranges import require_in
from grn_exp.core.tables import Table
from grn_exp.data.benchmark import Benchmark
from grn_exp.data.cells import symbols
from grn_exp.data.cells.files import require
from grn_exp.data.cells.groups import without_matrix
from grn_exp.data.cells.known import read_interactions
from grn_exp.data.cells.prepare import Asked, Choices, Prepared, choose_cells, prepare
from grn_exp.data.cells.preprocess import Normalisation
from grn_exp.runs.edges import AUDIT, AUDIT_COLUMNS

log = logging.getLogger(__name__)


def no_network(genes: GeneIndex, *, source: str) -> Network:
    """Return the network of a benchmark that has none."""
    nothing = np.zeros(0, dtype=np.int64)
    return Network(genes, nothing, nothing, source=source)


class OwnCells(Benchmark):
    """Cells out of a file of the user's; goes before the class that says what is asked of them.

    That class calls both constructors, as they have no option in common.

    Parameters
    ----------
    path
        A ``.h5ad``, 10x ``.h5``, 10x folder, ``.loom``, csv or tsv file; cells x genes, csv and
        tsv either way round. Counts, or values on a log scale.
    regulators
        ``human`` or ``mouse`` (lists of transcription factors), a file with a symbol a line, or
        symbols; matched whatever their case. None: those of ``known``.
    known
        A csv or tsv file of known interactions (``Gene1,Gene2``, ``source,target`` or
        ``TF,target``, perhaps with ``sign`` or ``weight``).
    layer, use_raw
        The matrix to use in place of X; ``use_raw`` None takes ``.raw`` if X was scaled.
    gene_column
        The column of ``var`` that holds symbols; None for the names of the genes.
    obs_filter
        Which cells to use, as for ``DataFrame.query`` over ``obs``.
    groupby, group
        A column of ``obs``, and the one of its values whose cells to use.
    sample
        A column of ``obs`` (donors, batches): half-samples take half of each value's cells.
    normalise
        ``counts``: ``normalize_total`` to 10,000 and ``log1p``; ``log1p``: logarithms alone;
        ``none``: the values are on a log scale; ``auto``: ``counts`` if all are whole numbers.
    genes
        How many of the most variable genes to use, beside all regulators; None for all.
    min_cells
        A gene that fewer cells express is left out.
    duplicates
        ``refuse`` a symbol that occurs twice, or keep that with the ``highest`` expression.
    network
        By which presets know that these are own cells.

    Raises
    ------
    InputError
        If the file or an option cannot be used, or too few cells or no regulator is left.
    """

    def __init__(
        self,
        path: str,
        *,
        regulators: str | list[str] | None = None,
        known: str | None = None,
        layer: str | None = None,
        use_raw: bool | None = None,
        gene_column: str | None = None,
        obs_filter: str | None = None,
        groupby: str | None = None,
        group: str | None = None,
        sample: str | None = None,
        normalise: Normalisation = "auto",
        genes: int | None = 3000,
        min_cells: int = 3,
        duplicates: Literal["refuse", "highest"] = "refuse",
        network: Literal["own"] = "own",
    ) -> None:
        del network
        require_in("[1, inf)", "data", min_cells=min_cells)
        if genes is not None:
            require_in("[2, inf)", "data", genes=genes)
        if regulators is None and known is None:
            raise InputError(
                "data.regulators: no value; give human, mouse, a file with a symbol a line, or "
                "data.known=..., whose regulators are taken"
            )
        self.path = expanded(path)
        self.regulator_choice = regulators
        self.known_path = None if known is None else expanded(known)
        self.choices = Choices(
            layer=layer,
            use_raw=use_raw,
            gene_column=gene_column,
            obs_filter=obs_filter,
            groupby=groupby,
            group=group,
            sample=sample,
            normalise=normalise,
            genes=genes,
            min_cells=min_cells,
            duplicates=duplicates,
        )
        self._cells: Prepared | None = None

    def read_cells(self) -> Prepared:
        """Read the file; warns of genes that look like another species'."""
        cells = self._cells = prepare(self.path, self.choices, self._asked())
        warning = symbols.species_warning(self.regulator_choice, cells.expression.genes)
        if warning:
            log.warning(warning)
        return cells

    @property
    def cells(self) -> Prepared:
        """What was read."""
        if self._cells is None:
            self._require()
        assert self._cells is not None  # noqa: S101 - just read
        return self._cells

    def _asked(self) -> Asked:
        if self.regulator_choice is not None:
            require(self.path)  # before a list is fetched
            return Asked(*symbols.read_regulators(self.regulator_choice))
        assert self.known_path is not None  # noqa: S101 - one of them is given
        found = read_interactions(self.known_path).regulators
        return Asked(list(dict.fromkeys(found)), str(self.known_path))

    def sizes(self) -> Sizes | None:
        """Return the most that the sizes can be; None but for a .h5ad, whose tables are small."""
        if self.path.suffix.lower() != ".h5ad":
            return None
        cells = choose_cells(without_matrix(self.path), self.choices, self.path.name)
        in_raw = self.choices.layer is None and self.choices.use_raw is not False
        n_read = max(cells.n_vars, cells.uns.get("n_raw", 0)) if in_raw else cells.n_vars
        n_regulators = min(len(self._asked().symbols), n_read)
        most = n_read if self.choices.genes is None else self.choices.genes + n_regulators
        return Sizes(cells.n_obs, min(most, n_read), n_regulators)

    def option_for(self, *, n_genes: int) -> str:
        """Return the option that leaves so many genes beside the regulators."""
        return f"data.genes={n_genes}"

    def audit(self, without_vector: Collection[str] = ()) -> dict[str, Table]:
        """Return what became of each regulator and each gene."""
        cells = self.cells
        rows = [
            (
                gene,
                role,
                f"{status}; no vector in the prior" if gene in without_vector else status,
                f"{cells.means[gene]:.6g}" if gene in cells.means else "",
            )
            for gene, role, status in cells.audit
        ]
        return {AUDIT: (AUDIT_COLUMNS, rows)}

    def describe(self) -> dict[str, object]:
        """Return facts for the run's provenance."""
        return {**super().describe(), **self.cells.facts}
