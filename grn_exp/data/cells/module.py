"""Own cells as a data module: no network is needed, and nothing is judged unless one is given."""

import logging
from typing import Literal

import numpy as np

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.home import expanded
from grn_exp.core.memory import Sizes
from grn_exp.core.network import Network
from grn_exp.core.ranges import require_in
from grn_exp.core.scores import EdgeScores
from grn_exp.core.splits import EdgeSplit, EdgeTruth, Mask
from grn_exp.core.tables import Table
from grn_exp.core.views import UNKNOWN, TrainView
from grn_exp.data.benchmark import Method
from grn_exp.data.cells import symbols
from grn_exp.data.cells.groups import without_matrix
from grn_exp.data.cells.known import Known, read_known, symbols_in
from grn_exp.data.cells.prepare import Asked, Choices, Prepared, choose_cells, prepare
from grn_exp.data.cells.preprocess import Normalisation
from grn_exp.data.edges.base import EdgeDataModule
from grn_exp.data.edges.splitting import SeenUnseenSplitter
from grn_exp.priors.base import DatasetPrior, Prior
from grn_exp.priors.published import PublishedBioBertPrior
from grn_exp.runs.edges import AUDIT, AUDIT_COLUMNS

log = logging.getLogger(__name__)


class CellsDataModule(EdgeDataModule):
    """Your own cells: every method that reads no labels runs on them.

    With known interactions supervised methods run too: without a ``splitter`` on all of them,
    which leaves nothing to judge; with one on part of them, judged on the others.

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
    unlisted
        What a pair is that ``known`` does not list: ``unknown``, or, between its regulators and
        its targets, ``negative``.
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
    half
        Number of a half-sample of the cells, as ``stability=`` draws them; None for all cells.
        Numbers 2k and 2k + 1 are the two halves of one division.
    top_edges
        How many edges ``network.csv.gz`` holds; ``network.parquet`` holds all.
    network
        By which presets know that these are own cells.
    splitter, prior
        As in :class:`EdgeDataModule`; no ``splitter``, no judgement.

    Raises
    ------
    InputError
        If the file or an option cannot be used, or too few cells or no regulator is left.
    """

    usual_prior = PublishedBioBertPrior

    def __init__(
        self,
        path: str,
        *,
        regulators: str | list[str] | None = None,
        known: str | None = None,
        unlisted: Literal["unknown", "negative"] = "unknown",
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
        half: int | None = None,
        top_edges: int = 100_000,
        network: Literal["own"] = "own",
        splitter: SeenUnseenSplitter | None = None,
        prior: Prior | DatasetPrior | None = None,
    ) -> None:
        del network
        super().__init__(splitter=splitter, prior=prior)
        require_in("[1, inf)", "data", min_cells=min_cells, top_edges=top_edges)
        if genes is not None:
            require_in("[2, inf)", "data", genes=genes)
        if half is not None:
            require_in("[0, inf)", "data", half=half)
        if regulators is None and known is None:
            raise InputError(
                "data.regulators: no value; give human, mouse, or a file with a symbol a line"
            )
        self.divides = splitter is not None
        self.path = expanded(path)
        self.regulator_choice = regulators
        self.known_path = None if known is None else expanded(known)
        self.unlisted = unlisted
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
        self.half = half
        self.top_edges = top_edges
        self._cells: Prepared | None = None
        self._known: Known | None = None

    # -- reading -------------------------------------------------------------------------------

    def load(self) -> tuple[Expression, Network]:
        """Read the cells, and the known interactions among them."""
        cells = self._cells = prepare(self.path, self.choices, self._asked())
        expression = cells.expression
        warning = symbols.species_warning(self.regulator_choice, expression.genes)
        if warning:
            log.warning(warning)
        if self.known_path is not None:
            self._known = read_known(self.known_path, cells.regulators, expression.genes)
        if self.half is not None:
            expression = expression.take_cells(cells.half(self.half))
        nothing = np.zeros(0, dtype=np.int64)
        return expression, Network(expression.genes, nothing, nothing, source=str(self.path))

    def _asked(self) -> Asked:
        if self.regulator_choice is not None:
            return Asked(*symbols.read_regulators(self.regulator_choice))
        assert self.known_path is not None  # noqa: S101 - one of them is given
        found = symbols_in(self.known_path)[0]
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
        n_cells = cells.n_obs if self.half is None else cells.n_obs // 2
        return Sizes(n_cells, min(most, n_read), n_regulators)

    def option_for(self, *, n_genes: int) -> str:
        """Return the option that leaves so many genes beside the regulators."""
        return f"data.genes={n_genes}"

    # -- what is shown and judged --------------------------------------------------------------

    def divide(
        self, expression: Expression, network: Network
    ) -> tuple[Expression, EdgeTruth, EdgeSplit]:
        """Divide the known pairs; without a splitter all are for training."""
        del network
        cells = self._read_cells
        shape = (len(cells.regulators), len(expression.genes))
        labels = np.zeros(shape, dtype=np.bool_)
        universe = np.zeros(shape, dtype=np.bool_)
        if self._known is not None:
            labels = self._known.labels == 1
            universe = labels.any(axis=1)[:, None] & labels.any(axis=0)[None, :]
            universe |= self._known.labels != UNKNOWN
            own = expression.genes.positions(cells.regulators)
            universe[np.arange(len(own)), own] = False
        truth = EdgeTruth(cells.regulators, expression.genes, labels, universe)
        if not self.divides:
            none = np.zeros(shape, dtype=np.bool_)
            split = EdgeSplit(
                truth.regulators, truth.genes, universe, none, none.copy(), none.copy(), seed=0
            )
            return expression, truth, split
        if self._known is None:
            raise InputError("split: nothing to divide; give data.known=..., or drop split=...")
        split = self.splitter.split(truth)
        return expression, self.splitter.judged(truth, split), split

    @property
    def _read_cells(self) -> Prepared:
        if self._cells is None:
            self._require()
        assert self._cells is not None  # noqa: S101 - just read
        return self._cells

    def training_pairs(self) -> Mask:
        """Say which pairs' labels are for training, shape ``(n_regulators, n_genes)``."""
        if self.unlisted == "negative" or self._known is None:
            return self.split.train
        return self.split.train & (self._known.labels != UNKNOWN)

    def view_for(self, method: Method) -> TrainView:
        """Return what a method may see, by its class attributes.

        Raises
        ------
        InputError
            If the method reads labels and there are none, or needs pairs without an edge.
        """
        name = type(method).__name__
        if method.reads_labels and self.known_path is None:
            raise InputError(
                f"{name} learns from known interactions; give them as data.known=FILE, or choose "
                "a method that reads expression alone (grnboost2, deepsem)"
            )
        view = super().view_for(method)
        if method.needs_negatives and view.labels is not None and not (view.labels == 0).any():
            raise InputError(
                f"{name} learns from pairs with an edge and pairs without one, but data.known "
                "lists edges alone; data.unlisted=negative takes the pairs that it does not list "
                "as pairs without an edge, and weight 0 lists one"
            )
        return view

    @property
    def writes_all_edges(self) -> bool:  # type: ignore[override]
        """Whether ``network.parquet`` is written: not of half of the cells."""
        return self.half is None

    def known_signs(self) -> "np.ndarray | None":
        """Return the signs of known interactions, shape ``(n_regulators, n_genes)``; 0 unknown."""
        return None if self._known is None else self._known.signs

    def tables(self, prediction: EdgeScores) -> dict[str, Table]:
        """Return the audit: what became of each regulator and each gene."""
        del prediction
        cells, vectors = self._read_cells, self._embedding
        without = set()
        if vectors is not None:
            without = set(vectors.genes.array[~vectors.known].tolist())
        rows = [
            (
                gene,
                role,
                f"{status}; no vector in the prior" if gene in without else status,
                f"{cells.means[gene]:.6g}" if gene in cells.means else "",
            )
            for gene, role, status in cells.audit
        ]
        return {AUDIT: (AUDIT_COLUMNS, rows)}

    def describe(self) -> dict[str, object]:
        """Return facts for the run's provenance."""
        return {**super().describe(), **self._read_cells.facts}
