"""Metrics of ranked candidates and chosen sets: hand-worked values, ties, intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.sets import TargetSets
from grn_exp.metrics.regulator_sets import (
    SetRow,
    edge_recall_rows,
    exact_matches,
    f1,
    jaccard,
    rank_candidates,
    recall_curve,
    recall_rows,
    rows_of,
    selection_rows,
    wilson,
    worst_ranks,
)
from tests.messages import naming

CANDIDATES = GeneIndex("ABCDE")
TARGETS = GeneIndex(["A", "X"])
# rows A..E; column A is a candidate itself
SCORES = np.asarray([[9, 5], [4, 1], [3, 2], [2, 3], [1, 4]], dtype=np.float32)
SETS = TargetSets(CANDIDATES, TARGETS, (np.asarray([1, 4]), np.asarray([0, 1, 4])))


def by_key(rows: list[SetRow]) -> dict[tuple[str, int | None, int | None], SetRow]:
    return {(row.metric, row.k, row.set_size): row for row in rows}


def test_ranks_are_one_for_the_best_and_last_for_the_gene_itself():
    ranks = rank_candidates(SCORES, CANDIDATES, TARGETS)
    assert ranks.tolist() == [[5, 1, 2, 3, 4], [1, 5, 4, 3, 2]]


def test_a_genes_score_of_itself_is_not_read():
    scores = SCORES.copy()
    scores[0, 0] = np.nan
    np.testing.assert_array_equal(
        rank_candidates(scores, CANDIDATES, TARGETS), rank_candidates(SCORES, CANDIDATES, TARGETS)
    )


def test_worst_rank_share_and_curve_by_hand():
    ranks = rank_candidates(SCORES, CANDIDATES, TARGETS)
    # A: B is 1st, E 4th; X: A 1st, E 2nd, B 5th
    assert worst_ranks(ranks, SETS.members).tolist() == [4, 5]
    assert recall_curve(ranks, SETS.members).tolist() == [0, 0, 0, 0.5, 1]


def test_rows_by_size_and_for_all_sizes_together():
    ranks = rank_candidates(SCORES, CANDIDATES, TARGETS)
    rows = by_key(recall_rows(ranks, SETS, [2, 4], subset="test"))
    assert {key: row.value for key, row in rows.items()} == {
        ("recall_at_k", 2, None): 0,
        ("recall_at_k", 2, 2): 0,
        ("recall_at_k", 2, 3): 0,
        ("recall_at_k", 4, None): 0.5,
        ("recall_at_k", 4, 2): 1,
        ("recall_at_k", 4, 3): 0,
    }
    pooled = rows["recall_at_k", 4, None]
    assert (pooled.n, pooled.n_positive, pooled.subset) == (2, 5, "test")
    shares = by_key(edge_recall_rows(ranks, SETS, [2], subset="test", by_size=False))
    assert list(shares) == [("edge_recall_at_k", 2, None)]
    assert shares["edge_recall_at_k", 2, None].value == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert shares["edge_recall_at_k", 2, None].low is None  # a mean, no proportion


def test_sets_by_hand():
    found = (np.asarray([1, 4]), np.asarray([0, 2, 3]))
    assert exact_matches(found, SETS.members).tolist() == [True, False]
    assert exact_matches((np.asarray([4, 1]),), (np.asarray([1, 4]),)).tolist() == [True]
    np.testing.assert_allclose(jaccard(found, SETS.members), [1, 1 / 5])
    np.testing.assert_allclose(f1(found, SETS.members), [1, 2 / 6])


def test_exact_match_is_unconditional_and_conditional_on_coverage():
    found = (np.asarray([1, 4]), np.asarray([0, 2, 3]))
    rows = by_key(selection_rows(found, SETS, subset="test", covered=np.asarray([True, False])))
    assert rows["exact_match", None, None].value == 0.5
    assert rows["coverage", None, None].value == 0.5
    conditional = rows["exact_match_covered", None, None]
    assert (conditional.value, conditional.n, conditional.n_positive) == (1, 1, 2)
    assert ("exact_match_covered", None, 3) not in rows  # none of that size is covered


def test_without_a_covered_target_there_is_no_conditional_row():
    found = SETS.members
    none = by_key(selection_rows(found, SETS, subset="val", covered=np.zeros(2, dtype=bool)))
    assert none["coverage", None, None].value == 0
    assert not [key for key in none if key[0] == "exact_match_covered"]
    without_pools = by_key(selection_rows(found, SETS, subset="val"))
    assert not [key for key in without_pools if "cover" in key[0]]


@pytest.mark.parametrize("value", [0.0, 0.5, -3.0])
def test_a_constant_score_finds_sets_by_chance_only(value):
    """300 targets with 2 of 60 regulators, the first two genes: as for a hub in the first rows."""
    candidates = GeneIndex([f"g{i}" for i in range(60)])
    targets = GeneIndex([f"t{i}" for i in range(300)])
    rng = np.random.default_rng(0)
    sets = tuple(np.sort(rng.choice(60, size=2, replace=False)) for _ in targets)
    ranks = rank_candidates(np.full((60, 300), value), candidates, targets)
    curve = recall_curve(ranks, sets)
    chance = np.asarray([k * (k - 1) / (60 * 59) for k in range(1, 61)])
    assert np.abs(curve - chance).max() < 4 * np.sqrt(0.25 / 300)
    assert curve[58] < 1
    assert worst_ranks(ranks[:1], (np.asarray([0, 1]),))[0] != 2  # not in the order of storage


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(1, 3))
def test_ranks_do_not_depend_on_the_order_of_the_genes(seed, n_candidates, n_levels):
    rng = np.random.default_rng(seed)
    candidates = GeneIndex([f"g{i}" for i in range(n_candidates)])
    targets = GeneIndex(["g0", "t"])
    scores = rng.integers(n_levels, size=(n_candidates, 2)).astype(np.float32)  # many ties
    order = rng.permutation(n_candidates)
    ranks = rank_candidates(scores, candidates, targets)
    moved = rank_candidates(scores[order], candidates.take(order), targets)
    np.testing.assert_array_equal(moved, ranks[:, order])
    np.testing.assert_array_equal(np.sort(ranks, axis=1), [range(1, n_candidates + 1)] * 2)
    for row, column in zip(ranks, scores.T, strict=True):
        by_rank = column[np.argsort(row)][:-1]  # the last may be the gene itself
        assert (np.diff(by_rank) <= 0).all()


@pytest.mark.parametrize(("n_hits", "n"), [(0, 7), (7, 7), (3, 19), (1, 1), (50, 115)])
def test_interval_is_wilsons(n_hits, n):
    expected = binomtest(n_hits, n).proportion_ci(method="wilson")
    assert wilson(n_hits, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_row_is_of_json_types():
    row = rows_of("exact_match", np.asarray([True, False]), np.asarray([2, 2]), subset="test")[1]
    assert row.as_dict() == {
        "metric": "exact_match",
        "subset": "test",
        "value": 0.5,
        "n": 2,
        "n_positive": 4,
        "prevalence": None,
        "k": None,
        "set_size": 2,
        "low": pytest.approx(0.09453, abs=1e-5),
        "high": pytest.approx(0.90547, abs=1e-5),
    }
    assert {type(value) for value in row.as_dict().values()} <= {str, float, int, type(None)}


def test_scores_of_another_shape_are_refused():
    with pytest.raises(InputError, match=naming("(2, 5)", "5 candidates", "2 targets")):
        rank_candidates(SCORES.T, CANDIDATES, TARGETS)
    with pytest.raises(InputError, match=naming("recall", "target")):
        recall_curve(np.empty((0, 5), dtype=np.int64), ())
