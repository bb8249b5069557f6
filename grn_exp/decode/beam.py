"""Beam search over sets that grow by one candidate at a time."""

import dataclasses

from grn_exp.decode.approximate import ApproximateDecoder, grow
from grn_exp.decode.base import Decoded, PooledScore


@dataclasses.dataclass(eq=False)
class Beam(ApproximateDecoder):
    """Keep the best few sets of every size up to R (Residual HOS2, scalability note).

    Unfinished sets are ranked by the score itself, of sets of their size: a score that was
    trained on sets of R alone has seen none of them, which is one way to miss the best set.

    Parameters
    ----------
    width
        Sets kept of each size.
    compare_with_exact, max_subsets
        See :class:`ApproximateDecoder`.
    """

    width: int = 64

    def search(self, score: PooledScore, size: int, *, seed: int) -> Decoded:  # noqa: ARG002
        """Return the best set of the last beam."""
        return grow(score, size, self.width)
