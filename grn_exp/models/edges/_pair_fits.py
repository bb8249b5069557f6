"""Two fits of training labels to features of pairs, both in closed form."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from grn_exp.models.edges._pair_design import Floats, PairDesign

# more targets than these are reached through as many of them
_LANDMARKS = 1000
_TARGET_PENALTY = 10.0
_REGULATOR_PENALTY = 1.0
# the weaker of a ridge's features get the larger penalty; 1 where a group is not named
_PENALTIES = {"expression": 0.3, "letters x letters": 0.5, "likeness of letters": 0.5}
_WIDTHS = {"letters": 0.4, "vectors": 0.4}


@dataclasses.dataclass(frozen=True)
class KnownLabels:
    """Training labels of the regulators that have both kinds, centred within each.

    Attributes
    ----------
    regulators
        Rows of these regulators, shape ``(n,)``.
    known
        Which of their pairs have a label, ``(n, n_genes)``.
    shares
        Their shares of edges, ``(n, 1)``.
    centred
        Label minus share, 0 where it is not known, ``(n, n_genes)``.
    """

    regulators: NDArray[np.int64]
    known: NDArray[np.bool_]
    shares: Floats
    centred: Floats

    @classmethod
    def of(cls, labels: NDArray[np.int8]) -> "KnownLabels":
        """Take the labels of a view, below 0 where they are not known."""
        rows = np.flatnonzero((labels == 1).any(axis=1) & (labels == 0).any(axis=1))
        known = labels[rows] >= 0
        n_edges = (labels[rows] == 1).sum(axis=1, keepdims=True)
        shares = n_edges / np.maximum(known.sum(axis=1, keepdims=True), 1)
        return cls(rows, known, shares, np.where(known, labels[rows] - shares, 0.0))


def ridge(pairs: PairDesign, labels: KnownLabels, penalties: Sequence[float]) -> Floats:
    """Regress labels on features, both centred within each regulator.

    Labels are divided by their variance, which makes a coefficient a difference of log-odds to
    first order, whatever the regulator's share of edges. A regulator counts with the square root
    of the information in its labels, the number of its pairs times share times (1 - share): in
    between one vote each and one vote a pair.

    Parameters
    ----------
    pairs, labels
        What is regressed.
    penalties
        Relative to the mean square of a feature; each is multiplied by the group's own.

    Returns
    -------
    ndarray
        Coefficients, shape ``(n_features, n_penalties)``.
    """
    widths = pairs.groups
    own = np.concatenate([np.full(width, _PENALTIES.get(name, 1.0)) for name, width in widths])
    gram, moment, total = np.zeros((len(own), len(own))), np.zeros(len(own)), 0.0
    for place, row in enumerate(labels.regulators):
        columns = np.flatnonzero(labels.known[place])
        features = pairs.of(row, columns)
        features -= features.mean(axis=0)
        share = float(labels.shares[place, 0])
        information = len(columns) * share * (1 - share)
        weight = information**-0.5
        gram += (weight * share * (1 - share)) * (features.T @ features)
        moment += weight * (features.T @ labels.centred[place, columns])
        total += weight * information
    solved = [np.linalg.solve(gram / total + np.diag(p * own), moment / total) for p in penalties]
    return np.stack(solved, axis=1).astype(np.float64)


def two_steps(pairs: PairDesign, labels: KnownLabels) -> Floats:
    """Two-step kernel ridge regression: over targets for each regulator, then over regulators.

    What all regulators have in common passes as it is; the rest is smoothed over regulators by
    their likeness. A label that is not known counts as the regulator's share.

    Returns
    -------
    ndarray
        Shape ``(n_regulators, n_genes)``.
    """
    columns = np.flatnonzero(labels.known.any(axis=0))
    n_marks = min(_LANDMARKS, len(columns))
    marks = columns[np.linspace(0, len(columns) - 1, n_marks).round().astype(np.int64)]
    kernel = _gaussian(pairs, marks)
    shares = labels.shares
    answers = (labels.centred / (shares * (1 - shares)) ** 0.25)[:, columns].T
    if n_marks == len(columns):
        system, right = kernel[columns] + _TARGET_PENALTY * np.eye(n_marks), answers
    else:  # a subset of regressors; with all of them it is the same
        seen = kernel[columns]
        system = seen.T @ seen + _TARGET_PENALTY * kernel[marks] + 1e-6 * np.eye(n_marks)
        right = seen.T @ answers
    fitted = (kernel @ np.linalg.solve(system, right)).T
    common = fitted.mean(axis=0)
    alike = pairs.likeness[:, labels.regulators]
    system = alike[labels.regulators] + _REGULATOR_PENALTY * np.eye(len(labels.regulators))
    return common + alike @ np.linalg.solve(system, fitted - common)


def _gaussian(pairs: PairDesign, marks: NDArray[np.int64]) -> Floats:
    """Return a Gaussian kernel of all genes and some, as wide as the median squared distance."""
    parts = [table * _WIDTHS.get(name, 1.0) for name, table in pairs.of_targets.items()]
    features = np.concatenate(parts, axis=1)
    length = np.square(features).sum(axis=1)
    squares = length[:, None] + length[marks] - 2 * features @ features[marks].T
    return np.exp(-np.maximum(squares, 0.0) / max(float(np.median(squares)), 1e-12))
