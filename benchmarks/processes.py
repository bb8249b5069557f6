"""Calls in processes of their own, whose peak memory and times are nobody else's."""

import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


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


def limit_seconds(seconds: float) -> None:
    """Have this process killed once it has used so many more seconds of the processor."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 1, most))


def peak_mb() -> float:
    """Return the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
