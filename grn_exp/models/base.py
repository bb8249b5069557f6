"""What every method is: a LightningModule that is fitted to a view and hands back scores."""

import abc
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from grn_exp.core.errors import InputError
from grn_exp.core.scores import EdgeScores
from grn_exp.core.sets import RegulatorSets
from grn_exp.core.splits import EdgeTruth
from grn_exp.core.tables import Table
from grn_exp.core.views import TrainView


class GRNModel(pl.LightningModule, abc.ABC):
    """Base of all methods.

    Class attributes say what a method is for (``edges`` or ``sets``) and what it reads; the
    benchmark shows it no more than that.

    Parameters
    ----------
    view
        Training data; sizes come from here, never from a configuration.
    """

    task: ClassVar[str] = "edges"
    reads_labels: ClassVar[bool] = False
    reads_embedding: ClassVar[bool] = False
    reads_truth: ClassVar[bool] = False
    # packages of an optional extra of the method's own name
    requires: ClassVar[tuple[str, ...]] = ()

    def __init__(self, view: TrainView) -> None:
        super().__init__()
        self._view = view

    @property
    def view(self) -> TrainView:
        """What the method may see."""
        return self._view

    @abc.abstractmethod
    def prediction(self) -> EdgeScores | RegulatorSets:
        """Score every regulator x gene pair, or choose a set for every target."""

    def check(self, max_epochs: int | None) -> None:
        """Refuse options that only show when the training is set up; called before any.

        Parameters
        ----------
        max_epochs
            Length of the training; None for a method that has no epochs.
        """

    def facts(self) -> dict[str, Any]:
        """Return what the fitted model wants in the run's provenance, as JSON types."""
        return {}

    def tables(self) -> dict[str, Table]:
        """Return what of the fitted model is worth a csv file of the run, by file name."""
        return {}

    def as_scores(self, values: "Tensor | np.ndarray") -> EdgeScores:
        """Wrap an ``(n_regulators, n_genes)`` array as scores of the view's genes."""
        array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
        return EdgeScores(
            regulators=self.view.regulators,
            genes=self.view.genes,
            values=np.ascontiguousarray(array, dtype=np.float32),
        )


class ClosedFormModel(GRNModel):
    """A method that is fitted once, without epochs."""

    @abc.abstractmethod
    def fit(self) -> None:
        """Fit to ``self.view``; called once before :meth:`prediction`."""


class EdgeScorer(ClosedFormModel):
    """A closed form whose fit is the scores.

    It is shown the genes in the order of their symbols, so that the order in a file, and what a
    fit draws at random in that order, change no score.
    """

    def __init__(self, view: TrainView) -> None:
        super().__init__(view)
        self._scores: EdgeScores | None = None

    @abc.abstractmethod
    def score(self, view: TrainView) -> np.ndarray:
        """Return scores of the view's pairs, shape ``(n_regulators, n_genes)``."""

    def fit(self) -> None:
        """Compute the scores."""
        ordered = self.view.by_symbol()
        scores = EdgeScores(
            regulators=ordered.regulators,
            genes=ordered.genes,
            values=self.score(ordered).astype(np.float32),
        )
        self._scores = self.as_scores(scores.align(self.view.regulators, self.view.genes))

    def prediction(self) -> EdgeScores:
        """Return the scores."""
        if self._scores is None:
            raise RuntimeError("fit() comes first")
        return self._scores


class ControlWithTruth(ClosedFormModel):
    """A control that is shown every label, test labels too: proof that the judging works."""

    reads_truth: ClassVar[bool] = True
    truth: EdgeTruth


class OptimizerFactory(Protocol):
    """A ``torch.optim`` class with some arguments fixed."""

    def __call__(self, params: Iterable[dict[str, Any]]) -> torch.optim.Optimizer:
        """Make the optimiser for parameter groups that name their own learning rates."""
        ...


