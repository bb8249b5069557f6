"""Finished runs to a dashboard, without doing them again."""

import csv
import dataclasses
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from grn_exp.core.errors import InputError
from grn_exp.engine.loggers.tensorboard import TensorBoardMirror
from grn_exp.engine.loggers.trackio import TrackioMirror
from grn_exp.engine.loggers.wandb import WandbMirror
from grn_exp.engine.spec import RunIdentity
from grn_exp.runs.folder import HISTORY, RunFolder

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
        logger = mirror.open(_identity(folder))
        for row in _history(folder):
            logger.log_metrics(row)
        mirror.close(logger, RunFolder(folder), exit_code=0)


def _identity(folder: Path) -> RunIdentity:
    config = RunFolder(folder).config()
    experiment, data, model, run_key = folder.parts[-4:]
    return RunIdentity(experiment, data, model, run_key, folder.parents[3], config)


def _history(folder: Path) -> Iterator[dict[str, float]]:
    """Yield the values of each epoch; none of a method without epochs."""
    if not (folder / HISTORY).is_file():
        return
    with (folder / HISTORY).open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            yield {name: float(value) for name, value in row.items() if value}
