"""Two networks beside each other, and what several agree on."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from grn_exp.core.errors import InputError
from grn_exp.network import compare
from grn_exp.network.runs import one_run
from tests.messages import naming
from tests.networks import N_FITS, N_TOP, leave_network


@pytest.fixture
def leave(tmp_path):
    def write(model, data="pbmc", **options):
        return one_run(leave_network(tmp_path / "e" / data / model / "k", **options))

    return write


def by_pair(table):
    return table.set_index(["source", "target"])


def test_a_difference_is_measured_by_the_spread_of_half_sample_fits(leave):
    rng = np.random.default_rng(0)
    means, spreads = rng.random((2, 3, 12)), rng.uniform(0.01, 0.1, (2, 3, 12))
    a, b = (
        leave(name, rank_mean=mean, rank_sd=sd)
        for name, mean, sd in zip("ab", means, spreads, strict=True)
    )
    table = compare.differences(a, b)
    assert len(table) == 3 * 12 - 3
    assert table["p"].is_monotonic_increasing
    found = by_pair(table).loc[("G1", "G5")]
    mean_a, mean_b = means[:, 1, 5].astype(np.float32)
    sd_a, sd_b = spreads[:, 1, 5].astype(np.float32)
    z = (mean_b - mean_a) / np.hypot(sd_a, sd_b)
    assert found["difference"] == pytest.approx(mean_b - mean_a, abs=1e-6)
    assert found["z"] == pytest.approx(z, rel=1e-4)
    # the two halves of a division are one observation of the spread: as a t test of so many
    n = N_FITS // 2 + 1
    expected = stats.ttest_ind_from_stats(
        *(mean_b, sd_b * n**0.5, n, mean_a, sd_a * n**0.5, n), equal_var=False
    )
    assert found["p"] == pytest.approx(expected.pvalue, rel=1e-4)
    np.testing.assert_allclose(table["q"], stats.false_discovery_control(table["p"]))


def test_a_fit_that_never_varies_is_certain(leave):
    mean = np.tile(np.linspace(0, 1, 12), (3, 1))
    other = mean.copy()
    other[0, 5] += 0.1
    a, b = (leave(n, rank_mean=m, rank_sd=mean * 0) for n, m in (("a", mean), ("b", other)))
    table = by_pair(compare.differences(a, b))
    assert table.loc[("G0", "G5"), "p"] == 0
    assert (table["p"].drop(("G0", "G5")) == 1).all()


def test_equal_runs_differ_as_often_as_chance_says(leave):
    """P-values are uniform where complementary halves are all that makes estimates differ."""
    rng = np.random.default_rng(1)
    runs = []
    for name in "ab":
        true_sd = 0.05
        fits = rng.normal(0.5, true_sd, (40, 500))  # each pair's estimate from all cells
        aside = rng.normal(0, true_sd, (N_FITS // 2, 40, 500))
        sd = np.concatenate([aside, -aside]).std(axis=0, ddof=1)
        runs.append(leave(name, scores=fits, rank_mean=fits, rank_sd=sd))
    p = compare.differences(*runs)["p"]
    for level in (0.01, 0.05, 0.5):
        assert (p < level).mean() == pytest.approx(level, rel=0.25)
    assert (compare.differences(*runs)["q"] < 0.05).sum() <= 2


def test_without_stability_ranks_are_those_of_the_scores(leave):
    a, b = leave("a", seed=1), leave("b", seed=2)
    table = compare.differences(a, b)
    assert "q" not in table
    found = by_pair(table)
    best = a.edges.iloc[0]
    assert found.loc[(best["source"], best["target"]), "rank_a"] == 0
    assert table["difference"].abs().is_monotonic_decreasing
    assert table["rank_b"].max() == 1


def test_agreement_is_over_the_common_pairs(leave):
    a = leave("a", seed=1, n_regulators=3, n_genes=12)
    b = leave("b", seed=2, n_regulators=2, n_genes=20)
    (row,) = compare.agreement([a, b]).to_dict("records")
    assert row["pairs"] == 2 * 12 - 2
    both = a.edges.merge(b.edges, on=["source", "target"])
    expected = stats.spearmanr(both["score_x"], both["score_y"]).statistic
    assert row["spearman"] == pytest.approx(expected)
    best = [
        set(map(tuple, both.nlargest(N_TOP, s)[["source", "target"]].to_numpy()))
        for s in ("score_x", "score_y")
    ]
    assert row["jaccard"] == pytest.approx(len(best[0] & best[1]) / len(best[0] | best[1]))
    (row,) = compare.agreement([a, a]).to_dict("records")
    assert (row["spearman"], row["jaccard"]) == (pytest.approx(1), 1)


def test_the_consensus_is_the_mean_rank(leave):
    runs = [leave(name, seed=seed) for seed, name in enumerate("abc")]
    table = compare.consensus(runs)
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    assert table["mean_rank"].is_monotonic_increasing
    np.testing.assert_allclose(table["mean_rank"], table[["a", "b", "c"]].mean(axis=1))
    first = by_pair(table)["a"]
    for edge in runs[0].edges.head(5).to_dict("records"):
        assert first[(edge["source"], edge["target"])] == edge["rank"]


def test_runs_without_a_common_pair_are_refused(leave):
    with pytest.raises(InputError, match=naming("G0", "H0")):
        compare.consensus([leave("a"), leave("b", symbol="H{}")])


def test_runs_of_one_method_are_told_apart_by_data_or_key(leave, tmp_path):
    from grn_exp.network.runs import distinct_names

    runs = [leave("a", data="x"), leave("a", data="y")]
    assert distinct_names(runs) == ["x a", "y a"]
    runs.append(one_run(leave_network(tmp_path / "e/x/a/l")))
    assert distinct_names(runs, by="_") == ["x_a_k", "y_a_k", "x_a_l"]
    runs.append(one_run(leave_network(tmp_path / "other/x/a/k")))
    assert pd.Series(distinct_names(runs)).is_unique
