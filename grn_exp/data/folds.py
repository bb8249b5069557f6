"""Divide what is for training into folds, for choices that are made by cross-validation."""

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.ranges import require_in

_SALT = 0xC5F0  # of the folds of hyper-parameter choice, which depend on the split's seed alone


def fold_generator(seed: int) -> np.random.Generator:
    """Return what draws the folds of a split; the same for each of them."""
    return np.random.default_rng([seed, _SALT])


def check_fold(cv_fold: int | None, cv_folds: int | None) -> None:
    """Refuse a fold without the number of folds, and one that does not exist.

    Raises
    ------
    InputError
        Naming the option that is wrong.
    """
    if cv_fold is None and cv_folds is None:
        return
    if cv_fold is None or cv_folds is None:
        raise InputError(
            f"split.cv_fold={cv_fold}, split.cv_folds={cv_folds}: give both, as in "
            "+split.cv_fold=0 +split.cv_folds=5, or neither"
        )
    require_in("[2, inf)", "split", cv_folds=cv_folds)
    require_in(f"[0, {cv_folds - 1}]", "split", cv_fold=cv_fold)


def random_folds(
    strata: NDArray[np.int64], n_folds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return a fold for each item, at random and in equal numbers in every stratum.

    The counts of a stratum differ by one at most, and so do those of any strata that follow each
    other.
    """
    folds = np.empty(len(strata), dtype=np.int64)
    n_done = 0
    for stratum in np.unique(strata):
        rows = rng.permutation(np.flatnonzero(strata == stratum))
        folds[rows] = (n_done + np.arange(len(rows))) % n_folds
        n_done += len(rows)
    return folds


def groups_of(keys: list[tuple[int, ...]]) -> list[list[int]]:
    """Return the positions of equal keys, in the order in which the keys first occur."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def grouped_folds(
    keys: list[tuple[int, ...]], n_folds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Put whole groups of equal keys into folds, the largest first, each where there is least."""
    distinct = groups_of(keys)
    order = rng.permutation(len(distinct)).tolist()
    folds = np.empty(len(keys), dtype=np.int64)
    filled = [0] * n_folds
    for place in sorted(order, key=lambda place: -len(distinct[place])):
        fold = filled.index(min(filled))
        folds[distinct[place]] = fold
        filled[fold] += len(distinct[place])
    return folds
