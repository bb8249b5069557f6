"""Swap one member at a time while that helps."""

import dataclasses

import torch
from torch import Tensor

from grn_exp.decode.approximate import ApproximateDecoder, grow
from grn_exp.decode.base import Decoded, PooledScore, score_batches, top_members


@dataclasses.dataclass(eq=False)
class LocalSearch(ApproximateDecoder):
    """Best single swaps from several starts (Residual HOS2, scalability note).

    The first start is the R highest additive parts, or, of a score without them, a set grown
    greedily; the others are random.

    Parameters
    ----------
    n_starts
        Sets to start from.
    compare_with_exact, max_subsets
        See :class:`ApproximateDecoder`.
    """

    n_starts: int = 8

    def search(self, score: PooledScore, size: int, *, seed: int) -> Decoded:
        """Return the best of the sets that no single swap improves."""
        generator = torch.Generator().manual_seed(seed)
        if score.additive is None:
            starts = [torch.from_numpy(grow(score, size, width=1).members)]
        else:
            starts = [top_members(score.additive, size)]
        for _ in range(self.n_starts - 1):
            order = torch.randperm(score.n_candidates, generator=generator)
            starts.append(order[:size].sort().values)
        found = [_climb(score, start) for start in starts]
        best = max(found, key=lambda each: each.score)
        # where another start ended; what it passed by is below that
        others = [each for each in found if (each.members != best.members).any()]
        ends = [each.score for each in others]
        return dataclasses.replace(best, second_score=max([best.second_score, *ends]))


def _climb(score: PooledScore, members: Tensor) -> Decoded:
    """Take the best of all ``R (M - R)`` swaps until none is better than what there is."""
    value = float(score(members[None])[0])
    while True:
        swapped = _swaps(members, score.n_candidates)
        if not len(swapped):
            return Decoded(members.numpy(), value, None)
        scores = score_batches(score, swapped)
        first = int(torch.argmax(scores))
        if not scores[first] > value:
            return Decoded(members.numpy(), value, None, float(scores[first]))
        members, value = swapped[first], float(scores[first])


def _swaps(members: Tensor, n_candidates: int) -> Tensor:
    """Return all sets with one member replaced, shape ``(R (M - R), R)``, rows ascending."""
    size = len(members)
    outside = torch.ones(n_candidates, dtype=torch.bool)
    outside[members] = False
    others = outside.nonzero().flatten()
    swapped = members.repeat(size * len(others), 1)
    replaced = torch.arange(size).repeat_interleave(len(others))
    swapped[torch.arange(len(swapped)), replaced] = others.repeat(size)
    return swapped.sort(dim=1).values
