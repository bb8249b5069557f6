"""A method that is trained by gradient descent: steps, optimiser, decay, batches and logging."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from grn_exp.core.ranges import require_in
from grn_exp.core.views import Items
from grn_exp.models.base import GRNModel
from grn_exp.models.optimisers import Optimizer, Scheduler, clip_gradients, configured, try_a_step
from grn_exp.models.state import pack, unpack
from grn_exp.nn.batches import ShuffledIndices, epoch_seed


class GradientModel(GRNModel):
    """A method that is trained by gradient descent.

    A subclass implements :meth:`build`, :meth:`loss` and :meth:`predict`; steps, optimiser,
    decay, batches and logging are here. ``batches_of`` says what an item of a batch is,
    ``decay_interval`` what the groups' ``decay`` counts.

    Parameters
    ----------
    batch_size
        Items in a batch.
    optimizer
        Makes the optimiser from parameter groups.
    scheduler
        A class of ``torch.optim.lr_scheduler`` in place of the method's own decay; it takes a
        step an epoch, and one that watches a value watches the training loss.
    seed
        As in :class:`grn_exp.models.base.GRNModel`.
    """

    batches_of: ClassVar[Items]
    decay_interval: ClassVar[Literal["epoch", "step"]] = "epoch"

    def __init__(
        self,
        *,
        batch_size: int,
        optimizer: Optimizer,
        scheduler: Scheduler | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        require_in("[1, inf)", batch_size=batch_size)
        self.batch_size = batch_size
        self._sums: dict[str, Tensor] = {}
        self._n_seen = 0

    @abc.abstractmethod
    def loss(self, batch: Tensor) -> dict[str, Tensor]:
        """Return the loss of a batch of indices as ``total`` and its named parts."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return groups ``{"params", "lr"}``, with ``decay`` (a factor an interval) if wanted.

        Here: all parameters at the options' ``learning_rate`` and ``learning_rate_decay``.
        """
        rate, decay = self.options.learning_rate, self.options.get("learning_rate_decay", 1.0)
        return [{"params": list(self.parameters()), "lr": rate, "decay": decay}]

    @property
    def n_items(self) -> int:
        """Number of cells, pairs or targets that an epoch goes through."""
        return self.view.count(self.batches_of)

    def begin_epoch(self, epoch: int) -> None:
        """Prepare an epoch, before its first batch: seed its dropout."""
        torch.manual_seed(epoch_seed(self.seed, epoch, stream=2))

    def batches(self, epoch: Callable[[], int]) -> ShuffledIndices:
        """Return batches of indices of what ``batches_of`` names."""
        size = self.batch_size
        return ShuffledIndices(self.n_items, batch_size=size, seed=self.seed, epoch=epoch)

    def on_train_epoch_start(self) -> None:
        """Start the sums of the loss parts."""
        self._sums, self._n_seen = {}, 0
        self.begin_epoch(self.current_epoch)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Compute the loss of one batch; the log entry comes once an epoch, which is cheaper.

        Raises
        ------
        InputError
            If its numbers are not finite.
        """
        try:
            parts = self.loss(batch)
        except FloatingPointError as error:
            raise self.diverged(str(error)) from error
        for name, value in parts.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach() * len(batch)
        self._n_seen += len(batch)
        return parts["total"]

    def on_train_epoch_end(self) -> None:
        """Log ``train/loss`` and its parts, means over the epoch's items.

        Raises
        ------
        InputError
            If the loss is no finite number.
        """
        if not bool(torch.isfinite(torch.as_tensor(self._sums.get("total", 0.0)))):
            raise self.diverged()
        for name, value in self._sums.items():
            key = "loss" if name == "total" else name
            self.log(f"train/{key}", value / self._n_seen)

    def check(self, max_epochs: int | None) -> None:
        """Refuse options that the optimiser or the scheduler refuses, at once or in a step."""
        try_a_step(self.configure_optimizers())

    def configure_optimizers(self) -> Any:
        """Make the optimiser, and the scheduler or the groups' own decay."""
        nodes = self.options.optimizer, self.options.scheduler
        # float16's gradients are scaled, and a fused optimiser would take the scale off itself
        fused = self._trainer is None or self._trainer.precision != "16-mixed"
        return configured(self.parameter_groups(), *nodes, self.decay_interval, fused=fused)

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **options: Any) -> None:
        """Clip by the Trainer's options; those of a fused optimiser too, in bfloat16."""
        clip_gradients(self, optimizer, *args, **options)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the view, so that the checkpoint alone is enough to predict."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["view"] = pack(self.view)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the view back, where the method has none."""
        if "view" in checkpoint:
            kept = unpack(checkpoint["view"])
            if self._view is None:
                self.attach(kept)
            self._check_data(kept)
        super().on_load_checkpoint(checkpoint)
