"""GENELink: attention by hand, the plain form, what may enter the graph, the dying rate."""

import dataclasses

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from benchmarks.plain_genelink import PlainGENELink
from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.views import TrainView
from grn_exp.metrics.ranking import average_precision
from grn_exp.models.edges.genelink import GENELink
from grn_exp.nn.graph_attention import AttentionGraph, GraphAttention
from tests.messages import naming

SETTINGS = {
    "attention_widths": (8, 6),
    "n_heads": 3,
    "attention_slope": 0.2,
    "attention_dropout": 0.5,
    "self_loops": False,
    "channel_width": 5,
    "channel_outputs": 4,
    "channel_dropout": 0.01,
    "stop_below_rate": 1e-6,
    "learning_rate": 3e-3,
    "learning_rate_decay": 0.99,
    "batch_size": 8,
    "optimizer": torch.optim.Adam,
}
UNSEEN = (3, 8, 13)


@pytest.fixture(autouse=True)
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture
def view():
    """Fourteen genes, five regulators in no order; three genes have no training pair."""
    rng = np.random.default_rng(0)
    genes = GeneIndex([f"G{i}" for i in range(14)])
    labels = rng.integers(-1, 2, (5, 14)).astype(np.int8)
    labels[:, UNSEEN] = -1
    labels[3] = -1
    labels[np.arange(5), [9, 2, 5, 3, 0]] = 1  # with itself: no edge
    values = rng.gamma(2.0, size=(20, 14)).astype(np.float32)
    return TrainView(
        expression=Expression(values=values, genes=genes, transform="log1p"),
        regulators=genes.take((9, 2, 5, 3, 0)),
        labels=labels,
        embedding=None,
    )


def make(view, **changes):
    return GENELink(**(SETTINGS | changes)).attach(view)


def fit(model, epochs, checkpoint=None):
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, ckpt_path=checkpoint, weights_only=True if checkpoint else None)
    return trainer


# -- the attention -------------------------------------------------------------------------


def leaky(x, slope=0.2):
    return x if x > 0 else slope * x


@pytest.mark.parametrize("self_loops", [False, True])
def test_attention_of_three_genes_by_hand(self_loops):
    """G0 regulates G1; G2 has no edge. One head, projections to two numbers."""
    graph = AttentionGraph(np.array([0]), np.array([1]), n_genes=3, self_loops=self_loops)
    layer = GraphAttention(2, 2, n_heads=1, slope=0.2, dropout=0.0)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(2))
        layer.attention.copy_(torch.tensor([[[1.0, 0.5], [0.0, -1.0]]]))
        layer.bias.copy_(torch.tensor([[[0.25, 0.0]]]))
    x = torch.tensor([[3.0, 4.0], [-3.0, 0.0], [0.0, 8.0]])
    found = layer(graph.node_features(x), graph)[0, graph.node_of_gene]
    if self_loops:
        # receivers' halves 3, -3, 0; senders' halves -2.5, -1.5, -8
        own, other = (np.exp([leaky(3 - 2.5), leaky(3 - 1.5)]), np.exp([leaky(-5.5), leaky(-4.5)]))
        sums = [
            (own[0] * np.array([3, 4]) + own[1] * np.array([-3, 0])) / own.sum(),
            (other[0] * np.array([3, 4]) + other[1] * np.array([-3, 0])) / other.sum(),
            np.array([0, 8]),
        ]
    else:
        sums = [np.array([-3, 0]), np.array([3, 4]), np.array([0, 4])]  # the last: of all genes
    expected = []
    for total in sums:
        passed = np.where(total > 0, total, 0.2 * total)
        expected.append(passed / np.linalg.norm(passed) + [0.25, 0])
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-5, atol=1e-6)


def test_the_graph_has_training_edges_in_both_directions(view):
    graph = make(view).graph
    genes = {int(node): gene for gene, node in enumerate(graph.node_of_gene)}
    found = {
        (genes[int(i)], genes[int(j)]) for i, j in zip(graph.receivers, graph.senders, strict=True)
    }
    expected = set()
    for row, r in enumerate((9, 2, 5, 3, 0)):
        for gene in np.flatnonzero(view.labels[row] == 1):
            if gene != r:
                expected |= {(r, int(gene)), (int(gene), r)}
    assert found == expected
    assert len(graph.receivers) == len(expected)  # each once
    assert (graph.node_of_gene[list(UNSEEN)] == graph.n_nodes - 1).all()
    assert float(graph.shares.sum()) == pytest.approx(1)


