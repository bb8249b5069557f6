"""Wrong sets to rank below the true one, from random ones to near misses."""

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.ranges import require_in
from grn_exp.core.sets import Positions

# whose ranking of a pool says which wrong members are the likeliest
Confusers = Literal["retriever", "score"]


@dataclasses.dataclass(frozen=True)
class NegativeSets:
    """Curriculum of negative sets (Residual HOS2, section 4.3).

    A random negative is a set of members of the pool, a near miss is the true set with one
    member swapped for a high-ranking member of the pool that is not in it. The share of near
    misses grows linearly from the first epoch to the last. A negative is never the true set.

    Parameters
    ----------
    n_negatives
        Negative sets per target and step, ``J``.
    near_miss_start, near_miss_end
        Share of near misses in the first and in the last epoch.
    n_confusers
        How many of the pool's best that are not in the set count as high-ranking; all of them
        where a pool holds fewer.
    """

    n_negatives: int
    near_miss_start: float
    near_miss_end: float
    n_confusers: int

    def __post_init__(self) -> None:
        require_in("[1, inf)", n_negatives=self.n_negatives, n_confusers=self.n_confusers)
        require_in("[0, 1]", near_miss_start=self.near_miss_start)
        require_in("[0, 1]", near_miss_end=self.near_miss_end)

    def near_miss_share(self, epoch: int, n_epochs: int) -> float:
        """Return the share of near misses in an epoch."""
        progress = epoch / max(n_epochs - 1, 1)
        return self.near_miss_start + progress * (self.near_miss_end - self.near_miss_start)

    def sample(
        self, true: Positions, pool: Positions, *, share: float, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return negatives drawn for one target, shape ``(n_negatives, R)``.

        Parameters
        ----------
        true
            The true set, shape ``(R,)``.
        pool
            The target's candidates, best first by whatever ranking makes a confuser.
        share
            Share of near misses.

        Raises
        ------
        InputError
            If the pool has no other set of that size.
        """
        others = pool[~np.isin(pool, true)]
        if len(others) == 0:
            raise InputError(
                f"pool: {len(pool)} candidates hold no set of {len(true)} but the true one; "
                "raise pool.size"
            )
        # a pool that lacks true members may be too small for a random set
        members = np.concatenate([pool[np.isin(pool, true)], others])
        n_near = round(share * self.n_negatives) if len(members) >= len(true) else self.n_negatives
        near = np.repeat(true[None, :], n_near, axis=0)
        confusers = others[: self.n_confusers]
        near[np.arange(n_near), rng.integers(len(true), size=n_near)] = rng.choice(
            confusers, size=n_near
        )
        n_random = self.n_negatives - n_near
        if n_random == 0:
            return near
        order = np.argsort(rng.random((n_random, len(members))), axis=1)[:, : len(true)]
        random = members[order]
        same = np.isin(random, true).all(axis=1)
        # at most one of many sets: swap one member, which makes it a near miss
        random[same, 0] = rng.choice(others, size=int(same.sum()))
        return np.concatenate([near, random])
