"""Metrics of ranked candidates and of chosen regulator sets: NumPy in, rows out.

Source: Residual HOS2, section 3 and appendix I. The functions on top look at one target at a
time; the ``rows`` functions below average them over targets, for each set size and for all sizes
together.

Candidates with equal scores are ordered by a hash of their symbols (:func:`tie_order`). So a rank
is one number that every metric and every pool agrees on, the order in which genes happen to be
stored (regulators first, say) cannot help, and a score that is the same for all candidates ranks
them at random: it finds a whole set within the first K no more often than by chance.
"""

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.sets import Positions, TargetSets
from grn_exp.metrics.ranking import RankingRow

_Z95 = 1.959963984540054  # the normal quantile of a two-sided 95 % interval

Ranks = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class SetRow(RankingRow):
    """One row of ``metrics.json`` about targets: ``n`` of them, with ``n_positive`` regulators.

    Attributes
    ----------
    prevalence
        None: a set is compared with a set, so there are no pairs to take a share of.
    set_size
        Size of the targets' sets; None for all sizes together.
    low, high
        95 % interval of a proportion (Wilson's score interval); None for other means.
    """

    prevalence: float | None = None
    low: float | None = None
    high: float | None = None


# -- ranks ---------------------------------------------------------------------------------------


def tie_order(genes: GeneIndex) -> NDArray[np.int64]:
    """Return a key for each gene that depends on its symbol only; lower goes first in a tie."""
    digests = (hashlib.blake2b(s.encode(), digest_size=7).digest() for s in genes.symbols)
    return np.asarray([int.from_bytes(digest, "big") for digest in digests], dtype=np.int64)


def own_positions(candidates: GeneIndex, targets: GeneIndex) -> Positions:
    """Return where each target is among the candidates, -1 if it is not one; ``(n_targets,)``."""
    position = {symbol: place for place, symbol in enumerate(candidates.symbols)}
    return np.asarray([position.get(symbol, -1) for symbol in targets.symbols], dtype=np.int64)


def rank_candidates(
    scores: NDArray[np.floating], candidates: GeneIndex, targets: GeneIndex
) -> Ranks:
    """Rank the candidates of each target, 1 = best.

    Parameters
    ----------
    scores
        Shape ``(n_candidates, n_targets)``, higher = likelier; what a gene says about itself is
        not read.
    candidates, targets
        Rows and columns of ``scores``.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_targets, n_candidates)``: a permutation of 1..n_candidates in each row. A
        target that is a candidate comes last in its own row.
    """
    if scores.shape != (len(candidates), len(targets)):
        raise InputError(
            f"scores of shape {scores.shape} for {len(candidates)} candidates and "
            f"{len(targets)} targets; give one row for each candidate"
        )
    values = np.array(scores.T, dtype=np.float64)
    own = own_positions(candidates, targets)
    itself = np.flatnonzero(own >= 0)
    values[itself, own[itself]] = -np.inf
    in_tie_order = np.argsort(tie_order(candidates), kind="stable")
    order = in_tie_order[np.argsort(-values[:, in_tie_order], axis=1, kind="stable")]
    return np.argsort(order, axis=1) + 1  # the inverse of each row's permutation


def worst_ranks(ranks: Ranks, sets: Sequence[Positions]) -> NDArray[np.int64]:
    """Rank of each target's worst-ranked true regulator: the K from which its set is whole.

    Parameters
    ----------
    ranks
        Shape ``(n_targets, n_candidates)``, from :func:`rank_candidates`.
    sets
        The true set of each target.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_targets,)``.
    """
    pairs = zip(ranks, sets, strict=True)
    return np.asarray([row[members].max() for row, members in pairs], dtype=np.int64)


def recall_curve(ranks: Ranks, sets: Sequence[Positions]) -> NDArray[np.float64]:
    """Recall@K for K = 1..n_candidates: share of targets whose whole set is in the first K.

    The last value is 1. Raises InputError if there is no target.
    """
    if not len(sets):
        raise InputError("recall curve: no target; give at least one")
    reached = np.bincount(worst_ranks(ranks, sets), minlength=ranks.shape[1] + 1)
    return np.cumsum(reached)[1:] / len(sets)


# -- chosen sets ---------------------------------------------------------------------------------


def exact_matches(found: Sequence[Positions], true: Sequence[Positions]) -> Flags:
    """Say of each target whether the two sets are the same, shape ``(n_targets,)``."""
    pairs = zip(found, true, strict=True)
    return np.asarray([set(a.tolist()) == set(b.tolist()) for a, b in pairs], dtype=np.bool_)


def jaccard(found: Sequence[Positions], true: Sequence[Positions]) -> NDArray[np.float64]:
    """Size of the intersection over size of the union, shape ``(n_targets,)``."""
    common, n_found, n_true = _overlap(found, true)
    return common / (n_found + n_true - common)


