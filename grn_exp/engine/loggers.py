"""Mirrors of a run's files: W&B, TensorBoard. The files are the truth."""

import dataclasses
import importlib.util
import logging
import netrc
import os
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlparse

from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from grn_exp.core.errors import InputError
from grn_exp.engine.spec import RunIdentity

log = logging.getLogger(__name__)


class Mirror(Protocol):
    """Opens a logger for one run and closes it (``logger=`` on the command line)."""

    def open(self, identity: RunIdentity) -> Logger | None:
        """Start mirroring; None where there is nothing to start."""
        ...

    def close(self, logger: Logger | None, rows: list[dict[str, Any]], *, exit_code: int) -> None:
        """Hand over the final metrics and end the run."""
        ...


@dataclasses.dataclass(frozen=True)
class FilesOnly:
    """The run folder's own files (``history.csv``, ``metrics.json``), which are always written."""

    def open(self, identity: RunIdentity) -> Logger | None:
        """Nothing to start."""
        del identity

    def close(self, logger: Logger | None, rows: list[dict[str, Any]], *, exit_code: int) -> None:
        """Nothing to end."""
        del logger, rows, exit_code


@dataclasses.dataclass(frozen=True)
class WandbMirror:
    """Weights & Biases; offline by itself where there is no key.

    Parameters
    ----------
    project, entity, tags
        As in ``wandb.init``. The run's id is its key, its group the experiment.
    mode
        ``auto`` is online where a key is set and offline elsewhere; nothing is ever asked.
        ``WANDB_MODE`` in the environment goes before it.
    """

    project: str = "grn_exp"
    entity: str | None = None
    tags: tuple[str, ...] = ()
    mode: Literal["auto", "online", "offline"] = "auto"

    def open(self, identity: RunIdentity) -> Logger:
        """Start a W&B run below the run folder; offline where the server does not answer."""
        import wandb
        from wandb.errors import Error as WandbError

        wandb.finish(exit_code=1)  # a run that another job of this process left open
        mode = self._mode()
        try:
            return self._start(identity, mode)
        except (WandbError, OSError) as error:
            if mode != "online":
                raise InputError(f"logger=wandb: {' '.join(str(error).split())}") from error
            reason = " ".join(str(error).split())
            log.warning("W&B: %s; going offline (WANDB_MODE=offline saves the wait)", reason)
            wandb.teardown()
            return self._start(identity, "offline")

    def _start(self, identity: RunIdentity, mode: str) -> WandbLogger:
        logger = WandbLogger(
            save_dir=identity.folder,
            project=self.project,
            entity=self.entity,
            id=identity.run_key,
            name=f"{identity.data}/{identity.model}/{identity.run_key[:6]}",
            group=identity.experiment,
            job_type=identity.model,
            tags=[identity.data, identity.model, *self.tags],
            config=identity.config,
            mode=mode,
            resume="allow" if mode == "online" else None,
            settings={"silent": True, "console": "off"},
        )
        _ = logger.experiment  # starts it
        return logger

    def close(self, logger: Logger | None, rows: list[dict[str, Any]], *, exit_code: int) -> None:
        """Write the summary, end the run and say how to upload an offline one."""
        if not isinstance(logger, WandbLogger):
            return
        run = logger.experiment
        run.summary.update(flat_metrics(rows))
        offline, folder = run.settings.mode == "offline", Path(run.settings.sync_dir)
        run.finish(exit_code=exit_code)
        if offline:
            log.info("W&B is offline; upload with: wandb sync %s", folder)

    def _mode(self) -> str:
        from_environment = os.environ.get("WANDB_MODE")
        if from_environment:
            return from_environment
        if self.mode != "auto":
            return self.mode
        return "online" if _has_wandb_key() else "offline"


@dataclasses.dataclass(frozen=True)
class TensorBoardMirror:
    """TensorBoard event files in ``tensorboard/`` below the run folder.

    Raises
    ------
    InputError
        If tensorboard is not installed.
    """

    def __post_init__(self) -> None:
        if not _is_installed("tensorboard"):
            raise InputError(
                "logger=tensorboard: not installed; pip install 'grn_exp[tensorboard]'"
            )

    def open(self, identity: RunIdentity) -> Logger:
        """Start the event file."""
        return TensorBoardLogger(save_dir=identity.folder, name="tensorboard", version="")

    def close(self, logger: Logger | None, rows: list[dict[str, Any]], *, exit_code: int) -> None:
        """Write the final metrics and close the file."""
        if logger is None:
            return
        logger.log_metrics(flat_metrics(rows))
        logger.finalize("success" if exit_code == 0 else "failed")


def flat_metrics(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return ``{"test_unseen/ap": value, ...}`` with each subset's prevalence."""
    flat = {f"{row['subset']}/{row['metric']}": row["value"] for row in rows}
    return flat | {f"{row['subset']}/prevalence": row["prevalence"] for row in rows}


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _has_wandb_key() -> bool:
    """Say whether a key is set, without asking anybody for one."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False
