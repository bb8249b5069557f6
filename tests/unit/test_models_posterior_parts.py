"""The parts of the posterior of sets: time order, rows, evidence, prior, sharing."""

import itertools
from collections import Counter

import numpy as np
import pytest

from grn_exp.models.sets.posterior.evidence import EffectPrior, HillEvidence
from grn_exp.models.sets.posterior.fitting import fit_path
from grn_exp.models.sets.posterior.hill_curve import sergio_curve
from grn_exp.models.sets.posterior.labelled_cells import LabelledCells
from grn_exp.models.sets.posterior.prior import (
    NewSets,
    Rates,
    SetPrior,
    fold_rates,
    regulator_propensity,
)
from grn_exp.models.sets.posterior.rows import Cells, Rows, StaticScales, path_rows, static_rows
from grn_exp.models.sets.posterior.search import likely_sets
from grn_exp.models.sets.posterior.sharing import shared_posterior
from grn_exp.models.sets.posterior.time_order import (
    Segment,
    cell_distances,
    cluster_cells,
    ordered_in_time,
    time_segments,
)

# -- time order ----------------------------------------------------------------------------------


def trajectory(n_cells=80, n_genes=600, step=0.1, seed=0):
    """Independent Ornstein-Uhlenbeck genes around 20, one cell every ``step``."""
    rng = np.random.default_rng(seed)
    a = np.exp(-step)
    noise = rng.normal(size=(n_cells, n_genes))
    x = np.empty_like(noise)
    x[0] = noise[0]
    for t in range(1, n_cells):
        x[t] = a * x[t - 1] + np.sqrt(1 - a * a) * noise[t]
    return 20 + 3 * x


def test_the_order_in_time_is_recovered_up_to_its_direction():
    x = trajectory()
    shuffle = np.random.default_rng(1).permutation(len(x))
    (segment,) = time_segments(cell_distances(x[shuffle]))
    found = shuffle[segment.cells]
    assert found.tolist() in (list(range(80)), list(range(80))[::-1])
    # a little long: the variance over a short trajectory is less than over an endless one
    assert 0.1 < np.diff(segment.times).mean() < 0.14
    back = segment.reversed()
    assert back.cells.tolist() == segment.cells[::-1].tolist()
    np.testing.assert_allclose(np.diff(back.times), np.diff(segment.times)[::-1])


def test_a_gap_in_time_divides_the_cells():
    x = np.concatenate([trajectory(seed=0), trajectory(seed=1)])
    segments = time_segments(cell_distances(x))
    assert sorted(len(each.cells) for each in segments) == [80, 80]


def test_cells_that_are_merely_alike_are_no_trajectory():
    types = np.zeros(80, dtype=np.int64)
    assert ordered_in_time(trajectory(), types)[1]
    rng = np.random.default_rng(0)
    independent = 20 + 3 * rng.normal(size=(80, 600))
    assert not ordered_in_time(independent, types)[1]
    # two types that were not told apart: cells of one are close, all equally
    centres = 20 + 3 * rng.normal(size=(2, 600))
    alike = centres[np.arange(80) % 2] + 0.8 * rng.normal(size=(80, 600))
    segments, found = ordered_in_time(alike, types)
    assert len(segments) > 0
    assert not found


def test_clear_types_are_found_and_one_type_stays_one():
    rng = np.random.default_rng(0)
    centres = rng.gamma(4, size=(3, 50))
    x = centres[np.repeat([0, 1, 2], 20)] + 0.1 * rng.random((60, 50))
    labels = cluster_cells(x)
    assert [len(np.unique(part)) for part in np.split(labels, 3)] == [1, 1, 1]
    assert len(np.unique(labels)) == 3
    assert (cluster_cells(np.tile(centres[:1], (9, 1))) == 0).all()


# -- rows and evidence ---------------------------------------------------------------------------


def test_a_step_is_the_exact_solution_of_the_equation():
    """Without noise and with a constant regulator, y = b f in every row."""
    times = np.array([0.0, 0.3, 0.5, 1.1])
    level, b = 2.0, 6.0
    regulator = np.full(4, level)
    h = 0.5  # at its own mean
    target = b * h + (9 - b * h) * np.exp(-times)
    raw = np.stack([regulator, target], axis=1)
    cells = Cells.of(raw, np.zeros(4, dtype=np.int64), sergio_curve(raw))
    rows = path_rows(cells, [Segment(np.arange(4), times)])
    np.testing.assert_allclose(rows.y[:, 1], b * rows.f[:, 0])
    np.testing.assert_allclose(rows.f[:, 0], h * rows.one)


