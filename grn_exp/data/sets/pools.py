"""Cut what a retriever ranks down to a pool of candidates for each target."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.scores import EdgeScores
from grn_exp.core.sets import CandidatePools, Positions, TargetSets
from grn_exp.metrics.regulator_sets import own_positions, rank_candidates


def _paper_caps() -> dict[int, int]:
    return {2: 80, 3: 80, 4: 55}


def _too_small(given: str, set_size: int) -> str:
    return f"{given}: a pool for sets of {set_size} needs at least {set_size}; give a larger one"


@dataclasses.dataclass(frozen=True)
class RetrievedPool:
    """The candidates that the retriever ranks first (Residual HOS2, sections 3 and 4.3).

    Attributes
    ----------
    size
        Number of candidates retrieved (the paper's K).
    caps
        Number of them kept, by set size (the paper's M_R); ``size`` where a set size is not
        named. The set sizes may be texts, as a configuration has them.

    Raises
    ------
    InputError
        If a pool could not hold the set that it is for.
    """

    size: int = 80
    caps: Mapping[int, int] = dataclasses.field(default_factory=_paper_caps)

    injects: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InputError(f"pool.size={self.size}: give a whole number from 1 on")
        caps: dict[int, int] = {}
        for key, cap in self.caps.items():
            given = f"pool.caps.{key}={cap}"
            if not str(key).isdecimal() or not isinstance(cap, int) or isinstance(cap, bool):
                raise InputError(f"{given}: give a whole number for a set size, as caps.3=80")
            if int(key) < 1 or cap < int(key):
                raise InputError(_too_small(given, int(key)))
            caps[int(key)] = cap
        object.__setattr__(self, "caps", caps)

    def cap(self, size: int) -> int:
        """Return the length of a pool for sets of ``size``.

        Raises
        ------
        InputError
            If it is less than ``size``.
        """
        cap = min(self.size, self.caps.get(size, self.size))
        if cap < size:
            raise InputError(_too_small(f"pool.size={self.size}", size))
        return cap

    def build(
        self,
        scores: EdgeScores,
        sets_for_injection: TargetSets,
        targets: GeneIndex,
        sizes: NDArray[np.int64],
    ) -> CandidatePools:
        """Return the pools of ``targets``, best candidate first.

        Parameters
        ----------
        scores
            The retriever's; they cover the candidates and the targets.
        sets_for_injection
            The true sets of the targets. A pool that injects nothing takes the candidates from
            them and nothing else.
        targets
            Whose pools.
        sizes
            Their numbers of regulators, shape ``(n_targets,)``.
        """
        candidates = sets_for_injection.candidates
        ranks = rank_candidates(scores.align(candidates, targets), candidates, targets)
        order = np.argsort(ranks, axis=1)
        lengths = len(candidates) - (own_positions(candidates, targets) >= 0)
        members = [
            self._choose(row[:length], self.cap(int(size)), symbol, sets_for_injection)
            for row, length, size, symbol in zip(order, lengths, sizes, targets, strict=True)
        ]
        return CandidatePools(candidates=candidates, targets=targets, members=tuple(members))

    def _choose(self, ranked: Positions, cap: int, target: str, sets: TargetSets) -> Positions:
        """Cut one target's candidates, best first and without the target, down to its pool."""
        del target, sets
        return ranked[:cap]


@dataclasses.dataclass(frozen=True)
class OraclePool(RetrievedPool):
    """Retrieved candidates with the true regulators put among them (appendix H).

    The missing members of the true set are added to what was retrieved; then the pool is cut to
    its cap from the end, passing over true regulators. Members keep the retriever's order, so a
    regulator that was added comes late in it: a method that reads a candidate's place, and not
    its expression, can guess. A benchmark of its own: what is measured is the choice from a pool
    that holds the answer.

    Attributes
    ----------
    size, caps
        As :class:`RetrievedPool`.
    """

    injects: ClassVar[bool] = True

    def _choose(self, ranked: Positions, cap: int, target: str, sets: TargetSets) -> Positions:
        true = sets.members[int(sets.targets.positions([target])[0])]
        is_true = np.isin(ranked, true)
        retrieved = np.arange(len(ranked)) < self.size
        spare = np.flatnonzero(retrieved & ~is_true)[: cap - len(true)]
        kept = is_true.copy()
        kept[spare] = True
        return ranked[kept]
