"""Own cells as a data module: no network is needed, and nothing is judged unless one is given."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.memory import Sizes
from grn_exp.core.network import Network
from grn_exp.core.ranges import require_in
from grn_exp.core.scores import EdgeScores
from grn_exp.core.splits import EdgeSplit, EdgeTruth, Mask
from grn_exp.core.tables import Table
from grn_exp.core.views import UNKNOWN, TrainView
from grn_exp.data.benchmark import Method
from grn_exp.data.cells.known import Known, read_interactions
from grn_exp.data.cells.own import OwnCells, no_network
from grn_exp.data.edges.base import EdgeDataModule
from grn_exp.data.edges.splitting import SeenUnseenSplitter
from grn_exp.priors.base import DatasetPrior, Prior
from grn_exp.priors.published import PublishedBioBertPrior


class CellsDataModule(OwnCells, EdgeDataModule):
    """Your own cells: every method that reads no labels runs on them.

    With known interactions supervised methods run too: without a ``splitter`` on all of them,
    which leaves nothing to judge; with one on part of them, judged on the others.

    Parameters
    ----------
    unlisted
        What a pair is that ``known`` does not list: ``unknown``, or, between its regulators and
        its targets, ``negative``.
    half
        Number of a half-sample of the cells, as ``stability=`` draws them; None for all cells.
        Numbers 2k and 2k + 1 are the two halves of one division.
    top_edges
        How many edges ``network.csv.gz`` holds; ``network.parquet`` holds all.
    path, options
        As in :class:`OwnCells`.
    splitter, prior
        As in :class:`EdgeDataModule`; no ``splitter``, no judgement.

    Raises
    ------
    InputError
        If the file or an option cannot be used, or too few cells or no regulator is left.
    """

    usual_prior = PublishedBioBertPrior
    elsewhere: ClassVar[Mapping[str, str]] = {"sets": "anndata_sets"}

    def __init__(
        self,
        path: str,
        *,
        unlisted: Literal["unknown", "negative"] = "unknown",
        half: int | None = None,
        top_edges: int = 100_000,
        splitter: SeenUnseenSplitter | None = None,
        prior: Prior | DatasetPrior | None = None,
        **options: Any,
    ) -> None:
        EdgeDataModule.__init__(self, splitter=splitter, prior=prior)
        OwnCells.__init__(self, path, **options)
        require_in("[1, inf)", "data", top_edges=top_edges)
        if half is not None:
            require_in("[0, inf)", "data", half=half)
        self.divides = splitter is not None
        if unlisted == "negative" and self.known_path is None:
            raise InputError(
                "data.unlisted=negative: there is no list; give data.known=..., known interactions"
            )
        self.unlisted = unlisted
        self.half = half
        self.top_edges = top_edges
        self._known: Known | None = None

    # -- reading -------------------------------------------------------------------------------

    def load(self) -> tuple[Expression, Network]:
        """Read the cells, and the known interactions among them."""
        cells = self.read_cells()
        expression = cells.expression
        if self.known_path is not None:
            listed = read_interactions(self.known_path)
            self._known = listed.among(cells.regulators, expression.genes)
        if self.half is not None:
            expression = expression.take_cells(cells.half(self.half))
        return expression, no_network(expression.genes, source=str(self.path))

    def sizes(self) -> Sizes | None:
        """Return the most that the sizes can be."""
        found = super().sizes()
        if found is None or self.half is None:
            return found
        return found._replace(n_cells=found.n_cells // 2)

    # -- what is shown and judged --------------------------------------------------------------

    def divide(
        self, expression: Expression, network: Network
    ) -> tuple[Expression, EdgeTruth, EdgeSplit]:
        """Divide the known pairs; without a splitter all are for training."""
        del network
        cells = self.cells
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
        vectors = self._embedding
        without = [] if vectors is None else vectors.genes.array[~vectors.known].tolist()
        return self.audit(set(without))
