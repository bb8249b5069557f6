"""Methods that read labels and no expression, against references and by hand."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.views import UNKNOWN, TrainView
from grn_exp.data.edges.splitting import SeenUnseenSplitter
from grn_exp.data.edges.toy import ToyDataModule
from grn_exp.models.edges.co_target_vote import CoTargetVote
from grn_exp.models.edges.degree import BlockArtefact, Degree, DegreeProduct, RegulatorRate
from grn_exp.models.edges.matcomp import MatComp
from grn_exp.models.edges.one_hot_lr import OneHotLR
from grn_exp.models.edges.regulator_frequency import RegulatorFrequency
from grn_exp.models.edges.target_expression import TargetExpression
from tests.messages import naming

N_REGULATORS, N_GENES = 8, 30


def make_view(labels):
    """Return a view whose regulators are its first genes, in no alphabetical order."""
    labels = np.asarray(labels, dtype=np.int8)
    symbols = [f"g{(7 * i) % 101:03d}" for i in range(labels.shape[1])]
    values = np.random.default_rng(0).random((3, labels.shape[1]), dtype=np.float32)
    return TrainView(
        expression=Expression(values=values, genes=GeneIndex(symbols), transform="log1p"),
        regulators=GeneIndex(symbols[: labels.shape[0]]),
        labels=labels,
        embedding=None,
    )


def random_labels(seed=0):
    """Return additive labels with unknown pairs; the last regulator and genes are unseen."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-1, 1.5, (N_REGULATORS, 1)) + rng.normal(0, 1.5, (1, N_GENES))
    labels = (rng.random(log_odds.shape) < 1 / (1 + np.exp(-log_odds))).astype(np.int8)
    labels[rng.random(labels.shape) < 0.2] = UNKNOWN
    labels[-1], labels[:, -4:] = UNKNOWN, UNKNOWN
    return labels


def fitted(model):
    model.fit()
    return model


def scores(model):
    return fitted(model).prediction().values


def one_hot_lr(view, **changes):
    return OneHotLR(**{"Cs": [0.1, 1.0, 10.0], "folds": 4, **changes}).attach(view)


def matcomp(view, **changes):
    options = {"variant": "matrix_factorization", "rank": 3, "max_iters": 3, **changes}
    return MatComp(**options).attach(view)


MODELS = {
    "block_artefact": lambda view: BlockArtefact().attach(view),
    "degree": lambda view: Degree().attach(view),
    "co_target_vote": lambda view: CoTargetVote().attach(view),
    "degree_product": lambda view: DegreeProduct().attach(view),
    "matcomp": matcomp,
    "one_hot_lr": one_hot_lr,
}


@pytest.mark.parametrize("name", MODELS)
def test_the_order_of_the_genes_changes_no_score(name):
    view = make_view(random_labels())
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(N_REGULATORS), rng.permutation(N_GENES)
    other = TrainView(
        expression=view.expression.take_genes(view.genes.take(columns)),
        regulators=view.regulators.take(rows),
        labels=view.labels[np.ix_(rows, columns)],
        embedding=None,
    )
    first, second = (fitted(MODELS[name](each)).prediction() for each in (view, other))
    assert second.genes != first.genes
    np.testing.assert_array_equal(second.align(first.regulators, first.genes), first.values)
    assert len(np.unique(first.values)) > 5


COUNTS = {
    "regulator_frequency": lambda view: RegulatorFrequency().attach(view),
    "regulator_rate": lambda view: RegulatorRate().attach(view),
}


@pytest.mark.parametrize("known_within", ["block", "network", "none"])
@pytest.mark.parametrize("name", [*MODELS, *COUNTS])
def test_no_rule_of_training_labels_beats_random_on_unseen_genes(name, known_within):
    data = ToyDataModule(splitter=SeenUnseenSplitter(seed=0, known_within=known_within))
    data.setup()
    model = fitted({**MODELS, **COUNTS}[name](data.view(labels=True)))
    rows = data.evaluate(model.prediction(), ["test_unseen"])
    (ap,) = [row for row in rows if row.metric == "ap"]
    assert ap.value == pytest.approx(ap.prevalence)


