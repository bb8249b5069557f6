"""The response curve of the posterior of sets, fitted to training sets, and hidden activities."""

import dataclasses

import numpy as np
import pytest

from grn_exp.core.errors import InputError
from grn_exp.models.sets.posterior import activity, curve_fitting
from grn_exp.models.sets.posterior.activity import Activities, KnownEffects
from grn_exp.models.sets.posterior.curve_fitting import fitted_curve
from grn_exp.models.sets.posterior.evidence import HillEvidence
from grn_exp.models.sets.posterior.hill_curve import HillCurve, sergio_curve
from grn_exp.models.sets.posterior.labelled_cells import LabelledCells
from grn_exp.models.sets.posterior.rows import Cells, StaticScales, static_rows
from grn_exp.models.sets.posterior.training_evidence import TrainingEvidence
from tests.messages import naming

N_REGULATORS, N_TARGETS, N_TYPES, N_CELLS = 10, 80, 8, 30


def simulated(factor, exponent, *, own=None, seed=0):
    """Targets of sets of two under a known curve, ``H = factor * own * mean``; cells and types."""
    rng = np.random.default_rng(seed)
    types = np.repeat(np.arange(N_TYPES), N_CELLS)
    level = rng.lognormal(1, 0.8, size=(N_TYPES, N_REGULATORS))
    x = level[types] * rng.lognormal(0, 0.2, size=(len(types), N_REGULATORS))
    half = factor * x.mean(axis=0) * (np.ones(N_REGULATORS) if own is None else own)
    h = 1 / (1 + (half / x) ** exponent)
    means = np.stack([h[types == each].mean(axis=0) for each in range(N_TYPES)])[types]
    h = means + 0.5 * (h - means)
    sets = [tuple(sorted(rng.choice(N_REGULATORS, 2, replace=False))) for _ in range(N_TARGETS)]
    y = np.empty((len(types), N_TARGETS))
    for column, members in enumerate(sets):
        represses = rng.random(2) < 0.5
        b = rng.uniform(3, 8, size=2)
        drive = (np.where(represses, 1 - h[:, members], h[:, members]) * b).sum(axis=1)
        y[:, column] = drive + 0.2 * np.sqrt(drive) * rng.normal(size=len(types))
    raw = np.maximum(np.concatenate([x, y], axis=1), 0)
    everyone = np.arange(raw.shape[1])
    data = LabelledCells(
        raw=raw,
        place=everyone,
        is_candidate=everyone < N_REGULATORS,
        targets=everyone[N_REGULATORS:],
        sets=[tuple(int(m) for m in each) for each in sets],
        folds=np.arange(N_TARGETS) % 5,
    )
    return data, types


def half_over_mean(curve, data):
    half = curve.half_power ** (1 / curve.exponent)
    return half[:N_REGULATORS] / data.raw.mean(axis=0)[:N_REGULATORS]


@pytest.mark.parametrize(("factor", "exponent"), [(0.4, 2.0), (2.0, 1.0), (1.0, 3.5)])
def test_a_known_curve_is_found_again(factor, exponent):
    data, types = simulated(factor, exponent)
    curve = fitted_curve(data, types)
    assert curve.exponent == pytest.approx(exponent, rel=0.2)
    assert np.median(half_over_mean(curve, data)) == pytest.approx(factor, rel=0.2)
    assert curve.facts["bounds_reached"] == []


def test_regulators_with_a_half_response_of_their_own_get_it():
    own = np.where(np.arange(N_REGULATORS) % 2, 2.0, 0.5)
    data, types = simulated(1.0, 2.0, own=own)
    curve = fitted_curve(data, types)
    assert curve.facts["half_response_spread"] > 0
    found = np.log2(half_over_mean(curve, data))
    assert np.corrcoef(found, np.log2(own))[0, 1] > 0.6  # shrunk to the shared value


def test_a_regulator_of_no_training_set_takes_the_shared_values():
    data, types = simulated(0.5, 2.0, own=np.where(np.arange(N_REGULATORS) % 2, 2.0, 0.5))
    rows = [row for row, each in enumerate(data.sets) if 3 not in each]
    fewer = dataclasses.replace(
        data, targets=data.targets[rows], sets=[data.sets[row] for row in rows]
    )
    curve = fitted_curve(fewer, types)
    assert half_over_mean(curve, data)[3] == pytest.approx(curve.facts["half_response_over_mean"])


