"""Ranking metrics of scored edges: NumPy in, Python floats out.

Every function takes ``scores`` of shape (n,), higher meaning likelier, and ``labels`` of shape
(n,), true (1) for an edge of the reference network. The edge universe is always the pairs passed
in, no more and no fewer: whoever calls decides on self-edges, unseen genes and negatives.

Items with equal scores form one tie. No metric depends on the order of the input: curves take a
tie as one step, and cuts inside a tie count its positives in expectation.

InputError is raised where the two shapes differ, nothing is passed in, a score is not finite or
a label is not 0 or 1, and where the labels leave a metric undefined.
"""

import dataclasses
import logging
import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from grn_exp.core.errors import InputError

logger = logging.getLogger(__name__)

HIT_FRACTION = 0.01
RECALL_THRESHOLD = 0.5


class MacroAverage(NamedTuple):
    """A mean over groups, and the number of groups that it was taken over."""

    value: float
    n_groups: int


@dataclasses.dataclass(frozen=True)
class RankingRow:
    """One row of ``metrics.json``.

    Parameters
    ----------
    metric, subset, value
        What was measured on which pairs, e.g. ``"ap"`` on ``"test_unseen"``.
    n, n_positive, prevalence
        Number of pairs ranked, of true edges among them, and their ratio.
    k
        Length of the cut-off list, or the number of regulators averaged; None elsewhere.
    set_size
        Size of a predicted set; None for ranking metrics.
    """

    metric: str
    subset: str
    value: float
    n: int
    n_positive: int
    prevalence: float
    k: int | None = None
    set_size: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the row as a dict of JSON types."""
        return dataclasses.asdict(self)


class _CumulativeCounts(NamedTuple):
    """Pairs, and positives among them, at or above each distinct score, highest score first.

    Both of shape (n_distinct,); the last entries count all pairs.
    """

    selected: NDArray[np.int64]
    positives: NDArray[np.int64]

    @property
    def n(self) -> int:
        return int(self.selected[-1])

    @property
    def n_positive(self) -> int:
        return int(self.positives[-1])

    @property
    def prevalence(self) -> float:
        return self.n_positive / self.n


def average_precision(scores: ArrayLike, labels: ArrayLike) -> float:
    r"""Average precision, what the papers print as "AUPRC".

    :math:`\sum_i (R_i - R_{i-1}) P_i` over the distinct scores from high to low, with
    :math:`R_i, P_i` the recall and precision of the pairs at or above score i and
    :math:`R_0 = 0`: no interpolation. A tie is one step, with the precision at its end; all scores
    tied give the prevalence. The universe is the pairs passed in. Raises InputError if no label
    is positive.
    """
    return _average_precision(_cumulative_counts(scores, labels))


def random_average_precision(n: int, n_positive: int) -> float:
    """Average precision of a random ranking, in expectation; more than the prevalence."""
    share = (n_positive - 1) / max(n - 1, 1)  # of positives among the pairs above a positive
    n_above = np.arange(n)
    return float(np.mean((1 + n_above * share) / (n_above + 1)))


def ap_ratio(scores: ArrayLike, labels: ArrayLike) -> float:
    """Average precision over prevalence: how many times better than a constant score.

    ``average_precision / (n_positive / n)``, ties as in :func:`average_precision`; all scores tied
    give 1. The universe is the pairs passed in. Raises InputError if no label is positive.
    """
    counts = _cumulative_counts(scores, labels)
    return _average_precision(counts) / counts.prevalence


def auprc_trapezoid(scores: ArrayLike, labels: ArrayLike) -> float:
    r"""Trapezoidal area under the precision-recall curve.

    :math:`\sum_i (R_i - R_{i-1}) (P_i + P_{i-1}) / 2` over the distinct scores from high to low,
    starting at recall 0 with precision 1. A tie is one point of the curve, so the line drawn
    across it is optimistic: all scores tied give (1 + prevalence) / 2. Read it beside
    :func:`average_precision`, never instead. The universe is the pairs passed in. Raises
    InputError if no label is positive.
    """
    return _auprc_trapezoid(_cumulative_counts(scores, labels))


def auroc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve.

    The probability that a random positive outscores a random negative, a tie between the two
    counting one half; all scores tied give 0.5. The universe is the pairs passed in. Raises
    InputError if all labels are equal.
    """
    return _auroc(_cumulative_counts(scores, labels))


