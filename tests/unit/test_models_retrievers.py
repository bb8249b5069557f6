"""The retrievers and their controls: hand-worked numbers, symmetries, a planted case."""

import dataclasses
import functools

import numpy as np
import pytest
import torch

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.views import TrainView
from grn_exp.models.edges import _retriever
from grn_exp.models.edges.context_attention import ContextAttention, ContextAttentionRetriever
from grn_exp.models.edges.correlation import Correlation
from grn_exp.models.edges.dot_product import DotProductRetriever
from grn_exp.models.edges.nearest_targets import NearestTargets
from grn_exp.models.edges.regulator_frequency import RegulatorFrequency
from tests.messages import naming

SETTINGS = {
    "embedding_dim": 8,
    "encoder_width": 16,
    "encoder_depth": 1,
    "positive_weight": 5.0,
    "noise": 0.01,
    "dropout": 0.2,
    "learning_rate": 2e-3,
    "batch_size": 4,
    "optimizer": functools.partial(torch.optim.AdamW, weight_decay=1e-3),
}
RETRIEVERS = {
    "dot_product": functools.partial(DotProductRetriever, **SETTINGS),
    "context_attention": functools.partial(
        ContextAttentionRetriever, n_heads=2, scorer_width=12, scorer_gain=1.0, **SETTINGS
    ),
}
CONTROLS = {
    "regulator_frequency": RegulatorFrequency,
    "correlation": functools.partial(Correlation, kind="pearson"),
    "nearest_targets": functools.partial(NearestTargets, k=2),
}


@pytest.fixture(autouse=True)
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def make_view(values, labels, regulators):
    genes = GeneIndex([f"G{i}" for i in range(values.shape[1])])
    return TrainView(
        expression=Expression(values=values.astype(np.float32), genes=genes, transform="log1p"),
        regulators=genes.take(regulators),
        labels=np.asarray(labels, dtype=np.int8),
        embedding=None,
    )


@pytest.fixture
def view():
    """Twelve genes, four regulators in no order; six targets known, two pairs beside them."""
    rng = np.random.default_rng(0)
    labels = np.full((4, 12), -1)
    labels[:, [0, 2, 5, 6, 8, 11]] = rng.integers(0, 2, (4, 6))
    labels[1, 3], labels[2, 4] = 1, 0
    return make_view(rng.gamma(2.0, size=(30, 12)), labels, (9, 2, 5, 0))


def make(name, view, **changes):
    torch.manual_seed(0)
    return RETRIEVERS[name](**changes).attach(view)


def train(model, epochs):
    """Train as the Trainer does, without it; return each epoch's mean loss."""
    optimizer = model.configure_optimizers()["optimizer"]
    model.train()
    losses = []
    for epoch in epochs:
        model.begin_epoch(epoch)
        batches = model.train_dataloader()
        batches.epoch = lambda epoch=epoch: epoch
        total = 0.0
        for batch in batches:
            optimizer.zero_grad()
            loss = model.loss(batch)["total"]
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        losses.append(total / model.n_items)
    return losses


def permuted(view, rows, columns):
    return dataclasses.replace(
        view,
        expression=view.expression.take_genes(view.genes.take(columns)),
        regulators=view.regulators.take(rows),
        labels=view.labels[np.ix_(rows, columns)],
    )


# -- the attention and the loss ------------------------------------------------------------


def test_attention_is_equations_3_to_6():
    torch.manual_seed(0)
    n_heads, d_h, n_genes = 3, 2, 5
    dim = n_heads * d_h
    attention = ContextAttention(dim, n_heads=n_heads)
    z, z_t = torch.randn(n_genes, dim), torch.randn(dim)
    found = attention(z_t[None], *attention.keys_and_values(z))[0]
    parts = []
    for h in range(n_heads):
        rows = slice(h * d_h, (h + 1) * d_h)
        w_q, w_k, w_v = (
            layer.weight[rows] for layer in (attention.query, attention.key, attention.value)
        )
        weights = torch.stack([(w_q @ z_t) @ (w_k @ z_g) / d_h**0.5 for z_g in z]).exp()
        alpha = weights / weights.sum()
        parts.append(sum(a * (w_v @ z_g) for a, z_g in zip(alpha, z, strict=True)))
    torch.testing.assert_close(found, torch.cat(parts))