def test_a_bound_that_was_reached_is_reported(caplog):
    data, types = simulated(1.0, 15.0)
    with caplog.at_level("WARNING"):
        curve = fitted_curve(data, types)
    assert curve.exponent == pytest.approx(curve_fitting.EXPONENTS[1])
    assert curve.facts["bounds_reached"] == ["exponent 6"]
    assert "exponent 6" in caplog.text


def test_training_sets_too_large_to_fit_a_curve_are_refused():
    data, types = simulated(1.0, 2.0)
    large = dataclasses.replace(data, sets=[tuple(range(7))] * N_TARGETS)
    with pytest.raises(InputError, match=naming("model.response=fitted", "model.response=sergio")):
        fitted_curve(large, types)


def test_sums_over_all_training_sets_are_the_evidence_of_each():
    data, types = simulated(0.7, 2.5)
    total, effects = TrainingEvidence.of(data, types).total(np.log2(0.7), 2.5)
    curve = HillCurve((0.7 * data.raw.mean(axis=0)) ** 2.5, 2.5)
    rows = static_rows(Cells.of(data.raw, types, curve), StaticScales())
    evidence = HillEvidence(rows, effects, dispersion=1.0)
    each = [
        float(evidence.of_sets(int(target), np.array([members]))[0])
        for target, members in zip(data.targets, data.sets, strict=True)
    ]
    assert total == pytest.approx(sum(each), rel=1e-9)


def test_sergios_curve_is_one_half_at_the_mean():
    data, _ = simulated(1.0, 2.0)
    mean = data.raw.mean(axis=0, keepdims=True)
    np.testing.assert_allclose(sergio_curve(data.raw).of(mean), 0.5)
    np.testing.assert_allclose(sergio_curve(data.raw).of(2 * mean), 0.8)


# -- hidden activities ---------------------------------------------------------------------------


def driven(seed=0):
    """Targets that follow hidden F, which regulators show with noise; F, cells, types, effects."""
    rng = np.random.default_rng(seed)
    n_regulators, n_targets = 4, 40
    types = np.repeat([0, 1], 100)
    hidden = rng.normal(size=(200, n_regulators)) * 0.2
    response = 0.5 + hidden + 0.2 * rng.normal(size=hidden.shape)
    effects = np.where(rng.random((n_targets, n_regulators)) < 0.5, rng.normal(0, 4, (40, 4)), 0)
    y = 20 + hidden @ effects.T + rng.normal(size=(200, n_targets)) * np.sqrt(20) * 0.3
    raw = np.concatenate([np.ones((200, n_regulators)), y], axis=1)
    both = np.concatenate([response, np.zeros_like(y)], axis=1)
    everyone = np.arange(n_regulators + n_targets)
    known = KnownEffects(everyone[n_regulators:], everyone[:n_regulators], effects)
    return hidden, raw, both, types, known


def test_activities_are_nearer_to_what_drives_targets_than_responses_are():
    hidden, raw, response, types, known = driven()
    found = Activities.of(raw, response, types, known)
    for regulator in range(4):
        own = np.corrcoef(response[:, regulator], hidden[:, regulator])[0, 1]
        better = np.corrcoef(found.values[:, regulator], hidden[:, regulator])[0, 1]
        assert better > own + 0.1
    assert found.following == pytest.approx(0.5, abs=0.1)


def test_without_its_own_part_an_activity_is_as_if_the_target_were_unknown(monkeypatch):
    monkeypatch.setattr(activity, "_following", lambda *_: (0.5, 0.3))
    _, raw, response, types, known = driven()
    found = Activities.of(raw, response, types, known)
    target = int(known.targets[7])
    rest = np.delete(np.arange(len(known.targets)), 7)
    fewer = dataclasses.replace(known, targets=known.targets[rest], effects=known.effects[rest])
    genes = np.array([2, 0, 9])
    without = found.values[:, genes] - found.own(target, genes)
    expected = Activities.of(raw, response, types, fewer).values[:, genes]
    np.testing.assert_allclose(without, expected, atol=1e-9)
    assert found.own(0, genes) is None  # no training target
