"""A run's folder: its state, its lock, its files."""

import contextlib
import datetime as dt
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

from grn_exp.core.errors import InputError
from grn_exp.core.versions import METRICS_SCHEMA
from grn_exp.engine.stopping import Stopped
from grn_exp.storage.atomic import make_folder, write_json

State = Literal["new", "running", "stopped", "failed", "finished"]
_RESULTS = (
    "metrics.json",  # first: without it the run is not finished
    "status.json",
    "provenance.json",
    "scores.npz",
    "split.npz",
    "config.yaml",
)
_SECONDS_BETWEEN_TRIES = 0.2

log = logging.getLogger(__name__)


class _DamagedError(ValueError):
    """A file of a run is not what a run writes."""


class _ForeignError(_DamagedError):
    """It is what another version of this code writes."""


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

    def state(self) -> State:
        """Return the state that ``status.json`` tells; ``finished`` needs the metrics too.

        A file that cannot be understood makes the run one that has to be done again.
        """
        try:
            return self._checked_state()
        except _DamagedError:
            return "failed"

    def metrics(self) -> list[dict[str, Any]]:
        """Return the rows of ``metrics.json``; empty if it is missing or broken."""
        try:
            return self._rows()
        except _DamagedError:
            return []

    def tell_damage(self) -> None:
        """Warn of files that are about to be replaced because they cannot be understood.

        Raises
        ------
        InputError
            If it is a finished run whose metrics another version of this code wrote.
        """
        try:
            self._checked_state()
        except _ForeignError as error:
            raise InputError(
                f"{self.path}: {error}; force=true replaces the run, another "
                "paths.outputs keeps it"
            ) from error
        except _DamagedError as error:
            log.warning("%s: %s; the run is done again", self.path, error)

    def _checked_state(self) -> State:
        state = self._status()
        if state == "finished":
            self._rows()
        return state

    def _status(self) -> State:
        try:
            state = json.loads((self.path / "status.json").read_text(encoding="utf-8"))["state"]
        except (FileNotFoundError, NotADirectoryError):
            return "new"
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise _DamagedError("status.json cannot be read") from error
        if state not in get_args(State):
            raise _DamagedError(f"status.json: state {state!r} is none that a run writes")
        return state

    def _rows(self) -> list[dict[str, Any]]:
        try:
            content = json.loads((self.path / "metrics.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise _DamagedError("finished, but metrics.json is gone") from error
        except (OSError, ValueError, RecursionError) as error:
            raise _DamagedError("metrics.json cannot be read") from error
        rows = content.get("rows") if isinstance(content, dict) else None
        if not isinstance(rows, list) or not rows:
            raise _DamagedError("metrics.json has no rows")
        schema = content.get("schema")
        if schema != METRICS_SCHEMA:
            raise _ForeignError(
                f"metrics.json has schema {schema}, this code reads {METRICS_SCHEMA}"
            )
        if not all(map(_is_row, rows)):
            raise _DamagedError("metrics.json has rows that no run writes")
        return rows

    def set_state(self, state: State, **facts: str) -> None:
        """Write ``status.json``."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        write_json(self.path / "status.json", {"state": state, "at": now, **facts})

    def set_ended(self, error: BaseException) -> None:
        """Write how a run ended that did not finish: stopped by the user, or failed."""
        text = f"{type(error).__name__}: {error}".rstrip(": ")
        self.set_state("stopped" if _was_stopped(error) else "failed", error=text)

    def clear(self, *, keep_checkpoint: bool = False) -> None:
        """Remove what an earlier run left: results, curves and, unless it is kept, checkpoint."""
        try:
            for name in _RESULTS:
                (self.path / name).unlink(missing_ok=True)
            for table in self.path.glob("*.csv"):
                table.unlink(missing_ok=True)
            for folder in (self.path, self.checkpoint.parent):
                for half_written in folder.glob(".*.*"):  # by a process that was killed
                    half_written.unlink(missing_ok=True)
            if not keep_checkpoint:
                self.checkpoint.unlink(missing_ok=True)
            shutil.rmtree(self.path / "tensorboard", ignore_errors=True)  # it is written anew
        except OSError as error:
            raise self._unwritable(error) from error

    @contextlib.contextmanager
    def locked(self, *, wait: bool = False) -> Iterator[None]:
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
        from filelock import FileLock, Timeout

        make_folder(self.path)
        lock = FileLock(self.path / ".lock")
        try:
            try:
                lock.acquire(timeout=0)
            except Timeout as error:
                if not wait:
                    raise InputError(
                        f"{self.path} is in use by another process; wait for it, or stop it"
                    ) from error
                log.info("%s is in use by another process: waiting for it", self.path)
                lock.acquire(poll_interval=_SECONDS_BETWEEN_TRIES)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def logging_to_file(self) -> Iterator[None]:
        """Append the package's log to ``run.log`` meanwhile, and how it failed if it does.

        Raises
        ------
        InputError
            If the file cannot be opened.
        """
        try:
            handler = _QuietFileHandler(self.path / "run.log", encoding="utf-8")
        except OSError as error:
            raise self._unwritable(error) from error
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger = logging.getLogger("grn_exp")
        logger.addHandler(handler)
        try:
            yield
        except BaseException as error:
            # to the file only: the terminal is told by whoever catches it
            stopped = _was_stopped(error)
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

    def _unwritable(self, error: OSError) -> InputError:
        reason = error.strerror or str(error)
        return InputError(f"cannot write in {self.path}: {reason}; give another paths.outputs")


class _QuietFileHandler(logging.FileHandler):
    """A log that a full disk silences; what needs the disk reports it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Let the line go."""
        del record


def _was_stopped(error: BaseException) -> bool:
    return isinstance(error, KeyboardInterrupt | Stopped)


def _is_row(row: object) -> bool:
    """Say whether a row of ``metrics.json`` has what the table and the report need."""
    if not isinstance(row, dict):
        return False
    texts = (row.get("metric"), row.get("subset"))
    numbers = (row.get("value"), row.get("n"), row.get("n_positive"), row.get("prevalence"))
    return all(isinstance(text, str) for text in texts) and all(
        number is None or (isinstance(number, int | float) and not isinstance(number, bool))
        for number in numbers
    )
