"""Ranking metrics of scored edges: NumPy in, Python floats out.

Scores and labels are of shape (n,): a higher score means likelier, a label is true (1) for an edge
of the reference network. The edge universe is always the pairs passed in, no more and no fewer:
whoever calls decides on self-edges, unseen genes and negatives.

Items with equal scores form one tie. No metric depends on the order of the input: curves take a
tie as one step, and cuts inside a tie count its positives in expectation.

InputError is raised where the two shapes differ, nothing is passed in, a score is not finite or
a label is not 0 or 1, and where the labels leave a metric undefined.
"""

import dataclasses
import logging
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from grn_exp.core.errors import InputError

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class RankingRow:
    """One row of ``metrics.json``.

    Attributes
    ----------
    metric, subset, value
        What was measured on what, e.g. ``"ap"`` on the pairs of ``"test_unseen"``.
    n, n_positive, prevalence
        Number of pairs ranked, of true edges among them, and their ratio; for
        ``ap_per_regulator`` the mean of the regulators' ratios.
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
    prevalence: float | None
    k: int | None = None
    set_size: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the row as a dict of JSON types."""
        return dataclasses.asdict(self)


class Ranking(NamedTuple):
    """Pairs, and positives among them, at or above each distinct score, highest score first.

    Both of shape (n_distinct,); the last entries count all pairs. Metrics raise InputError if no
    label is positive.
    """

    selected: NDArray[np.int64]
    positives: NDArray[np.int64]

    @classmethod
    def of(cls, scores: ArrayLike, labels: ArrayLike) -> "Ranking":
        """Check the input, sort it once and count at each distinct score."""
        score, label = _checked(scores, labels)
        order = np.argsort(-score)
        score, label = score[order], label[order]
        tie_ends = np.append(score[1:] != score[:-1], True).nonzero()[0]
        return cls(tie_ends + 1, np.cumsum(label, dtype=np.int64)[tie_ends])

    @property
    def n(self) -> int:
        """Number of pairs."""
        return int(self.selected[-1])

    @property
    def n_positive(self) -> int:
        """Number of true edges among them."""
        return int(self.positives[-1])

    @property
    def prevalence(self) -> float:
        """Share of true edges."""
        return self.n_positive / self.n

    def average_precision(self) -> float:
        r"""Average precision, what the papers print as "AUPRC".

        :math:`\sum_i (R_i - R_{i-1}) P_i` over the distinct scores from high to low, with
        :math:`R_i, P_i` the recall and precision of the pairs at or above score i and
        :math:`R_0 = 0`: no interpolation. A tie is one step, with the precision at its end; all
        scores tied give the prevalence.
        """
        _require_positives(self.n_positive, self.n)
        gained = np.diff(self.positives, prepend=0)
        return float((gained * (self.positives / self.selected)).sum() / self.n_positive)

    def auprc_trapezoid(self) -> float:
        r"""Trapezoidal area under the precision-recall curve.

        :math:`\sum_i (R_i - R_{i-1}) (P_i + P_{i-1}) / 2` over the distinct scores from high to
        low, starting at recall 0 with precision 1. A tie is one point of the curve, so the line
        drawn across it is optimistic: all scores tied give (1 + prevalence) / 2. Read it beside
        :meth:`average_precision`, never instead.
        """
        _require_positives(self.n_positive, self.n)
        precision = np.concatenate(([1.0], self.positives / self.selected))
        gained = np.diff(self.positives, prepend=0)
        return float((gained * (precision[1:] + precision[:-1])).sum() / (2 * self.n_positive))

    def auroc(self) -> float:
        """Area under the ROC curve; InputError also if all labels are positive.

        The probability that a random positive outscores a random negative, a tie between the two
        counting one half; all scores tied give 0.5.
        """
        _require_positives(self.n_positive, self.n)
        negatives = self.selected - self.positives
        if negatives[-1] == 0:
            raise InputError(
                f"all {self.n} labels are positive, so AUROC is undefined; "
                "pass in pairs with at least one absent edge"
            )
        above = np.concatenate(([0], self.positives[:-1]))
        # 2 for a positive above the negative, 1 for a positive beside it
        wins = (np.diff(negatives, prepend=0) * (self.positives + above)).sum()
        return float(wins / (2 * self.n_positive * negatives[-1]))

    def precision_at(self, k: int) -> float:
        """Share of positives among the first k, in expectation where the cut is inside a tie."""
        tie = int(np.searchsorted(self.selected, k))  # the tie that holds the k-th pair
        selected, positives = (self.selected[tie - 1], self.positives[tie - 1]) if tie else (0, 0)
        share = (self.positives[tie] - positives) / (self.selected[tie] - selected)
        return float((positives + (k - selected) * share) / k)

    def early_precision_ratio(self) -> float:
        """Early precision ratio (EPR) of BEELINE (Pratapa et al. 2020).

        Precision among the first k pairs over prevalence, with k the number of positives.
        BEELINE's code instead ranks magnitudes rounded to 6 decimals, keeps the whole tie and
        drops zeros.
        """
        _require_positives(self.n_positive, self.n)
        return self.precision_at(self.n_positive) / self.prevalence


def average_precision(scores: ArrayLike, labels: ArrayLike) -> float:
    """Average precision, see :meth:`Ranking.average_precision`."""
    return Ranking.of(scores, labels).average_precision()