def hit_at_fraction(scores: ArrayLike, labels: ArrayLike, fraction: float = HIT_FRACTION) -> float:
    """Share of positives among the top ``fraction`` of the ranking (Hit@1% by default).

    ``E[positives in the top k] / k`` with ``k = max(1, ceil(fraction * n))``. Where the cut falls
    inside a tie, all its items are equally likely to be in the list and the expectation is
    returned; all scores tied give the prevalence. The universe is the pairs passed in.

    The fraction is above 0 and at most 1, or InputError is raised, and read as the decimal that it
    prints as (0.07 of 100 is 7, not 8). Without positives the share is 0.
    """
    counts = _cumulative_counts(scores, labels)
    return _precision_at(counts, _list_length(counts.n, fraction))


def early_precision_ratio(scores: ArrayLike, labels: ArrayLike) -> float:
    """Early precision ratio (EPR) of BEELINE (Pratapa et al. 2020).

    ``(E[positives in the top k] / k) / prevalence`` with k the number of positives. Ties at the
    cut are counted in expectation as in :func:`hit_at_fraction`; all scores tied give 1. BEELINE's
    code instead ranks magnitudes rounded to 6 decimals, keeps the whole tie and drops zeros. The
    universe is the pairs passed in, its density the baseline. Raises InputError if no label is
    positive.
    """
    return _early_precision_ratio(_cumulative_counts(scores, labels))


def recall_at_threshold(
    scores: ArrayLike, labels: ArrayLike, threshold: float = RECALL_THRESHOLD, *, scale: float
) -> float:
    """Share of the positives whose rescaled score reaches a threshold.

    ``#{positives with score / scale >= threshold} / n_positive``; ties need no rule. Recall is
    over the pairs passed in, whereas ``scale`` is the caller's: the maximum score of the whole
    universe, of which those pairs may be a part. A scale of 0 or below says that no pair scored
    above zero; nothing passes then and the recall is 0.

    Raises InputError if no label is positive, the threshold is not above 0 and at most 1, or the
    scale is not finite.
    """
    score, label = _checked(scores, labels)
    n_positive = int(np.count_nonzero(label))
    _require_positives(n_positive, label.size)
    if not 0 < threshold <= 1:
        raise InputError(f"threshold is {threshold}; give one above 0 and at most 1")
    if not math.isfinite(scale):
        raise InputError(f"scale is {scale}; give the finite maximum score of the universe")
    if scale <= 0:
        return 0.0
    with np.errstate(over="ignore"):  # a tiny scale: infinity passes, as it should
        passed = score[label] / scale >= threshold
    return float(np.count_nonzero(passed) / n_positive)


def macro_average_precision(
    scores: ArrayLike, labels: ArrayLike, groups: ArrayLike
) -> MacroAverage:
    """Average precision within each group (regulator), averaged over groups.

    The unweighted mean of :func:`average_precision` over the groups that have both a positive and
    a negative pair; the others say nothing about ranking and are left out. Ties as there, within
    the group. The universe of a group is its pairs among those passed in.

    Groups are integers (faster) or strings, shape (n,), in any order. Raises InputError if they
    are something else, or if no group has both classes.
    """
    score, label = _checked(scores, labels)
    codes = _group_codes(groups, score.size)
    macro = _macro_average_precision(score, label, codes)
    if macro.n_groups == 0:
        raise InputError(
            f"none of the {codes.max() + 1} groups has both a positive and a negative pair; "
            "pass in more pairs, or leave this metric out"
        )
    return macro


