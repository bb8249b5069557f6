"""What methods are called, and their colours (``methods.yaml``)."""

import functools
import re
import zlib
from pathlib import Path

import yaml

_OF_OTHERS = ("#999933", "#44AA99", "#AA4499", "#DDCC77", "#332288", "#CC6677")


@functools.cache
def methods() -> dict[str, tuple[str, str]]:
    """Return display name and colour of each choice of ``conf/model``, in the order of tables."""
    text = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    return {method: (name, colour) for method, (name, colour) in yaml.safe_load(text).items()}


def display_name(label: str) -> str:
    """Return how a reader writes a method; one of your own keeps its name.

    Parameters
    ----------
    label
        A choice of ``conf/model``, or what tables make of it.

    Examples
    --------
    >>> display_name("infosem_bc")
    'InfoSEM-BC'
    >>> display_name("pairs2<dot_product x3")
    'PairS2 (Dot product) x3'
    """
    label = re.sub(r"<([\w-]+)", lambda found: f" ({_named(found[1])})", label)
    return re.sub(r"^[\w-]+", lambda found: _named(found[0]), label)


def _named(model: str) -> str:
    return methods()[model][0] if model in methods() else model


def rank(label: str) -> tuple[bool, int]:
    """Return what sorts methods for a table; your own stand before the controls."""
    model = re.split(r"[^\w-]", label, maxsplit=1)[0]
    order = list(methods())
    at = order.index(model) if model in order else -1
    return at >= order.index("degree"), at if at >= 0 else len(order)


def colour(model: str) -> str:
    """Return a method's colour, ``#rrggbb``; one of your own has the same in every figure too."""
    if model in methods():
        return methods()[model][1]
    return _OF_OTHERS[zlib.crc32(model.encode()) % len(_OF_OTHERS)]
