"""TensorBoard."""

import dataclasses
import shutil

from pytorch_lightning.loggers import TensorBoardLogger

from grn_exp.core import extras
from grn_exp.engine.loggers.base import EpochLogger
from grn_exp.engine.loggers.results import flat_metrics
from grn_exp.engine.spec import RunIdentity
from grn_exp.runs.folder import RunFolder


@dataclasses.dataclass(frozen=True)
class TensorBoardMirror:
    """TensorBoard event files in ``tensorboard/`` below the run folder.

    Raises
    ------
    InputError
        If tensorboard is not installed.
    """

    def __post_init__(self) -> None:
        writer = "tensorboard.summary.writer.event_file_writer"
        extras.load(writer, "logger=tensorboard", "grn_exp[tensorboard]")

    def open(self, identity: RunIdentity) -> EpochLogger:
        """Start the event file; one of an earlier attempt is replaced."""
        shutil.rmtree(identity.folder / "tensorboard", ignore_errors=True)
        events = TensorBoardLogger(save_dir=identity.folder, name="tensorboard", version="")
        return EpochLogger(events, events.log_metrics)

    def close(self, logger: EpochLogger, folder: RunFolder, *, exit_code: int) -> None:
        """Write the final metrics and close the file."""
        events: TensorBoardLogger = logger.service
        events.log_metrics(flat_metrics(folder.metrics()))
        events.finalize("success" if exit_code == 0 else "failed")
