"""Fit the response curve to the expression of the training targets, given their sets."""

import logging

import numpy as np

from grn_exp.core.errors import InputError
from grn_exp.models.sets.posterior.hill_curve import HillCurve
from grn_exp.models.sets.posterior.labelled_cells import Floats, Integers, LabelledCells
from grn_exp.models.sets.posterior.training_evidence import MAX_MEMBERS, TrainingEvidence

log = logging.getLogger(__name__)

# what is searched: H over the regulator's mean, and the exponent
FACTORS = (1 / 8, 8.0)
EXPONENTS = (0.5, 6.0)
_N_COARSE = (5, 4)
_STEPS = (0.6, 0.3, 0.1)  # of both, on a scale of log 2
# a regulator's own deviation from the common log2 (H / mean), and how wide these may be
_DEVIATIONS = np.linspace(-1.5, 1.5, 7)
_SPREADS = (0.0, 0.25, 0.5, 1.0)


def fitted_curve(data: LabelledCells, types: Integers) -> HillCurve:
    """Fit the curve to the training targets' expression, given their sets.

    ``log2 H_r = log2(mean of x_r) + a + d_r`` with ``d_r ~ N(0, s^2)``. The exponent n and a are
    those under which the training targets are likeliest: a flat prior on ``FACTORS`` and
    ``EXPONENTS``, the effects' law fitted anew for each pair. s is chosen in the same way with
    each d_r summed over, and d_r is its posterior mean; regulators of no training set have 0.

    Parameters
    ----------
    data
        Cells and training sets.
    types
        Type of each cell, shape ``(n_cells,)``.

    Raises
    ------
    InputError
        If no training set is small enough to be looked at under all signs.
    """
    if not any(len(each) <= MAX_MEMBERS for each in data.sets):
        raise InputError(
            f"model.response=fitted: no training set has {MAX_MEMBERS} regulators or fewer, from "
            "which the curve is fitted; choose model.response=sergio"
        )
    evidence = TrainingEvidence.of(data, types)
    factor, exponent = _search(evidence)
    spread, deviations = _deviations(evidence, factor, exponent)
    half = data.raw.mean(axis=0) * 2.0**factor
    half[evidence.regulators] *= 2.0**deviations
    bounds = _bounds_reached(factor, exponent)
    for bound in bounds:
        log.warning("the response curve's %s: a bound of what is searched", bound)
    return HillCurve(
        np.maximum(half, 1e-12 * max(float(half.max()), 1e-12)) ** exponent,
        exponent,
        {
            "half_response_over_mean": 2.0**factor,
            "exponent": exponent,
            "half_response_spread": spread,
            "bounds_reached": bounds,
        },
    )


def _search(evidence: TrainingEvidence) -> tuple[float, float]:
    """Return the best log2 factor and exponent: a coarse grid, then ever smaller steps."""
    low = np.log2([FACTORS[0], EXPONENTS[0]])
    high = np.log2([FACTORS[1], EXPONENTS[1]])
    known: dict[tuple[float, float], float] = {}

    def value(point: tuple[float, float]) -> float:
        if point not in known:
            known[point] = evidence.total(point[0], 2.0 ** point[1])[0]
        return known[point]

    axes = [np.linspace(a, b, n) for a, b, n in zip(low, high, _N_COARSE, strict=True)]
    best = max(((float(a), float(b)) for a in axes[0] for b in axes[1]), key=value)
    for step in _STEPS:
        moved = True
        while moved:
            around = [
                tuple(np.clip(np.add(best, (i * step, j * step)), low, high).tolist())
                for i, j in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
            ]
            chosen = max(around, key=value)
            moved = chosen != best
            best = chosen
    return best[0], float(2.0 ** best[1])


def _deviations(
    evidence: TrainingEvidence, factor: float, exponent: float
) -> tuple[float, Floats]:
    """Return the deviations' spread, and each regulator's posterior mean of its own."""
    gain = evidence.by_deviation(factor, exponent, _DEVIATIONS)  # (n_regulators, n_deviations)
    best_value, best = -np.inf, (0.0, np.zeros(len(gain)))
    for spread in _SPREADS:
        prior = -0.5 * (_DEVIATIONS / max(spread, 1e-3)) ** 2  # a spread of 0: all at 0
        prior = prior - np.logaddexp.reduce(prior)
        joint = gain + prior
        total = np.logaddexp.reduce(joint, axis=1, keepdims=True)
        if total.sum() > best_value:
            best_value = float(total.sum())
            best = spread, np.exp(joint - total) @ _DEVIATIONS
    return best


def _bounds_reached(factor: float, exponent: float) -> list[str]:
    found: list[str] = []
    for name, value, bounds in (
        ("half response over mean", 2.0**factor, FACTORS),
        ("exponent", exponent, EXPONENTS),
    ):
        found += [f"{name} {bound:g}" for bound in bounds if np.isclose(value, bound)]
    return found
