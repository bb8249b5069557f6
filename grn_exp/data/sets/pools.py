"""Cut what a retriever ranks down to a pool of candidates for each target."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.ranges import require_in
from grn_exp.core.scores import EdgeScores
from grn_exp.core.sets import CandidatePools, Positions, TargetSets
from grn_exp.metrics.regulator_sets import own_positions, rank_candidates


def _paper_caps() -> dict[int, int]:
    return {2: 80, 3: 80, 4: 55}


_LARGE = 5  # the paper has caps for smaller sets
_PER_MEMBER = 20


def _too_small(given: str, set_size: int) -> str:
    return (
        f"{given}: such a pool holds 0 sets of {set_size} regulators; give {set_size} at least, "
        f"which hold 1, or leave {set_size} out of data.set_sizes"
    )


@dataclasses.dataclass(frozen=True)
class _PoolSizes:
    """How many candidates a pool holds, by set size, and who ranks those of training targets."""

    size: int = 80
    caps: Mapping[int, int] = dataclasses.field(default_factory=_paper_caps)
    training: Literal["in_sample", "out_of_fold"] = "in_sample"

    def __post_init__(self) -> None:
        require_in("[1, inf)", "pool", size=self.size)
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
        usual = _PER_MEMBER * size if size >= _LARGE else self.size
        cap = min(self.size, self.caps.get(size, usual))
        if cap < size:
            raise InputError(_too_small(f"pool.size={self.size}", size))
        return cap


@dataclasses.dataclass(frozen=True)
class RetrievedPool(_PoolSizes):
    """The candidates that the retriever ranks first (Residual HOS2, sections 3 and 4.3).

    Attributes
    ----------
    size
        Number of candidates retrieved (the paper's K).
    caps
        Number of them kept, by set size (the paper's M_R). Where a set size R is not named, it is
        ``size`` up to 4 and ``20 R`` from 5 on, as a whole set of more members needs a longer
        list; never more than ``size``. The set sizes may be strings, as in a configuration.
    training
        Who draws the pools of training targets. ``in_sample``: the retriever that draws all
        others, which was fitted to these very targets' sets, so that their pools hold them more
        surely than those of new targets. ``out_of_fold``: for each of ``split.n_folds`` folds one
        that was fitted to the others (not in the paper).

    Raises
    ------
    InputError
        If a pool could not hold the set that it is for.
    """

    def build(
        self,
        scores: EdgeScores,
        candidates: GeneIndex,
        targets: GeneIndex,
        sizes: NDArray[np.int64],
    ) -> CandidatePools:
        """Return the pools of ``targets``, best candidate first; no truth comes in here.

        Parameters
        ----------
        scores
            The retriever's; they cover the candidates and the targets.
        candidates
            The genes that can be regulators.
        targets
            The genes that the pools are for.
        sizes
            Their numbers of regulators, shape ``(n_targets,)``.
        """
        ranked = zip(_ranked(scores, candidates, targets), sizes, strict=True)
        return CandidatePools(
            candidates, targets, tuple(row[: self.cap(int(size))] for row, size in ranked)
        )


@dataclasses.dataclass(frozen=True)
class OraclePool(_PoolSizes):
    """Retrieved candidates with the true regulators put among them (appendix H).

    The missing members of the true set are added to what was retrieved; then the pool is cut to
    its cap from the end, passing over true regulators. Members keep the retriever's order, so a
    regulator that was added comes late in it: a method that reads a candidate's place, and not
    its expression, can guess. A benchmark of its own: it measures the choice from a pool that
    holds the answer.

    Attributes
    ----------
    size, caps, training
        As :class:`RetrievedPool`.
    """

    def build_from_truth(self, scores: EdgeScores, truth: TargetSets) -> CandidatePools:
        """Return the pools of the targets of ``truth``, best candidate first.

        Parameters
        ----------
        scores
            The retriever's; they cover the candidates and the targets.
        truth
            The true sets, held-out ones too.
        """
        members = []
        ranked = _ranked(scores, truth.candidates, truth.targets)
        for row, true in zip(ranked, truth.members, strict=True):
            kept = np.isin(row, true)
            spare = np.flatnonzero(~kept[: self.size])[: self.cap(len(true)) - len(true)]
            kept[spare] = True
            members.append(row[kept])
        return CandidatePools(truth.candidates, truth.targets, tuple(members))


def _ranked(scores: EdgeScores, candidates: GeneIndex, targets: GeneIndex) -> list[Positions]:
    """Return each target's candidates, best first, without the target itself."""
    ranks = rank_candidates(scores.align(candidates, targets), candidates, targets)
    lengths = len(candidates) - (own_positions(candidates, targets) >= 0)
    return [row[:n] for row, n in zip(np.argsort(ranks, axis=1), lengths, strict=True)]
