"""Ranking metrics against scikit-learn, against arithmetic by hand, and against themselves."""

import ast
import functools
import itertools
import json
import logging
import pathlib
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from grn_exp.core.errors import InputError
from grn_exp.metrics import ranking
from tests.messages import lines_naming, naming


def auprc_trapezoid(scores, labels):
    return ranking.Ranking.of(scores, labels).auprc_trapezoid()


def auroc(scores, labels):
    return ranking.Ranking.of(scores, labels).auroc()


def first_pairs(scores, labels, k=1):
    return ranking.Ranking.of(scores, labels).precision_at(k)


def early_precision_ratio(scores, labels):
    return ranking.Ranking.of(scores, labels).early_precision_ratio()


def recall_at_half(scores, labels, scale):
    groups = np.zeros(len(scores), int)
    rows = ranking.evaluate_ranking(scores, labels, groups, subset="val", scale=scale)
    (found,) = [row.value for row in rows if row.metric == "recall_at_half"]
    return found


CURVE_METRICS = [
    ranking.average_precision,
    auprc_trapezoid,
    auroc,
    first_pairs,
    early_precision_ratio,
]


def recall_of_own_maximum(scores, labels):
    return recall_at_half(scores, labels, scale=float(np.max(scores)))


def macro_value(scores, labels):
    return ranking.macro_average_precision(scores, labels, np.zeros(len(scores), int))[0]


ALL_METRICS = [*CURVE_METRICS, recall_of_own_maximum, macro_value]


def draw(seed, n=400, levels=None, prevalence=0.15):
    """Scores (with ties where levels is given) that know something, and labels of both classes."""
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < prevalence
    labels[:2] = [True, False]
    scores = rng.normal(size=n) + labels
    if levels is not None:
        scores = np.round(scores * levels) / levels
    return scores, labels


def sklearn_trapezoid(labels, scores):
    precision, recall, _ = sklearn_metrics.precision_recall_curve(labels, scores)
    return sklearn_metrics.auc(recall, precision)


def assert_agrees_with_sklearn(scores, labels):
    expected = sklearn_metrics.average_precision_score(labels, scores)
    assert ranking.average_precision(scores, labels) == pytest.approx(expected, abs=1e-12)
    assert auprc_trapezoid(scores, labels) == pytest.approx(
        sklearn_trapezoid(labels, scores), abs=1e-12
    )
    assert auroc(scores, labels) == pytest.approx(
        sklearn_metrics.roc_auc_score(labels, scores), abs=1e-12
    )


@pytest.mark.parametrize("levels", [None, 20, 2, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_sklearn(seed, levels):
    assert_agrees_with_sklearn(*draw(seed, levels=levels))


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(-3, 3) | st.floats(-1e6, 1e6), st.booleans()),
        min_size=2,
        max_size=40,
    ).filter(lambda pairs: len({label for _, label in pairs}) == 2)
)
def test_agrees_with_sklearn_on_anything(pairs):
    scores, labels = (np.array(column) for column in zip(*pairs, strict=True))
    assert_agrees_with_sklearn(scores.astype(float), labels)


def test_all_positive_labels():
    scores, labels = [3.0, 1.0, 2.0], [1, 1, 1]
    assert ranking.average_precision(scores, labels) == 1.0
    assert auprc_trapezoid(scores, labels) == 1.0
    assert early_precision_ratio(scores, labels) == 1.0


