"""Interactions that are known beforehand: the labels of supervised methods."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError, absent
from grn_exp.core.genes import GeneIndex, stripped
from grn_exp.core.network import edge_columns, likely_cause
from grn_exp.core.views import UNKNOWN
from grn_exp.data.cells.symbols import find
from grn_exp.storage.delimited import read_strings, refuse_twice

log = logging.getLogger(__name__)

_SIGNS = ("sign", "mor", "mode", "interaction", "effect")
_WEIGHT = "weight"
# beside numbers, whose sign counts
_UP = r"\+|up|up.?regulat\w+|(activat|stimulat|induc|enhanc|positiv)\w*"
_DOWN = r"-|\u2212|down|down.?regulat\w+|(repress|inhibit|suppress|negativ)\w*"
_NEITHER = ("", "?", ".", "na", "none", "unknown", "dual", "+-", "both")


class Known(NamedTuple):
    """Known interactions of some regulators.

    Attributes
    ----------
    labels
        Shape ``(n_regulators, n_genes)``, int8: 1 an edge, 0 none (weight 0), else ``UNKNOWN``.
    signs
        Same shape, int8: -1, 0 (not known), 1.
    """

    labels: NDArray[np.int8]
    signs: NDArray[np.int8]


class Interactions(NamedTuple):
    """A file of interactions, each row one.

    Attributes
    ----------
    path
        The file.
    regulators, targets
        As they are spelt, shape ``(n_rows,)``.
    table
        All columns, their names in lower case.
    """

    path: Path
    regulators: list[str]
    targets: list[str]
    table: pd.DataFrame

    def among(self, regulators: GeneIndex, genes: GeneIndex) -> Known:
        """Return the interactions of some regulators and genes.

        Raises
        ------
        InputError
            If there is none, if a weight is no number, or if an edge is listed as none too.
        """
        sources, targets = find(self.regulators, regulators), find(self.targets, genes)
        pairs = list(zip(sources, targets, strict=True))
        at_hand = np.array([bool(s and t and s != t) for s, t in pairs], dtype=np.bool_)
        if not at_hand.any():
            raise InputError(
                f"data.known={self.path}: none of its {len(pairs)} interactions (such as "
                f"{self.regulators[0]!r} -> {self.targets[0]!r}) joins one of the "
                f"{len(regulators)} regulators (such as {', '.join(regulators.symbols[:3])}) and "
                f"one of the {len(genes)} genes; use the same symbols in both"
            )
        labels, signs = self._values()
        shape = (len(regulators), len(genes))
        known = Known(np.full(shape, UNKNOWN, dtype=np.int8), np.zeros(shape, dtype=np.int8))
        kept = [pair for pair, ok in zip(pairs, at_hand, strict=True) if ok]
        rows = regulators.positions(str(s) for s, _ in kept)
        columns = genes.positions(str(t) for _, t in kept)
        known.labels[rows, columns] = labels[at_hand]
        contrary = np.flatnonzero(known.labels[rows, columns] != labels[at_hand])
        if len(contrary):
            source, target = kept[contrary[0]]
            raise InputError(
                f"data.known={self.path}: {source!r} -> {target!r} has weight 0 in one row and is "
                "an edge in another; keep one of them"
            )
        for sign in (-1, 1):  # both of them are none
            own = signs[at_hand] == sign
            marked = np.zeros_like(known.signs)
            marked[rows[own], columns[own]] = sign
            known.signs[:] += marked
        self._warn_of_others(sources, targets, genes)
        self._warn_of_words()
        return known

    def _warn_of_others(
        self, sources: list[str | None], targets: list[str | None], genes: GeneIndex
    ) -> None:
        """Say how many interactions have a gene that is not used."""
        foreign = {a for a, s in zip(self.regulators, sources, strict=True) if not s}
        foreign |= {a for a, t in zip(self.targets, targets, strict=True) if not t}
        n_foreign = sum(not (s and t) for s, t in zip(sources, targets, strict=True))
        if n_foreign:
            log.warning(
                "%s: %d of %d interactions have a gene that is not used and were left out%s",
                *(self.path.name, n_foreign, len(sources), likely_cause(foreign, genes)),
            )

    def regulators_not_used(self, regulators: GeneIndex, genes: GeneIndex) -> dict[str, str]:
        """Return the genes that have a known regulator beside ``regulators``, and one such each.

        Raises
        ------
        InputError
            If a weight is no number.
        """
        sources, targets = find(self.regulators, regulators), find(self.targets, genes)
        rows = zip(self.regulators, sources, targets, self._values()[0], strict=True)
        found: dict[str, str] = {}
        for symbol, regulator, target, label in rows:
            # a gene may regulate itself, which is no part of its set
            if target and not regulator and label and symbol.upper() != target.upper():
                found.setdefault(target, symbol)
        return found

    def _values(self) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """Return the label and the sign of each row."""
        table = self.table
        labels = np.ones(len(table), dtype=np.int8)
        signs = np.zeros(len(table), dtype=np.int8)
        if _WEIGHT in table.columns:
            numbers = _numbers(table[_WEIGHT])
            if np.isnan(numbers).any():
                row = int(np.argmax(np.isnan(numbers)))
                raise InputError(
                    f"data.known={self.path}: {_WEIGHT} is {table[_WEIGHT].iloc[row]!r} in row "
                    f"{row + 1}, which is not a number; correct or drop it"
                )
            labels = (numbers != 0).astype(np.int8)
            if (numbers < 0).any():  # otherwise it says how sure an edge is
                signs = np.sign(numbers).astype(np.int8)
        words = self._words()
        if words is not None:
            up, down = words.str.fullmatch(_UP), words.str.fullmatch(_DOWN)
            signs = np.sign(np.nan_to_num(_numbers(words))).astype(np.int8)
            signs += up.to_numpy(np.int8) - down.to_numpy(np.int8)
        return labels, signs

    def _words(self) -> pd.Series | None:
        """Return what stands in the column of signs, in lower case; None without one."""
        name = next((name for name in _SIGNS if name in self.table.columns), None)
        return None if name is None else self.table[name].str.strip().str.lower()

    def _warn_of_words(self) -> None:
        """Say how many signs are none, for all that we know."""
        words = self._words()
        if words is None:
            return
        known = words.isin(_NEITHER) | words.str.fullmatch(f"{_UP}|{_DOWN}")
        strange: Any = words[~known & np.isnan(_numbers(words))]
        if len(strange):
            log.warning(
                "%s: %d of %d values of %s are no sign (such as %r) and were taken as not known; "
                "write + or -",
                *(self.path.name, len(strange), len(words), words.name, strange.iloc[0]),
            )


def _numbers(values: Any) -> NDArray[np.float64]:
    """Return numbers, NaN for all other text."""
    return np.asarray(pd.to_numeric(values, errors="coerce"), dtype=np.float64)


def read_interactions(path: Path) -> Interactions:
    """Read interactions from a csv or tsv file.

    Columns are ``Gene1,Gene2``, ``source,target``, ``TF,target`` or ``regulator,target``, and
    where there are, ``sign`` (or ``mor``; + and -, 1 and -1, words) or ``weight``, whose sign
    counts, and whose 0 says that there is no such edge.

    Raises
    ------
    InputError
        If the file is missing, has other columns, or has one twice.
    """
    if not path.is_file():
        raise InputError(f"data.known={path}: {absent(path)}; check the path")
    table = read_strings(path, separator="," if ".csv" in path.name.lower() else "\t")
    table = table.rename(columns=lambda name: str(name).strip().lower())
    refuse_twice(table.columns, path)
    pair = edge_columns(table.columns)
    if pair is None:
        raise InputError(
            f"data.known={path}: the columns in the header, its first line, are "
            f"{', '.join(map(str, table.columns[:5]))}; give Gene1,Gene2 or source,target or "
            "TF,target, in a line above the interactions if there is none"
        )
    regulators, targets = (stripped(table[name], name=str(path)) for name in pair)
    return Interactions(path, regulators, targets, table)