def evaluate_ranking(
    scores: ArrayLike, labels: ArrayLike, groups: ArrayLike, *, subset: str, scale: float
) -> list[RankingRow]:
    """Compute every ranking metric of one set of pairs.

    Parameters
    ----------
    scores : (n,) float, finite, any scale
    labels : (n,) bool or 0/1, with both classes
    groups : (n,) int or str
        The regulator of each pair.
    subset
        Name of this set of pairs, e.g. ``"test_unseen"``.
    scale
        Maximum score over the whole universe, for ``recall_at_half``.

    Returns
    -------
    list of RankingRow
        ``ap``, ``ap_ratio``, ``auprc_trapezoid``, ``auroc``, ``hit_at_1pct``, ``epr``,
        ``recall_at_half``, ``ap_per_regulator``, in this order. k is the length of the list for
        ``hit_at_1pct`` and ``epr``, and the number of regulators averaged for
        ``ap_per_regulator``. That last row is left out, and a warning logged, where no regulator
        has both classes.

    Raises
    ------
    InputError
        As in each metric's function, save the case above.
    """
    score, label = _checked(scores, labels)
    codes = _group_codes(groups, score.size)
    counts = _cumulative_counts(score, label)
    ap = _average_precision(counts)
    hit_k = _list_length(counts.n, HIT_FRACTION)
    values: list[tuple[str, float, int | None]] = [
        ("ap", ap, None),
        ("ap_ratio", ap / counts.prevalence, None),
        ("auprc_trapezoid", _auprc_trapezoid(counts), None),
        ("auroc", _auroc(counts), None),
        ("hit_at_1pct", _precision_at(counts, hit_k), hit_k),
        ("epr", _early_precision_ratio(counts), counts.n_positive),
        ("recall_at_half", recall_at_threshold(score, label, scale=scale), None),
    ]
    macro = _macro_average_precision(score, label, codes)
    if macro.n_groups:
        values.append(("ap_per_regulator", macro.value, macro.n_groups))
    else:
        logger.warning("%s: no regulator has both classes, no ap_per_regulator", subset)
    return [
        RankingRow(name, subset, value, counts.n, counts.n_positive, counts.prevalence, k)
        for name, value, k in values
    ]