def test_embeddings_have_length_one(view):
    z = make("context_attention", view).encode(torch.randn(12, 30))[0]
    torch.testing.assert_close(z.norm(dim=1), torch.ones(12))


def test_the_layout_of_large_matrices_changes_no_value(view, monkeypatch):
    """It only decides which noise is drawn, so smaller matrices keep theirs."""
    small = ContextAttentionRetriever().attach(view).features
    monkeypatch.setattr(_retriever, "_LARGE", 1)
    large = ContextAttentionRetriever().attach(view).features
    assert (small.is_contiguous(), large.is_contiguous()) == (False, True)
    assert torch.equal(small, large)


@pytest.mark.parametrize("name", RETRIEVERS)
def test_loss_is_equation_10_over_the_known_pairs(view, name):
    model = make(name, view).eval()
    scores = torch.from_numpy(model.prediction().values)
    known = [0, 2, 3, 4, 5, 6, 8, 11]
    assert model.targets.tolist() == known
    total, n_pairs = torch.zeros(()), 0
    for t in known:
        for row, r in enumerate((9, 2, 5, 0)):
            label = view.labels[row, t]
            if label == -1 or r == t:
                continue
            n_pairs += 1
            log_p = torch.nn.functional.logsigmoid(scores[row, t] * (1 if label else -1))
            total = total - (5.0 if label else 1.0) * log_p
    assert n_pairs == 4 * 6 - 3 + 2
    found = model.loss(torch.arange(8))["total"]
    torch.testing.assert_close(found, total / n_pairs)
    halves = [model.loss(half)["total"] for half in torch.arange(8).split(4)]
    torch.testing.assert_close(sum(halves) / 2, found)  # each pair counts the same everywhere


@pytest.mark.parametrize("name", RETRIEVERS)
def test_labels_of_genes_with_themselves_do_not_count(view, name):
    changed = view.labels.copy()
    for row, r in enumerate((9, 2, 5, 0)):
        changed[row, r] = 1
    other = dataclasses.replace(view, labels=changed)
    models = [make(name, v) for v in (view, other)]
    assert models[0].n_items == models[1].n_items
    train(models[0], range(2))
    train(models[1], range(2))
    np.testing.assert_array_equal(*(model.prediction().values for model in models))


@pytest.mark.parametrize("name", RETRIEVERS)
def test_scores_of_unknown_pairs_do_not_enter_the_loss(view, name):
    model = make(name, view).eval()
    unknown = torch.from_numpy(view.labels[:, model.targets].T == -1)
    logits = torch.randn(unknown.shape)
    model.logits = lambda encoded, targets: logits
    before = model.loss(torch.arange(model.n_items))["total"]
    logits = torch.where(unknown, 100 * torch.randn(unknown.shape), logits)
    assert torch.equal(model.loss(torch.arange(model.n_items))["total"], before)
    logits = logits + 1
    assert not torch.equal(model.loss(torch.arange(model.n_items))["total"], before)


# -- scores --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RETRIEVERS)
def test_a_gene_with_itself_lies_below_all_others(view, name):
    scores = make(name, view).prediction()
    own = scores.self_pairs()
    assert own.sum() == 4
    assert np.isfinite(scores.values).all()
    assert scores.values[own].max() < scores.values[~own].min()


