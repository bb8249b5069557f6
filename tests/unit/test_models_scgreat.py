"""scGREAT: the plain form with torch's own transformer, what is shared, what is learnt."""

import dataclasses

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from benchmarks.plain_scgreat import PlainSCGREAT
from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.views import GeneEmbedding, TrainView
from grn_exp.metrics.ranking import average_precision
from grn_exp.models.edges.scgreat import SCGREAT, PairHead
from grn_exp.nn.pair_transformer import PairLayer
from tests.messages import naming

SETTINGS = {
    "dim": 8,
    "expression_width": 10,
    "n_layers": 2,
    "n_heads": 2,
    "ff_width": 12,
    "layer_dropout": 0.1,
    "head_widths": (12, 8, 6),
    "head_dropout": 0.2,
    "gradient_clip": 0.1,
    "mixed_precision": True,
    "learning_rate": 1e-3,
    "learning_rate_decay": 0.9999,
    "batch_size": 8,
    "optimizer": torch.optim.Adam,
}
NO_DROPOUT = {"layer_dropout": 0.0, "head_dropout": 0.0}


@pytest.fixture(autouse=True)
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def make_view(labels, regulators, *, n_cells=20, width=8):
    rng = np.random.default_rng(0)
    n_genes = labels.shape[1]
    genes = GeneIndex([f"G{i}" for i in range(n_genes)])
    values = rng.gamma(2.0, size=(n_cells, n_genes)).astype(np.float32)
    vectors = rng.standard_normal((n_genes, width)).astype(np.float32)
    return TrainView(
        expression=Expression(values=values, genes=genes, transform="log1p"),
        regulators=genes.take(regulators),
        labels=labels.astype(np.int8),
        embedding=GeneEmbedding(
            genes=genes, values=vectors, known=np.ones(n_genes, dtype=np.bool_), source="test"
        ),
    )


@pytest.fixture
def labels():
    """Fourteen genes, five regulators in no order."""
    return np.random.default_rng(1).integers(-1, 2, (5, 14))


@pytest.fixture
def view(labels):
    return make_view(labels, (9, 2, 5, 3, 0))


def make(view, **changes):
    return SCGREAT(**(SETTINGS | changes)).attach(view)


def fit(model, epochs, checkpoint=None, **trainer_options):
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **trainer_options,
    )
    trainer.fit(model, ckpt_path=checkpoint, weights_only=True if checkpoint else None)
    return trainer


# -- the layers ----------------------------------------------------------------------------


def test_attention_of_two_tokens_by_hand():
    """Queries, keys and values are the token itself; one head."""
    layer = PairLayer(2, n_heads=1, ff_width=3, dropout=0.0)
    tokens = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    found = layer._attend(torch.stack([tokens] * 3, dim=1)[None])[0]
    own = np.exp(np.array([[1.0, 0.0], [0.0, 4.0]]) / 2**0.5)
    weights = own / own.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, weights @ tokens.numpy(), rtol=1e-6)


def test_dropout_in_training_leaves_the_layers_mean():
    torch.manual_seed(0)
    layer = PairLayer(4, n_heads=2, ff_width=3, dropout=0.3)
    projected = layer.project(torch.randn(1, 2, 4))
    expected = layer.eval()._attend(projected)
    mean = layer.train()._attend(projected.expand(40000, -1, -1, -1)).mean(dim=0)
    torch.testing.assert_close(mean[None], expected, rtol=0.05, atol=0.02)


def test_the_heads_skip_averages_neighbours():
    """With the second layer silenced, the third sees means of the first in groups of two."""
    head = PairHead(4, widths=(4, 3, 2), dropout=0.0)
    with torch.no_grad():
        head.first.weight.copy_(torch.eye(4))
        head.last.weight.copy_(torch.tensor([[1.0, 10.0]]))
        for part in (head.first.bias, head.third.weight, head.third.bias, head.last.bias):
            part.zero_()
    found = head(torch.tensor([[1.0, 3.0, -4.0, 2.0]]))
    # PReLU starts with 1/4: (1 + 3) / 2 and (-1 + 2) / 2
    assert found.item() == pytest.approx(2 + 10 * 0.5)


