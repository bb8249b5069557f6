"""A bar for work that takes its time."""

import logging
import time
from collections.abc import Iterable, Iterator, Sized
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import track as rich_track

from grn_exp.core import extras

log = logging.getLogger(__name__)

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 30.0


def is_watched(console: Console) -> bool:
    """Say whether a bar would be seen: on a terminal, or in a notebook that has widgets."""
    return console.is_terminal or (console.is_jupyter and extras.is_installed("ipywidgets"))


def track(items: Iterable[Item], *, title: str, total: int | None = None) -> Iterable[Item]:
    """Pass ``items`` on, with a bar where somebody is watching, else a line now and then.

    Both say how much time is left.

    Parameters
    ----------
    items
        What is worked on.
    title
        What is being done.
    total
        How many there are, where ``items`` does not know.
    """
    console = Console(stderr=True)
    if not is_watched(console):
        return _with_lines(items, title, len(items) if isinstance(items, Sized) else total)
    return rich_track(items, description=title, total=total, console=console, transient=True)


def _with_lines(items: Iterable[Item], title: str, total: int | None) -> Iterator[Item]:
    began = said = time.monotonic()
    for number, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if total and now - said >= SECONDS_BETWEEN_LINES:
            said = now
            left = timedelta(seconds=round((now - began) * (total - number) / number))
            log.info("%s: %d of %d, %s left", title, number, total, left)
