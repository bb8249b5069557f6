"""Draw the targets that are held out."""

import abc
import dataclasses
import logging
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.ranges import require_in
from grn_exp.core.sets import ROLES, Positions, Role, TargetSets, TargetSplit
from grn_exp.data.folds import (
    check_fold,
    fold_generator,
    grouped_folds,
    groups_of,
    random_folds,
)

log = logging.getLogger(__name__)

MIN_STRATUM = 5


class _Folding(abc.ABC):
    """What both divisions do with folds, each by its own rule."""

    seed: int
    n_folds: int
    cv_fold: int | None
    cv_folds: int | None
    pool_fold: int | None

    def _check_seed_and_folds(self) -> None:
        require_in(f"[0, {2**32 - 1}]", "split", seed=self.seed)
        require_in("[2, inf)", "split", n_folds=self.n_folds)
        check_fold(self.cv_fold, self.cv_folds)
        if self.pool_fold is not None:
            require_in(f"[0, {self.n_folds - 1}]", "split", pool_fold=self.pool_fold)

    @abc.abstractmethod
    def _divide(
        self, sets: TargetSets, n_folds: int, rng: np.random.Generator
    ) -> NDArray[np.int64]: ...

    def folds(self, train: TargetSets, seed: int) -> NDArray[np.int64]:
        """Return a fold for each training target, by the rule that drew the split.

        Shape ``(n_train,)``, 0..n_folds-1; fewer folds where there is not enough to fill them
        (``unseen_set`` keeps the targets of one set together).
        """
        return self._divide(train, self.n_folds, np.random.default_rng([seed, 0xF01D]))

    def pool_folds(self, train: TargetSets) -> NDArray[np.int64]:
        """Return a fold for each training target, for pools that are drawn out of fold.

        Shape ``(n_train,)``, 0..n_folds-1; drawn by the rule and the seed of the split alone, so
        that all methods share the retrievers that were fitted without a fold.

        Raises
        ------
        InputError
            If a fold has no target of one of the set sizes.
        """
        folds = self._divide(train, self.n_folds, np.random.default_rng([self.seed, 0xB001]))
        for size in np.unique(train.sizes).tolist():
            inside = folds[train.sizes == size]
            empty = np.setdiff1d(np.arange(self.n_folds), inside)
            if len(empty):
                raise InputError(
                    f"split.n_folds={self.n_folds}: fold {empty[0]} has none of the {len(inside)} "
                    f"training targets with {size} regulators, and pool.training=out_of_fold "
                    f"needs some in each; take fewer folds, or leave {size} out of data.set_sizes"
                )
        return folds

    def _hold_out_fold(self, split: TargetSplit, sets: TargetSets) -> TargetSplit:
        """Return the division for one fold: it is ``val``, the others ``train``."""
        if self.cv_fold is not None and self.cv_folds is not None:
            shown = np.flatnonzero(split.train | split.val)
            sets = sets.take(shown)
            folds = self._divide(sets, self.cv_folds, fold_generator(self.seed))
            split = _of_fold(split, shown, folds == self.cv_fold, self.cv_fold)
        if self.pool_fold is not None:
            shown = split.positions("train")
            held = self.pool_folds(sets.take(shown)) == self.pool_fold
            split = _of_fold(split, shown, held, self.pool_fold)
        return split


def _of_fold(
    split: TargetSplit, shown: Positions, held: NDArray[np.bool_], fold: int
) -> TargetSplit:
    """Return the division of the targets at ``shown`` into ``val`` and ``train``."""
    if not held.any() or held.all():
        raise InputError(
            f"split.cv_folds: fold {fold} has {int(held.sum())} of the {len(held)} "
            "training targets; take fewer folds"
        )
    nobody = np.zeros_like(held)
    return TargetSplit(
        split.targets.take(shown), train=~held, val=held, test=nobody, seed=split.seed
    )