# Two positives, one of them tied with a negative:
#   score   4  3  3  2  1      step 1: 1 pair,  1 positive,  P = 1,   R = 1/2
#   label   1  1  0  0  0      step 2: 3 pairs, 2 positives, P = 2/3, R = 1
SCORES = np.array([4.0, 3.0, 3.0, 2.0, 1.0])
LABELS = np.array([1, 1, 0, 0, 0])


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        # 1/2 * 1 + 1/2 * 2/3
        (ranking.average_precision, 5 / 6),
        # 1/2 * (1 + 1)/2 + 1/2 * (1 + 2/3)/2 = 1/2 + 5/12
        (auprc_trapezoid, 11 / 12),
        # 6 pairs (positive, negative): 5 won, 1 tied
        (auroc, 5.5 / 6),
        (first_pairs, 1.0),
        # k = 2: the first, and one of two tied of which one is positive: 1.5 / 2, over 2/5
        (early_precision_ratio, 1.5 / 2 / 0.4),
        # 4/4 and 3/4 reach 1/2
        (recall_of_own_maximum, 1.0),
        # one group: as average precision
        (macro_value, 5 / 6),
    ],
)
def test_by_hand(function, expected):
    assert function(SCORES, LABELS) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("k", "expected"),
    [(1, 1.0), (2, 0.75), (3, 2 / 3), (4, 0.5), (5, 0.4)],  # k = 2: (1 + 1/2) / 2
)
def test_first_pairs_by_hand(k, expected):
    assert first_pairs(SCORES, LABELS, k) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "k"), [(2, 1), (100, 1), (101, 2), (700, 7), (701, 8)])
def test_hit_list_is_a_hundredth_rounded_up(n, k):
    labels = np.arange(n) < k
    rows = ranking.evaluate_ranking(
        -np.arange(float(n)), labels, np.zeros(n, int), subset="val", scale=1.0
    )
    assert [(row.value, row.k) for row in rows if row.metric == "hit_at_1pct"] == [(1.0, k)]


def test_cut_inside_a_tie_is_the_mean_over_random_orders():
    # k = 4 and k = number of positives; half-unit scores, so both cuts tie
    scores, labels = draw(3, levels=2)
    n_positive = int(labels.sum())
    rng = np.random.default_rng(0)
    hits, early = [], []
    for _ in range(4000):
        order = np.lexsort((rng.random(scores.size), -scores))
        hits.append(labels[order[:4]].mean())
        early.append(labels[order[:n_positive]].mean() / labels.mean())
    for sample, function in [
        (hits, functools.partial(first_pairs, k=4)),
        (early, early_precision_ratio),
    ]:
        assert np.std(sample) > 0
        error = 5 * np.std(sample) / np.sqrt(len(sample))
        assert function(scores, labels) == pytest.approx(np.mean(sample), abs=error)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (ranking.average_precision, 0.3),
        (auprc_trapezoid, 0.65),  # the line from (0, 1) to (1, 0.3)
        (auroc, 0.5),
        (first_pairs, 0.3),
        (early_precision_ratio, 1.0),
        (macro_value, 0.3),
    ],
)
def test_all_tied(function, expected):
    labels = np.arange(1000) % 10 < 3
    assert function(np.full(1000, 2.5), labels) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("function", ALL_METRICS)
@pytest.mark.parametrize("levels", [None, 2])
def test_permutation_changes_nothing(function, levels):
    scores, labels = draw(11, levels=levels)
    order = np.random.default_rng(1).permutation(scores.size)
    assert function(scores[order], labels[order]) == pytest.approx(function(scores, labels))


@pytest.mark.parametrize("function", [*CURVE_METRICS, macro_value])
@pytest.mark.parametrize("transform", [lambda s: 3 * s - 100, np.exp, lambda s: s**3 + s])
def test_monotone_transform_changes_nothing(function, transform):
    scores, labels = draw(12, levels=4)
    assert function(transform(scores), labels) == pytest.approx(function(scores, labels))


@pytest.mark.parametrize("function", ALL_METRICS)
def test_label_dtypes_agree(function):
    scores, labels = draw(13)
    expected = function(scores, labels)
    assert isinstance(expected, float)
    for dtype in (np.int8, np.int64, np.float32):
        assert function(scores, labels.astype(dtype)) == expected
    assert function(scores.tolist(), labels.tolist()) == expected