def simulated_trajectory(n_cells=90, n_targets=300, step=0.1, n_fine=20):
    """Cells of one trajectory: 6 regulators, targets with sets of two of them, effects of 8."""
    rng = np.random.default_rng(3)
    n_regulators, dt = 6, step / n_fine
    sets = [tuple(sorted(rng.choice(n_regulators, 2, replace=False))) for _ in range(n_targets)]
    member = np.zeros((n_targets, n_regulators))
    for row, each in enumerate(sets):
        member[row, list(each)] = 8.0
    x = np.full(n_regulators + n_targets, 8.0)
    x[:n_regulators] = 6.0
    cells = []
    for moment in range((n_cells + 20) * n_fine):
        if moment % n_fine == 0:
            cells.append(x)
        c = x[:n_regulators]
        gain = np.concatenate([np.full(n_regulators, 6.0), member @ (c**2 / (36 + c**2))])
        noise = rng.normal(size=(2, len(x)))
        x = x + dt * (gain - x) + np.sqrt(dt) * (np.sqrt(gain) * noise[0] + np.sqrt(x) * noise[1])
        x = np.maximum(x, 0)
    return np.array(cells[20:]), sets, n_regulators


def test_direction_effects_and_noise_are_learnt_from_known_sets():
    raw, sets, n_regulators = simulated_trajectory()
    everyone = np.arange(raw.shape[1])
    n_train = 200
    data = LabelledCells(
        raw=raw,
        place=everyone,
        is_candidate=everyone < n_regulators,
        targets=everyone[n_regulators:][:n_train],
        sets=sets[:n_train],
        folds=np.arange(n_train) % 5,
    )
    cells = Cells.of(raw, np.zeros(len(raw), dtype=np.int64), sergio_curve(raw))
    (segment,) = time_segments(cell_distances(raw))
    fits = [fit_path(cells, data, [each]) for each in (segment, segment.reversed())]
    np.testing.assert_allclose(fits[0].rows.y, fits[1].rows.y)  # whichever way it was given
    forwards = segment if segment.cells[0] == 0 else segment.reversed()
    np.testing.assert_allclose(fits[0].rows.y, path_rows(cells, [forwards]).y)
    assert fits[0].effects.mean == pytest.approx(8, rel=0.15)
    assert fits[0].dispersion == pytest.approx(1, abs=0.2)
    every = np.array(list(itertools.combinations(range(n_regulators), 2)))
    gains = []  # of the true sets, in nats over an even guess
    for row in range(n_train, len(sets)):
        values = fits[0].of_sets(n_regulators + row, every)
        true = (every == sets[row]).all(axis=1)
        gains.append(float(values[true][0] - np.logaddexp.reduce(values) + np.log(len(every))))
    assert np.mean(gains) > 0.1  # 90 cells tell little of a target, but not nothing


def test_static_rows_split_the_cells_into_between_and_within():
    raw = np.random.default_rng(0).gamma(3, size=(10, 4))
    types = np.repeat([0, 1], 5)
    scales = StaticScales(n_between=4.0, n_within=10.0, damping=0.5)
    rows = static_rows(Cells.of(raw, types, sergio_curve(raw)), scales)
    np.testing.assert_allclose(rows.y[0], 2 * raw[:5].mean(axis=0))
    np.testing.assert_allclose(rows.y[2], np.sqrt(2) * (raw[0] - raw[:5].mean(axis=0)))
    np.testing.assert_allclose(rows.one, [2, 2] + [0] * 10)
    np.testing.assert_allclose(rows.f[2:7].sum(axis=0), 0, atol=1e-12)


def small_evidence(n_rows=12, n_genes=9, seed=0):
    rng = np.random.default_rng(seed)
    f = rng.random((n_rows, n_genes))
    rows = Rows(
        y=rng.normal(1, 1, size=(n_rows, n_genes)),
        f=f,
        one=0.5 + rng.random(n_rows),
        v=0.5 + rng.random((n_rows, n_genes)),
    )
    return HillEvidence(rows, EffectPrior(mean=0.8, sd=0.6), dispersion=1.3)


