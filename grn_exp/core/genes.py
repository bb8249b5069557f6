"""Gene names: the one thing by which arrays are aligned."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError

log = logging.getLogger(__name__)

# what pandas, R and AnnData make of a missing name
MISSING = frozenset({"", "nan", "NaN", "NA", "<NA>", "None"})


class GeneIndex:
    """An ordered set of gene symbols.

    Parameters
    ----------
    symbols
        Unique, non-empty gene symbols; case matters.
    name
        What the genes are, for error messages ("expression matrix", "prior").

    Raises
    ------
    InputError
        If a symbol is empty, stands for a missing name (``NA``, ``nan``) or occurs twice.
    """

    def __init__(self, symbols: Iterable[str], *, name: str = "genes") -> None:
        self.symbols: tuple[str, ...] = tuple(str(symbol) for symbol in symbols)
        self.name = name
        positions: dict[str, int] = {}
        for position, symbol in enumerate(self.symbols):
            if symbol.strip() in MISSING:
                what = f"{symbol!r}, a missing name" if symbol.strip() else "empty"
                raise InputError(
                    f"{name}: the gene symbol at position {position} is {what}; "
                    "name it or drop that gene"
                )
            if symbol in positions:
                raise InputError(
                    f"{name}: gene {symbol!r} occurs twice (positions {positions[symbol]} and "
                    f"{position}); keep one of them or rename it"
                )
            positions[symbol] = position
        self._positions = positions

    def __len__(self) -> int:
        return len(self.symbols)

    def __iter__(self) -> Iterator[str]:
        return iter(self.symbols)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._positions

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GeneIndex) and self.symbols == other.symbols

    def __hash__(self) -> int:
        return hash(self.symbols)

    def __repr__(self) -> str:
        return f"GeneIndex({len(self)} {self.name})"

    @cached_property
    def array(self) -> NDArray[np.str_]:
        """The symbols as a NumPy string array, shape ``(n_genes,)``."""
        return np.asarray(self.symbols, dtype=np.str_)

    def positions(self, symbols: Iterable[str]) -> NDArray[np.int64]:
        """Positions of ``symbols`` in this index, in their order.

        Raises
        ------
        InputError
            If a symbol is not in this index.
        """
        wanted = list(symbols)
        missing = [symbol for symbol in wanted if symbol not in self._positions]
        if missing:
            raise InputError(
                f"{self.name}: no gene {missing[0]!r} ({len(missing)} of {len(wanted)} missing); "
                "check the spelling and the case of the symbols"
            )
        return np.asarray([self._positions[symbol] for symbol in wanted], dtype=np.int64)

    def take(self, positions: Sequence[int] | NDArray[np.int64]) -> "GeneIndex":
        """Return the genes at ``positions``, in that order."""
        return GeneIndex((self.symbols[int(p)] for p in positions), name=self.name)


def stripped(symbols: Iterable[str], *, name: str) -> list[str]:
    """Return symbols without blanks around them, of any kind; warn if there were any."""
    given = [str(symbol) for symbol in symbols]
    found = [symbol.strip("\u200b\ufeff \t\r\n\v\f\u00a0").strip() for symbol in given]
    changed = [before for before, after in zip(given, found, strict=True) if before != after]
    if changed:
        log.warning(
            "%s: %d of %d gene symbols had blanks around them, which were removed (such as %r)",
            *(name, len(changed), len(given), changed[0]),
        )
    return found