def test_recall_at_half_by_hand():
    # scale 8: 0.75, 0.5, 0.25 for the positives; two of three reach 0.5
    scores, labels = [6.0, 4.0, 2.0, 8.0], [1, 1, 1, 0]
    assert recall_at_half(scores, labels, scale=8) == pytest.approx(2 / 3)
    # a universe with higher scores elsewhere
    assert recall_at_half(scores, labels, scale=100) == 0.0
    # a scale next to nothing does not overflow
    assert recall_at_half(scores, labels, scale=5e-324) == 1.0


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_recall_is_zero_where_no_score_is_above_zero(scale):
    assert recall_at_half([0.0, -1.0], [1, 0], scale=scale) == 0.0


def test_macro_average_by_hand():
    # a: positive first of two, AP 1;  b: positive second of two, AP 1/2;  c, d: one class only
    groups = np.array(["b", "a", "c", "a", "b", "d"])
    scores = np.array([2.0, 9.0, 5.0, 8.0, 1.0, 7.0])
    labels = np.array([0, 1, 1, 0, 1, 0])
    expected = 0.75, 2, 0.5
    assert ranking.macro_average_precision(scores, labels, groups) == expected
    assert ranking.macro_average_precision(scores, labels, groups.astype(object)) == expected


@pytest.mark.parametrize("levels", [None, 2])
def test_macro_average_agrees_with_sklearn(levels):
    scores, labels = draw(7, n=3000, levels=levels, prevalence=0.05)
    groups = np.random.default_rng(2).integers(0, 150, size=scores.size) * 7 - 20
    expected = [
        sklearn_metrics.average_precision_score(labels[groups == g], scores[groups == g])
        for g in np.unique(groups)
        if 0 < labels[groups == g].sum() < (groups == g).sum()
    ]
    assert len(expected) < len(np.unique(groups))  # some are left out
    found = ranking.macro_average_precision(scores, labels, groups)
    assert found.value == pytest.approx(np.mean(expected), abs=1e-12)
    assert found.n_groups == len(expected)
    tied = ranking.macro_average_precision(np.zeros(scores.size), labels, groups)
    assert found.prevalence == pytest.approx(tied.value)


@pytest.mark.slow
def test_macro_average_is_fast_on_a_million_pairs():
    scores, labels = draw(0, n=1_000_000, prevalence=0.02)
    groups = np.repeat(np.arange(200), 5000)
    start = time.process_time()
    ranking.macro_average_precision(scores, labels, groups)
    assert time.process_time() - start < 3  # 0.5 s alone; a loop over pairs takes far longer


@pytest.mark.parametrize(
    "function",
    [*CURVE_METRICS, macro_value, functools.partial(recall_at_half, scale=1.0)],
)
@pytest.mark.parametrize(
    ("scores", "labels", "parts"),
    [
        ([1.0, 2.0, 3.0], [0, 1], ["(3,)", "(2,)"]),
        ([[1.0, 2.0]], [[0, 1]], ["(1, 2)"]),
        ([], [], ["length 0"]),
        ([1.0, np.nan], [0, 1], ["scores[1]", "nan", "1 of 2"]),
        ([np.inf, 1.0], [0, 1], ["scores[0]", "inf"]),
        ([1.0, 2.0], [0, 2], ["labels[1]", 2]),
        ([1.0, 2.0], [0, np.nan], ["labels[1]", "nan"]),
    ],
)
def test_unusable_input(function, scores, labels, parts):
    with pytest.raises(InputError, match=naming(*parts)):
        function(scores, labels)


@pytest.mark.parametrize(
    "function", [f for f in ALL_METRICS if f not in (first_pairs, macro_value)]
)
def test_no_positive(function):
    with pytest.raises(InputError, match=naming("positive")):
        function([1.0, 2.0], [0, 0])


def test_hit_without_positives_is_zero():
    assert first_pairs([1.0, 2.0], [0, 0]) == 0.0


