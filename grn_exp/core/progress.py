"""A bar for work that takes its time."""

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track as rich_track

Item = TypeVar("Item")


def track(items: Iterable[Item], *, title: str, total: int | None = None) -> Iterable[Item]:
    """Pass ``items`` on, with a bar and the time left where a terminal is watching.

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
    return rich_track(
        items,
        description=title,
        total=total,
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
