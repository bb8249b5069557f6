"""A run's folder: its files, its state, its lock."""

import contextlib
import datetime as dt
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, Literal, NamedTuple, get_args

from grn_exp.core.errors import InputError
from grn_exp.core.versions import METRICS_SCHEMA
from grn_exp.runs.files import ForeignError, UnreadableError, read_mapping
from grn_exp.runs.rows import Columns, columns_of
from grn_exp.storage.atomic import locked, unwritable, write_json


class Place(NamedTuple):
    """What the path of a run's folder says: ``<experiment>/<data>/<model>/<run key>``."""

    experiment: str
    data: str
    model: str
    run_key: str


def place_of(folder: str | PurePath) -> Place:
    """Return what the last four parts of a run folder's path say."""
    return Place(*PurePath(folder).parts[-4:])


State = Literal["new", "running", "stopped", "failed", "finished"]

METRICS = "metrics.json"
STATUS = "status.json"
PROVENANCE = "provenance.json"
CONFIG = "config.yaml"
SCORES = "scores.npz"
SPLIT = "split.npz"
HISTORY = "history.csv"
LOG = "run.log"
STABILITY = "stability.npz"
_RESULTS = (
    METRICS,
    STATUS,
    PROVENANCE,
    SCORES,
    SPLIT,
    CONFIG,
    STABILITY,
)  # metrics: gone, it is unfinished

log = logging.getLogger(__name__)


class RunFolder:
    """Files of one run, written whole or not at all.

    Parameters
    ----------
    path
        The folder; made by :meth:`locked`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def checkpoint(self) -> Path:
        """Where an unfinished run goes on from."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def unfinished(self) -> Path:
        """Where a method without epochs keeps what is done of a long fit."""
        return self.path / "checkpoints" / "targets.bin"

    def state(self) -> State:
        """Return the state; ``finished`` needs the metrics too.

        A file that cannot be understood makes the run one that has to be done again.
        """
        try:
            state = self.status().get("state", "new")
            if state == "finished":
                self.columns()
        except UnreadableError:
            return "failed"
        return state

    def status(self) -> dict[str, Any]:
        """Return ``status.json``: the state, since when, an error; empty without the file.

        Raises
        ------
        UnreadableError
            If it is broken, or names a state that no run writes.
        """
        status = read_mapping(self / STATUS)
        if status and status.get("state") not in get_args(State):
            raise UnreadableError(f"{STATUS}: no run writes the state {status.get('state')!r}")
        return status

    def facts(self) -> dict[str, Any]:
        """Return ``provenance.json``; empty without the file.

        Raises
        ------
        UnreadableError
            If it is broken.
        """
        return read_mapping(self / PROVENANCE)

    def config(self) -> dict[str, Any]:
        """Return the resolved configuration.

        Raises
        ------
        UnreadableError
            If it is missing or broken.
        """
        config = read_mapping(self / CONFIG)
        if not config:
            raise UnreadableError(f"{CONFIG} is missing or empty")
        return config

    def metrics(self) -> list[dict[str, Any]]:
        """Return the rows of ``metrics.json``; none where no label was held out.

        Raises
        ------
        UnreadableError
            If it is missing or broken; ForeignError if another version of this code wrote it.
        """
        content = read_mapping(self / METRICS)
        if not content:
            raise UnreadableError(f"{METRICS} is missing or empty")
        if content.get("schema") != METRICS_SCHEMA:
            raise ForeignError(
                f"{METRICS} has schema {content.get('schema')}, this code reads {METRICS_SCHEMA}"
            )
        rows = content.get("rows")
        if not isinstance(rows, list) or not (rows or content.get("nothing_held_out")):
            raise UnreadableError(f"{METRICS} has no rows")
        return rows

    def columns(self) -> Columns:
        """Return the checked rows of ``metrics.json``, field by field.

        Raises
        ------
        UnreadableError
            As for :meth:`metrics`, or if a row is not what a run writes.
        """
        return columns_of(self.metrics())

    def warn_of_damage(self) -> None:
        """Warn of files that are about to be replaced because they cannot be understood.

        Raises
        ------
        InputError
            If it is a finished run whose metrics another version of this code wrote.
        """
        try:
            if self.status().get("state") == "finished":
                self.columns()
        except ForeignError as error:
            raise InputError(
                f"{self.path}: {error}; force=true replaces the run, another "
                "paths.outputs keeps it"
            ) from error
        except UnreadableError as error:
            log.warning("%s: %s; the run is done again", self.path, error)

    def set_state(self, state: State, **facts: str) -> None:
        """Write ``status.json``."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        write_json(self / STATUS, {"state": state, "at": now, **facts})

    def set_ended(self, error: BaseException) -> None:
        """Write how a run ended that did not finish: stopped by the user, or failed."""
        text = f"{type(error).__name__}: {error}".rstrip(": ")
        self.set_state("stopped" if not isinstance(error, Exception) else "failed", error=text)

    def clear(self, *, keep_checkpoint: bool = False) -> None:
        """Remove what an earlier run left: results, curves and, unless it is kept, checkpoint."""
        try:
            for name in _RESULTS:
                (self.path / name).unlink(missing_ok=True)
            for ending in ("*.csv", "*.csv.gz", "*.parquet"):
                for table in self.path.glob(ending):
                    table.unlink(missing_ok=True)
            for folder in (self.path, self.checkpoint.parent):
                for half_written in folder.glob(".*.*"):  # by a process that was killed
                    half_written.unlink(missing_ok=True)
            if not keep_checkpoint:
                self.checkpoint.unlink(missing_ok=True)
                self.unfinished.unlink(missing_ok=True)
            shutil.rmtree(self.path / "tensorboard", ignore_errors=True)  # it is written anew
        except OSError as error:
            raise unwritable(self.path, error) from error

    def locked(self, *, wait: bool = False) -> contextlib.AbstractContextManager[None]:
        """Hold the folder for this process alone.

        Parameters
        ----------
        wait
            Wait for a process that holds it.

        Raises
        ------
        InputError
            If another process holds it, or it cannot be made.
        """
        in_use = f"{self.path} is in use by another process"
        return locked(self / ".lock", waiting=f"{in_use}: waiting for it", wait=wait)

    @contextlib.contextmanager
    def logging_to_file(self) -> Iterator[None]:
        """Append the package's log to ``run.log`` meanwhile, and how it failed if it does.

        Raises
        ------
        InputError
            If the file cannot be opened.
        """
        try:
            handler = logging.FileHandler(self / LOG, encoding="utf-8")
        except OSError as error:
            raise unwritable(self.path, error) from error
        # a full disk silences it; what needs the disk reports it
        handler.handleError = lambda record: None  # noqa: ARG005
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger = logging.getLogger("grn_exp")
        logger.addHandler(handler)
        try:
            yield
        except BaseException as error:
            # to the file only: whoever catches it prints it
            stopped = not isinstance(error, Exception)
            expected = stopped or isinstance(error, InputError)
            trace = None if expected else (type(error), error, error.__traceback__)
            text = f"{'stopped' if stopped else 'failed'}: {type(error).__name__}: {error}"
            handler.handle(
                logger.makeRecord(__name__, logging.ERROR, __file__, 0, text, (), trace)
            )
            raise
        finally:
            logger.removeHandler(handler)
            with contextlib.suppress(OSError):
                handler.close()
