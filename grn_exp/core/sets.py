"""Regulator sets: what a set benchmark knows, what it shows, and what a method returns to it.

Source: Residual HOS2, section 3. The regulator set of a target is written as positions in an
index of candidate regulators, in ascending order.
"""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.network import Network
from grn_exp.core.views import Items, TrainView

Positions = NDArray[np.int64]
Role = Literal["train", "val", "test"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclasses.dataclass(frozen=True, eq=False)
class _MemberLists:
    """A list of candidates for each target, in ascending order unless the class says otherwise.

    Attributes
    ----------
    candidates
        The genes that can be regulators.
    targets
        One gene per list.
    members
        One array of positions in ``candidates`` per target.

    Raises
    ------
    InputError
        If a list is empty, repeats a candidate, holds its target or points outside.
    """

    candidates: GeneIndex
    targets: GeneIndex
    members: tuple[Positions, ...]

    what: ClassVar[str]
    ascending: ClassVar[bool] = True

    def __post_init__(self) -> None:
        members = tuple(np.asarray(each, dtype=np.int64) for each in self.members)
        if self.ascending:
            members = tuple(np.sort(each) for each in members)
        object.__setattr__(self, "members", members)
        if len(members) != len(self.targets):
            raise InputError(f"{self.what}: {len(members)} sets for {len(self.targets)} targets")
        for symbol, each in zip(self.targets.symbols, members, strict=True):
            target = f"{self.what}: target {symbol!r}"
            if each.ndim != 1 or len(each) == 0:
                raise InputError(f"{target} has no regulator; drop that target")
            unknown = each[(each < 0) | (each >= len(self.candidates))]
            if len(unknown):
                raise InputError(
                    f"{target} has regulator {unknown[0]}, which is not a candidate: there are "
                    f"{len(self.candidates)}, counted from 0; add it to them or drop that target"
                )
            if len(np.unique(each)) != len(each):
                raise InputError(f"{target} has a regulator twice")
            if symbol in self.candidates and self.candidates.positions([symbol])[0] in each:
                raise InputError(f"{target} is its own regulator")


class TargetSets(_MemberLists):
    """The regulator set of each target."""

    what: ClassVar[str] = "regulator sets"

    def __len__(self) -> int:
        return len(self.targets)

    @classmethod
    def from_network(cls, network: Network, *, candidates: GeneIndex) -> "TargetSets":
        """Collect the regulators of every target of a network; targets in the genes' order.

        Raises
        ------
        InputError
            If a regulator is not a candidate.
        """
        regulators = candidates.positions(network.genes.symbols[r] for r in network.regulator)
        order = np.argsort(network.target, kind="stable")
        targets, starts = np.unique(network.target[order], return_index=True)
        return cls(
            candidates=candidates,
            targets=network.genes.take(targets),
            members=tuple(np.split(regulators[order], starts)[1:]),
        )

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of regulators of each target, shape ``(n_targets,)``."""
        return np.asarray([len(each) for each in self.members], dtype=np.int64)

    def membership(self) -> NDArray[np.bool_]:
        """Say which candidate regulates which target, shape ``(n_candidates, n_targets)``."""
        labels = np.zeros((len(self.candidates), len(self)), dtype=np.bool_)
        for column, members in enumerate(self.members):
            labels[members, column] = True
        return labels

    def keys(self) -> list[tuple[int, ...]]:
        """Return each set as a tuple, to compare and to count by."""
        return [tuple(each.tolist()) for each in self.members]

    def take(self, positions: Sequence[int] | Positions) -> "TargetSets":
        """Return the targets at ``positions``, in that order."""
        rows = [int(position) for position in positions]
        return dataclasses.replace(
            self,
            targets=self.targets.take(rows),
            members=tuple(self.members[row] for row in rows),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class TargetSplit:
    """Which targets are for training, and which are held out.

    Attributes
    ----------
    targets
        All labelled targets.
    train, val, test
        Shape ``(n_targets,)``, bool; disjoint, together everything.
    seed
        The seed that drew the split.
    judges
        Does it hold out targets to judge by.

    Raises
    ------
    InputError
        If a target has no role or two, or nothing is left for training or to be judged by.
    """

    targets: GeneIndex
    train: NDArray[np.bool_]
    val: NDArray[np.bool_]
    test: NDArray[np.bool_]
    seed: int
    judges: bool = True

    def __post_init__(self) -> None:
        roles = np.stack([self.train, self.val, self.test])
        if roles.shape != (3, len(self.targets)) or roles.dtype != np.bool_:
            raise InputError(f"split: {roles.shape} roles for {len(self.targets)} targets")
        wrong = np.flatnonzero(roles.sum(axis=0) != 1)
        if len(wrong):
            symbol = self.targets.symbols[wrong[0]]
            raise InputError(f"split: target {symbol!r} has no role, or more than one")
        # a fold of a cross-validation has validation targets and no test targets
        for name, mask in (("train", self.train), ("test", self.val | self.test)):
            if not mask.any() and (self.judges or name == "train"):
                raise InputError(f"split: no target is left for {name}; change the fractions")

    def mask(self, role: Role) -> NDArray[np.bool_]:
        """Return the targets of a role, shape ``(n_targets,)``."""
        if role not in ROLES:
            raise InputError(f"split: unknown role {role!r}; choose from {', '.join(ROLES)}")
        return getattr(self, role)

    def positions(self, role: Role) -> Positions:
        """Return the positions of a role's targets."""
        return np.flatnonzero(self.mask(role)).astype(np.int64)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything as plain arrays, for ``numpy.savez``."""
        return {
            "targets": self.targets.array,
            "seed": np.asarray(self.seed),
            **{role: self.mask(role) for role in ROLES},
        }


class CandidatePools(_MemberLists):
    """The candidates that are left for each target after retrieval, best first, capped."""

    what: ClassVar[str] = "pools"
    ascending: ClassVar[bool] = False

    def of(self, targets: GeneIndex) -> tuple[Positions, ...]:
        """Return the pools of ``targets``, in that order."""
        return tuple(self.members[row] for row in self.targets.positions(targets))

    def covers(self, sets: TargetSets) -> NDArray[np.bool_]:
        """Say of each target whether its pool holds its whole set, shape ``(n_targets,)``."""
        to_theirs = sets.candidates.positions(self.candidates)
        pairs = zip(sets.members, self.of(sets.targets), strict=True)
        return np.asarray([bool(np.isin(each, to_theirs[pool]).all()) for each, pool in pairs])


@dataclasses.dataclass(frozen=True, eq=False)
class RegulatorSets(_MemberLists):
    """What a set method returns: the predicted set of each target.

    Attributes
    ----------
    scores
        The method's own score of each set, shape ``(n_targets,)``, float64; higher = likelier.
    pools
        What the sets were chosen from; None for a method that chooses from all candidates.
    best_scores
        The score of the best set of the whole pool where an approximate decoder was compared
        with exact enumeration, else NaN; shape ``(n_targets,)``. None if nothing was compared.
    second_scores
        The best score of another set that the method looked at, minus infinity if there was
        none; shape ``(n_targets,)``. None of a method that compares no sets.

    Raises
    ------
    InputError
        Also on a score that is not finite.
    """

    scores: NDArray[np.float64]
    pools: CandidatePools | None = None
    best_scores: NDArray[np.float64] | None = None
    second_scores: NDArray[np.float64] | None = None

    what: ClassVar[str] = "predicted sets"

    def __post_init__(self) -> None:
        super().__post_init__()
        bad = np.flatnonzero(~np.isfinite(self.scores))
        if self.scores.shape != (len(self.targets),) or len(bad):
            symbol = self.targets.symbols[bad[0]] if len(bad) else "?"
            raise InputError(
                f"predicted sets: score of target {symbol!r} is not finite: the training "
                "diverged (lower its learning rate)"
            )

    @property
    def margins(self) -> NDArray[np.float64]:
        """Score less second-best score, ``(n_targets,)``, infinite where there was no other set.

        NaN of a method that compares no sets.
        """
        if self.second_scores is None:
            return np.full(len(self.targets), np.nan)
        return self.scores - self.second_scores

    def to(self, device: object) -> "RegulatorSets":
        """Return the container itself, which lives in memory: Lightning moves predictions."""
        del device
        return self

    def aligned(self, sets: TargetSets) -> tuple[Positions, ...]:
        """Return the predicted sets of ``sets.targets`` as positions in its candidates.

        Raises
        ------
        InputError
            If a target was not predicted, or its set is not of the size asked for.
        """
        to_theirs = sets.candidates.positions(self.candidates)
        rows = self.targets.positions(sets.targets)
        found = tuple(np.sort(to_theirs[self.members[row]]) for row in rows)
        for symbol, each, size in zip(sets.targets.symbols, found, sets.sizes, strict=True):
            if len(each) != size:
                raise InputError(
                    f"predicted sets: {len(each)} regulators for target {symbol!r}, asked for "
                    f"{size}"
                )
        return found


@dataclasses.dataclass(frozen=True, eq=False)
class SetView(TrainView):
    """All that a set method may see: no held-out set is in it.

    ``regulators`` are the candidates; ``labels`` holds the columns of the training targets.

    Attributes
    ----------
    train
        The training targets with their sets.
    folds
        Shape ``(n_train,)``: a fold for each training target, drawn by the rule that drew the
        split, for a method that chooses its own weights by cross-validation.
    queries
        The targets to predict.
    sizes
        Their numbers of regulators, which are given (Residual HOS2, section 3); ``(n_queries,)``.
    pools
        Retrieved candidates of all training targets and queries; None for a method that declares
        that it reads none.
    """

    train: TargetSets
    folds: NDArray[np.int64]
    queries: GeneIndex
    sizes: NDArray[np.int64]
    pools: CandidatePools | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train.candidates != self.regulators:
            raise InputError("view: the sets' candidates are not the view's regulators")
        shown = set(self.train.targets.symbols) & set(self.queries.symbols)
        if shown:
            raise InputError(f"view: target {min(shown)!r} is to be predicted and is shown")
        if self.folds.shape != (len(self.train),) or self.sizes.shape != (len(self.queries),):
            raise InputError("view: folds or sizes do not fit the targets")

    def count(self, items: Items) -> int:
        """Return the number of items that a training goes through in batches."""
        return len(self.train) if items == "targets" else super().count(items)
