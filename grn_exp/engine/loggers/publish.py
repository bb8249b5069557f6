"""Finished runs to a dashboard, without doing them again."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

from grn_exp.core.errors import InputError
from grn_exp.engine.artefacts import read_history
from grn_exp.engine.loggers.tensorboard import TensorBoardMirror
from grn_exp.engine.loggers.trackio import TrackioMirror
from grn_exp.engine.loggers.wandb import WandbMirror
from grn_exp.engine.spec import RunIdentity
from grn_exp.runs.folder import RunFolder, place_of

_MIRRORS = {"wandb": WandbMirror, "trackio": TrackioMirror, "tensorboard": TensorBoardMirror}


def publish(folders: Sequence[Path], to: str, **options: str | None) -> None:
    """Show finished runs as the logger would have shown them while they ran.

    Parameters
    ----------
    folders
        Of runs.
    to
        ``wandb``, ``trackio`` or ``tensorboard``.
    options
        Of the mirror; None leaves its default.

    Raises
    ------
    InputError
        If the mirror has no such option, or cannot start.
    """
    given = {name: value for name, value in options.items() if value is not None}
    known = {field.name for field in dataclasses.fields(_MIRRORS[to])}
    for name in given.keys() - known:
        raise InputError(f"--{name} {given[name]}: --to {to} has no such option; drop it")
    mirror = _MIRRORS[to](**given)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("grn_exp").setLevel(logging.INFO)
    for folder in folders:
        run = RunFolder(folder)
        outputs, config = folder.parents[3], run.config()
        logger = mirror.open(RunIdentity(*place_of(folder), outputs, config))
        for row in read_history(run):
            logger.log_metrics({name: float(value) for name, value in row.items() if value})
        mirror.close(logger, run, exit_code=0)
