"""Learning what an edge looks like: the design, the two fits, the folds, and planted rules."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.linear_model import Ridge

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.views import UNKNOWN, GeneEmbedding, TrainView
from grn_exp.metrics.ranking import macro_average_precision
from grn_exp.models.edges import _pair_fits
from grn_exp.models.edges._pair_design import PairDesign, design
from grn_exp.models.edges._pair_fits import KnownLabels, ridge, two_steps
from grn_exp.models.edges.pair_features import PairFeatures, PairFeaturesText
from tests.messages import naming

N_REGULATORS, N_GENES, N_CELLS = 12, 60, 40
SYMBOLS = [f"{family}{place:02d}" for place in range(20) for family in ("ABC", "XYZ", "KLM")]


def make_view(rule=None, symbols=SYMBOLS, seed=0):
    """Return a view whose labels follow ``rule(regulator, target)``, the last genes unseen."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(0.5, 3, N_GENES)
    values = np.maximum(rng.normal(level, 1, (N_CELLS, N_GENES)), 0).astype(np.float32)
    expression = Expression(values=values, genes=GeneIndex(symbols), transform="log1p")
    labels = rng.integers(0, 2, (N_REGULATORS, N_GENES)).astype(np.int8)
    if rule is not None:
        mean = values.mean(axis=0)
        places = np.indices(labels.shape).reshape(2, -1).T
        found = [rule(r, t, mean) for r, t in places]
        labels = np.array(found, dtype=np.int8).reshape(labels.shape)
    view = TrainView(expression, GeneIndex(symbols[:N_REGULATORS]), labels, None)
    return view, labels


def hide(view, n_regulators=4, n_targets=20):
    """Hide the labels of the last regulators and targets, in both their roles."""
    labels = view.labels.copy()
    labels[-n_regulators:] = UNKNOWN
    labels[:, N_REGULATORS - n_regulators : N_REGULATORS] = UNKNOWN
    labels[:, -n_targets:] = UNKNOWN
    return dataclasses.replace(view, labels=labels)


def scores(model, view):
    model.attach(view)
    model.fit()
    return model.prediction().align(view.regulators, view.genes)


def of_unseen(values, labels):
    """Return average precision, and prevalence, of pairs of unseen genes."""
    rows, columns = (part.ravel() for part in np.mgrid[N_REGULATORS - 4 : N_REGULATORS, 40:60])
    return macro_average_precision(values[rows, columns], labels[rows, columns], rows)


# -- features ------------------------------------------------------------------------------


def test_a_pair_has_its_targets_features_products_and_its_own():
    pairs = PairDesign(
        of_targets={"t": np.array([[1.0], [2.0], [3.0]])},
        products={"p": np.array([[1.0, 0.5], [2.0, 4.0], [-1.0, 3.0]])},
        of_pairs={"q": np.arange(6, dtype=np.float32).reshape(2, 3, 1)},
        regulators=np.array([2, 0]),
        likeness=np.eye(2),
    )
    assert pairs.groups == [("t", 1), ("p", 2), ("q", 1)]
    found = pairs.of(0, np.array([1, 0]))
    np.testing.assert_array_equal(found, [[2, -2, 12, 1], [1, -1, 1.5, 0]])


def test_features_are_standardised_and_correlations_are_numpys():
    view, _ = make_view()
    pairs = design(view, components=5, symbols=True)
    for tables in (pairs.of_targets, pairs.products, pairs.of_pairs):
        for table in tables.values():
            flat = table.reshape(-1, table.shape[-1])
            np.testing.assert_allclose(flat.mean(axis=0), 0, atol=1e-5)
            spread = flat.std(axis=0)
            assert np.all(np.isclose(spread, 1, atol=1e-4) | (spread == 0))
    values = view.expression.values
    for kind, table in enumerate((values, rankdata(values, axis=0))):
        expected = np.corrcoef(table.T)[:N_REGULATORS]
        np.fill_diagonal(expected, 0)
        expected = (expected - expected.mean()) / expected.std()
        found = pairs.of_pairs["co-expression"][..., kind]
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_likeness_is_largest_within_a_family():
    view, _ = make_view()
    alike = design(view, components=5, symbols=True).likeness_of_letters
    family = np.arange(N_GENES) % 3
    same = family[:N_REGULATORS, None] == family[None, :]
    assert alike[same].min() > alike[~same].max()