@pytest.mark.parametrize("name", RETRIEVERS)
def test_scores_do_not_depend_on_the_chunks(view, name, monkeypatch):
    model = make(name, view)
    whole = model.prediction().values
    monkeypatch.setattr("grn_exp.models.edges._retriever._CHUNK_NUMBERS", 1)
    np.testing.assert_allclose(model.prediction().values, whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", RETRIEVERS)
def test_scoring_is_without_noise_and_leaves_the_mode_as_it_was(view, name):
    model = make(name, view)
    for mode in (True, False):
        model.train(mode)
        first, again = (model.prediction().values for _ in range(2))
        np.testing.assert_array_equal(first, again)
        assert model.training == mode


@pytest.mark.parametrize("name", RETRIEVERS)
def test_permuting_genes_permutes_the_retrievers_scores(view, name):
    rng = np.random.default_rng(1)
    other = permuted(view, rng.permutation(4), rng.permutation(12))
    first, second = (make(name, v).prediction() for v in (view, other))
    assert second.genes != first.genes
    aligned = second.align(first.regulators, first.genes)
    np.testing.assert_allclose(aligned, first.values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CONTROLS)
def test_permuting_genes_permutes_the_controls_scores(view, name):
    rng = np.random.default_rng(1)
    other = permuted(view, rng.permutation(4), rng.permutation(12))
    found = []
    for each in (view, other):
        model = CONTROLS[name]().attach(each)
        model.fit()
        found.append(model.prediction())
    first, second = found
    aligned = second.align(first.regulators, first.genes)
    np.testing.assert_allclose(aligned, first.values, rtol=1e-6, atol=1e-7)
    assert len(np.unique(first.values)) > 2


# -- training ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RETRIEVERS)
def test_an_epochs_numbers_depend_on_seed_and_epoch_alone(view, name):
    model = make(name, view)
    train(model, [0])
    state = {key: value.clone() for key, value in model.state_dict().items()}
    (expected,) = train(model, [1])
    torch.manual_seed(99)
    model.load_state_dict(state)
    torch.rand(7)
    assert train(model, [1]) == [expected]
    model.load_state_dict(state)
    assert train(model, [2]) != [expected]


@pytest.mark.slow
@pytest.mark.parametrize("name", RETRIEVERS)
def test_planted_regulators_of_unseen_targets_are_found(name):
    """Each target follows one of four regulators; a fifth of the targets is held out."""
    rng = np.random.default_rng(3)
    n_regulators, n_targets = 4, 100
    drivers = rng.gamma(2.0, size=(40, n_regulators))
    parent = rng.integers(0, n_regulators, n_targets)
    targets = drivers[:, parent] + 0.3 * rng.random((40, n_targets))
    labels = np.full((n_regulators, n_regulators + n_targets), -1)
    truth = (np.arange(n_regulators)[:, None] == parent).astype(np.int8)
    held_out = np.arange(n_targets) >= 80
    labels[:, n_regulators:][:, ~held_out] = truth[:, ~held_out]
    view = make_view(np.hstack([drivers, targets]), labels, range(n_regulators))
    model = make(name, view, positive_weight=3.0)
    losses = train(model, range(25))
    assert losses[-1] < 0.5 * losses[0]
    scores = model.prediction().values[:, n_regulators:][:, held_out]
    assert (scores.argmax(axis=0) == parent[held_out]).mean() > 0.8


# -- options -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"positive_weight": 0.0}, "model.positive_weight=0.0"),
        ({"noise": -1.0}, "model.noise=-1.0"),
        ({"dropout": 1.0}, "model.dropout=1.0"),
        ({"encoder_depth": 0}, "model.encoder_depth=0"),
        ({"n_heads": 3}, "model.n_heads=3"),
    ],
)
def test_options_out_of_range_are_refused(view, changes, part):
    with pytest.raises(InputError, match=naming(part)):
        make("context_attention", view, **changes)