# -- the plain form ------------------------------------------------------------------------


def all_pairs(view):
    rows, genes = np.indices(view.labels.shape).reshape(2, -1)
    return torch.from_numpy(np.stack([view.regulator_positions[rows], genes], axis=1))


@pytest.mark.parametrize("changes", [{}, {"dim": 4}, {"n_layers": 1, "n_heads": 4}])
def test_logits_are_those_of_the_plain_form(view, changes):
    model = make(view, **changes).eval()
    plain = PlainSCGREAT(model, **NO_DROPOUT).eval()
    with torch.no_grad():
        expected = plain(all_pairs(view)).view(view.labels.shape)
        torch.testing.assert_close(model.all_logits(), expected, rtol=1e-5, atol=1e-5)
        rows, genes = torch.tensor([4, 0, 2, 4, 1]), torch.tensor([1, 13, 5, 5, 2])
        found = model.pair_logits(rows, genes)
        torch.testing.assert_close(found, expected[rows, genes], rtol=1e-5, atol=1e-5)


def test_training_is_that_of_the_plain_form(view):
    model = make(view, **NO_DROPOUT)
    plain = PlainSCGREAT(model, **NO_DROPOUT)
    assert model.n_items == len(plain.labels) == (view.known_labels() >= 0).sum()
    forms = (model, plain)
    optimizers = [torch.optim.Adam(form.parameters(), lr=1e-3) for form in forms]
    for step in range(8):
        batch = torch.arange(step, model.n_items, 3)
        losses = [model.loss(batch)["total"], plain.loss(batch)]
        torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)
        for loss, form, optimizer in zip(losses, forms, optimizers, strict=True):
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(form.parameters(), 0.1)
            optimizer.step()


# -- scores --------------------------------------------------------------------------------


def test_scores_do_not_depend_on_the_chunks(view, monkeypatch):
    model = make(view)
    whole = model.prediction().values
    monkeypatch.setattr("grn_exp.models.edges.scgreat._CHUNK", 3)
    np.testing.assert_allclose(model.prediction().values, whole, rtol=1e-5)
    assert model.training  # left as it was


def test_permuting_genes_permutes_the_scores(view):
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(5), rng.permutation(14)
    genes = view.genes.take(columns)
    other = dataclasses.replace(
        view,
        expression=view.expression.take_genes(genes),
        regulators=view.regulators.take(rows),
        labels=view.labels[np.ix_(rows, columns)],
        embedding=view.embedding.take(genes),
    )
    first, second = (make(v).prediction() for v in (view, other))
    aligned = second.align(first.regulators, first.genes)
    np.testing.assert_allclose(aligned, first.values, rtol=1e-5)


def test_a_gene_differs_as_regulator_and_as_target(view):
    tokens = make(view).tokens(torch.tensor([9, 9]), torch.tensor([0, 1]))
    assert not torch.allclose(*tokens)


@pytest.mark.parametrize("what", ["expression", "embedding"])
def test_a_pairs_score_reads_its_two_genes_alone(view, what):
    model = make(view)
    before = model.prediction().values
    with torch.no_grad():
        (model.features if what == "expression" else model.embedding)[9] += 1  # first regulator
    changed = model.prediction().values != before
    assert changed[0].all()
    assert changed[:, 9].all()
    assert not np.delete(changed, 9, axis=1)[1:].any()


# -- training ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_planted_pattern_is_learnt():
    """Half of the regulators regulate the odd targets, the others the even ones."""
    labels = np.where(np.arange(6)[:, None] % 2 == np.arange(36) % 2, 1, 0)
    labels[:, :6] = -1
    model = make(make_view(labels, range(6)), learning_rate=5e-3, **NO_DROPOUT)
    fit(model, 10)
    known = labels >= 0
    assert average_precision(model.prediction().values[known], labels[known] == 1) > 0.9


