"""How much of a run's average precision one number for each regulator and target explains.

A method that has learnt only how often a gene regulates, or is regulated, scores a pair by
``a_r + b_t`` or ``u_r v_t``. The best such approximation of a run's scores is judged in their
place: what is left of the average precision is what the genes' own levels give, without any pair.
"""

import logging
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.splits import Mask, Subset
from grn_exp.metrics.ranking import average_precision, macro_average_precision
from grn_exp.report.bias.run import ScoredRun

logger = logging.getLogger(__name__)

Values = NDArray[np.float64]

_EVALUATED: tuple[Subset, ...] = ("val", "test_seen", "test_unseen")
_SWEEPS = 2000
_TOLERANCE = 1e-7


def additive_fit(values: Values, mask: Mask) -> Values:
    """Fit ``values[r, t] ~ a_r + b_t`` to the pairs of a mask by least squares, exactly.

    The targets are eliminated from the normal equations, which leaves one equation for each
    regulator. a and b are not unique, the fitted values are.

    Parameters
    ----------
    values, mask
        Shape ``(n_regulators, n_targets)``; values outside the mask are not read.

    Returns
    -------
    ndarray
        Fitted values in the order of ``values[mask]``, shape ``(n_pairs,)``.
    """
    mean = values[mask].mean()
    observed = np.where(mask, values - mean, 0.0)
    weight = mask.astype(np.float64)
    n_of_target = np.maximum(weight.sum(axis=0), 1.0)
    equations = np.diag(weight.sum(axis=1)) - (weight / n_of_target) @ weight.T
    right_side = observed.sum(axis=1) - weight @ (observed.sum(axis=0) / n_of_target)
    of_regulator = np.linalg.lstsq(equations, right_side, rcond=None)[0]
    of_target = (observed.sum(axis=0) - of_regulator @ weight) / n_of_target
    return mean + (of_regulator[:, None] + of_target)[mask]


def rank_one_fit(values: Values, mask: Mask) -> Values:
    """Fit ``values[r, t] ~ u_r v_t`` to the pairs of a mask by alternating least squares.

    Not convex where pairs are missing: the better result of two starts, the leading singular
    vector with zeros for the missing pairs and the regulators' means. Adding a constant to all
    values changes the fit, so it is meant for scores whose zero means something, such as
    magnitudes and probabilities. Scores of 0 and 1 may have no finite best fit; the result after
    the last sweep is taken then, and a warning logged.

    Parameters
    ----------
    values, mask
        Shape ``(n_regulators, n_targets)``; values outside the mask are not read.

    Returns
    -------
    ndarray
        Fitted values in the order of ``values[mask]``, shape ``(n_pairs,)``.
    """
    observed = np.where(mask, values, 0.0)
    weight = mask.astype(np.float64)
    singular = np.linalg.svd(observed, full_matrices=False)[0][:, 0]
    means = observed.sum(axis=1) / np.maximum(weight.sum(axis=1), 1.0)
    fits = [_alternate(observed, weight, mask, start) for start in (singular, means)]
    return min(fits, key=lambda fitted: float(np.square(values[mask] - fitted).sum()))