def _checked(
    scores: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return scores as float64 and labels as bool, both (n,), or raise InputError."""
    score, label = np.asarray(scores), np.asarray(labels)
    if score.ndim != 1 or score.shape != label.shape:
        raise InputError(
            f"scores have shape {score.shape} and labels {label.shape}; "
            "give two one-dimensional arrays of the same length"
        )
    if score.size == 0:
        raise InputError("scores and labels have length 0; pass in at least one pair")
    if score.dtype.kind not in "biuf":
        raise InputError(f"scores have dtype {score.dtype}; give real numbers")
    score = score.astype(np.float64, copy=False)
    finite = np.isfinite(score)
    if not finite.all():
        first = int(np.argmin(finite))
        raise InputError(
            f"scores[{first}] is {score[first]} ({np.count_nonzero(~finite)} of {score.size} are "
            "not finite); drop these pairs or look for a model that diverged"
        )
    if label.dtype.kind == "b":
        return score, label
    if label.dtype.kind not in "iuf":
        raise InputError(f"labels have dtype {label.dtype}; give booleans or 0 and 1")
    binary = (label == 0) | (label == 1)
    if not binary.all():
        first = int(np.argmin(binary))
        raise InputError(f"labels[{first}] is {label[first]}; give booleans or 0 and 1")
    return score, label == 1


def _group_codes(groups: ArrayLike, n: int) -> NDArray[np.int64]:
    """Return groups as integers 0, 1, ... of shape (n,), or raise InputError."""
    group = np.asarray(groups)
    if group.shape != (n,):
        raise InputError(f"groups have shape {group.shape}; give one group for each of {n} pairs")
    if group.dtype.kind == "O" and all(isinstance(name, str) for name in group):
        group = group.astype(str)  # a pandas column of names
    if group.dtype.kind not in "biuUT":
        raise InputError(f"groups have dtype {group.dtype}; give integers or strings")
    return np.unique(group, return_inverse=True)[1].astype(np.int64, copy=False)


def _require_positives(n_positive: int, n: int) -> None:
    if n_positive == 0:
        raise InputError(
            f"none of the {n} labels is positive, so this metric is undefined; "
            "pass in pairs with at least one true edge"
        )


def _cumulative_counts(scores: ArrayLike, labels: ArrayLike) -> _CumulativeCounts:
    """Check the input, sort it once and count at each distinct score."""
    score, label = _checked(scores, labels)
    order = np.argsort(-score)
    score, label = score[order], label[order]
    tie_ends = np.append(score[1:] != score[:-1], True).nonzero()[0]
    return _CumulativeCounts(tie_ends + 1, np.cumsum(label, dtype=np.int64)[tie_ends])


def _average_precision(counts: _CumulativeCounts) -> float:
    _require_positives(counts.n_positive, counts.n)
    gained = np.diff(counts.positives, prepend=0)
    return float((gained * (counts.positives / counts.selected)).sum() / counts.n_positive)


def _auprc_trapezoid(counts: _CumulativeCounts) -> float:
    _require_positives(counts.n_positive, counts.n)
    precision = np.concatenate(([1.0], counts.positives / counts.selected))
    gained = np.diff(counts.positives, prepend=0)
    return float((gained * (precision[1:] + precision[:-1])).sum() / (2 * counts.n_positive))


def _auroc(counts: _CumulativeCounts) -> float:
    _require_positives(counts.n_positive, counts.n)
    negatives = counts.selected - counts.positives
    if negatives[-1] == 0:
        raise InputError(
            f"all {counts.n} labels are positive, so AUROC is undefined; "
            "pass in pairs with at least one absent edge"
        )
    above = np.concatenate(([0], counts.positives[:-1]))
    # 2 for a positive above the negative, 1 for a positive beside it
    wins = (np.diff(negatives, prepend=0) * (counts.positives + above)).sum()
    return float(wins / (2 * counts.n_positive * negatives[-1]))


def _list_length(n: int, fraction: float) -> int:
    if not 0 < fraction <= 1:
        raise InputError(f"fraction is {fraction}; give one above 0 and at most 1 (0.01 for 1 %)")
    return max(1, math.ceil(Fraction(str(float(fraction))) * n))


def _precision_at(counts: _CumulativeCounts, k: int) -> float:
    """Return the expected precision of the first k pairs, ties in random order."""
    tie = int(np.searchsorted(counts.selected, k))  # the tie that holds the k-th pair
    selected, positives = (counts.selected[tie - 1], counts.positives[tie - 1]) if tie else (0, 0)
    share = (counts.positives[tie] - positives) / (counts.selected[tie] - selected)
    return float((positives + (k - selected) * share) / k)


def _early_precision_ratio(counts: _CumulativeCounts) -> float:
    _require_positives(counts.n_positive, counts.n)
    return _precision_at(counts, counts.n_positive) / counts.prevalence


def _macro_average_precision(
    score: NDArray[np.float64], label: NDArray[np.bool_], codes: NDArray[np.int64]
) -> MacroAverage:
    """Average over the groups with both classes; NaN over 0 groups where there are none."""
    order = np.lexsort((-score, codes))
    score, label, codes = score[order], label[order], codes[order]
    size, n_positive = np.bincount(codes), np.bincount(codes, weights=label)
    usable = (n_positive > 0) & (n_positive < size)
    if not usable.any():
        return MacroAverage(math.nan, 0)
    tie_ends = np.append((np.diff(codes) != 0) | (score[1:] != score[:-1]), True).nonzero()[0]
    group = codes[tie_ends]
    positives_so_far = np.cumsum(label)[tie_ends]
    # a group's last pair ends a tie, so these differences never reach across groups
    gained = np.diff(positives_so_far, prepend=0)
    positives = positives_so_far - (np.cumsum(n_positive) - n_positive)[group]
    selected = tie_ends + 1 - (np.cumsum(size) - size)[group]
    summed = np.bincount(group, weights=gained * positives / selected)
    return MacroAverage(float((summed[usable] / n_positive[usable]).mean()), int(usable.sum()))
