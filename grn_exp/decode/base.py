"""What a decoder is given and what it returns.

Source: Residual HOS2, section 4.3: the predicted set of a target is the best-scored set of R out
of the M candidates of its pool. Sets are rows of ascending positions ``0 .. M - 1`` in the pool.
"""

import abc
import dataclasses
import math
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from grn_exp.core.errors import InputError

BATCH_SETS = 65536


@dataclasses.dataclass(frozen=True, eq=False)
class PooledScore:
    """The score of every set of one target's pool; higher is likelier.

    A sum over the members, a residual of the whole set, or both (section 4.3).

    Attributes
    ----------
    n_candidates
        Size of the pool.
    additive
        phi_pair of each candidate, shape ``(n_candidates,)``; None leaves that part out.
    residual
        psi_set: ``(n, R)`` positions to ``(n,)`` scores; None leaves that part out.

    Raises
    ------
    ValueError
        If there is neither part, or ``additive`` is not of the pool's size.
    """

    n_candidates: int
    additive: Tensor | None = None
    residual: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        if self.additive is None and self.residual is None:
            raise ValueError("a score of sets needs an additive part, a residual, or both")
        if self.additive is not None and self.additive.shape != (self.n_candidates,):
            raise ValueError(
                f"{tuple(self.additive.shape)} parts for {self.n_candidates} candidates"
            )

    @property
    def decomposable(self) -> bool:
        """Whether the score is a sum over the members alone."""
        return self.residual is None

    def __call__(self, sets: Tensor) -> Tensor:
        """Score sets of one size: ``(n, R)`` int64 on the CPU to ``(n,)`` on any device."""
        if self.additive is None:
            assert self.residual is not None  # noqa: S101
            return self.residual(sets)
        total = self.additive[sets.to(self.additive.device)].sum(dim=1)
        return total if self.residual is None else total + self.residual(sets)


@dataclasses.dataclass(frozen=True, eq=False)
class Decoded:
    """The set that a decoder found.

    Attributes
    ----------
    members
        Ascending positions in the pool, shape ``(R,)``.
    score
        Its score.
    best_score
        The score of the best set of the pool, where the decoder knows it; else None.
    second_score
        The best score of another set: of all sets of the pool where all were scored, else of
        those that were. Minus infinity if there was none.
    """

    members: NDArray[np.int64]
    score: float
    best_score: float | None
    second_score: float = -math.inf


@dataclasses.dataclass(eq=False)
class Decoder(abc.ABC):
    """Finds the best set of a pool (``decoder=`` on the command line).

    Attributes
    ----------
    needs_decomposable
        True if it is right for sums over the members only.

    Raises
    ------
    InputError
        If an option that is a number is not above 0.
    """

    needs_decomposable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, bool) and not value > 0:
                raise InputError(f"decoder.{name}={value}: give a number above 0")

    def check(self, n_candidates: int, size: int) -> None:
        """Refuse what cannot be decoded, before anything is trained.

        Raises
        ------
        InputError
            If the pool has not that many candidates (or, of some decoders, too many sets).
        """
        if not 1 <= size <= n_candidates:
            raise InputError(
                f"decoder: a pool of {n_candidates} candidates has no set of {size} regulators; "
                "allow larger pools"
            )

    @abc.abstractmethod
    def decode(self, score: PooledScore, size: int, *, seed: int) -> Decoded:
        """Find the best set of ``size`` candidates.

        Parameters
        ----------
        score
            The score of one target's sets.
        size
            R, the number of members.
        seed
            Makes decoders that draw random numbers repeatable; others do not read it.
        """


def score_batches(score: PooledScore, sets: Tensor, batch_sets: int = BATCH_SETS) -> Tensor:
    """Score sets a batch at a time: ``(n, R)`` to ``(n,)`` on the CPU."""
    return torch.cat([score(batch).cpu() for batch in sets.split(batch_sets)])


def best_first(scores: Tensor, count: int) -> Tensor:
    """Return the positions of the ``count`` highest, best first, ties in the given order."""
    return torch.sort(scores, descending=True, stable=True).indices[:count]


def second_best(scores: Tensor, first: int) -> float:
    """Return the highest score but that at position ``first``; minus infinity of a single one."""
    others = torch.cat([scores[:first], scores[first + 1 :]])
    return float(others.max()) if len(others) else -math.inf


def top_members(additive: Tensor, size: int) -> Tensor:
    """Return the ``size`` highest candidates as an ascending set, shape ``(size,)``."""
    return best_first(additive.detach().cpu(), size).sort().values
