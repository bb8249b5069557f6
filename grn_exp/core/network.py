"""A gene regulatory network: regulator, target pairs."""

import dataclasses
import re
import unicodedata
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex

# what tables of edges call regulator and target, in lower case
_EDGE_COLUMNS = (
    ("gene1", "gene2"),
    ("source", "target"),
    ("tf", "target"),
    ("regulator", "target"),
)
# share of the edges that may lie outside the matrix without a word
_SMALL_LOSS = 0.03


def edge_columns(columns: Iterable[str]) -> tuple[str, str] | None:
    """Return what regulator and target are called among columns in lower case, if they are."""
    present = set(columns)
    return next((pair for pair in _EDGE_COLUMNS if present >= set(pair)), None)


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """Directed edges between the genes of one index.

    Attributes
    ----------
    genes
        The genes that ``regulator`` and ``target`` point into.
    regulator, target
        Positions in ``genes``, shape ``(n_edges,)``, int64.
    source
        Where the network comes from.
    n_self_loops, n_duplicates, n_foreign
        What :meth:`from_names` left out: self-loops, repeated pairs, pairs with a gene outside
        ``genes``. Counted, so that a loader can report them.
    foreign_regulators, foreign_targets
        The symbols outside ``genes``, sorted.

    Raises
    ------
    InputError
        On a self-loop, a repeated pair or a position outside ``genes``.
    """

    genes: GeneIndex
    regulator: NDArray[np.int64]
    target: NDArray[np.int64]
    source: str = "unnamed"
    n_self_loops: int = 0
    n_duplicates: int = 0
    n_foreign: int = 0
    foreign_regulators: tuple[str, ...] = ()
    foreign_targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.regulator.shape != self.target.shape or self.regulator.ndim != 1:
            raise InputError(
                f"{self.source}: {self.regulator.shape} regulators for {self.target.shape} targets"
            )
        if len(self.regulator) == 0:
            return
        low = int(min(self.regulator.min(), self.target.min()))
        high = int(max(self.regulator.max(), self.target.max()))
        if low < 0 or high >= len(self.genes):
            raise InputError(
                f"{self.source}: gene position {low if low < 0 else high} is outside "
                f"0..{len(self.genes) - 1}"
            )
        loops = np.flatnonzero(self.regulator == self.target)
        if len(loops):
            symbol = self.genes.symbols[int(self.regulator[loops[0]])]
            raise InputError(f"{self.source}: self-loop on gene {symbol!r}; drop it")
        codes = self.regulator * len(self.genes) + self.target
        if len(np.unique(codes)) != len(codes):
            raise InputError(f"{self.source}: an edge occurs twice; keep one of each")

    def __len__(self) -> int:
        return len(self.regulator)

    @classmethod
    def from_names(
        cls,
        genes: GeneIndex,
        regulators: "NDArray[np.str_] | list[str]",
        targets: "NDArray[np.str_] | list[str]",
        *,
        source: str,
    ) -> "Network":
        """Build from symbol pairs; what does not belong is left out and counted.

        Raises
        ------
        InputError
            If no pair joins two different genes of ``genes``.
        """
        pairs = list(zip(map(str, regulators), map(str, targets), strict=True))
        known = [(r, t) for r, t in pairs if r in genes and t in genes]
        no_loops = [(r, t) for r, t in known if r != t]
        unique = list(dict.fromkeys(no_loops))
        if not unique:
            example = pairs[0] if pairs else ("", "")
            symbols = {symbol for pair in pairs for symbol in pair if symbol not in genes}
            raise InputError(
                f"{source}: none of its {len(pairs)} edges (such as {example[0]!r} -> "
                f"{example[1]!r}) joins two genes of the matrix {genes.name} (such as "
                f"{', '.join(map(repr, genes.symbols[:3]))}){likely_cause(symbols, genes)}; "
                "use the same species and the same kind of symbols in both, and put the genes "
                "where the matrix's format expects them (csv: rows)"
            )
        return cls(
            genes=genes,
            regulator=genes.positions(r for r, _ in unique),
            target=genes.positions(t for _, t in unique),
            source=source,
            n_self_loops=len(known) - len(no_loops),
            n_duplicates=len(no_loops) - len(unique),
            n_foreign=len(pairs) - len(known),
            foreign_regulators=tuple(sorted({r for r, _ in pairs if r not in genes})),
            foreign_targets=tuple(sorted({t for _, t in pairs if t not in genes})),
        )

    @property
    def left_out(self) -> dict[str, int]:
        """How many pairs :meth:`from_names` left out, by reason; for a run's provenance."""
        return {
            "self_loops": self.n_self_loops,
            "duplicates": self.n_duplicates,
            "outside_matrix": self.n_foreign,
        }

    def loss(self) -> str:
        """Say in a line what lies outside the genes, and why; "" if it is a few percent."""
        n_edges = len(self) + self.n_self_loops + self.n_duplicates + self.n_foreign
        if self.n_foreign <= _SMALL_LOSS * n_edges:
            return ""
        n_regulators = len(self.regulators) + len(self.foreign_regulators)
        text = (
            f"{self.source}: {self.n_foreign} of {n_edges} edges and "
            f"{len(self.foreign_regulators)} of {n_regulators} regulators have a gene that is not "
            f"in the matrix {self.genes.name}, and were left out"
        )
        foreign = {*self.foreign_regulators, *self.foreign_targets}
        return text + (likely_cause(foreign, self.genes) or f" (such as {min(foreign)!r})")

    @property
    def regulators(self) -> GeneIndex:
        """Genes with at least one outgoing edge, in the order of ``genes``."""
        return self.genes.take(np.unique(self.regulator))

    @property
    def targets(self) -> GeneIndex:
        """Genes with at least one incoming edge, in the order of ``genes``."""
        return self.genes.take(np.unique(self.target))

    def adjacency(self) -> NDArray[np.bool_]:
        """Dense ``adjacency[regulator, target]``, shape ``(n_genes, n_genes)``."""
        dense = np.zeros((len(self.genes), len(self.genes)), dtype=np.bool_)
        dense[self.regulator, self.target] = True
        return dense


def likely_cause(foreign: set[str], genes: GeneIndex) -> str:
    """Return the spelling in which most foreign symbols would be genes; "" if there is none.

    A symbol that is one of the genes as it stands has another reason to be left out.
    """
    spellings = {
        "case": str.upper,
        "a suffix such as '.1'": lambda symbol: re.sub(r"\.\d+$", "", symbol),
        "punctuation": lambda symbol: re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", symbol)),
        "R's 'X' before a digit": lambda symbol: re.sub(r"^X(?=\d)", "", symbol),
    }
    pairs: dict[str, list[tuple[str, str]]] = {}
    for name, spelling in spellings.items():
        known = {spelling(gene): gene for gene in genes}
        same = {s: known[spelling(s)] for s in foreign if spelling(s) in known}
        pairs[name] = sorted((s, gene) for s, gene in same.items() if s != gene)
    name = max(pairs, key=lambda each: len(pairs[each]))
    if not pairs[name]:
        return ""
    return (
        "; {} of the {} missing symbols differ in {} alone from one of the matrix (such as {!r} "
        "and {!r}): spell them alike in both files"
    ).format(len(pairs[name]), len(foreign), name, *pairs[name][0])
