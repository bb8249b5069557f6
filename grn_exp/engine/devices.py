"""What this machine has for its jobs, and whose turn it is on a GPU.

Imports nothing heavy: the launchers count with it before any job starts.
"""

import contextlib
import itertools
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grn_exp.core.errors import InputError
from grn_exp.storage.atomic import make_folder

if TYPE_CHECKING:
    from filelock import BaseFileLock

log = logging.getLogger(__name__)

PER_GPU = "GRN_EXP_JOBS_PER_GPU"  # set by a launcher for its jobs
_SECONDS_BETWEEN_TRIES = 0.5


# -- counting ----------------------------------------------------------------------------------


def n_gpus() -> int:
    """Return how many GPUs a process sees here, without loading torch or a driver."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len(_listed(visible))
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))


def _listed(visible: str) -> list[str]:
    """Return the entries of ``CUDA_VISIBLE_DEVICES``; an invalid one hides those after it."""
    names = (part.strip() for part in visible.split(","))
    return list(itertools.takewhile(lambda name: name and not name.startswith("-"), names))


# -- leasing -----------------------------------------------------------------------------------


def gpu_names() -> list[str]:
    """Return a name for every GPU that torch sees, the same in every process of the machine."""
    import torch

    listed = _listed(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
    names = []
    for number in range(torch.cuda.device_count()):
        if number < len(listed) and listed[number].startswith("MIG-"):
            names.append(listed[number])  # a part of a GPU; the whole one has another name
        else:
            names.append(str(torch.cuda.get_device_properties(number).uuid))
    return names


@contextlib.contextmanager
def leased_gpu(names: Sequence[str] | None = None) -> Iterator[int]:
    """Hold one of the GPUs for this process; wait where all are taken.

    Jobs of any launcher and of several sweeps take turns. The system gives a lease back when its
    process ends, however it ends.

    Parameters
    ----------
    names
        The GPUs' names; None for those that torch sees.

    Yields
    ------
    int
        The position of the GPU among ``names``, which is its number for torch.
    """
    from filelock import FileLock

    names = gpu_names() if names is None else names
    # of this machine and user: leases on a shared disk would say nothing
    folder = Path(tempfile.gettempdir()) / f"grn_exp-gpus-{os.getuid()}"
    make_folder(folder)
    slots = [
        (number, FileLock(folder / f"{name}.{slot}"))
        for slot in range(_jobs_per_gpu())  # first one job on each, then a second
        for number, name in enumerate(names)
    ]
    number, lock = _first_free(slots, len(names))
    try:
        yield number
    finally:
        lock.release()


def _first_free(
    slots: Sequence[tuple[int, "BaseFileLock"]], n_gpus: int
) -> tuple[int, "BaseFileLock"]:
    from filelock import Timeout

    told = False
    while True:
        for number, lock in slots:
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=0)
                return number, lock
        if not told:
            log.info("all %d GPUs here are taken: waiting for one", n_gpus)
            told = True
        time.sleep(_SECONDS_BETWEEN_TRIES)


def _jobs_per_gpu() -> int:
    text = os.environ.get(PER_GPU, "1")
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"{PER_GPU}={text}: give a whole number, 1 or more")
    return int(text)
