"""What happens beside training: curves, history, checkpoints, the progress bar."""

import io
import logging
import os
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grn_exp.core import progress
from grn_exp.core.errors import InputError
from grn_exp.engine import stopping
from grn_exp.models.base import GRNModel
from grn_exp.storage.atomic import make_folder, unwritable

log = logging.getLogger(__name__)
_PATIENCE = 20.0  # seconds that a signal waits for the end of an epoch


def require_finite(model: GRNModel) -> None:
    """Refuse weights that are not finite.

    Raises
    ------
    InputError
        If the training diverged.
    """
    if not all(bool(parameter.isfinite().all()) for parameter in model.parameters()):
        raise model.diverged()


class LearningRates(pl.Callback):
    """Log the learning rate of each group of parameters, once an epoch, as ``lr/0`` and so on."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the rates that the epoch ended with."""
        groups = [group for each in trainer.optimizers for group in each.param_groups]
        for number, group in enumerate(groups):
            pl_module.log(f"lr/{number}", float(group["lr"]))


class History(Checkpoint):
    """Keep one row of logged values an epoch, through checkpoints too, and in a file that grows.

    A ``Checkpoint`` for its place in the order: Lightning calls those after the model's own
    end of epoch, when the epoch's losses are known.

    Parameters
    ----------
    path
        The CSV file that ``tail -f`` can follow: a row is appended in one write, so a line that
        ends is whole.

    Attributes
    ----------
    rows
        One an epoch.
    seconds_before
        What the epochs took that were trained before the run was cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self.seconds_before = 0.0
        self.started_at = time.monotonic()
        self._columns: list[str] = []  # of the file

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Bring the epochs before the run was cut off back, in the file and in a new logger."""
        if self.rows and trainer.is_global_zero:
            self._write(self.rows)
        for logger in trainer.loggers:
            for row in self.rows:
                logger.log_metrics(row)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Have the last epoch validated too, whatever ``check_val_every_n_epoch`` is."""
        if trainer.current_epoch + 1 == trainer.max_epochs:
            trainer.check_val_every_n_epoch = 1

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the epoch's values.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        every = trainer.check_val_every_n_epoch or 1
        if not trainer.enable_validation or (trainer.current_epoch + 1) % every:
            # Lightning keeps showing the old score
            values = {name: v for name, v in values.items() if not name.startswith("val/")}
        self.rows.append({"epoch": trainer.current_epoch, **values})
        if trainer.is_global_zero:
            self._write(self.rows[-1:])

    def _write(self, rows: Sequence[dict[str, float]]) -> None:
        """Append rows; where one has a new column, write all of them into the file again."""
        names = list(dict.fromkeys([*self._columns, *(name for row in rows for name in row)]))
        mode, lines = "a", []
        if names != self._columns:
            mode, lines = "w", [",".join(names)]
            self._columns, rows = names, self.rows
        lines += [",".join(str(row.get(name, "")) for name in names) for row in rows]
        try:
            with self.path.open(mode, encoding="utf-8") as stream:
                stream.write("\n".join(lines) + "\n")
        except OSError as error:
            raise unwritable(self.path, error) from error

    def state_dict(self) -> dict[str, Any]:
        """Return the rows as plain numbers, and the time that they took."""
        seconds = self.seconds_before + time.monotonic() - self.started_at
        return {"rows": self.rows, "seconds": seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the rows of the run that was cut off."""
        self.rows = list(state_dict["rows"])
        self.seconds_before = float(state_dict.get("seconds", 0.0))