# -- fits ----------------------------------------------------------------------------------


def test_the_ridge_is_scikit_learns_on_centred_labels():
    view, _ = make_view()
    view = hide(view)
    pairs = design(view, components=4, symbols=False)
    labels = KnownLabels.of(view.known_labels())
    features, answers, weights = [], [], []
    for place, row in enumerate(labels.regulators):
        columns = np.flatnonzero(labels.known[place])
        own = pairs.of(row, columns)
        features.append(own - own.mean(axis=0))
        answers.append(labels.centred[place, columns])
        variance = answers[-1].var()
        weights.append(np.full(len(columns), variance * (len(columns) * variance) ** -0.5))
        answers[-1] = answers[-1] / variance
    weight = np.concatenate(weights)
    own = np.concatenate(
        [np.full(w, _pair_fits._PENALTIES.get(name, 1.0)) for name, w in pairs.groups]
    )
    scale = np.sqrt(own)  # a penalty of its own is a feature of another size
    reference = Ridge(alpha=2.0 * weight.sum(), fit_intercept=False)
    reference.fit(np.concatenate(features) / scale, np.concatenate(answers), weight)
    found = ridge(pairs, labels, [2.0])[:, 0]
    np.testing.assert_allclose(found, reference.coef_ / scale, rtol=1e-6, atol=1e-9)


def two_steps_by_hand(pairs, labels):
    table = pairs.of_targets
    features = np.concatenate([table["expression"], table["expression components"]], axis=1)
    squares = np.square(features[:, None] - features[None]).sum(axis=-1)
    seen = np.flatnonzero(labels.known.any(axis=0))
    kernel = np.exp(-squares / np.median(squares[:, seen]))
    answers = labels.centred / np.sqrt(np.sqrt(labels.shares * (1 - labels.shares)))
    system = kernel[np.ix_(seen, seen)] + 10 * np.eye(len(seen))
    over_targets = answers[:, seen] @ np.linalg.inv(system) @ kernel[seen]
    common = over_targets.mean(axis=0)
    alike = pairs.likeness
    rows = labels.regulators
    smooth = alike[:, rows] @ np.linalg.inv(alike[np.ix_(rows, rows)] + np.eye(len(rows)))
    return common + smooth @ (over_targets - common)


def test_two_steps_of_ridge_regression():
    view, _ = make_view()
    view = hide(view)
    pairs = design(view, components=4, symbols=False)
    labels = KnownLabels.of(view.known_labels())
    np.testing.assert_allclose(two_steps(pairs, labels), two_steps_by_hand(pairs, labels), 1e-6)


def test_landmarks_come_near_to_all_targets(monkeypatch):
    view, _ = make_view(lambda r, t, mean: mean[t] > 1.7 + 0.05 * r)
    view = hide(view)
    pairs = design(view, components=4, symbols=False)
    labels = KnownLabels.of(view.known_labels())
    exact = two_steps(pairs, labels)
    monkeypatch.setattr(_pair_fits, "_LANDMARKS", 25)
    near = two_steps(pairs, labels)
    assert not np.array_equal(near, exact)
    assert np.corrcoef(near.ravel(), exact.ravel())[0, 1] > 0.95


# -- folds ---------------------------------------------------------------------------------


def test_a_fold_shows_no_gene_of_its_judged_pairs():
    view, _ = make_view()
    view = hide(view)
    folds = list(PairFeatures(folds=3, repeats=2)._held_out(view))
    assert len(folds) == 6
    own_columns = view.regulator_positions
    times_judged = np.zeros(view.labels.shape, dtype=int)
    for shown, judged in folds:
        rows, columns = np.nonzero(judged != UNKNOWN)
        genes = np.unique(np.concatenate([own_columns[rows], columns]))
        assert (shown[np.isin(own_columns, genes)] == UNKNOWN).all()
        assert (shown[:, genes] == UNKNOWN).all()
        for labels in (shown, judged):
            known = labels != UNKNOWN
            np.testing.assert_array_equal(labels[known], view.known_labels()[known])
        times_judged += judged != UNKNOWN
    # by the rule that a gene is in one fold of a repeat, a pair is judged once a repeat at most
    assert times_judged.max() == 2