def integrated(evidence, target, members, step=0.02):
    """Average the likelihood over effects on a grid, and over signs."""
    rows, effects = evidence.rows, evidence.effects
    w = 1 / (rows.v[:, target] * evidence.dispersion)
    y = rows.y[:, target]
    axis = np.arange(effects.mean - 8 * effects.sd, effects.mean + 8 * effects.sd, step)
    grids = np.stack([g.ravel() for g in np.meshgrid(*[axis] * len(members))])
    weight = np.exp(-0.5 * ((grids - effects.mean) / effects.sd) ** 2)
    weight = (weight / (np.sqrt(2 * np.pi) * effects.sd) * step).prod(axis=0)
    total = []
    for signs in itertools.product((0, 1), repeat=len(members)):
        g = np.stack(
            [
                rows.one - rows.f[:, m] if s else rows.f[:, m]
                for m, s in zip(members, signs, strict=True)
            ]
        )
        residual = y[:, None] - np.einsum("rn,rk->nk", g, grids)
        gain = -0.5 * (w[:, None] * residual**2).sum(axis=0) + 0.5 * (w * y * y).sum()
        total.append((weight * np.exp(gain)).sum())
    return np.log(np.mean(total))


@pytest.mark.parametrize("size", [1, 2])
def test_the_evidence_is_the_integral_over_effects_and_signs(size):
    evidence = small_evidence()
    sets = np.array(list(itertools.combinations(range(1, 5), size)))
    slow = [integrated(evidence, 0, each) for each in sets]
    np.testing.assert_allclose(evidence.of_sets(0, sets), slow, rtol=1e-6)


@pytest.mark.parametrize("size", [1, 3, 4, 5])
def test_many_sets_at_once_agree_with_the_formula_pattern_by_pattern(size):
    evidence = small_evidence()
    effects = evidence.effects
    sets = np.array(list(itertools.combinations(range(1, 9), size)))
    rows, w = evidence.rows, 1 / (evidence.rows.v[:, 0] * evidence.dispersion)
    expected = []
    for each in sets:
        values = []
        for signs in itertools.product((0, 1), repeat=size):
            f = rows.f[:, each]
            g = np.where(np.array(signs) == 1, rows.one[:, None] - f, f)
            a = g.T @ (w[:, None] * g) + np.eye(size) / effects.sd**2
            c = g.T @ (w * rows.y[:, 0]) + effects.mean / effects.sd**2
            value = 0.5 * c @ np.linalg.solve(a, c) - 0.5 * np.linalg.slogdet(a)[1]
            values.append(value - size * effects.cost)
        expected.append(np.logaddexp.reduce(values) - size * np.log(2))
    np.testing.assert_allclose(evidence.of_sets(0, sets), expected, rtol=1e-9)


def test_a_large_set_takes_one_sign_for_each_member():
    evidence = small_evidence()
    everyone = np.array([[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]])
    one, other = evidence.of_sets(0, everyone)
    assert one == pytest.approx(other)
    pool = evidence.pool(0, np.arange(1, 7))
    signs = pool.marginal_signs(np.arange(6)[None])[0]
    chosen = np.arange(6) + 6 * signs.astype(int)
    gram, rhs = pool.signed()
    a = gram[np.ix_(chosen, chosen)] + np.eye(6) * evidence.effects.precision
    c = rhs[chosen] + evidence.effects.pull
    value = 0.5 * c @ np.linalg.solve(a, c) - 0.5 * np.linalg.slogdet(a)[1]
    assert one == pytest.approx(value - 6 * evidence.effects.cost)


def test_the_search_finds_the_best_set(monkeypatch):
    evidence = small_evidence(n_rows=30)
    pool = evidence.pool(0, np.arange(1, 9))
    found = likely_sets(pool, 3, np.zeros(8))
    assert len(found) == len(np.unique(found, axis=0)) == 56  # all there are
    every = np.array(list(itertools.combinations(range(8), 3)))
    monkeypatch.setattr("grn_exp.models.sets.posterior.search._WIDTH", 5)
    narrow = likely_sets(pool, 3, np.zeros(8))
    assert every[pool(every).argmax()].tolist() in narrow.tolist()


