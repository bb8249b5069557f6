import numpy as np
import pytest

from grn_exp.core.errors import InputError
from grn_exp.simulate.technical_noise import TechnicalNoise
from tests.messages import naming


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def concentrations(n_cells=200, n_genes=150):
    return np.random.default_rng(1).gamma(2.0, 3.0, size=(n_cells, n_genes)).astype(np.float32)


def test_outlier_gene_is_one_factor_for_all_cells(rng):
    expression = concentrations(n_cells=4, n_genes=20_000)
    noise = TechnicalNoise(outlier_prob=0.1, outlier_mean=0.8, outlier_scale=0.5)
    noisy = noise.add_outlier_genes(expression, rng)
    factor = noisy / expression
    np.testing.assert_allclose(factor, np.broadcast_to(factor[0], factor.shape), rtol=1e-9)
    is_outlier = factor[0] != 1
    assert is_outlier.mean() == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 20_000))
    log_factor = np.log(factor[0, is_outlier])
    assert log_factor.mean() == pytest.approx(0.8, abs=4 * 0.5 / np.sqrt(len(log_factor)))
    assert log_factor.std() == pytest.approx(0.5, rel=0.1)


def test_no_outliers_without_probability(rng):
    expression = concentrations()
    noisy = TechnicalNoise(outlier_prob=0.0).add_outlier_genes(expression, rng)
    np.testing.assert_array_equal(noisy, expression)
    assert noisy is not expression


def test_library_sizes_are_log_normal_and_proportions_stay(rng):
    expression = concentrations(n_cells=5000, n_genes=5)
    scaled = TechnicalNoise(library_mean=4.6, library_scale=0.4).scale_library_size(
        expression, rng
    )
    log_total = np.log(scaled.sum(axis=1))
    assert log_total.mean() == pytest.approx(4.6, abs=4 * 0.4 / np.sqrt(5000))
    assert log_total.std() == pytest.approx(0.4, rel=0.05)
    before = expression / expression.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(scaled / scaled.sum(axis=1, keepdims=True), before, rtol=1e-5)


def test_cell_without_expression_stays_empty(rng):
    expression = concentrations(n_cells=3)
    expression[1] = 0
    scaled = TechnicalNoise(library_mean=4.6, library_scale=0.4).scale_library_size(
        expression, rng
    )
    assert (scaled[1] == 0).all()
    assert np.isfinite(scaled).all()


def test_dropout_keeps_values_by_the_logistic_curve(rng):
    # Half of the matrix is 1, half is e^2 * 2 - 1, so the median of log(x + 1) is log 2 + 1 and
    # the two values are one below and one above it.
    low, high = 1.0, 2.0 * np.exp(2.0) - 1
    expression = np.tile([low, high], (20_000, 1))
    noise = TechnicalNoise(dropout_shape=1.5, dropout_percentile=50.0)
    noisy = noise.drop_out(expression, rng)
    expected = 1 / (1 + np.exp([1.5, -1.5]))
    np.testing.assert_allclose((noisy > 0).mean(axis=0), expected, atol=4 * 0.5 / np.sqrt(20_000))
    assert set(np.unique(noisy)) == {0.0, low, high}


def test_higher_percentile_drops_more(rng):
    expression = concentrations()
    zeros = [
        (TechnicalNoise(dropout_percentile=p).drop_out(expression, rng) == 0).mean()
        for p in (20, 50, 80)
    ]
    assert zeros[0] < zeros[1] < zeros[2]
    assert zeros[1] == pytest.approx(0.5, abs=0.05)


def test_steep_dropout_does_not_overflow(rng):
    expression = np.array([[0.0, 1.0, 1e12]])
    noise = TechnicalNoise(dropout_shape=1e6, dropout_percentile=50.0)
    noisy = noise.drop_out(expression, rng)
    assert noisy[0, 0] == 0
    assert noisy[0, 2] == 1e12


def test_counts_are_poisson(rng):
    expression = np.tile([0.0, 0.5, 30.0], (20_000, 1))
    # no outliers, the cells' own totals, and a step at the lowest value, which is 0: all stays
    noise = TechnicalNoise(
        outlier_prob=0.0,
        library_mean=np.log(30.5),
        library_scale=0.0,
        dropout_shape=1e6,
        dropout_percentile=0.0,
    )
    counts = noise.apply(expression, rng)
    assert counts.dtype == np.int64
    assert (counts[:, 0] == 0).all()
    np.testing.assert_allclose(counts.mean(axis=0), expression[0], rtol=0.05)
    np.testing.assert_allclose(counts.var(axis=0), expression[0], rtol=0.05)


def test_all_four_steps_in_order():
    noise = TechnicalNoise(outlier_prob=0.1, library_mean=6.0, dropout_percentile=60.0)
    expression = concentrations()
    unchanged = expression.copy()
    counts = noise.apply(expression, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    expected = noise.add_outlier_genes(expression.astype(np.float64), rng)
    expected = noise.drop_out(noise.scale_library_size(expected, rng), rng)
    np.testing.assert_array_equal(counts, rng.poisson(expected))
    np.testing.assert_array_equal(expression, unchanged)
    assert counts.shape == expression.shape


def test_seed_decides_the_counts():
    first, again, other = (
        TechnicalNoise().apply(concentrations(), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_value_too_large_to_count(rng):
    with pytest.raises(InputError, match=naming("1e+30")):
        TechnicalNoise(library_mean=np.log(1e30), library_scale=0.0).apply(np.ones((1, 1)), rng)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("outlier_prob", 1.5),
        ("outlier_mean", np.nan),
        ("outlier_scale", -1.0),
        ("library_mean", np.inf),
        ("library_scale", -0.1),
        ("dropout_shape", -2.0),
        ("dropout_percentile", 101.0),
    ],
)
def test_parameter_out_of_range(name, value):
    with pytest.raises(InputError, match=naming(f"{name}={value}")):
        TechnicalNoise(**{name: value})