# -- what is learned -----------------------------------------------------------------------


def test_a_rule_of_expression_holds_for_unseen_genes():
    # the opposite of what the part without a fit assumes
    view, labels = make_view(lambda r, t, mean: mean[t] < 1.2 + 0.05 * r)
    model = PairFeatures(symbols=False)
    assert of_unseen(scores(model, hide(view)), labels).value > 0.9
    assert model.facts()["weights"] == {"features": 1, "similar genes": 1}


def test_a_rule_of_families_holds_for_unseen_genes():
    view, labels = make_view(lambda r, t, mean: r % 3 == t % 3)
    with_letters, without = (
        of_unseen(scores(PairFeatures(symbols=symbols), hide(view)), labels).value
        for symbols in (True, False)
    )
    assert with_letters > 0.95
    assert without < 0.7


def test_a_rule_of_vectors_holds_for_unseen_genes():
    vectors = np.random.default_rng(5).normal(size=(N_GENES, 3)).astype(np.float32)
    view, labels = make_view(lambda r, t, mean: vectors[t, 0] > 0.3)
    embedding = GeneEmbedding(view.genes, vectors, np.ones(N_GENES, dtype=bool), "drawn")
    view = hide(dataclasses.replace(view, embedding=embedding))
    found = of_unseen(scores(PairFeaturesText(symbols=False), view), labels)
    blind = dataclasses.replace(view, embedding=None)
    without = of_unseen(scores(PairFeatures(symbols=False), blind), labels)
    assert found.value > without.value + 0.2


def test_without_symbols_names_change_nothing():
    others = [f"G{place:03d}" for place in range(N_GENES)]
    order = np.argsort(SYMBOLS)  # the new names keep the order in which genes are shown
    renamed = np.empty(N_GENES, dtype=object)
    renamed[order] = others
    found = {}
    for symbols in (True, False):
        found[symbols] = [
            scores(PairFeatures(symbols=symbols), hide(make_view(symbols=names)[0]))
            for names in (SYMBOLS, list(renamed))
        ]
    np.testing.assert_array_equal(*found[False])
    assert not np.array_equal(*found[True])


def test_the_choice_is_the_best_of_all_that_were_tried():
    view, _ = make_view(lambda r, t, mean: 1.2 < mean[t] < 2.2)
    model = PairFeatures(penalties=[1.0, 100.0])
    scores(model, hide(view))
    header, rows = model.tables()["cross_validation.csv"]
    assert header[0] == "penalty"
    assert {row[0] for row in rows} == {1.0, 100.0}
    assert model.facts()["ap_per_regulator_of_left_out_genes"] == max(row[-1] for row in rows)
    assert model.facts()["n_folds_judged"] == 6


def test_few_labels_are_fitted_without_a_choice(caplog):
    view, _ = make_view()
    labels = np.full_like(view.labels, UNKNOWN)
    labels[0, 20:30] = [0, 1] * 5
    model = PairFeatures()
    assert np.isfinite(scores(model, dataclasses.replace(view, labels=labels))).all()
    assert model.facts()["n_folds_judged"] == 0
    assert "nothing is chosen" in caplog.text


# -- bad input -----------------------------------------------------------------------------


def test_labels_of_one_kind_are_refused():
    view, _ = make_view()
    with pytest.raises(InputError, match=naming("none of the 12 regulators", "split.seed")):
        PairFeatures().attach(dataclasses.replace(view, labels=np.ones_like(view.labels)))


def test_symbols_without_common_letters_are_refused():
    letters = [chr(0x4E00 + place) for place in range(N_GENES)]
    view, _ = make_view(symbols=letters)
    with pytest.raises(InputError, match=naming("model.symbols=false")):
        scores(PairFeatures(), hide(view))
    assert np.isfinite(scores(PairFeatures(symbols=False), hide(view))).all()


@pytest.mark.parametrize("options", [{"folds": 1}, {"penalties": []}, {"penalties": [0.0]}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InputError, match=naming(next(iter(options)))):
        PairFeatures(**options)