def test_single_regulators_are_lines_with_an_intercept():
    evidence = small_evidence()
    ratio = evidence.single_regulators()
    rows, w = evidence.rows, 1 / (evidence.rows.v[:, 2] * evidence.dispersion)

    def fit(design):
        root = np.sqrt(w)[:, None]
        solved = np.linalg.lstsq(design * root, rows.y[:, 2] * root[:, 0], rcond=None)[0]
        return 0.5 * (w * (rows.y[:, 2] - design @ solved) ** 2).sum()

    one = rows.one[:, None]
    expected = fit(one) - fit(np.concatenate([one, rows.f[:, [5]]], axis=1))
    assert ratio[2, 5] == pytest.approx(expected)
    assert ratio[2, 2] == -np.inf


# -- prior and sharing ---------------------------------------------------------------------------


def test_rates_count_sets_that_come_again():
    a, b, c = (0, 1), (0, 2), (1, 3)
    # fold 0: a is in fold 1, b is new; fold 1: a is in fold 0, c is new and comes twice
    rates = fold_rates([a, a, b, c, c], np.array([0, 1, 0, 1, 1]))
    assert rates.seen == pytest.approx(2.02 / 5.04)
    assert rates.shared == pytest.approx(2.5 / 4)


def test_the_prior_of_a_new_set_is_a_law_on_sets():
    distinct = [(0, 1), (0, 2), (1, 2, 3)]
    new_sets = NewSets(distinct, np.full(7, 1 / 7))
    for size in (1, 2, 3):
        every = np.array(list(itertools.combinations(range(7), size)))
        total = np.exp(new_sets.log_prob(every)).sum()
        assert 0.2 < total < 1
    frequency = np.exp(new_sets.log_frequency)
    assert frequency.sum() == pytest.approx(1)
    assert frequency[0] == pytest.approx(frequency[1])
    assert frequency[1] > frequency[3] > frequency[4] == pytest.approx(frequency[6])
    # 7 memberships, 1 gene in one set only: (1 + 1) / (7 + 2) of the mass is for new genes
    assert frequency[4:].sum() == pytest.approx(2 / 9)
    # a near variant of a known set is likelier than a set of the same genes' frequencies
    pair, other = new_sets.log_prob(np.array([[1, 3], [0, 3]]))
    assert pair > other


def test_a_set_that_was_seen_has_its_share():
    counts = {2: Counter({(0, 1): 3, (0, 2): 1})}
    prior = SetPrior(NewSets([(0, 1), (0, 2)], np.full(5, 0.2)), counts, {2: Rates(0.6, 0.5)})
    sets = np.array([[0, 1], [0, 2], [1, 2]])
    assert prior.seen_share(sets).tolist() == [0.75, 0.25, 0]
    base = prior.new_sets.log_prob(sets)
    flat = shared_posterior(np.zeros((1, 3)), prior.seen_share(sets), base, prior.rates_of(2), 0)
    masses = np.array([0.6 * 0.75, 0.6 * 0.25, 0.4 * np.exp(base[2])])
    np.testing.assert_allclose(flat[0], masses / masses.sum())
    assert prior.seen_share(np.array([[0, 1, 2]])).tolist() == [0]
    assert prior.rates_of(3).seen == pytest.approx(0)


def test_propensity_goes_to_the_regulators_of_many():
    single = np.zeros((6, 6))
    single[:, 1] = 5.0
    single[:, 4] = 9.0
    np.fill_diagonal(single, -np.inf)
    able = np.array([True, True, True, True, False, True])
    weight = regulator_propensity(single, able)
    assert weight.sum() == pytest.approx(1)
    assert weight[4] == 0
    assert weight.argmax() == 1


def test_targets_of_one_set_help_each_other():
    """Each target alone prefers another set; all of them have set 0 second."""
    evidence = np.array([[1.0, 1.5, -9, -9], [1.0, -9, 1.5, -9], [1.0, -9, -9, 1.5]])
    nothing, base = np.zeros(4), np.full(4, np.log(0.05))
    rates = Rates(seen=0.1, shared=0.8)
    alone = shared_posterior(evidence, nothing, base, rates, rounds=0)
    together = shared_posterior(evidence, nothing, base, rates)
    assert alone.argmax(axis=1).tolist() == [1, 2, 3]
    assert together.argmax(axis=1).tolist() == [0, 0, 0]
    np.testing.assert_allclose(together.sum(axis=1), 1)
    one = shared_posterior(evidence[:1], nothing, base, rates)
    assert one.argmax() == 1  # a target does not help itself