def f1(found: Sequence[Positions], true: Sequence[Positions]) -> NDArray[np.float64]:
    """Harmonic mean of a set's precision and recall, shape ``(n_targets,)``."""
    common, n_found, n_true = _overlap(found, true)
    return 2 * common / (n_found + n_true)


def _overlap(
    found: Sequence[Positions], true: Sequence[Positions]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the sizes of the intersections, of the found sets, of the true ones."""
    counts = [
        (len(np.intersect1d(a, b)), len(a), len(b)) for a, b in zip(found, true, strict=True)
    ]
    common, n_found, n_true = np.asarray(counts, dtype=np.int64).reshape(-1, 3).T
    return common, n_found, n_true


def wilson(n_hits: int, n: int) -> tuple[float, float]:
    """95 % score interval of a binomial proportion (Wilson 1927)."""
    share, z2 = n_hits / n, _Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    low = 0.0 if n_hits == 0 else centre - half
    high = 1.0 if n_hits == n else centre + half
    return low, high


# -- rows ----------------------------------------------------------------------------------------


def rows_of(
    metric: str,
    values: ArrayLike,
    sizes: NDArray[np.int64],
    *,
    subset: str,
    k: int | None = None,
    by_size: bool = True,
) -> list[SetRow]:
    """Average one value per target: over all targets, then for each set size.

    Parameters
    ----------
    metric, subset, k
        As in :class:`SetRow`.
    values
        Shape ``(n_targets,)``; booleans are a proportion and get an interval. No target, no row.
    sizes
        Number of true regulators of each target, shape ``(n_targets,)``.
    by_size
        False: all sizes together only.
    """
    value = np.asarray(values)
    groups: list[int | None] = [None, *(np.unique(sizes).tolist() if by_size else ())]
    rows = []
    for size in groups if len(value) else []:
        inside = np.ones(len(sizes), dtype=np.bool_) if size is None else sizes == size
        n = int(inside.sum())
        low = high = None
        if value.dtype == np.bool_:
            low, high = wilson(int(value[inside].sum()), n)
        row = SetRow(
            metric=metric,
            subset=subset,
            value=float(value[inside].mean()),
            n=n,
            n_positive=int(sizes[inside].sum()),
            k=k,
            set_size=size,
            low=low,
            high=high,
        )
        rows.append(row)
    return rows


def recall_rows(
    ranks: Ranks,
    sets: TargetSets,
    ks: Iterable[int],
    *,
    subset: str,
    metric: str = "recall_at_k",
    by_size: bool = True,
) -> list[SetRow]:
    """Share of targets whose whole set is in the first K (Recall@K; StrictCov@K on mESC)."""
    worst, sizes = worst_ranks(ranks, sets.members), sets.sizes
    return [
        row
        for k in ks
        for row in rows_of(metric, worst <= k, sizes, subset=subset, k=k, by_size=by_size)
    ]


def edge_recall_rows(
    ranks: Ranks, sets: TargetSets, ks: Iterable[int], *, subset: str, by_size: bool = True
) -> list[SetRow]:
    """Mean share of a target's true regulators in the first K (EdgeRec@K, appendix I)."""
    rows: list[SetRow] = []
    of_members = [row[members] for row, members in zip(ranks, sets.members, strict=True)]
    for k in ks:
        shares = [(each <= k).mean() for each in of_members]
        rows += rows_of(
            "edge_recall_at_k", shares, sets.sizes, subset=subset, k=k, by_size=by_size
        )
    return rows


def selection_rows(
    found: Sequence[Positions], sets: TargetSets, *, subset: str, covered: Flags | None = None
) -> list[SetRow]:
    """Judge chosen sets.

    Parameters
    ----------
    found
        The chosen set of each target, positions in the candidates of ``sets``.
    sets
        The true sets.
    subset
        Name of these targets.
    covered
        Shape ``(n_targets,)``: does the capped pool hold the whole true set; None where sets
        were chosen from all candidates.

    Returns
    -------
    list of SetRow
        ``exact_match`` over all targets (unconditional), ``jaccard``, ``f1``; with pools also
        ``coverage`` and, where a target is covered, ``exact_match_covered`` over those.
    """
    sizes, exact = sets.sizes, exact_matches(found, sets.members)
    rows = rows_of("exact_match", exact, sizes, subset=subset)
    if covered is not None:
        rows += rows_of("coverage", covered, sizes, subset=subset)
        rows += rows_of("exact_match_covered", exact[covered], sizes[covered], subset=subset)
    rows += rows_of("jaccard", jaccard(found, sets.members), sizes, subset=subset)
    rows += rows_of("f1", f1(found, sets.members), sizes, subset=subset)
    return rows
