"""What every method is: a LightningModule that is fitted to a view and predicts a network."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from grn_exp.core import construct
from grn_exp.core.errors import InputError
from grn_exp.core.memory import Sizes
from grn_exp.core.scores import EdgeScores
from grn_exp.core.sets import RegulatorSets
from grn_exp.core.tables import Table
from grn_exp.core.views import UNKNOWN, TrainView
from grn_exp.metrics.titles import key_of
from grn_exp.metrics.wrappers import Judge, Judged
from grn_exp.models.state import pack, unpack
from grn_exp.nn.batches import ShuffledIndices, one_batch

Prediction = EdgeScores | RegulatorSets
# what the curve of a training shows of a judgement
HEADLINES = ("ap", "exact_match")


class GRNModel(pl.LightningModule, abc.ABC):
    """Base of all methods.

    A constructor takes hyper-parameters alone, and refuses one that is out of range. The
    training data arrive in :meth:`setup`, from ``trainer.datamodule``, or by :meth:`attach`
    where there is none. Class attributes say what a method is for (``edges`` or ``sets``) and
    what it reads; the benchmark shows it no more.

    Parameters
    ----------
    seed
        Of all that the method draws at random; the split has a seed of its own.
    """

    task: ClassVar[str] = "edges"
    reads_labels: ClassVar[bool] = False
    reads_embedding: ClassVar[bool] = False
    reads_pools: ClassVar[bool] = False
    reads_truth: ClassVar[bool] = False
    # whether anything in it is drawn at random, so that another seed is another fit
    draws: ClassVar[bool] = True
    # learns from pairs without an edge as well as from edges
    needs_negatives: ClassVar[bool] = False
    # packages of an optional extra of the method's own name
    requires: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.__signature__ = construct.signature_of(cls)  # type: ignore[attr-defined]

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        self.save_hyperparameters()
        plain = {name: construct.as_node(value) for name, value in self.hparams.items()}
        self.save_hyperparameters(plain)
        self.seed = seed
        self._view: TrainView | None = None
        self._known: np.ndarray | None = None  # labels that a checkpoint was trained on

    @property
    def options(self) -> Any:
        """The hyper-parameters by name, as plain types."""
        return self.hparams

    # -- data ------------------------------------------------------------------------------

    @property
    def view(self) -> TrainView:
        """What the method may see.

        Raises
        ------
        InputError
            If no data have been given to the method yet.
        """
        if self._view is None:
            raise InputError(
                f"{type(self).__name__} has no data yet: call trainer.fit(model, datamodule=...), "
                "or model.attach(view)"
            )
        return self._view

    def setup(self, stage: str) -> None:
        """Take the view of the trainer's benchmark, unless the method has one already.

        Raises
        ------
        InputError
            If there is nothing to train on, or the method knows labels that this benchmark
            holds out.
        """
        data: Any = getattr(self._trainer, "datamodule", None)
        if data is not None:
            if self._view is None:
                self.attach(data.view_for(self))
            self._check_data(data.view(labels=True), self._labels_given())
        if stage == "fit":
            _ = self.view  # refuses a training without data

    def _check_data(self, shown: TrainView, known: "np.ndarray | None" = None) -> None:
        """Refuse data of other genes, or that hold out labels which are known."""
        name, view = type(self).__name__, self.view
        if (shown.genes, shown.regulators) != (view.genes, view.regulators):
            raise InputError(
                f"{name} was given {len(view.regulators)} regulators and {len(view.genes)} genes, "
                f"and these are others ({len(shown.regulators)} and {len(shown.genes)}); make a "
                "new model for them"
            )
        if self.reads_truth or known is None or shown.labels is None:
            return
        if known.shape != shown.labels.shape:
            raise InputError(f"{name} was trained on other genes; make a new model for these")
        n_leaked = int(((known != UNKNOWN) & (shown.labels == UNKNOWN)).sum())
        if n_leaked:
            raise InputError(
                f"{name} was given {n_leaked} labels that this benchmark holds out (another "
                "split, for example); fit a new model to it"
            )

    def _labels_given(self) -> "np.ndarray | None":
        """Return the labels of the training, which may have been another process's."""
        return self._view.labels if self._known is None and self._view else self._known

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the method's name and the labels that it was given."""
        labels = self._labels_given()
        checkpoint["method"] = type(self).__name__
        checkpoint["labels"] = None if labels is None else pack(labels)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that the checkpoint is this method's and fits the data, if there are some.

        Raises
        ------
        InputError
            If it is another method's, or of other genes, or knows labels that are held out here.
        """
        method = checkpoint.get("method", type(self).__name__)
        if method != type(self).__name__:
            raise InputError(f"the checkpoint is one of {method}, not of {type(self).__name__}")
        labels = checkpoint.get("labels")
        known = None if labels is None else unpack(labels)
        if self._view is not None:
            self._check_data(self._view, known)
        self._known = known

    def configure_model(self) -> None:
        """Make the parameters for callbacks that copy the model before its :meth:`setup`."""
        if self._trainer is not None:
            self.setup("configure")

    def attach(self, view: TrainView) -> Self:
        """Give the method its training data, and make what depends on their sizes.

        What is drawn for it depends on ``seed`` alone.
        """
        self._view = view
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.build(view)
        return self

    def build(self, view: TrainView) -> None:
        """Make parameters and buffers; called once, when the data are known.

        Raises
        ------
        InputError
            If the method cannot be fitted to these data.
        """

    def hold(self, **arrays: "Tensor | np.ndarray") -> None:
        """Make buffers of data; a checkpoint has them from the view, not one by one."""
        for name, array in arrays.items():
            self.register_buffer(name, torch.as_tensor(array), persistent=False)

    def train_dataloader(self) -> ShuffledIndices:
        """Return the batches of a training on :meth:`attach`'s data, without a benchmark."""
        return self.batches(lambda: self.current_epoch)

    @abc.abstractmethod
    def batches(self, epoch: Callable[[], int]) -> ShuffledIndices:
        """Return a training's batches; ``epoch`` returns the current epoch's number."""

    def predict_dataloader(self) -> ShuffledIndices:
        """Return the one batch of a prediction, which is of the whole network."""
        return one_batch()

    # -- prediction ------------------------------------------------------------------------

    @abc.abstractmethod
    def predict(self) -> Prediction:
        """Score every regulator x gene pair, or choose a set for every target."""

    def prediction(self) -> Prediction:
        """Return the scores, or the sets."""
        return self.predict()

    def validation_step(self, batch: Judge, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Let the benchmark judge, and log what it finds: ``val/ap`` and the like."""
        if not self.trainer.sanity_checking:
            self._log_judgement(batch, all_rows=self.trainer.state.fn == "validate")

    def test_step(self, batch: Judge, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Let the benchmark judge, and log what it finds: ``test_unseen/ap`` and the like."""
        self._log_judgement(batch, all_rows=True)

    def predict_step(self, batch: Tensor, batch_idx: int) -> Prediction:
        """Return the prediction, whatever the batch."""
        return self.prediction()

    def _log_judgement(self, batch: Judge, *, all_rows: bool) -> None:
        for row in batch.rows(self.prediction()) if batch.subsets else ():
            fields = row.as_dict()
            if all_rows or (row.metric in HEADLINES and fields.get("set_size") is None):
                key = key_of(fields)
                self.log(key, Judged(row.value), batch_size=1, metric_attribute=key)

    # -- what a run keeps ------------------------------------------------------------------

    def check(self, max_epochs: int | None) -> None:
        """Refuse options that only show when the training is set up; called before any.

        Parameters
        ----------
        max_epochs
            Length of the training; None for a method that has no epochs.
        """

    def memory(self, sizes: Sizes) -> int:
        """Return about how many bytes a fit takes beside the expression matrix.

        Called before there are data. Here: a few numbers for each value and each pair.
        """
        return 2 * sizes.matrix + 4 * sizes.pairs

    def diverged(self, reason: str = "loss or weights are not finite") -> InputError:
        """Return the error of a training whose numbers are no longer finite."""
        training = self._trainer is not None and self._trainer.training
        where = f" in epoch {self.current_epoch}" if training else ""
        return InputError(f"training diverged{where}: {reason}; {self.how_to_converge()}")

    def how_to_converge(self) -> str:
        """Say which options to change after a training that diverged, largest rate first."""
        rates = [(k, v) for k, v in self.hparams.items() if k.endswith("learning_rate") and v]
        named = [f"model.{k}={v:g}" for k, v in sorted(rates, key=lambda rate: -rate[1])]
        return f"lower {' or '.join(named) or 'the learning rates'}"

    def facts(self) -> dict[str, Any]:
        """Return what the fitted model wants in the run's provenance, as JSON types."""
        return {}

    def tables(self) -> dict[str, Table]:
        """Return what of the fitted model is worth a csv file of the run, by file name."""
        return {}

    def as_scores(self, values: "Tensor | np.ndarray") -> EdgeScores:
        """Wrap an ``(n_regulators, n_genes)`` array as scores of the view's genes."""
        array = values.detach().float().cpu().numpy() if isinstance(values, Tensor) else values
        array = np.ascontiguousarray(array, dtype=np.float32)
        return EdgeScores(self.view.regulators, self.view.genes, array)