def test_no_negative():
    with pytest.raises(InputError, match=naming("2 labels", "AUROC")):
        auroc([1.0, 2.0], [1, 1])
    assert np.isnan(macro_value([1.0, 2.0], [1, 1]))


def test_unusable_groups():
    with pytest.raises(InputError, match=naming("groups", "(2,)", "5 pairs")):
        ranking.macro_average_precision(SCORES, LABELS, [0, 1])


def test_evaluate_ranking_gives_every_metric():
    scores, labels = draw(21, n=450, levels=3)
    groups = np.arange(450) % 9
    rows = ranking.evaluate_ranking(scores, labels, groups, subset="test_unseen", scale=5.0)
    macro = ranking.macro_average_precision(scores, labels, groups)
    n_positive = int(labels.sum())
    macro_row = rows[-1]
    assert macro_row.prevalence == macro.prevalence
    assert [(row.metric, row.value, row.k) for row in rows] == [
        ("ap", ranking.average_precision(scores, labels), None),
        ("ap_ratio", ranking.average_precision(scores, labels) / np.mean(labels), None),
        ("auprc_trapezoid", auprc_trapezoid(scores, labels), None),
        ("auroc", auroc(scores, labels), None),
        ("hit_at_1pct", first_pairs(scores, labels, 5), 5),  # ceil(4.5)
        ("epr", early_precision_ratio(scores, labels), n_positive),
        ("recall_at_half", recall_at_half(scores, labels, scale=5.0), None),
        ("ap_per_regulator", macro[0], 9),
    ]
    for row in rows:
        assert (row.subset, row.n, row.n_positive, row.set_size) == (
            "test_unseen",
            450,
            n_positive,
            None,
        )
        assert row is macro_row or row.prevalence == n_positive / 450
        assert json.loads(json.dumps(row.as_dict())) == row.as_dict()
    assert list(rows[0].as_dict()) == [
        *("metric", "subset", "value", "n", "n_positive", "prevalence", "k", "set_size")
    ]


def test_evaluate_ranking_without_a_usable_regulator(caplog):
    with caplog.at_level(logging.WARNING, logger="grn_exp.metrics.ranking"):
        rows = ranking.evaluate_ranking(
            SCORES, LABELS, np.arange(5), subset="test_seen", scale=4.0
        )
    assert [row.metric for row in rows][-1] == "recall_at_half"
    assert lines_naming(caplog.text, "WARNING", "test_seen")


def test_evaluate_ranking_refuses_what_its_metrics_refuse():
    with pytest.raises(InputError, match=naming("5 labels", "AUROC")):
        ranking.evaluate_ranking(SCORES, np.ones(5), np.zeros(5, int), subset="all", scale=4.0)


def test_rows_are_frozen():
    row = ranking.RankingRow("ap", "val", 0.5, 4, 1, 0.25)
    with pytest.raises(AttributeError):
        row.value = 1.0


def test_ranking_imports_neither_torch_nor_sklearn():
    tree = ast.parse(pathlib.Path(ranking.__file__).read_text(encoding="utf-8"))
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
        if name
    }
    assert not {name.split(".")[0] for name in imported} & {"torch", "torchmetrics", "sklearn"}


@pytest.mark.parametrize(("n", "n_positive"), [(5, 1), (6, 3), (7, 2), (4, 4)])
def test_random_average_precision_is_the_mean_over_all_rankings(n, n_positive):
    """By hand for (2, 1): precision 1 or 1/2, so 3/4; larger ones by enumeration."""
    assert ranking.random_average_precision(2, 1) == pytest.approx(0.75)
    found = []
    for places in itertools.combinations(range(n), n_positive):
        labels = np.isin(np.arange(n), places)
        found.append(sklearn_metrics.average_precision_score(labels, -np.arange(n)))
    assert ranking.random_average_precision(n, n_positive) == pytest.approx(np.mean(found))
