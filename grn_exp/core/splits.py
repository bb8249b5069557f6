"""Which regulator, target pairs are for training, and which are held out."""

import dataclasses
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex

Subset = Literal["train", "val", "test_seen", "test_unseen"]
SUBSETS: tuple[Subset, ...] = get_args(Subset)
Mask = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, eq=False)
class EdgeSplit:
    """Disjoint sets of regulator x gene pairs (InfoSEM section 4.2).

    Attributes
    ----------
    regulators, genes
        Rows and columns of the masks.
    train, val, test_seen, test_unseen
        Shape ``(n_regulators, n_genes)``, bool.
    seed
        The seed that drew the split.

    Raises
    ------
    InputError
        If masks overlap, hold a self-pair, or if a gene of ``test_unseen`` (as regulator or as
        target) occurs in any pair of ``train`` or ``val``.
    """

    regulators: GeneIndex
    genes: GeneIndex
    train: Mask
    val: Mask
    test_seen: Mask
    test_unseen: Mask
    seed: int

    def __post_init__(self) -> None:
        shape = (len(self.regulators), len(self.genes))
        own_column = self.genes.positions(self.regulators)
        total = np.zeros(shape, dtype=np.int8)
        for subset in SUBSETS:
            mask = self.mask(subset)
            if mask.shape != shape or mask.dtype != np.bool_:
                raise InputError(f"split: mask {subset} is {mask.dtype}{mask.shape}, not {shape}")
            own = np.flatnonzero(mask[np.arange(shape[0]), own_column])
            if len(own):
                symbol = self.regulators.symbols[own[0]]
                raise InputError(f"split: {subset} holds the pair of gene {symbol!r} with itself")
            total += mask
        if (total > 1).any():
            row, column = np.argwhere(total > 1)[0]
            pair = f"{self.regulators.symbols[row]} -> {self.genes.symbols[column]}"
            raise InputError(f"split: the pair {pair} is in more than one subset")
        leaked = self._genes_of("test_unseen") & (self._genes_of("train") | self._genes_of("val"))
        if leaked:
            raise InputError(
                f"split: gene {min(leaked)!r} of test_unseen occurs in a training pair "
                f"({len(leaked)} such genes)"
            )

    def mask(self, subset: Subset) -> Mask:
        """Return the mask called ``subset``, shape ``(n_regulators, n_genes)``."""
        if subset not in SUBSETS:
            raise InputError(f"split: unknown subset {subset!r}; choose from {', '.join(SUBSETS)}")
        return getattr(self, subset)

    def _genes_of(self, subset: Subset) -> set[str]:
        mask = self.mask(subset)
        regulators = self.regulators.array[mask.any(axis=1)]
        targets = self.genes.array[mask.any(axis=0)]
        return set(regulators.tolist()) | set(targets.tolist())

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything as plain arrays, for ``numpy.savez``."""
        return {
            "regulators": self.regulators.array,
            "genes": self.genes.array,
            "seed": np.asarray(self.seed),
            **{subset: self.mask(subset) for subset in SUBSETS},
        }


@dataclasses.dataclass(frozen=True, eq=False)
class EdgeTruth:
    """Every label of an edge benchmark; only the benchmark and the oracle hold one.

    Attributes
    ----------
    regulators, genes
        Rows and columns.
    labels
        Shape ``(n_regulators, n_genes)``, bool: is there an edge.
    universe
        Same shape: the pairs that are labelled at all (known regulators x known targets, no
        gene with itself).
    """

    regulators: GeneIndex
    genes: GeneIndex
    labels: Mask
    universe: Mask
