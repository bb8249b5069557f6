"""Interactions that are known beforehand: the labels of supervised methods."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex, stripped
from grn_exp.core.network import EDGE_COLUMNS, likely_cause
from grn_exp.core.views import UNKNOWN
from grn_exp.data.cells.symbols import find
from grn_exp.storage.delimited import read_strings

log = logging.getLogger(__name__)

_SIGNS = ("sign", "mor", "mode", "interaction", "effect")
_WEIGHT = "weight"
_UP = {"+", "+1", "1", "1.0", "up", "activation", "activates", "activator", "stimulation"}
_DOWN = {"-", "-1", "-1.0", "down", "repression", "represses", "repressor", "inhibition"}


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


def symbols_in(path: Path) -> tuple[list[str], list[str]]:
    """Return the regulator and the target of each interaction, as they are spelt.

    Raises
    ------
    InputError
        If the file is missing or has other columns.
    """
    return _symbols(_read(path), path)


def read_known(path: Path, regulators: GeneIndex, genes: GeneIndex) -> Known:
    """Read interactions from a csv or tsv file.

    Columns are ``Gene1,Gene2``, ``source,target``, ``TF,target`` or ``regulator,target``, and
    where there are, ``sign`` (or ``mor``; + and -, 1 and -1, words) or ``weight``, whose sign
    counts, and whose 0 says that there is no such edge.

    Raises
    ------
    InputError
        If the file is missing, has other columns, or no pair of a regulator and a gene at hand.
    """
    table = _read(path)
    given = _symbols(table, path)
    sources, targets = find(given[0], regulators), find(given[1], genes)
    pairs = list(zip(sources, targets, strict=True))
    at_hand = np.array([bool(s and t and s != t) for s, t in pairs], dtype=np.bool_)
    if not at_hand.any():
        raise InputError(
            f"data.known={path}: none of its {len(pairs)} interactions (such as "
            f"{given[0][0]!r} -> {given[1][0]!r}) joins one of the {len(regulators)} regulators "
            f"(such as {', '.join(regulators.symbols[:3])}) and one of the {len(genes)} genes; "
            "use the same symbols in both"
        )
    labels, signs = _values(table, path)
    shape = (len(regulators), len(genes))
    known = Known(np.full(shape, UNKNOWN, dtype=np.int8), np.zeros(shape, dtype=np.int8))
    rows = regulators.positions(str(s) for (s, _), ok in zip(pairs, at_hand, strict=True) if ok)
    columns = genes.positions(str(t) for (_, t), ok in zip(pairs, at_hand, strict=True) if ok)
    known.labels[rows, columns] = labels[at_hand]
    known.signs[rows, columns] = signs[at_hand]
    foreign = {a for a, s in zip(given[0], sources, strict=True) if not s}
    foreign |= {a for a, t in zip(given[1], targets, strict=True) if not t}
    n_foreign = sum(not (s and t) for s, t in pairs)
    if n_foreign:
        log.warning(
            "%s: %d of %d interactions have a gene that is not used and were left out%s",
            *(path.name, n_foreign, len(pairs), likely_cause(foreign, genes)),
        )
    return known


def regulators_not_used(path: Path, regulators: GeneIndex, genes: GeneIndex) -> dict[str, str]:
    """Return the genes that have a known regulator beside ``regulators``, and one such each.

    Raises
    ------
    InputError
        As :func:`symbols_in`, or if a weight is no number.
    """
    table = _read(path)
    given = _symbols(table, path)
    labels, _ = _values(table, path)
    rows = zip(given[0], find(given[0], regulators), find(given[1], genes), labels, strict=True)
    found: dict[str, str] = {}
    for symbol, regulator, target, label in rows:
        # a gene may regulate itself, which is no part of its set
        if target and not regulator and label and symbol.upper() != target.upper():
            found.setdefault(target, symbol)
    return found


def _read(path: Path) -> pd.DataFrame:
    """Read the file with its columns' names in lower case."""
    if not path.is_file():
        raise InputError(f"data.known={path}: no such file; check the path")
    table = read_strings(path, separator="," if ".csv" in path.name.lower() else "\t")
    return table.rename(columns=lambda name: str(name).strip().lower())


def _symbols(table: pd.DataFrame, path: Path) -> tuple[list[str], list[str]]:
    """Return what the two columns hold that name the genes."""
    for pair in EDGE_COLUMNS:
        if set(pair) <= set(table.columns):
            source, target = (stripped(table[name], name=str(path)) for name in pair)
            return source, target
    raise InputError(
        f"data.known={path}: the columns in the header, its first line, are "
        f"{', '.join(map(str, table.columns[:5]))}; give Gene1,Gene2 or source,target or "
        "TF,target, in a line above the interactions if there is none"
    )


def _values(table: pd.DataFrame, path: Path) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Return the label and the sign of each row."""
    labels = np.ones(len(table), dtype=np.int8)
    signs = np.zeros(len(table), dtype=np.int8)
    if _WEIGHT in table.columns:
        numbers = np.asarray(pd.to_numeric(table[_WEIGHT], errors="coerce"), dtype=np.float64)
        if np.isnan(numbers).any():
            row = int(np.argmax(np.isnan(numbers)))
            raise InputError(
                f"data.known={path}: {_WEIGHT} is {table[_WEIGHT].iloc[row]!r} in row {row + 1}, "
                "which is not a number; correct or drop it"
            )
        labels = (numbers != 0).astype(np.int8)
        if (numbers < 0).any():  # otherwise it says how sure an edge is
            signs = np.sign(numbers).astype(np.int8)
    sign = next((name for name in _SIGNS if name in table.columns), None)
    if sign is not None:
        words = table[sign].str.strip().str.lower()
        signs = words.isin(_UP).to_numpy(np.int8) - words.isin(_DOWN).to_numpy(np.int8)
    return labels, signs
