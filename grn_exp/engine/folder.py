"""A run's folder: its state, its lock, its files."""

import contextlib
import datetime as dt
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from grn_exp.core.errors import InputError
from grn_exp.storage.atomic import make_folder, write_json

State = Literal["new", "running", "failed", "finished"]
SCHEMA = 1


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
        """Return the state that ``status.json`` tells; ``finished`` needs the metrics too."""
        try:
            status = json.loads((self.path / "status.json").read_text(encoding="utf-8"))
            state = status["state"]
        except FileNotFoundError:
            return "new"
        except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError):
            return "failed"
        if state == "finished" and not self.metrics():
            return "failed"
        return state if state in ("running", "failed", "finished") else "failed"

    def metrics(self) -> list[dict[str, Any]]:
        """Return the rows of ``metrics.json``; empty if it is missing or broken."""
        try:
            content = json.loads((self.path / "metrics.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
            return []
        valid = isinstance(content, dict) and content.get("schema") == SCHEMA
        return content["rows"] if valid else []

    def set_state(self, state: State, **facts: str) -> None:
        """Write ``status.json``."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        write_json(self.path / "status.json", {"state": state, "at": now, **facts})

    def clear(self) -> None:
        """Remove results and checkpoint of an earlier run, its metrics first."""
        names = ("metrics.json", "status.json", "provenance.json", "history.csv", "network.csv")
        for name in (*names, "scores.npz", "split.npz", "config.yaml"):
            (self.path / name).unlink(missing_ok=True)
        self.checkpoint.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process alone.

        Raises
        ------
        InputError
            If another process holds it, or it cannot be made.
        """
        from filelock import FileLock, Timeout

        make_folder(self.path)
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise InputError(
                f"{self.path} is in use by another process; wait for it, or stop it"
            ) from error
        except OSError as error:
            raise InputError(
                f"cannot write in {self.path}: {error.strerror}; give another paths.outputs"
            ) from error
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def logging_to_file(self) -> Iterator[None]:
        """Append the package's log to ``run.log`` meanwhile."""
        handler = logging.FileHandler(self.path / "run.log", encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger = logging.getLogger("grn_exp")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            handler.close()
