"""What every benchmark is: a LightningDataModule that shows a training part and judges."""

import abc
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from grn_exp.core import construct
from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.home import expanded
from grn_exp.core.memory import Sizes
from grn_exp.core.network import Network
from grn_exp.core.scores import EdgeScores
from grn_exp.core.splits import EdgeTruth, Mask
from grn_exp.core.tables import Table
from grn_exp.core.views import UNKNOWN, GeneEmbedding, TrainView
from grn_exp.decode.base import Decoder
from grn_exp.nn.batches import ShuffledIndices
from grn_exp.storage import store

log = logging.getLogger(__name__)


class Method(Protocol):
    """What a benchmark goes by when it shows a method its view."""

    task: ClassVar[str]
    reads_labels: ClassVar[bool]
    reads_embedding: ClassVar[bool]
    reads_pools: ClassVar[bool]
    reads_truth: ClassVar[bool]
    needs_negatives: ClassVar[bool]
    seed: int


class HeldOut:
    """Loader and one batch of a validation or a test: a judge with the labels of some subsets."""

    def __init__(self, benchmark: "Benchmark", subsets: Sequence[str]) -> None:
        self._benchmark = benchmark
        self.subsets = subsets

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> "Iterator[HeldOut]":
        yield self

    def rows(self, prediction: Any) -> Sequence[Any]:
        """Return the rows of ``metrics.json``."""
        return self._benchmark.evaluate(prediction, self.subsets)


class _Loaded(NamedTuple):
    expression: Expression
    labelled: Any  # pairs (EdgeTruth) or targets (TargetSets)
    split: Any
    left_out: dict[str, int]