def random_average_precision(n: int, n_positive: int) -> float:
    """Average precision of a random ranking, in expectation; more than the prevalence."""
    share = (n_positive - 1) / max(n - 1, 1)  # of positives among the pairs above a positive
    n_above = np.arange(n)
    return float(np.mean((1 + n_above * share) / (n_above + 1)))


class MacroAverage(NamedTuple):
    """Average precision over groups, see :func:`macro_average_precision`.

    Attributes
    ----------
    value
        Mean of the groups' average precision.
    n_groups
        Number of groups averaged.
    prevalence
        Mean of their shares of positives: what scores get that tie within every group.
    """

    value: float
    n_groups: int
    prevalence: float


def macro_average_precision(
    scores: ArrayLike, labels: ArrayLike, groups: ArrayLike
) -> MacroAverage:
    """Average precision within each group (regulator), averaged over groups.

    The unweighted mean of :meth:`Ranking.average_precision` over the groups that have both a
    positive and a negative pair; the others say nothing about ranking and are left out. NaN, 0
    and NaN where no group has both. Ties as there, within the group. The universe of a group is
    its pairs among those passed in.

    Groups are integers (faster) or strings, shape (n,), in any order.
    """
    score, label = _checked(scores, labels)
    codes = _group_codes(groups, score.size)
    order = np.lexsort((-score, codes))
    score, label, codes = score[order], label[order], codes[order]
    size, n_positive = np.bincount(codes), np.bincount(codes, weights=label)
    usable = (n_positive > 0) & (n_positive < size)
    if not usable.any():
        return MacroAverage(math.nan, 0, math.nan)
    tie_ends = np.append((np.diff(codes) != 0) | (score[1:] != score[:-1]), True).nonzero()[0]
    group = codes[tie_ends]
    positives_so_far = np.cumsum(label)[tie_ends]
    # a group's last pair ends a tie, so these differences never reach across groups
    gained = np.diff(positives_so_far, prepend=0)
    positives = positives_so_far - (np.cumsum(n_positive) - n_positive)[group]
    selected = tie_ends + 1 - (np.cumsum(size) - size)[group]
    summed = np.bincount(group, weights=gained * positives / selected)
    return MacroAverage(
        value=float((summed[usable] / n_positive[usable]).mean()),
        n_groups=int(usable.sum()),
        prevalence=float((n_positive[usable] / size[usable]).mean()),
    )


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
        Maximum score over the whole universe, of which these pairs may be a part, for
        ``recall_at_half``: the share of the positives that score at least half of it.

    Returns
    -------
    list of RankingRow
        ``ap``, ``ap_ratio`` (over prevalence), ``auprc_trapezoid``, ``auroc``, ``hit_at_1pct``
        (precision among the first hundredth, rounded up), ``epr``, ``recall_at_half``,
        ``ap_per_regulator``, in this order. k is the length of the list for ``hit_at_1pct`` and
        ``epr``, and the number of regulators averaged for ``ap_per_regulator``. That last row has
        the mean of their shares of positives as its prevalence; it is left out, and a warning
        logged, where no regulator has both classes.

    Raises
    ------
    InputError
        As the methods of :class:`Ranking`.
    """
    score, label = _checked(scores, labels)
    ranking = Ranking.of(score, label)
    ap = ranking.average_precision()
    hit_k = math.ceil(ranking.n / 100)
    values: list[tuple[str, float, int | None]] = [
        ("ap", ap, None),
        ("ap_ratio", ap / ranking.prevalence, None),
        ("auprc_trapezoid", ranking.auprc_trapezoid(), None),
        ("auroc", ranking.auroc(), None),
        ("hit_at_1pct", ranking.precision_at(hit_k), hit_k),
        ("epr", ranking.early_precision_ratio(), ranking.n_positive),
        ("recall_at_half", _recall_at_half(score[label], scale), None),
    ]
    n, n_positive = ranking.n, ranking.n_positive
    rows = [
        RankingRow(name, subset, value, n, n_positive, ranking.prevalence, k)
        for name, value, k in values
    ]
    macro = macro_average_precision(score, label, groups)
    if not macro.n_groups:
        logger.warning("%s: no regulator has both classes, no ap_per_regulator", subset)
        return rows
    mean = RankingRow(
        "ap_per_regulator", subset, macro.value, n, n_positive, macro.prevalence, macro.n_groups
    )
    return [*rows, mean]


def _recall_at_half(positive_scores: NDArray[np.float64], scale: float) -> float:
    """Return the share of scores that reach half of ``scale``, 0 where nothing is above zero."""
    if scale <= 0:
        return 0.0
    with np.errstate(over="ignore"):  # a tiny scale: infinity passes, as it should
        return float((positive_scores / scale >= 0.5).mean())


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
    score = score.astype(np.float64, copy=False)
    finite = np.isfinite(score)
    if not finite.all():
        first = int(np.argmin(finite))
        raise InputError(
            f"scores[{first}] is {score[first]} ({np.count_nonzero(~finite)} of {score.size} are "
            "not finite); drop these pairs or look for a model that diverged"
        )
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
    return np.unique(group, return_inverse=True)[1].astype(np.int64, copy=False)


def _require_positives(n_positive: int, n: int) -> None:
    if n_positive == 0:
        raise InputError(
            f"none of the {n} labels is positive, so this metric is undefined; "
            "pass in pairs with at least one true edge"
        )
