"""A list of true edges, in any of the forms that such lists come in."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError, absent
from grn_exp.storage.edge_lists import read_pairs


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
    """Read edges as :func:`~grn_exp.storage.edge_lists.read_pairs` does.

    Raises
    ------
    InputError
        If there is no such file, it is broken, has other columns or holds no edge.
    """
    if not path.is_file():
        raise InputError(f"--truth {path}: {absent(path)}; check the path")
    truth = Truth(zip(*read_pairs(path), strict=True))
    if not truth.edges:
        raise InputError(f"{path}: it holds no edge between two different genes")
    return truth
