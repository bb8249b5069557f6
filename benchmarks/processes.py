"""Calls in processes of their own, whose peak memory and times are nobody else's."""

import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")
_STATUS = Path("/proc/self/status")


def apart(function: Callable[..., Result], *arguments: object, smoke: bool = False) -> Result:
    """Return what ``function`` returns from a fresh process; from this one in a smoke run.

    Raises
    ------
    concurrent.futures.process.BrokenProcessPool
        If the process is killed, as :func:`limit_seconds` does.
    """
    if smoke:
        return function(*arguments)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def seconds_since(start: float) -> float:
    """Return this process's processor seconds since ``time.process_time()`` was ``start``.

    At least a microsecond, as the clock may not have moved in a benchmark's smallest size.
    """
    return max(time.process_time() - start, 1e-6)


def limit_seconds(seconds: float) -> None:
    """Have this process killed once it has used so many more seconds of the processor."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 1, most))


def peak_mb() -> float:
    """Return the largest resident memory of this process so far, or since :func:`forget_peak`.

    What Linux gives for ``ru_maxrss`` has the parent's in it, from before the new program began.
    """
    if _STATUS.is_file():
        return _of_status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts in bytes


def forget_peak() -> float:
    """Return what is resident, and measure the peak from now on, where the system can."""
    if not _STATUS.is_file():
        return peak_mb()
    Path("/proc/self/clear_refs").write_text("5")
    return _of_status("VmRSS")


def _of_status(name: str) -> float:
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 2**10