@pytest.mark.parametrize("name", MODELS)
def test_pairs_of_two_unseen_genes_tie(name):
    unseen = scores(MODELS[name](make_view(random_labels())))[-1:, -4:]
    np.testing.assert_array_equal(unseen, unseen[0, 0])


# -- one-hot LR ----------------------------------------------------------------------------


def test_one_hot_lr_equals_a_dense_logistic_regression_with_the_chosen_c():
    view = make_view(random_labels())
    model = fitted(one_hot_lr(view))
    labels = view.known_labels()
    rows, columns = np.nonzero(labels != UNKNOWN)
    dense = np.zeros((len(rows), N_REGULATORS + N_GENES))
    dense[np.arange(len(rows)), rows] = 1
    dense[np.arange(len(rows)), N_REGULATORS + columns] = 1
    reference = LogisticRegression(C=model.facts()["C"], tol=1e-10, max_iter=10_000)
    reference.fit(dense, labels[rows, columns])
    expected = reference.predict_proba(dense)[:, 1]
    found = model.prediction().values[rows, columns]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_c_is_the_best_of_the_cross_validation():
    chosen = {fitted(one_hot_lr(make_view(random_labels()), Cs=[c])).facts()["C"] for c in (1, 9)}
    assert chosen == {1.0, 9.0}
    with_poor_ones = one_hot_lr(make_view(random_labels()), Cs=[1e-9, 1.0, 1e-8])
    assert fitted(with_poor_ones).facts()["C"] == 1.0


def test_coefficients_are_saved_by_gene_with_their_counts():
    view = make_view(random_labels())
    model = fitted(one_hot_lr(view))
    header, rows = model.tables()["coefficients.csv"]
    assert header == ["gene", "role", "coefficient", "n_train", "n_positive"]
    labels = view.known_labels()
    of_regulator = {row[0]: row for row in rows if row[1] == "regulator"}
    of_target = {row[0]: row for row in rows if row[1] == "target"}
    assert set(of_regulator) == set(view.regulators.symbols[:-1])  # the last is unseen
    for i, symbol in enumerate(view.regulators.symbols[:-1]):
        assert of_regulator[symbol][3] == (labels[i] != UNKNOWN).sum()
        assert of_regulator[symbol][4] == (labels[i] == 1).sum()
    probability = model.prediction().values.astype(np.float64)
    log_odds = np.log(probability / (1 - probability))
    first, second = view.regulators.symbols[:2]
    target = view.genes.symbols[10]
    assert target in of_target
    difference = of_regulator[first][2] - of_regulator[second][2]
    assert log_odds[0, 10] - log_odds[1, 10] == pytest.approx(difference, abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"Cs": []}, ["model.Cs=[]"]),
        ({"Cs": [0.0]}, ["model.Cs=0.0"]),
        ({"folds": 1}, ["model.folds=1"]),
        ({"folds": 10_000}, ["model.folds=10000", "42 positive"]),
    ],
)
def test_one_hot_lr_refuses(changes, parts):
    with pytest.raises(InputError, match=naming(*parts)):
        one_hot_lr(make_view(random_labels()), **changes)


def test_one_class_only_is_refused():
    labels = np.where(random_labels() == UNKNOWN, UNKNOWN, 0)
    with pytest.raises(InputError, match=naming("model.folds=4", "0 positive")):
        one_hot_lr(make_view(labels))
    with pytest.raises(
        InputError, match=naming("model=matcomp", "142 training labels", "split.seed")
    ):
        matcomp(make_view(labels))


# -- MatComp -------------------------------------------------------------------------------


