"""Score every set of the pool and take the best (Residual HOS2, section 4.3)."""

import dataclasses
import functools
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from grn_exp.core.errors import InputError
from grn_exp.decode.base import BATCH_SETS, Decoded, Decoder, PooledScore, second_best

MAX_SUBSETS = 20_000_000
_KEPT_ENTRIES = 2**22  # of one kept enumeration: 32 MB


@dataclasses.dataclass(eq=False)
class Exact(Decoder):
    """Enumerate all C(M, R) sets; of sets that tie, the first in lexicographic order.

    Parameters
    ----------
    batch_sets
        Sets scored at a time; bounds the memory.
    max_subsets
        More sets than this are refused.
    """

    batch_sets: int = BATCH_SETS
    max_subsets: int = MAX_SUBSETS

    def check(self, n_candidates: int, size: int) -> None:
        """Refuse a pool that is too small, or has too many sets."""
        super().check(n_candidates, size)
        count = math.comb(n_candidates, size)
        if count > self.max_subsets:
            raise InputError(
                f"decoder: C({n_candidates}, {size}) = {count:.3g} sets of {size} out of "
                f"{n_candidates} candidates are more than decoder.max_subsets="
                f"{self.max_subsets}; choose decoder=beam or a smaller pool cap"
            )

    def decode(self, score: PooledScore, size: int, *, seed: int) -> Decoded:  # noqa: ARG002
        """Find the best set; its score is ``best_score`` too."""
        self.check(score.n_candidates, size)
        best, best_set, second = -math.inf, None, -math.inf
        for sets in subset_batches(score.n_candidates, size, self.batch_sets):
            scores = score(sets)
            first = int(torch.argmax(scores))
            value = float(scores[first])
            # a score that is NaN must not hide behind the others
            if best_set is None or value > best or math.isnan(value):
                second = max(best, second_best(scores, first))
                best, best_set = value, sets[first]
            else:
                second = max(second, value)
            if math.isnan(best):
                break
        assert best_set is not None  # noqa: S101
        return Decoded(best_set.numpy().astype(np.int64), best, best, second)


def subset_batches(n_candidates: int, size: int, batch_sets: int) -> Iterator[Tensor]:
    """Yield all sets in lexicographic order, ``(n, size)`` with n up to ``batch_sets``.

    Enumerations of moderate length are kept for the next target; do not write to them.
    """
    count = math.comb(n_candidates, size)
    if count * size <= _KEPT_ENTRIES:
        yield from _all_subsets(n_candidates, size).split(batch_sets)
        return
    for start in range(0, count, batch_sets):
        yield subsets(n_candidates, size, start, min(start + batch_sets, count))


@functools.lru_cache(maxsize=4)
def _all_subsets(n_candidates: int, size: int) -> Tensor:
    return subsets(n_candidates, size, 0, math.comb(n_candidates, size))


def subsets(n_candidates: int, size: int, start: int, stop: int) -> Tensor:
    """Return the sets of ranks ``start`` to ``stop - 1`` in lexicographic order.

    The set of lexicographic rank k mirrors the one of rank ``count - 1 - k`` in the
    combinatorial number system, whose members are found one by one, largest first: the largest
    v with ``C(v, members left)`` not above what is left of the rank.

    Returns
    -------
    Tensor
        Shape ``(stop - start, size)``, int64, rows ascending.
    """
    count = math.comb(n_candidates, size)
    left = count - 1 - np.arange(start, stop, dtype=np.int64)
    found = np.empty((size, stop - start), dtype=np.int64)
    for member in range(size):
        # larger than any rank is large enough, and fits 64 bits
        counts = [min(math.comb(v, size - member), count) for v in range(n_candidates)]
        table = np.asarray(counts, dtype=np.int64)
        value = np.searchsorted(table, left, side="right") - 1
        left -= table[value]
        found[member] = n_candidates - 1 - value
    return torch.from_numpy(np.ascontiguousarray(found.T))