def test_a_view_without_known_pairs_is_refused(view):
    with pytest.raises(InputError, match=naming("pair", "label")):
        make("dot_product", dataclasses.replace(view, labels=np.full((4, 12), -1, dtype=np.int8)))
    with pytest.raises(RuntimeError, match="labels"):
        make("dot_product", dataclasses.replace(view, labels=None))


# -- controls by hand ----------------------------------------------------------------------


def fitted(model):
    model.fit()
    return model.prediction().values


def test_regulator_frequency_by_hand():
    labels = [
        [-1, 1, 0, 1, 0],  # G0: 2 of 4
        [1, 1, -1, -1, 0],  # G1: 1 of 2, the pair with itself does not count
        [-1, -1, -1, -1, -1],  # G4: unseen, 3 of 6 overall
    ]
    view = make_view(np.arange(10.0).reshape(2, 5), labels, (0, 1, 4))
    expected = np.full((3, 5), 0.5)
    expected[[0, 1, 2], [0, 1, 4]] = 0
    np.testing.assert_allclose(fitted(RegulatorFrequency().attach(view)), expected)
    labels[0][2] = 1
    found = fitted(RegulatorFrequency().attach(make_view(np.ones((2, 5)), labels, (0, 1, 4))))
    np.testing.assert_allclose(found[:, 3], [3 / 4, 1 / 2, 4 / 6], rtol=1e-6)


def test_correlation_by_hand():
    a = np.array([1.0, 2.0, 3.0, 4.0])
    values = np.stack([a, 9 - 2 * a, np.full(4, 0.1), [1.0, 3.0, 3.0, 1.0]], axis=1)
    view = make_view(values, np.full((3, 4), -1), (0, 2, 1))
    # G3 rises and falls: no correlation with a line; G2 is constant
    expected = [[0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    np.testing.assert_allclose(
        fitted(Correlation(kind="pearson").attach(view)), expected, atol=1e-6
    )


def test_nearest_targets_by_hand():
    up = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    side = np.array([2.0, 0.0, 4.0, 0.0, 2.0])  # correlates with no line
    # G0, G1: regulators; G2, G3: voters alike; G4: a voter of the opposite sign; G5 is asked for
    values = np.stack([side, side, up, 2 * up, 4 - up, 3 * up], axis=1)
    labels = np.full((2, 6), -1)
    labels[:, 2], labels[:, 3], labels[:, 4] = [1, 0], [1, 1], [0, 1]
    shares = np.array([2 / 3, 2 / 3])
    view = make_view(values, labels, (0, 1))
    scores = fitted(NearestTargets(k=3).attach(view))
    # two voters of weight 1 and the overall share with weight 1; G4 does not vote
    np.testing.assert_allclose(scores[:, 5], (np.array([2, 1]) + shares) / 3, rtol=1e-5)
    # G2 is no voter for itself: only G3 is left
    np.testing.assert_allclose(scores[:, 2], (np.array([1, 1]) + shares) / 2, rtol=1e-5)
    assert scores[0, 0] == scores[1, 1] == 0


def test_nearest_targets_leaves_the_farther_ones_out():
    rng = np.random.default_rng(0)
    base = rng.random(200)
    # from the nearest to the farthest
    near, middle, far = (base + s * rng.random(200) for s in (0.1, 0.5, 2.0))
    values = np.stack([rng.random(200), near, middle, far, base], axis=1)
    view = make_view(values, [[-1, 0, 0, 1, -1]], (0,))
    one, three = (fitted(NearestTargets(k=k).attach(view))[0, 4] for k in (1, 3))
    assert one < 1 / 3 * 0.51 < three
    with pytest.raises(InputError, match=naming("model.k=0")):
        NearestTargets(k=0).attach(view)


@pytest.mark.parametrize("name", CONTROLS)
def test_controls_say_that_they_were_not_fitted(view, name):
    model = CONTROLS[name]().attach(view)
    with pytest.raises(InputError, match=naming(type(model).__name__, "fit")):
        model.prediction()