def test_matcomp_is_fancyimputes_fit_of_the_known_block():
    """The reference: the library called on the block in the order of the symbols."""
    import fancyimpute

    view = make_view(random_labels())
    ordered = view.by_symbol()
    labels = ordered.known_labels()
    known = labels != UNKNOWN
    block = np.ix_(known.any(axis=1), known.any(axis=0))
    matrix = np.where(known, labels, np.nan)[block]
    np.random.seed(0)  # noqa: NPY002
    solver = fancyimpute.MatrixFactorization(rank=3, max_iters=3, verbose=False)
    with pytest.warns(FutureWarning, match="force_all_finite"):
        solver.fit_transform(matrix)
    found = fitted(matcomp(view)).prediction().align(ordered.regulators, ordered.genes)
    np.testing.assert_allclose(found[block], solver.predict_all(), rtol=1e-6)


@pytest.mark.parametrize("variant", ["matrix_factorization", "iterative_svd", "soft_impute"])
def test_completion_finds_a_low_rank_pattern(variant):
    rng = np.random.default_rng(0)
    truth = np.kron(np.eye(2), np.ones((6, 20))).astype(np.int8)
    labels = np.where(rng.random(truth.shape) < 0.2, UNKNOWN, truth)
    found = scores(matcomp(make_view(labels), variant=variant, rank=2, max_iters=60))
    hidden = make_view(labels).known_labels() == UNKNOWN
    assert found[hidden & (truth == 1)].min() > found[hidden & (truth == 0)].max()


def test_a_rank_above_the_matrix_names_the_variant_that_can():
    with pytest.raises(
        InputError, match=naming("model.rank=128", "model.variant=matrix_factorization")
    ):
        matcomp(make_view(random_labels()), variant="iterative_svd", rank=128)
    matcomp(make_view(random_labels()), rank=128)


def test_matcomp_leaves_numpys_global_generator_alone():
    np.random.seed(11)  # noqa: NPY002
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(11)  # noqa: NPY002
    scores(matcomp(make_view(random_labels())))
    np.testing.assert_array_equal(np.random.random(3), expected)  # noqa: NPY002


# -- counting ------------------------------------------------------------------------------

LABELS = [
    [-1, 1, -1, 1, 1, 0],  # has 3, 4 in common with the second (1 is unknown there)
    [0, -1, -1, 1, 1, 1],
    [0, 0, -1, 0, 0, 1],  # 5 in common with the second
]


def test_co_target_vote_by_hand():
    found = scores(CoTargetVote().attach(make_view(LABELS)))
    expected = [
        [0, 0, 0, 2, 2, 2],  # the second votes with 2 on its own targets
        [0, 2, 0, 2, 2, 1],  # the first with 2, the third with 1
        [0, 0, 0, 1, 1, 1],
    ]
    np.testing.assert_array_equal(found, expected)


def test_degree_product_by_hand():
    found = scores(DegreeProduct().attach(make_view(LABELS)))
    of_regulator = np.array([3 / 4, 3 / 4, 1 / 5])
    of_target = np.array([0, 1 / 2, 7 / 13, 2 / 3, 2 / 3, 2 / 3])  # the third is unseen
    np.testing.assert_allclose(found, of_regulator[:, None] * of_target, rtol=1e-6)


def test_regulator_rate_by_hand():
    found = scores(RegulatorRate().attach(make_view(LABELS)))
    np.testing.assert_allclose(found, np.repeat([[3 / 4], [3 / 4], [1 / 5]], 6, axis=1), rtol=1e-6)


def test_block_artefact_by_hand():
    found = scores(BlockArtefact(train_fraction=0.5).attach(make_view(LABELS)))
    # held-out edges that a target has in expectation: as many as in training, or 1 without any
    held_out = np.array([1, 1, 1, 2, 2, 2])
    of_regulator = np.array([3 / 4, 3 / 4, 1 / 5])
    np.testing.assert_allclose(found, of_regulator[:, None] * held_out, rtol=1e-6)


def test_block_artefact_refuses_a_fraction_of_1():
    with pytest.raises(InputError, match=naming("model.train_fraction=1.0")):
        BlockArtefact(train_fraction=1.0)


def test_target_expression_is_the_targets_mean():
    view = make_view(LABELS)
    found = scores(TargetExpression().attach(view))
    means = np.asarray(view.expression.values, dtype=np.float64).mean(axis=0)
    np.testing.assert_allclose(found, np.tile(means, (3, 1)), rtol=1e-6)