def compare_runs(runs: Iterable[ScoredRun]) -> pd.DataFrame:
    """Set each run's average precision beside what degrees alone give (InfoSEM section 5.1).

    Parameters
    ----------
    runs
        Of each, every subset but ``train`` that has both classes is judged. ``map(read_run,
        folders)`` holds one run at a time, for the matrices may be large.

    Returns
    -------
    DataFrame
        The columns of :attr:`ScoredRun.name <grn_exp.report.bias.run.ScoredRun.name>`, then
        ``subset``, ``metric``, ``value``, ``n``, ``n_positive``, ``prevalence`` and ``k`` (the
        number of groups averaged over). The metrics:

        - ``ap``: of the scores, as in ``metrics.json``;
        - ``ap_additive_fit``, ``ap_rank_one_fit``: of the fits to the subset's scores;
        - ``ap_regulator_means``, ``ap_target_means``: of each pair scored by its regulator's
          (target's) mean score in the subset: the order between regulators, and nothing else;
        - ``ap_within_regulator``, ``ap_within_target``: mean of the average precision within each
          regulator (target) that has both classes, left out where there is none; the first is
          ``ap_per_regulator`` of ``metrics.json``;
        - ``ap_regulator_degree``, ``ap_target_degree``, ``ap_degree_fit``: the regulator means,
          target means and additive fit of the *labels*: what a method gets that knows the true
          degrees in the subset, and no pair. For AUROC the first two would be the most that one
          number for each regulator (target) can give; an average precision can be above them by
          a little.

        A fit's values closer than rounding error count as tied, so that degrees that tie still
        do in their fit. A fit has a number for each gene, so where genes have few pairs in the
        subset it follows the single pairs too; read the values beside those of ``model=random``
        on the same pairs, and ``ap_within_*`` as well, whose level without any knowledge is above
        the prevalence in small groups.
    """
    return pd.DataFrame(
        [
            {**run.name, "subset": subset, **row}
            for run in runs
            for subset in _EVALUATED
            if run.has_both_classes(subset)
            for row in _explained(run, subset)
        ]
    )


def _explained(run: ScoredRun, subset: Subset) -> list[dict[str, object]]:
    mask = run.split.mask(subset)
    block = np.ix_(mask.any(axis=1), mask.any(axis=0))
    mask, truth = mask[block], run.labels[block].astype(np.float64)
    values = run.scores[block].astype(np.float64)
    regulator, target = np.nonzero(mask)
    scores, labels = values[mask], truth[mask]
    ranked = {
        "ap": scores,
        "ap_additive_fit": _tied(additive_fit(values, mask), scores),
        "ap_rank_one_fit": _tied(rank_one_fit(values, mask), scores),
        "ap_regulator_means": _tied(_group_means(scores, regulator), scores),
        "ap_target_means": _tied(_group_means(scores, target), scores),
        "ap_regulator_degree": _tied(_group_means(labels, regulator), labels),
        "ap_target_degree": _tied(_group_means(labels, target), labels),
        "ap_degree_fit": _tied(additive_fit(truth, mask), labels),
    }
    found: dict[str, tuple[float, int | None]] = {
        name: (average_precision(each, labels), None) for name, each in ranked.items()
    }
    for name, groups in (("ap_within_regulator", regulator), ("ap_within_target", target)):
        shares = _group_means(labels, groups)
        if ((shares > 0) & (shares < 1)).any():
            macro = macro_average_precision(scores, labels, groups)
            found[name] = macro.value, macro.n_groups
    n, n_positive = labels.size, int(labels.sum())
    counts = {"n": n, "n_positive": n_positive, "prevalence": n_positive / n}
    return [
        {"metric": name, "value": value, **counts, "k": k} for name, (value, k) in found.items()
    ]


def _alternate(observed: Values, weight: Values, mask: Mask, start: Values) -> Values:
    left, fitted = start, np.zeros(int(mask.sum()))
    for _ in range(_SWEEPS):
        right = _ratio(left @ observed, np.square(left) @ weight)
        left = _ratio(observed @ right, weight @ np.square(right))
        before, fitted = fitted, np.outer(left, right)[mask]
        if np.linalg.norm(fitted - before) <= _TOLERANCE * np.linalg.norm(fitted):
            return fitted
    logger.warning("rank-one fit: not settled after %d sweeps, taken as it is", _SWEEPS)
    return fitted


def _ratio(above: Values, below: Values) -> Values:
    """Divide; a gene that nothing is known of counts with 0."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _group_means(values: Values, groups: NDArray[np.int64]) -> Values:
    """Return each pair's mean over its group, shape ``(n_pairs,)``."""
    sums = np.bincount(groups, weights=values)
    return (sums / np.maximum(np.bincount(groups), 1))[groups]


def _tied(fitted: Values, source: Values) -> Values:
    """Round to what float32 scores can tell apart, so that equal levels tie again."""
    scale = float(np.abs(source).max())
    grid = max(1e-6 * float(np.std(source)), float(np.finfo(np.float32).eps) * scale)
    return np.round(fitted / grid) if grid else np.zeros_like(fitted)