def test_dropout_zeroes_attention_in_training_only(view):
    model = make(view)
    with torch.no_grad():
        model.eval()
        calm = [model.channels()[0] for _ in range(2)]
        assert torch.equal(*calm)
        model.train()
        assert not torch.equal(model.channels()[0], calm[0])


# -- the plain form ------------------------------------------------------------------------


def all_pairs(view):
    rows, genes = np.indices(view.labels.shape).reshape(2, -1)
    return torch.from_numpy(np.stack([view.regulator_positions[rows], genes], axis=1))


def test_logits_are_those_of_the_plain_form(view):
    model = make(view).eval()
    plain = PlainGENELink(model, attention_dropout=0.0, channel_dropout=0.0)
    expected = plain.logits(all_pairs(view)).view(view.labels.shape)
    torch.testing.assert_close(model.all_logits(), expected, rtol=1e-5, atol=1e-5)
    rows, genes = torch.tensor([4, 0, 2]), torch.tensor([1, 13, 5])
    torch.testing.assert_close(
        model.pair_logits(rows, genes), expected[rows, genes], rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(
        model.prediction().values, torch.sigmoid(expected).detach(), rtol=1e-5, atol=1e-6
    )


def test_training_is_that_of_the_plain_form(view):
    """Loss and gradients: ten steps of both, without dropout, end at the same scores."""
    model = make(view, attention_dropout=0.0, channel_dropout=0.0)
    plain = PlainGENELink(model, attention_dropout=0.0, channel_dropout=0.0)
    assert model.n_items == len(plain.labels) == (model.view.known_labels() >= 0).sum()
    optimizers = [torch.optim.Adam(form.parameters(), lr=3e-3) for form in (model, plain)]
    for step in range(10):
        batch = torch.arange(step, model.n_items, 3)
        losses = [model.loss(batch)["total"], plain.loss(batch)]
        torch.testing.assert_close(*losses, rtol=1e-5, atol=1e-6)
        for loss, optimizer in zip(losses, optimizers, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    expected = plain.logits(all_pairs(view)).view(view.labels.shape)
    torch.testing.assert_close(model.all_logits(), expected, rtol=1e-3, atol=1e-4)


# -- scores --------------------------------------------------------------------------------


def test_pairs_of_unseen_genes_are_scored_alike_unless_genes_attend_to_themselves(view):
    (unseen,) = np.flatnonzero(view.regulator_positions == 3)
    for self_loops, alike in ((False, True), (True, False)):
        scores = make(view, self_loops=self_loops).prediction().values[unseen, UNSEEN]
        assert (np.ptp(scores) == 0) == alike


def test_labels_of_unknown_pairs_and_of_genes_with_themselves_do_not_enter(view):
    changed = view.labels.copy()
    changed[np.arange(5), view.regulator_positions] = 0
    models = [make(each) for each in (view, dataclasses.replace(view, labels=changed))]
    for model in models:
        fit(model, 2)
    np.testing.assert_array_equal(*(model.prediction().values for model in models))


@pytest.mark.parametrize("self_loops", [False, True])
def test_permuting_genes_permutes_the_scores(view, self_loops):
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(5), rng.permutation(14)
    other = dataclasses.replace(
        view,
        expression=view.expression.take_genes(view.genes.take(columns)),
        regulators=view.regulators.take(rows),
        labels=view.labels[np.ix_(rows, columns)],
    )
    first, second = (make(v, self_loops=self_loops).prediction() for v in (view, other))
    assert second.genes != first.genes
    aligned = second.align(first.regulators, first.genes)
    np.testing.assert_allclose(aligned, first.values, rtol=1e-4, atol=1e-6)


# -- training ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_planted_pattern_is_learnt():
    """Half of the regulators regulate the odd targets, the others the even ones."""
    rng = np.random.default_rng(3)
    genes = GeneIndex([f"G{i}" for i in range(46)])
    labels = (np.arange(6)[:, None] % 2 == np.arange(46) % 2).astype(np.int8)
    labels[:, :6] = -1
    values = rng.gamma(2.0, size=(20, 46)).astype(np.float32)
    view = TrainView(
        expression=Expression(values=values, genes=genes, transform="log1p"),
        regulators=genes.take(range(6)),
        labels=labels,
        embedding=None,
    )
    model = make(view, attention_dropout=0.0, learning_rate=1e-2)
    fit(model, 15)
    known = labels >= 0
    scores = model.prediction().values[known]
    assert average_precision(scores, labels[known] == 1) > 0.9


def test_the_rate_decays_by_the_batch(view):
    model = make(view)
    trainer = fit(model, 3)
    n_steps = 3 * -(-model.n_items // 8)
    assert trainer.global_step == n_steps
    rate = trainer.optimizers[0].param_groups[0]["lr"]
    assert rate == pytest.approx(3e-3 * 0.99**n_steps, rel=1e-9)


def test_training_ends_when_the_rate_has_died(view):
    changes = {"learning_rate_decay": 0.5, "batch_size": 4}
    found = {}
    for share in (0.01, 1e-6, 0.0):
        model = make(view, stop_below_rate=share, **changes)
        trainer = fit(model, 4)
        found[share] = trainer.global_step, model.prediction().values
    assert found[0.01][0] == 7  # the first k with 0.5^k < 0.01
    assert found[1e-6][0] == 20
    assert found[0.0][0] == 4 * -(-model.n_items // 4) > 20
    # what the small share leaves out moves nothing
    np.testing.assert_allclose(found[1e-6][1], found[0.0][1], rtol=1e-6)
    assert not np.allclose(found[0.01][1], found[0.0][1], rtol=1e-6)


def test_a_resumed_training_ends_where_an_unbroken_one_ends(view, tmp_path):
    path = tmp_path / "last.ckpt"
    fit(make(view), 2).save_checkpoint(path)
    resumed, unbroken = make(view), make(view)
    fit(resumed, 4, path)
    fit(unbroken, 4)
    np.testing.assert_array_equal(resumed.prediction().values, unbroken.prediction().values)


def test_a_training_that_came_to_its_end_does_not_go_on(view, tmp_path):
    path = tmp_path / "last.ckpt"
    changes = {"learning_rate_decay": 0.5, "stop_below_rate": 0.01}
    first, again = make(view, **changes), make(view, **changes)
    fit(first, 4).save_checkpoint(path)
    assert fit(again, 4, path).global_step == 7
    np.testing.assert_array_equal(again.prediction().values, first.prediction().values)


def test_an_epochs_numbers_depend_on_seed_and_epoch_alone(view):
    losses = []
    for noise in (0, 7):
        model = make(view).train()
        torch.rand(noise)
        model.begin_epoch(2)
        losses.append(model.loss(torch.arange(model.n_items))["total"].item())
    assert losses[0] == losses[1]
    model.begin_epoch(3)
    assert model.loss(torch.arange(model.n_items))["total"].item() != losses[0]


# -- options -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"attention_widths": (8,)}, "model.attention_widths=[8]"),
        ({"attention_widths": (8, 0)}, "model.attention_widths=[8, 0]"),
        ({"n_heads": 0}, "model.n_heads=0"),
        ({"channel_width": 0}, "model.channel_width=0"),
        ({"attention_dropout": 1.0}, "model.attention_dropout=1.0"),
        ({"stop_below_rate": 1.0}, "model.stop_below_rate=1.0"),
        ({"learning_rate": 0.0}, "model.learning_rate=0.0"),
        ({"learning_rate_decay": 0.0}, "model.learning_rate_decay=0.0"),
    ],
)
def test_options_out_of_range_are_refused(view, changes, part):
    with pytest.raises(InputError, match=naming(part)):
        make(view, **changes)


@pytest.mark.parametrize("label", [-1, 0, 1])
def test_labels_of_one_kind_are_refused(view, label):
    labels = np.where(view.labels == -1, -1, label).astype(np.int8)
    known = int((dataclasses.replace(view, labels=labels).known_labels() >= 0).sum())
    n_edges = known if label == 1 else 0
    with pytest.raises(InputError, match=naming(n_edges, f"{known} training pairs", "split.seed")):
        make(dataclasses.replace(view, labels=labels))
