"""Write a file completely or not at all, by one process at a time; read arrays back."""

import contextlib
import csv
import json
import logging
import secrets
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from grn_exp.core.errors import InputError

log = logging.getLogger(__name__)

# what NumPy and zipfile raise for a file in which any byte was changed
_BROKEN = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, tokenize.TokenError)


def make_folder(path: Path) -> None:
    """Make a folder and its parents.

    Raises
    ------
    InputError
        If that is not allowed, or the disk is full.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it becomes ``path``.

    Raises
    ------
    InputError
        If the disk is full or the folder may not be written. Nothing is left behind then.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - whatever json takes
    """Write ``value`` as JSON; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table without pandas, whose import a short run would notice."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_npz(path: Path, arrays: dict[str, Any]) -> None:
    """Write arrays with ``numpy.savez_compressed``; loads without pickle."""
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def read_npz(path: Path, *names: str) -> list[np.ndarray]:
    """Return the named arrays of an npz file, none of which may be a pickle.

    Raises
    ------
    ValueError
        If the file is broken in any way, or one of them is not in it.
    """
    try:
        # opened here: NumPy leaves a broken file open
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            for name in names:
                if name not in arrays:
                    raise ValueError(f"no array {name!r}, only {arrays.files}")
            return [arrays[name] for name in names]
    except _BROKEN as error:
        raise ValueError(str(error) or type(error).__name__) from error


def write_with(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file that then becomes ``path``."""
    with replacing(path) as temporary:
        write(temporary)


@contextlib.contextmanager
def locked(path: Path, *, waiting: str, wait: bool = True) -> Iterator[None]:
    """Hold the lock file ``path``; where another process holds it, log ``waiting`` and wait.

    Raises
    ------
    InputError
        If its folder may not be written, or another process holds it and ``wait`` is false.
    """
    from filelock import FileLock, Timeout

    make_folder(path.parent)
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            if not wait:
                raise InputError(
                    f"{path.parent} is in use by another process; wait for it, or stop it"
                ) from error
            log.info("%s", waiting)
            lock.acquire()
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        yield
    finally:
        lock.release()


def unwritable(path: Path, error: OSError) -> InputError:
    """Return the error that says why ``path`` cannot be written, and what to do."""
    reason = error.strerror or str(error)
    return InputError(
        f"cannot write {path}: {reason}; free space or give another folder "
        "(paths.outputs for runs, GRN_EXP_CACHE for caches)"
    )