class DirectIO(TorchCheckpointIO):
    """Write a checkpoint, which may hold a large matrix, without two copies of it in memory."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: Any = None,  # noqa: ANN401 - Lightning's signature
    ) -> None:
        """Write it to the path, which is of this machine."""
        del storage_options
        make_folder(Path(path).parent)
        torch.save(checkpoint, path)


class TimedCheckpoint(Checkpoint):
    """Write ``last.ckpt`` at the end of an epoch, but no more often than asked.

    Where a signal asked for it, the training stops there, saved; within an epoch that takes longer
    than whoever sent it will wait, it stops after a batch, and goes on from the epoch before.

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
        self.asked_at: float | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the signals back from Lightning, which would break an epoch off."""
        stopping.listen()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's signature
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Stop if the training is to stop, and its epoch does not end."""
        if not stopping.asked():
            return
        self.asked_at = self.asked_at or time.monotonic()
        if time.monotonic() - self.asked_at >= _PATIENCE:
            stopping.stop_if_asked()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save if it is time, or if the training is to stop.

        Raises
        ------
        InputError
            If the weights are not finite; what was saved before is kept.
        """
        asked = stopping.asked()
        if asked or time.monotonic() - self.written_at >= self.seconds:
            require_finite(cast("GRNModel", pl_module))
            self.save(trainer)
        if asked:
            stopping.stop_if_asked()

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


class ProgressBar(Checkpoint):
    """How far a training is: a bar where somebody watches, and a line of ``run.log`` now and then.

    Where there is no bar, the line goes there too.

    Parameters
    ----------
    title
        Stands before the bar.
    shown
        Whether standard error gets anything.
    """

    def __init__(self, title: str, *, shown: bool = True) -> None:
        self.title = title
        self.shown = shown
        self.bar: Progress | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar where somebody is watching."""
        self.first, self.began = trainer.current_epoch, time.monotonic()
        self.logged_at = self.began
        console = Console(stderr=True)
        # until a job of a sweep is done; then nobody watches it
        is_kept = isinstance(console.file, io.StringIO)
        self.aloud = self.shown and not progress.is_watched(console) and not is_kept
        if not (self.shown and progress.is_watched(console)):
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
            self.title, total=trainer.max_epochs, completed=self.first, values=""
        )

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Move on."""
        if self.bar is not None:
            values = "  ".join(_values(trainer))
            self.bar.update(self.task, completed=trainer.current_epoch + 1, values=values)
        if time.monotonic() - self.logged_at >= progress.SECONDS_BETWEEN_LINES:
            self._log(trainer, trainer.current_epoch + 1, ended=False)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's signature
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Say how far a long epoch is."""
        share = (batch_idx + 1) / trainer.num_training_batches
        if share < 1 and time.monotonic() - self.logged_at >= progress.SECONDS_BETWEEN_LINES:
            self._log(trainer, round(trainer.current_epoch + share, 2), ended=False)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the bar away, and say where the training ended."""
        self._stop()
        self._log(trainer, trainer.current_epoch, ended=True)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Take the bar away."""
        self._stop()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _log(self, trainer: pl.Trainer, n_done: float, *, ended: bool) -> None:
        """Log how far it is after so many epochs, in the run's own log if nobody else listens."""
        self.logged_at = time.monotonic()
        seconds, time_is = self.logged_at - self.began, "in all"
        n_epochs = trainer.max_epochs or -1  # -1: until something else ends it
        if not ended and n_epochs > 0:
            seconds *= (n_epochs - n_done) / max(n_done - self.first, 0.01)
            time_is = "left"
        epochs = f"epoch {n_done}" + f" of {n_epochs}" * (n_epochs > 0)
        text = ", ".join(
            [epochs, *_values(trainer), f"{timedelta(seconds=round(seconds))} {time_is}"]
        )
        if self.aloud:
            log.info(text)
            return
        of_run = logging.getLogger("grn_exp")
        record = of_run.makeRecord(__name__, logging.INFO, __file__, 0, text, (), None)
        for handler in of_run.handlers:
            handler.handle(record)


def _values(trainer: pl.Trainer) -> list[str]:
    """Return the last loss and validation score as texts."""
    return [
        f"{name} {float(value):.4g}"
        for name, value in trainer.callback_metrics.items()
        if name == "train/loss" or name.startswith("val/")
    ]
