"""Calls in processes of their own, whose peak memory and times are nobody else's."""

import multiprocessing
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def apart(function: Callable[..., Result], *arguments: object, smoke: bool = False) -> Result:
    """Return what ``function`` returns from a fresh process; from this one in a smoke run."""
    if smoke:
        return function(*arguments)
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return pool.apply(function, arguments)