def test_a_resumed_training_ends_where_an_unbroken_one_ends(view, tmp_path):
    path = tmp_path / "last.ckpt"
    fit(make(view), 2).save_checkpoint(path)
    resumed, unbroken = make(view), make(view)
    fit(resumed, 4, path)
    fit(unbroken, 4)
    np.testing.assert_array_equal(resumed.prediction().values, unbroken.prediction().values)


def test_the_rate_decays_by_the_batch(view):
    model = make(view, learning_rate_decay=0.9)
    trainer = fit(model, 2)
    n_steps = 2 * -(-model.n_items // 8)
    rate = trainer.optimizers[0].param_groups[0]["lr"]
    assert rate == pytest.approx(1e-3 * 0.9**n_steps, rel=1e-9)


def test_the_gradients_length_is_cut(view):
    """A step of plain descent is no longer than rate times limit."""
    model = make(view, optimizer=torch.optim.SGD, learning_rate=1.0, batch_size=100)
    before = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
    fit(model, 1)
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert float((after - before).norm()) == pytest.approx(0.1, rel=1e-3)


def test_labels_of_genes_with_themselves_do_not_enter(view):
    changed = view.labels.copy()
    own = np.arange(5), view.regulator_positions
    changed[own] = 1 - np.abs(changed[own])
    models = [make(each) for each in (view, dataclasses.replace(view, labels=changed))]
    for model in models:
        fit(model, 1)
    np.testing.assert_array_equal(*(model.prediction().values for model in models))


def test_mixed_precision_is_for_gpus(view):
    scores = [make(view, mixed_precision=mixed).prediction().values for mixed in (True, False)]
    np.testing.assert_array_equal(*scores)


def test_mixed_precision_rounds_but_trains(view, monkeypatch):
    """The processor's own bfloat16 in place of a GPU's."""
    exact = make(view).eval().all_logits()
    monkeypatch.setattr(SCGREAT, "_precision", lambda _: torch.autocast("cpu", torch.bfloat16))
    rounded = make(view).eval().all_logits()
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact)
    torch.testing.assert_close(rounded, exact, rtol=0.1, atol=0.05)
    model = make(view)
    fit(model, 3)
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("by", ["norm", "value"])
def test_gradients_are_clipped_in_every_precision(view, precision, by):
    """By an optimiser in one kernel, whose gradients Lightning itself clips in float32 alone."""
    plain_steps = {"_target_": "torch.optim.SGD", "fused": True}
    model = make(view, optimizer=plain_steps, learning_rate=1.0, gradient_clip=1e-6)
    before = [p.detach().clone() for p in model.parameters()]
    fit(model, 1, precision=precision, gradient_clip_algorithm=by)
    moved = [(p - b).abs().max() for p, b in zip(model.parameters(), before, strict=True)]
    assert 0 < max(moved) < 1e-5


# -- options -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"n_heads": 3}, "model.n_heads=3"),
        ({"n_layers": 0}, "model.n_layers=0"),
        ({"head_widths": (12, 8)}, "model.head_widths=[12, 8]"),
        ({"head_widths": (12, 8, 5)}, "model.head_widths=[12, 8, 5]"),
        ({"head_dropout": 1.0}, "model.head_dropout=1.0"),
        ({"gradient_clip": 0.0}, "model.gradient_clip=0.0"),
        ({"learning_rate": -1.0}, "model.learning_rate=-1.0"),
    ],
)
def test_options_out_of_range_are_refused(view, changes, part):
    with pytest.raises(InputError, match=naming(part)):
        make(view, **changes)


def test_labels_of_one_kind_are_refused(view):
    with pytest.raises(InputError, match=naming(0, "41 training pairs", "split.seed")):
        make(dataclasses.replace(view, labels=np.minimum(view.labels, 0)))