class Benchmark(pl.LightningDataModule, abc.ABC):
    """Data, a division of them, and the only place that knows the labels.

    A dataset implements :meth:`load`. Lightning takes batches from here: indices for a training,
    a :class:`HeldOut` for validation and test.

    Attributes
    ----------
    tasks
        What a method may be for: ``edges``, ``sets``.
    tested
        Subsets that are judged beside ``val``.
    elsewhere
        What ``data=`` is called for tasks that the same data are prepared for by another class.
    """

    tasks: ClassVar[tuple[str, ...]]
    elsewhere: ClassVar[Mapping[str, str]] = {}
    tested: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.__signature__ = construct.signature_of(cls)  # type: ignore[attr-defined]

    def __init__(self) -> None:
        super().__init__()
        self._loaded: _Loaded | None = None

    # -- what there is -------------------------------------------------------------------------

    @abc.abstractmethod
    def load(self) -> tuple[Expression, Network]:
        """Return the expression matrix and a network over its genes."""

    @abc.abstractmethod
    def divide(self, expression: Expression, network: Network) -> tuple[Expression, Any, Any]:
        """Return the matrix that is used, what is labelled, and its division."""

    def setup(self, stage: str | None = None) -> None:
        """Load and split; a second call does nothing."""
        del stage
        self._require()

    def _require(self) -> _Loaded:
        if self._loaded is None:
            expression, network = self.load()
            loss = network.loss()
            if loss:
                log.warning(loss)
            try:
                divided = self.divide(expression, network)
            except InputError as error:  # too little is left, perhaps because of that
                raise InputError(f"{error}; {loss}" if loss else str(error)) from error
            self._loaded = _Loaded(*divided, network.left_out)
        return self._loaded

    @property
    def expression(self) -> Expression:
        """The cells x genes matrix."""
        return self._require().expression

    @property
    def split(self) -> Any:
        """The division of what is labelled."""
        return self._require().split

    @property
    @abc.abstractmethod
    def truth(self) -> EdgeTruth:
        """Every label. For judging, and for the oracle control; never for a model."""

    def __str__(self) -> str:
        """Return its name; Lightning's own text lists loaders, which depend on the method."""
        return repr(self)

    # -- what is shown -------------------------------------------------------------------------

    @abc.abstractmethod
    def training_pairs(self) -> Mask:
        """Say which pairs' labels are for training, shape ``(n_regulators, n_genes)``."""

    @abc.abstractmethod
    def embedding(self) -> GeneEmbedding:
        """Return the prior embedding of the genes."""

    def view(
        self, *, labels: bool = False, embedding: bool = False, truth: bool = False
    ) -> TrainView:
        """Return what a method that scores edges may see.

        Parameters
        ----------
        labels, embedding
            Does the method read training labels, the prior embedding.
        truth
            Is it the control that reads every label.
        """
        known, visible = self.truth, None
        if labels:
            shown = known.universe if truth else self.training_pairs()
            visible = np.where(shown, known.labels.view(np.int8), np.int8(UNKNOWN))
        return TrainView(
            expression=self.expression,
            regulators=known.regulators,
            labels=visible,
            embedding=self.embedding() if embedding else None,
        )

    def view_for(self, method: Method) -> TrainView:
        """Return what a method may see, by its class attributes.

        Raises
        ------
        InputError
            If the benchmark is not for such methods.
        """
        if method.task not in self.tasks:
            raise InputError(
                f"{type(method).__name__} is for {method.task}, but {type(self).__name__} is for "
                f"{' and '.join(self.tasks)}"
            )
        return self.view(
            labels=method.reads_labels,
            embedding=method.reads_embedding,
            truth=method.reads_truth,
        )

    def use_candidates(self, scores: EdgeScores, out_of_fold: Sequence[EdgeScores] = ()) -> None:
        """Take retrievers' scores, where methods choose from retrieved candidates.

        Raises
        ------
        InputError
            If none here does.
        """
        del scores, out_of_fold
        raise InputError(f"{type(self).__name__}: no method here chooses from candidates")

    def check_decoder(self, decoder: Decoder) -> None:
        """Ask a decoder whether it can search this benchmark's pools, if there are any."""

    # -- judgement -----------------------------------------------------------------------------

    @abc.abstractmethod
    def evaluate(self, prediction: Any, subsets: Sequence[str] | None = None) -> Sequence[Any]:
        """Judge a prediction: one row a metric, on every subset that can be judged, or some."""

    @abc.abstractmethod
    def can_judge(self, subset: str) -> bool:
        """Say whether a subset holds what a metric needs."""

    # -- size and files ------------------------------------------------------------------------

    def sizes(self) -> Sizes | None:
        """Return the most that the sizes can be, where a look at the file tells them."""
        return None

    def option_for(self, *, n_genes: int) -> str | None:
        """Return the option that leaves so many genes beside the regulators, if there is one."""
        del n_genes
        return None

    # how many edges a run writes for reading, and whether it writes all of them too
    top_edges: int = 100_000
    writes_all_edges: bool = False

    def known_signs(self) -> "NDArray[np.int8] | None":
        """Return the signs of known edges, ``(n_regulators, n_genes)``, where there are some."""
        return None

    def tables(self, prediction: Any) -> dict[str, Table]:
        """Return this benchmark's own tables for the run folder, by file name."""
        del prediction
        return {}

    def describe(self) -> dict[str, object]:
        """Return facts for the run's provenance."""
        return {
            "n_cells": self.expression.n_cells,
            "n_genes": self.expression.n_genes,
            "expression_source": self.expression.source,
            "edges_left_out": dict(self._require().left_out),
        }

    # -- Lightning's loaders -------------------------------------------------------------------

    def _method(self) -> Any:
        if self.trainer is None:
            raise InputError(
                f"{type(self).__name__} has batches for a trainer only: "
                "trainer.fit(model, datamodule=...)"
            )
        return self.trainer.lightning_module

    def train_dataloader(self) -> ShuffledIndices:
        """Return batches of indices of what the method asks for: cells, pairs or targets."""
        method = self._method()
        return method.batches(lambda: method.current_epoch)

    def val_dataloader(self) -> HeldOut:
        """Return one batch: the validation labels, where there are any."""
        return HeldOut(self, ["val"] if self.can_judge("val") else [])

    def test_dataloader(self) -> HeldOut:
        """Return one batch: the labels of all test subsets."""
        return HeldOut(self, self.tested)

    def predict_dataloader(self) -> ShuffledIndices:
        """Return the one batch of a prediction, which is of the whole network."""
        return self._method().predict_dataloader()


class FromFiles(Benchmark):
    """A benchmark of known files, which are downloaded, and of the user's own files.

    Attributes
    ----------
    expression_path, network_path
        The user's own matrix and network; None for a known file in its place.
    """

    expression_path: Path | None = None
    network_path: Path | None = None

    @property
    @abc.abstractmethod
    def keys(self) -> list[str]:
        """Registry keys of the files that this choice needs."""

    def prepare_data(self) -> None:
        """Download what is not there yet."""
        for key in self.keys:
            store.fetch(key)

    def describe(self) -> dict[str, object]:
        """Return facts for the run's provenance, with the hashes of the files read."""
        files = store.hashes_of(self.keys, self.expression_path, self.network_path)
        return {**super().describe(), "files": files}


def own_file(path: str | None) -> Path | None:
    """Return the path of a file that the user may have given."""
    return None if path is None else expanded(path)
