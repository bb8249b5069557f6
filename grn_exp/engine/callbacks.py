"""What happens beside training: curves, history, checkpoints, the progress bar."""

import math
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grn_exp.core.errors import InputError
from grn_exp.engine import stopping
from grn_exp.storage.atomic import make_folder


def diverged(epoch: int) -> InputError:
    """Return the error for a training whose numbers went to infinity."""
    return InputError(
        f"training diverged in epoch {epoch}: loss or weights are not finite; lower the "
        "learning rates or the weights of the loss (model.*)"
    )


class ValidationCurve(pl.Callback):
    """Have the last epoch validated too, whatever ``check_val_every_n_epoch`` is."""

    def is_due(self, trainer: pl.Trainer) -> bool:
        """Say whether the current epoch gets validation scores."""
        every = trainer.check_val_every_n_epoch or 1
        return trainer.enable_validation and (trainer.current_epoch + 1) % every == 0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validate after the last epoch."""
        del pl_module
        if trainer.current_epoch + 1 == trainer.max_epochs:
            trainer.check_val_every_n_epoch = 1


class LearningRates(pl.Callback):
    """Log the learning rate of each group of parameters, once an epoch, as ``lr/0`` and so on."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the rates that the epoch ended with."""
        groups = [group for each in trainer.optimizers for group in each.param_groups]
        for number, group in enumerate(groups):
            pl_module.log(f"lr/{number}", float(group["lr"]))


class History(Checkpoint):
    """Keep one row of logged values an epoch, through checkpoints too.

    A ``Checkpoint`` for its place in the order: Lightning calls those after the model's own
    end of epoch, when the epoch's losses are known.

    Parameters
    ----------
    curve
        Tells in which epochs a validation score is new: Lightning keeps showing the old one.

    Attributes
    ----------
    rows
        One an epoch.
    seconds_before
        What the epochs took that were trained before the run was cut off.
    """

    def __init__(self, curve: ValidationCurve) -> None:
        self.curve = curve
        self.rows: list[dict[str, float]] = []
        self.seconds_before = 0.0
        self.started_at = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Hand a logger that starts anew the epochs before the run was cut off."""
        del pl_module
        for logger in trainer.loggers:
            for row in self.rows:
                logger.log_metrics(row)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take down the epoch's values.

        Raises
        ------
        InputError
            If the loss is no number any more.
        """
        del pl_module
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if not math.isfinite(values.get("train/loss", 0.0)):
            raise diverged(trainer.current_epoch)
        if not self.curve.is_due(trainer):
            values = {name: v for name, v in values.items() if not name.startswith("val/")}
        self.rows.append({"epoch": trainer.current_epoch, **values})

    def state_dict(self) -> dict[str, Any]:
        """Return the rows as plain numbers, and the time that they took."""
        seconds = self.seconds_before + time.monotonic() - self.started_at
        return {"rows": self.rows, "seconds": seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the rows of the run that was cut off."""
        self.rows = list(state_dict["rows"])
        self.seconds_before = float(state_dict.get("seconds", 0.0))


class TimedCheckpoint(Checkpoint):
    """Write ``last.ckpt`` at the end of an epoch, but no more often than asked.

    Parameters
    ----------
    path
        The checkpoint; written to another name, then renamed.
    seconds
        Least time between two.
    """

    def __init__(self, path: Path, *, seconds: float) -> None:
        self.path = path
        self.seconds = seconds
        self.written_at = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save if it is time."""
        del pl_module
        if time.monotonic() - self.written_at < self.seconds:
            return
        self.save(trainer)

    def save(self, trainer: pl.Trainer, *, weights_only: bool = False) -> None:
        """Save now.

        Raises
        ------
        InputError
            If the disk is full or the folder may not be written.
        """
        make_folder(self.path.parent)
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            trainer.save_checkpoint(temporary, weights_only=weights_only)
            temporary.replace(self.path)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
            raise InputError(
                f"cannot write {self.path}: {error}; free space or give another paths.outputs"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        self.written_at = time.monotonic()


class StopSignals(Checkpoint):
    """Stop where it was asked for: at the end of an epoch, saved.

    Parameters
    ----------
    checkpoint
        Saves the training.
    """

    def __init__(self, checkpoint: TimedCheckpoint) -> None:
        self.checkpoint = checkpoint

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the signals back from Lightning, which would break an epoch off."""
        del trainer, pl_module
        stopping.listen()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save and stop."""
        del pl_module
        if stopping.asked():
            self.checkpoint.save(trainer)
            stopping.stop_if_asked()


class ProgressBar(Checkpoint):
    """One bar a run: epochs done, time left, last loss and validation score."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.bar: Progress | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar where a terminal is watching."""
        del pl_module
        console = Console(stderr=True)
        if not console.is_terminal:
            return
        columns: Iterable[Any] = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("epochs"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[values]}"),
        )
        self.bar = Progress(*columns, console=console, transient=True)
        self.bar.start()
        self.task = self.bar.add_task(
            self.title, total=trainer.max_epochs, completed=trainer.current_epoch, values=""
        )

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Move on."""
        del pl_module
        if self.bar is None:
            return
        shown = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name == "train/loss" or name.startswith("val/")
        }
        text = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
        self.bar.update(self.task, completed=trainer.current_epoch + 1, values=text)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the bar away."""
        del trainer, pl_module
        self._stop()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Take the bar away."""
        del trainer, pl_module, exception
        self._stop()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
