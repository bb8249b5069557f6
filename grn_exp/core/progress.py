"""A bar for work that takes its time."""

import importlib.util
from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track as rich_track

Item = TypeVar("Item")


def is_watched(console: Console) -> bool:
    """Say whether a bar would be seen: on a terminal, or in a notebook that has widgets."""
    has_widgets = importlib.util.find_spec("ipywidgets") is not None
    return console.is_terminal or (console.is_jupyter and has_widgets)


def track(items: Iterable[Item], *, title: str, total: int | None = None) -> Iterable[Item]:
    """Pass ``items`` on, with a bar and the time left where somebody is watching.

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
        disable=not is_watched(console),
        transient=True,
    )
