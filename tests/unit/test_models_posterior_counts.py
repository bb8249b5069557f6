"""Counts before the posterior of sets: their law, cells by their counts, regulators by targets."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from grn_exp.models.sets.posterior.count_cells import CountCells, count_types
from grn_exp.models.sets.posterior.count_fitting import fit_to_targets
from grn_exp.models.sets.posterior.count_rows import CountRows, followed_in_time
from grn_exp.models.sets.posterior.counts import CountLaw, CountTable, counts_of, fit_law
from grn_exp.models.sets.posterior.evidence import EffectPrior
from grn_exp.models.sets.posterior.labelled_cells import LabelledCells
from grn_exp.models.sets.posterior.rows import Rows
from grn_exp.simulate.technical_noise import TechnicalNoise


def per_ten_thousand(counts):
    return np.expm1(np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4).astype(np.float32))


def test_counts_are_found_again():
    counts = np.random.default_rng(0).poisson(0.8, (60, 40)).astype(float)
    counts[:, 0], counts[0] = 1, np.where(counts[0] == 1, 0, counts[0])
    counts[0, :2] = 2, 3  # the least count of this cell is 2
    np.testing.assert_array_equal(counts_of(counts), counts)
    np.testing.assert_array_equal(counts_of(per_ten_thousand(counts)), counts)


def test_concentrations_are_no_counts():
    values = np.random.default_rng(1).gamma(2.0, 1.0, (60, 40))
    values[::3, ::2] = 0
    assert counts_of(values) is None
    one_cell_off = np.random.default_rng(2).poisson(1.0, (60, 40)).astype(float)
    one_cell_off[50] *= values[50]
    assert counts_of(one_cell_off) is None


# -- the law -------------------------------------------------------------------------------------


def test_the_table_is_a_law_of_counts():
    table = CountTable(CountLaw(scale=1.0, midpoint=0.5, steepness=4.0))
    low = table.of_libraries(np.array([1.0]))[0]
    moderate = table.mean < 20  # a count of 201 has no chance
    np.testing.assert_allclose(
        np.exp(table.log_likelihood[low]).sum(axis=1)[moderate], 1, atol=1e-6
    )
    assert (np.diff(table.expected[low]) > 0).all()
    assert ((table.reliability > 0) & (table.reliability < 1)).all()
    # more molecules of a cell tell more of it
    assert (np.diff(table.reliability[:low, 40]) > 0).all()


def test_without_losses_the_expected_count_is_the_rate():
    table = CountTable(CountLaw(scale=1.0, midpoint=-50.0, steepness=5.0))
    one = table.of_libraries(np.array([1.0]))[0]
    near_one = slice(*np.searchsorted(table.mean, [1.0, 10.0]))
    expected = table.library[one] * table.mean[near_one]
    np.testing.assert_allclose(table.expected[one, near_one], expected, rtol=0.01)


@pytest.fixture(scope="module")
def noisy():
    """Cells of three types whose concentrations fluctuate, and their counts."""
    rng = np.random.default_rng(3)
    types = np.repeat(np.arange(3), 150)
    means = rng.gamma(2.0, 2.5, 300) * rng.lognormal(0, 0.5, (3, 300)) + 0.3
    raw = rng.gamma(means[types], 1.0)
    noise = TechnicalNoise(library_mean=np.log(500), outlier_prob=0.0)
    scaled = noise.scale_library_size(raw, rng)
    counts = rng.poisson(noise.drop_out(scaled, rng)).astype(float)
    midpoint = np.percentile(np.log1p(scaled), noise.dropout_percentile)
    return counts, types, means, scaled.sum(axis=1) / raw.sum(axis=1), midpoint


def test_the_law_and_libraries_are_recovered(noisy):
    counts, types, _, libraries, midpoint = noisy
    law, found = fit_law(counts, types)
    assert law.midpoint == pytest.approx(midpoint, abs=0.3)
    assert law.steepness == pytest.approx(6.5, rel=0.35)
    assert law.scale == pytest.approx(np.exp(np.log(libraries).mean()), rel=0.4)
    assert np.corrcoef(np.log(found), np.log(libraries))[0, 1] > 0.9


def test_means_are_nearer_to_the_truth_than_those_of_normalised_counts(noisy):
    counts, types, means, _, _ = noisy
    cells = CountCells.of(counts)
    assert len(np.unique(cells.types)) == 3
    # which of the found types is which
    place = [int(np.bincount(cells.types[types == number]).argmax()) for number in range(3)]
    assert sorted(place) == [0, 1, 2]
    raw = per_ten_thousand(counts)
    plain = np.stack([raw[types == number].mean(axis=0) for number in range(3)])

    def error(estimate):
        """Of the differences between types on the scale of ratios, gene by gene."""
        ratio, true = np.log(estimate + 1e-3), np.log(means)
        return np.median(np.abs((ratio - ratio.mean(axis=0)) - (true - true.mean(axis=0))))

    assert error(cells.means[place]) < 0.6 * error(plain)


def test_types_do_not_depend_on_the_order_of_cells_and_one_type_stays_one(noisy):
    counts, types, *_ = noisy
    found = count_types(counts)
    order = np.random.default_rng(4).permutation(len(counts))
    again = count_types(counts[order])
    same = (found[order][:, None] == found[order]) == (again[:, None] == again)
    assert same.mean() > 0.99
    agree = (found[:, None] == found) == (types[:, None] == types)
    assert agree.mean() > 0.97
    assert count_types(counts[types == 0]).max() == 0


# -- rows and responses --------------------------------------------------------------------------


def test_what_follows_a_response_solves_its_equation():
    times = np.array([0.0, 0.3, 0.35, 1.4, 2.0])
    response = np.array([[0.2, 0.5], [0.9, 0.5], [0.4, 0.5], [0.1, 0.5], [0.7, 0.5]])
    found = followed_in_time(response, times)
    np.testing.assert_allclose(found[:, 1], 0.5)
    exact = solve_ivp(
        lambda t, z: np.interp(t, times, response[:, 0]) - z,
        (0, 2),
        [response[:, 0].mean()],
        t_eval=times,
        max_step=0.01,
        rtol=1e-8,
    )
    np.testing.assert_allclose(found[:, 0], exact.y[0], atol=1e-5)


def test_known_targets_tell_what_their_regulators_do():
    rng = np.random.default_rng(6)
    n_rows, regulators = 60, np.arange(3)
    sets = [tuple(sorted(rng.choice(3, 2, replace=False).tolist())) for _ in range(24)]
    targets = np.arange(3, 27)
    true = np.abs(rng.normal(0.5, 0.25, (n_rows, 27)))
    effect = np.zeros((27, 27))
    for target, members in zip(targets, sets, strict=True):
        effect[list(members), target] = rng.normal(4, 0.8, 2)
    sign = np.where(rng.random((27, 27)) < 0.4, -1, 1)
    y = true @ (sign * effect) + ((sign < 0) * effect).sum(axis=0)
    y = y + rng.normal(0, 0.5, y.shape)
    own = true + rng.normal(0, 0.25, true.shape)
    part = CountRows(
        Rows(y=y, f=own, one=np.ones(n_rows), v=np.full(y.shape, 0.25)),
        np.full(y.shape, 0.25**2),
    )
    data = LabelledCells(
        raw=y,
        place=np.arange(27),
        is_candidate=np.ones(27, dtype=np.bool_),
        targets=targets,
        sets=sets,
        folds=np.arange(24) % 3,
    )
    fitted = fit_to_targets(part, data, EffectPrior(3.0, 3.0))

    def error(f):
        return np.sqrt(((f - true)[:, regulators] ** 2).mean())

    assert error(fitted.rows.f) < 0.5 * error(own)
    np.testing.assert_array_equal(fitted.rows.f[:, 3:], own[:, 3:])
    assert fitted.effects.mean == pytest.approx(4, rel=0.15)