class ShuffledIndices:
    """Batches of indices, in an order that depends on seed and epoch alone.

    A run that resumes at an epoch therefore sees the batches that an unbroken run sees.

    Parameters
    ----------
    n_items, batch_size
        The last batch may be smaller.
    seed
        Of the order.
    epoch
        Called for the number of the current epoch.
    """

    def __init__(
        self, n_items: int, *, batch_size: int, seed: int, epoch: Callable[[], int]
    ) -> None:
        self.n_items = n_items
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self.n_items / self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.epoch(), stream=1))
        yield from torch.randperm(self.n_items, generator=generator).split(self.batch_size)


def epoch_seed(seed: int, epoch: int, *, stream: int) -> int:
    """Return a seed for one epoch and one purpose."""
    return int(np.random.SeedSequence([seed, epoch, stream]).generate_state(1)[0])


class GradientModel(GRNModel):
    """A method that is trained by gradient descent.

    A subclass implements :meth:`loss` and :meth:`parameter_groups`; steps, optimiser, decay,
    batches and logging are here. ``decay_interval`` says what the groups' ``decay`` counts.

    Parameters
    ----------
    view
        Training data.
    n_items
        How many things there are to batch (cells, pairs).
    batch_size
        Things in a batch.
    optimizer
        Makes the optimiser from parameter groups.
    """

    decay_interval: ClassVar[Literal["epoch", "step"]] = "epoch"

    def __init__(
        self, view: TrainView, *, n_items: int, batch_size: int, optimizer: OptimizerFactory
    ) -> None:
        super().__init__(view)
        self.n_items = n_items
        self.batch_size = batch_size
        self.make_optimizer = optimizer
        self._sums: dict[str, Tensor] = {}
        self._n_seen = 0

    @abc.abstractmethod
    def loss(self, batch: Tensor) -> dict[str, Tensor]:
        """Return the loss of a batch of indices as ``total`` and its named parts."""

    @abc.abstractmethod
    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return groups ``{"params", "lr"}``, with ``decay`` (a factor an interval) if wanted."""

    def begin_epoch(self, epoch: int) -> None:
        """Prepare an epoch; called before its first batch."""

    def train_dataloader(self) -> ShuffledIndices:
        """Return batches of indices."""
        return ShuffledIndices(
            self.n_items,
            batch_size=self.batch_size,
            seed=self.view.seed,
            epoch=lambda: self.current_epoch,
        )

    def on_train_epoch_start(self) -> None:
        """Start the sums of the loss parts."""
        self._sums, self._n_seen = {}, 0
        self.begin_epoch(self.current_epoch)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Compute the loss of one batch; the log entry comes once an epoch, which is cheaper."""
        del batch_idx
        parts = self.loss(batch)
        for name, value in parts.items():
            weighted = value.detach() * len(batch)
            self._sums[name] = self._sums[name] + weighted if name in self._sums else weighted
        self._n_seen += len(batch)
        return parts["total"]

    def on_train_epoch_end(self) -> None:
        """Log ``train/loss`` and its parts, means over the epoch's items."""
        for name, value in self._sums.items():
            key = "loss" if name == "total" else name
            self.log(f"train/{key}", value / self._n_seen)

    def check(self, max_epochs: int | None) -> None:
        """Refuse options that the optimiser refuses."""
        del max_epochs
        self._optimizer(self.parameter_groups())

    def _optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        own = [{k: v for k, v in group.items() if k != "decay"} for group in groups]
        try:
            return self.make_optimizer(own)
        except (ValueError, TypeError) as error:
            raise InputError(f"the optimizer's options: {error}; correct or drop it") from error

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's own wide type
        """Make the optimiser and the per-group decay."""
        groups = self.parameter_groups()
        decays = [float(group.get("decay", 1.0)) for group in groups]
        optimizer = self._optimizer(groups)
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, [lambda count, decay=decay: decay**count for decay in decays]
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": self.decay_interval},
        }
