"""The user's home folder, which containers, nodes of a cluster and services may lack."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from grn_exp.core.errors import InputError

_FOLDERS_OF_LIBRARIES = (
    *("MPLCONFIGDIR", "NUMBA_CACHE_DIR"),
    *("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"),
)


def expanded(path: str | Path, key: str = "") -> Path:
    """Return a path with the home folder that its ``~`` stands for.

    Raises
    ------
    InputError
        If there is none; names ``key``, where the path is from.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        shown = f"{key}={path}" if key else path
        raise InputError(f"{shown}: no home folder for ~; give the folder's full path") from error


def make_writable(path: str | Path, key: str) -> Path:
    """Make a folder that ``key`` names, and return it.

    Raises
    ------
    InputError
        If that is not possible, or nothing can be written into it.
    """
    folder = expanded(path, key)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(
            f"{key}={path}: cannot write there ({error.strerror}); give another folder"
        ) from error
    return folder


def lend() -> None:
    """Give libraries a temporary folder where there is no home folder for their caches.

    numba and W&B fail without one, others clutter the terminal; what the user has set is kept.
    """
    lacking = {name for name in _FOLDERS_OF_LIBRARIES if name not in os.environ}
    try:
        expanded("~")
        lacking.discard("WANDB_CONFIG_DIR")  # is only read
        if lacking:
            make_writable(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "XDG_CACHE_HOME")
    except InputError:
        folder = tempfile.mkdtemp(prefix="grn_exp-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ.update(dict.fromkeys(lacking, folder))
