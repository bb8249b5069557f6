"""What is common to decoders that do not look at every set (Residual HOS2, scalability note)."""

import abc
import dataclasses
import math

import torch

from grn_exp.decode.base import (
    Decoded,
    Decoder,
    PooledScore,
    best_first,
    score_batches,
    second_best,
)
from grn_exp.decode.exact import MAX_SUBSETS, Exact


@dataclasses.dataclass(eq=False, kw_only=True)
class ApproximateDecoder(Decoder):
    """A decoder that may miss the best set, and can measure by how much.

    Parameters
    ----------
    compare_with_exact
        Also enumerate all sets, where they are no more than ``max_subsets``, and report the
        score of the best.
    max_subsets
        More sets than this are not enumerated.
    """

    compare_with_exact: bool = False
    max_subsets: int = MAX_SUBSETS

    @abc.abstractmethod
    def search(self, score: PooledScore, size: int, *, seed: int) -> Decoded:
        """Return the best of the sets of ``size`` that it looked at, without ``best_score``."""

    def decode(self, score: PooledScore, size: int, *, seed: int) -> Decoded:
        """Search, and compare with all sets if that was asked for and can be done."""
        self.check(score.n_candidates, size)
        found = self.search(score, size, seed=seed)
        if self.compare_with_exact and math.comb(score.n_candidates, size) <= self.max_subsets:
            exact = Exact(max_subsets=self.max_subsets).decode(score, size, seed=seed)
            return dataclasses.replace(found, best_score=exact.score)
        return found


def grow(score: PooledScore, size: int, width: int) -> Decoded:
    """Add one candidate at a time to the ``width`` best sets so far.

    Unfinished sets are compared by the score of sets of their own size. A set that is reached
    from several smaller ones counts once.

    Returns
    -------
    Decoded
        The best set of ``size`` that was seen.
    """
    every = torch.arange(score.n_candidates)
    beam = torch.empty(1, 0, dtype=torch.int64)
    scores, second = torch.zeros(1), -math.inf
    for _ in range(size):
        added = every.expand(len(beam), -1)
        is_new = (beam[:, :, None] != added[:, None, :]).all(dim=1)
        rows, candidates = is_new.nonzero(as_tuple=True)
        grown = torch.cat([beam[rows], candidates[:, None]], dim=1).sort(dim=1).values
        grown = torch.unique(grown, dim=0)
        scores = score_batches(score, grown)
        kept = best_first(scores, width)
        second = second_best(scores, int(kept[0]))
        beam, scores = grown[kept], scores[kept]
    return Decoded(beam[0].numpy(), float(scores[0]), None, second)
