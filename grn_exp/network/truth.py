"""A list of true edges, in any of the forms that such lists come in."""

import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.genes import stripped
from grn_exp.core.network import EDGE_COLUMNS
from grn_exp.storage.delimited import read_strings


class Truth:
    """True edges, without the case of their symbols, which species and databases write anew.

    Parameters
    ----------
    edges
        Regulator and target of each.
    """

    def __init__(self, edges: Iterable[tuple[str, str]]) -> None:
        pairs = {(regulator.casefold(), target.casefold()) for regulator, target in edges}
        self.edges = {(regulator, target) for regulator, target in pairs if regulator != target}
        self.regulators = {regulator for regulator, _ in self.edges}
        self.targets = {target for _, target in self.edges}

    def labels(self, regulators: Sequence[str], genes: Sequence[str]) -> NDArray[np.bool_]:
        """Say which of regulators x genes are edges."""
        rows, columns = (_places(symbols) for symbols in (regulators, genes))
        labels = np.zeros((len(regulators), len(genes)), dtype=np.bool_)
        for regulator, target in self.edges:
            if regulator in rows and target in columns:
                labels[np.ix_(rows[regulator], columns[target])] = True
        return labels


def _places(symbols: Sequence[str]) -> dict[str, list[int]]:
    """Return where each symbol is, several times if symbols differ in their case alone."""
    places: dict[str, list[int]] = {}
    for place, symbol in enumerate(symbols):
        places.setdefault(symbol.casefold(), []).append(place)
    return places


def read_truth(path: Path) -> Truth:
    """Read edges separated by commas or tabs, ``.gz`` or not; further columns are not read.

    The header names the columns ``Gene1,Gene2`` (BEELINE), ``source,target``, ``TF,target`` or
    ``regulator,target``, whatever the case; a file separated by tabs may have none, and then
    begins with regulator and target.

    Raises
    ------
    InputError
        If there is no such file, it is broken, has other columns or holds no edge.
    """
    if not path.is_file():
        raise InputError(f"--truth {path}: no such file; check the path")
    separator = "\t" if _has_tabs(path) else ","
    table = read_strings(path, separator=separator)
    names = {str(name).strip().casefold(): place for place, name in enumerate(table.columns)}
    header = next((pair for pair in EDGE_COLUMNS if names.keys() >= set(pair)), None)
    if header is None and (separator == "," or len(table.columns) < 2):
        raise InputError(
            f"{path}: its columns are {', '.join(map(str, table.columns[:5]))}; name regulator "
            "and target Gene1,Gene2 or source,target or TF,target, or separate by tabs without a "
            "header"
        )
    places = (0, 1) if header is None else tuple(names[name] for name in header)
    regulators, targets = (stripped(table.iloc[:, place], name=str(path)) for place in places)
    if header is None:  # what was taken for one is an edge
        regulators.append(str(table.columns[0]))
        targets.append(str(table.columns[1]))
    truth = Truth(zip(regulators, targets, strict=True))
    if not truth.edges:
        raise InputError(f"{path}: it holds no edge between two different genes")
    return truth


def _has_tabs(path: Path) -> bool:
    """Look at the beginning of a file, compressed or not."""
    try:
        with path.open("rb") as raw:
            opened = gzip.open if raw.read(2) == b"\x1f\x8b" else open
        with opened(path, "rb") as stream:
            return b"\t" in stream.readline(10_000)
    except (OSError, EOFError):
        return False  # its reader says what is wrong