@dataclasses.dataclass(frozen=True)
class TargetSplitter(_Folding):
    """Hold out targets, set size by set size (Residual HOS2, section 5.1).

    Attributes
    ----------
    seed
        Seed of the division (paper: 42, 43, 44).
    kind
        ``random``: targets at random, as the paper: 57, 39 and 19 test targets of SERGIO DS3's
        281, 192 and 92. Targets may share a regulator set with a training target.
        ``unseen_set``: whole sets are held out, so that no test target's set occurs in training.
    test_fraction
        Share of a stratum's targets for testing (paper: 0.2).
    validation_fraction
        Share of a stratum's targets for validation (paper: none).
    n_folds
        Number of folds that the training targets are divided into, for methods that choose their
        own weights by cross-validation and for out-of-fold pools.
    cv_fold, cv_folds
        For the choice of hyper-parameters: the targets for training and validation are divided
        into ``cv_folds`` folds, by the rule of ``kind``; number ``cv_fold`` becomes ``val``, the
        others ``train``, and there are no test targets. None: no folds, the usual run.
    pool_fold
        For a retriever of out-of-fold pools (``pool.training=out_of_fold``): of ``n_folds`` folds
        of the training targets this one becomes ``val``, the others ``train``; there are no
        other targets.

    Raises
    ------
    InputError
        If an option is out of range or, when splitting, a stratum is too small.
    """

    seed: int = 42
    kind: Literal["random", "unseen_set"] = "random"
    test_fraction: float = 0.2
    validation_fraction: float = 0.0
    n_folds: int = 5
    cv_fold: int | None = None
    cv_folds: int | None = None
    pool_fold: int | None = None

    def __post_init__(self) -> None:
        require_in("(0, 1)", "split", test_fraction=self.test_fraction)
        left = f"[0, {1 - self.test_fraction:g})"  # so that targets are left for training
        require_in(left, "split", validation_fraction=self.validation_fraction)
        self._check_seed_and_folds()

    def split(self, sets: TargetSets) -> TargetSplit:
        """Divide the targets of ``sets``, each set size for itself."""
        roles = {role: np.zeros(len(sets), dtype=np.bool_) for role in ROLES}
        keys = sets.keys()
        for size in np.unique(sets.sizes).tolist():
            rows = np.flatnonzero(sets.sizes == size)
            if len(rows) < MIN_STRATUM:
                raise InputError(
                    f"data.set_sizes: only {len(rows)} targets have {size} regulators, too few "
                    f"to hold some out (at least {MIN_STRATUM}); leave {size} out"
                )
            if self.kind == "random":
                drawn = self._draw_targets(len(rows), size)
            else:
                drawn = self._draw_sets([keys[row] for row in rows], size)
            for role, places in drawn.items():
                roles[role][rows[places]] = True
        train, val, test = (roles[role] for role in ROLES)
        split = TargetSplit(sets.targets, train=train, val=val, test=test, seed=self.seed)
        return self._hold_out_fold(split, sets)

    def _divide(
        self, sets: TargetSets, n_folds: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        if self.kind == "random":
            return random_folds(sets.sizes, n_folds, rng)
        return grouped_folds(sets.keys(), n_folds, rng)

    def _draw_targets(self, n: int, size: int) -> dict[Role, Positions]:
        from sklearn.model_selection import train_test_split

        def divide(places: Positions, share: float) -> tuple[Positions, Positions]:
            rest, held = train_test_split(places, test_size=share, random_state=self.seed)
            return np.asarray(rest), np.asarray(held)

        val = np.empty(0, dtype=np.int64)
        try:
            train, test = divide(np.arange(n), self.test_fraction)
            if self.validation_fraction:
                train, val = divide(train, self.validation_fraction / (1 - self.test_fraction))
        except ValueError as error:  # it refuses to leave nothing for training
            raise InputError(
                f"split.test_fraction={self.test_fraction}: of the {n} targets with {size} "
                "regulators none is left for training; give smaller shares"
            ) from error
        return {"train": train, "val": val, "test": test}

    def _draw_sets(self, keys: list[tuple[int, ...]], size: int) -> dict[Role, Positions]:
        rng = np.random.default_rng([self.seed, size, 0x5E75])
        distinct = groups_of(keys)
        waiting = [distinct[place] for place in rng.permutation(len(distinct))]
        held: dict[Role, Positions] = {}
        shares: list[tuple[Role, float]] = [
            ("test", self.test_fraction),
            ("val", self.validation_fraction),
        ]
        for role, share in shares:
            chosen = _take_groups(waiting, share * len(keys))
            if share and not chosen:
                raise InputError(
                    f"split.kind=unseen_set: the {len(keys)} targets with {size} regulators have "
                    f"{len(distinct)} different sets, too few for training and {role}; leave "
                    f"{size} out of data.set_sizes or use split.kind=random"
                )
            held[role] = np.asarray([p for group in chosen for p in group], dtype=np.int64)
        held["train"] = np.asarray([p for group in waiting for p in group], dtype=np.int64)
        return held


@dataclasses.dataclass(frozen=True)
class TargetCountSplitter(_Folding):
    """Hold out a number of targets of whatever set size (Residual HOS2, appendix I).

    With fewer targets than ``n_train + n_validation + n_test``, each role gets the same share of
    what there is.

    Attributes
    ----------
    seed
        Seed of the division.
    n_train, n_test, n_validation
        Number of targets (paper: 4,000 and 1,500 of 12,284).
    n_folds, cv_fold, cv_folds, pool_fold
        As in :class:`TargetSplitter`; the folds are drawn at random.

    Raises
    ------
    InputError
        If an option is out of range or, when splitting, too few targets are left.
    """

    seed: int = 0
    n_train: int = 4000
    n_test: int = 1500
    n_validation: int = 0
    n_folds: int = 5
    cv_fold: int | None = None
    cv_folds: int | None = None
    pool_fold: int | None = None

    def __post_init__(self) -> None:
        require_in("[1, inf)", "split", n_train=self.n_train, n_test=self.n_test)
        require_in("[0, inf)", "split", n_validation=self.n_validation)
        self._check_seed_and_folds()

    def split(self, sets: TargetSets) -> TargetSplit:
        """Divide the targets of ``sets``."""
        n, wanted = len(sets), self.n_train + self.n_validation + self.n_test
        n_test, n_val, n_train = self.n_test, self.n_validation, self.n_train
        if n < wanted:
            n_test, n_val = (round(count / wanted * n) for count in (n_test, n_val))
            n_train = n - n_test - n_val
            log.info(
                "%d targets, not %d: %d for training, %d for validation, %d for testing",
                *(n, wanted, n_train, n_val, n_test),
            )
            if n_test == 0:
                raise InputError(
                    f"split.n_test={self.n_test}: of {n} targets none is left for test; give more"
                )
        order = np.random.default_rng([self.seed, 0xC027]).permutation(n)
        drawn = np.sort(order[: n_train + n_val + n_test])
        test = np.isin(drawn, order[:n_test])
        val = np.isin(drawn, order[n_test : n_test + n_val])
        sets = sets.take(drawn)
        split = TargetSplit(sets.targets, train=~(test | val), val=val, test=test, seed=self.seed)
        return self._hold_out_fold(split, sets)

    def _divide(
        self, sets: TargetSets, n_folds: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        return random_folds(np.zeros(len(sets), dtype=np.int64), n_folds, rng)


def shared_share(sets: TargetSets, split: TargetSplit) -> dict[int, float]:
    """Return, by set size, the share of test targets whose set occurs in training."""
    occurs = occurs_in_training(sets, split)
    held = split.test
    sizes = sets.sizes
    return {
        size: float(occurs[held & (sizes == size)].mean())
        for size in np.unique(sizes[held]).tolist()
    }


def occurs_in_training(sets: TargetSets, split: TargetSplit) -> NDArray[np.bool_]:
    """Say of each target whether a training target has the same set, shape ``(n_targets,)``."""
    keys = sets.keys()
    shown = {keys[row] for row in split.positions("train")}
    return np.asarray([key in shown for key in keys], dtype=np.bool_)


def _take_groups(waiting: list[list[int]], wanted: float) -> list[list[int]]:
    """Take groups from the front until they hold ``wanted``; the last one is never taken.

    A group that would overshoot by more than half of what is wanted is passed over, unless the
    others do not suffice: then the smallest that is left is taken.
    """
    chosen: list[list[int]] = []
    n_chosen = 0
    for group in list(waiting):
        if n_chosen >= wanted or len(waiting) == 1:
            return chosen
        if n_chosen + len(group) <= 1.5 * wanted:
            waiting.remove(group)
            chosen.append(group)
            n_chosen += len(group)
    if n_chosen < wanted and len(waiting) > 1:
        smallest = min(waiting, key=len)
        waiting.remove(smallest)
        chosen.append(smallest)
    return chosen
