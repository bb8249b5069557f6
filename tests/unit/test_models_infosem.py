"""InfoSEM against DeepSEM, against its own special cases and against its formulas in NumPy."""

import dataclasses

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.views import UNKNOWN, GeneEmbedding, TrainView
from grn_exp.models.edges.deepsem import DeepSEM
from grn_exp.models.edges.infosem import (
    InfoSEM,
    InfoSEMB,
    InfoSEMBC,
    InfoSEMFree,
    scale_embedding,
)
from tests.messages import naming

N_GENES = 12
REGULATORS = (9, 2, 5)
SHARED = {
    "alpha": 1.0,
    "beta": 0.5,
    "standardise": "nonzero",
    "regulators": "all",
    "score": "abs",
    "learning_rate": 1e-4,
    "learning_rate_decay": 0.95,
    "adjacency_learning_rate": 1e-3,
    "hidden_width": 16,
    "table_points": 0,
    "batch_size": 16,
    "optimizer": torch.optim.RMSprop,
}
OWN = {
    "parametrisation": "centred",
    "embedding_scaling": "none",
    "sigma_w": 0.5,
    "sigma_l": 0.2,
    "h": 6,
    "embedding_learning_rate": 1e-3,
    "label_learning_rate": 1e-3,
}
LOGIT = np.log(0.95 / 0.05)


@pytest.fixture(autouse=True)
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def make_labels():
    """Two known pairs of each regulator and class, the rest unknown."""
    labels = np.full((3, N_GENES), UNKNOWN, dtype=np.int8)
    labels[:, [0, 7]] = 1
    labels[:, [3, 11]] = 0
    return labels


def make_view(*, labels=None, embedding=None):
    rng = np.random.default_rng(0)
    shape = (40, N_GENES)
    values = rng.gamma(2.0, 1.0, shape) * (rng.random(shape) > 0.3)
    genes = GeneIndex([f"G{i}" for i in range(N_GENES)])
    vectors = None
    if embedding is not None:
        known = np.ones(N_GENES, dtype=np.bool_)
        vectors = GeneEmbedding(genes, embedding.astype(np.float32), known, "test")
    return TrainView(
        expression=Expression(values.astype(np.float32), genes, "log1p"),
        regulators=genes.take(REGULATORS),
        labels=labels,
        embedding=vectors,
    )


def make_vectors(width=4):
    return np.random.default_rng(7).normal(1.0, 2.0, (N_GENES, width)).astype(np.float32)


def make_model(cls, view, **changes):
    torch.manual_seed(0)
    settings = SHARED if cls is DeepSEM else {**SHARED, **OWN}
    return cls(**{**settings, **changes}).attach(view)


def train(model, epochs):
    """Return each epoch's losses."""
    rows = []

    class Losses(pl.callbacks.Checkpoint):
        def on_train_epoch_end(self, trainer, pl_module):
            rows.append({k: float(v) for k, v in trainer.callback_metrics.items()})

    pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        callbacks=[Losses()],
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(model)
    return rows


def halve(model):
    """Start away from the near-singular I - A, where rounding grows too fast to compare."""
    with torch.no_grad():
        model.edge_effects.mul_(0.5)
    return model


def wander(model, seed=1):
    """Give every parameter of the adjacency some value of its own."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for group in model.adjacency_groups():
            for parameter in group["params"]:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
        model.edge_effects.copy_(model.without_self_pairs(model.edge_effects))
    return model


# -- special cases -------------------------------------------------------------------------


@pytest.mark.parametrize("regulators", ["all", "known"])
@pytest.mark.parametrize("parametrisation", ["centred", "non_centred"])
def test_without_priors_it_is_deepsem(regulators, parametrisation):
    deepsem = make_model(DeepSEM, make_view(), regulators=regulators)
    infosem = make_model(
        InfoSEM, make_view(), regulators=regulators, parametrisation=parametrisation
    )
    assert train(infosem, 4) == train(deepsem, 4)
    np.testing.assert_array_equal(infosem.prediction().values, deepsem.prediction().values)


def test_every_variant_starts_at_deepsems_adjacency():
    view = make_view(embedding=make_vectors())
    start = make_model(DeepSEM, view).adjacency()
    for cls in (InfoSEMB, InfoSEMFree):
        for parametrisation in ("centred", "non_centred"):
            model = make_model(cls, view, parametrisation=parametrisation)
            assert torch.equal(model.adjacency(), start)


def test_labels_leave_the_start_about_where_it_was():
    view = make_view(labels=make_labels(), embedding=make_vectors())
    start = make_model(DeepSEM, view).adjacency()
    for h in (1, 6, 128):
        model = make_model(InfoSEMBC, view, h=h)
        others = ~torch.eye(N_GENES, dtype=torch.bool)
        ratio = (model.adjacency()[others] / start[others]).detach()
        assert abs(ratio.mean() - 1) < 0.02
        assert ratio.std() < 0.12
        logits = model.label_logits()
        assert 0.03 < logits.std() < 0.3


@pytest.mark.parametrize("parametrisation", ["centred", "non_centred"])
def test_one_hot_vectors_are_free_gene_effects(parametrisation):
    view = make_view(embedding=np.eye(N_GENES))
    one_hot = halve(make_model(InfoSEMB, view, parametrisation=parametrisation))
    free = halve(make_model(InfoSEMFree, make_view(), parametrisation=parametrisation))
    expected, found = train(free, 5), train(one_hot, 5)
    for row, wanted in zip(found, expected, strict=True):
        assert row == pytest.approx(wanted, rel=1e-5)
    assert free.gene_weights.abs().max() > 1e-3
    torch.testing.assert_close(one_hot.gene_weights, free.gene_weights, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(
        one_hot.prediction().values, free.prediction().values, rtol=1e-3, atol=1e-5
    )


def test_parametrisations_agree_once_the_parameters_are_translated():
    view = make_view(labels=make_labels(), embedding=make_vectors())
    centred = wander(make_model(InfoSEMBC, view))
    other = make_model(InfoSEMBC, view, parametrisation="non_centred")
    other.load_state_dict(centred.state_dict())
    with torch.no_grad():
        mean = centred.without_self_pairs(centred.prior_mean())
        other.edge_effects.sub_(mean)
    torch.testing.assert_close(other.adjacency(), centred.adjacency())
    torch.testing.assert_close(other.adjacency_terms(), centred.adjacency_terms())


# -- formulas ------------------------------------------------------------------------------


@pytest.mark.parametrize("regulators", ["all", "known"])
@pytest.mark.parametrize("parametrisation", ["centred", "non_centred"])
def test_adjacency_and_prior_terms_against_numpy(regulators, parametrisation):
    vectors, labels = make_vectors(), make_labels()
    view = make_view(labels=labels, embedding=vectors)
    model = wander(
        make_model(
            InfoSEMBC, view, regulators=regulators, parametrisation=parametrisation, alpha=3.0
        )
    )
    rows = list(range(N_GENES)) if regulators == "all" else list(REGULATORS)
    own = np.zeros((len(rows), N_GENES), dtype=np.bool_)
    own[np.arange(len(rows)), rows] = True
    w = model.gene_weights.detach().numpy().astype(np.float64)
    effects = model.edge_effects.detach().numpy().astype(np.float64)
    logits = (model.logit_rows @ model.logit_columns).detach().numpy().astype(np.float64)
    # eq. 9, pair by pair: [h_i, h_k] w
    stacked = np.concatenate(w)
    mean = np.array(
        [
            [np.concatenate([vectors[i], vectors[k]]) @ stacked for k in range(N_GENES)]
            for i in rows
        ]
    )
    difference = effects - mean if parametrisation == "centred" else effects
    total = 0.0
    for r, regulator in enumerate(REGULATORS):
        for k in range(N_GENES):
            if labels[r, k] != UNKNOWN:
                wanted = LOGIT if labels[r, k] == 1 else -LOGIT
                total += (logits[rows.index(regulator), k] - wanted) ** 2
    terms = {name: float(value.detach()) for name, value in model.adjacency_terms().items()}
    assert terms == pytest.approx(
        {
            "sparsity": 3.0 * np.abs(difference[~own]).sum() / N_GENES**2,
            "gene_weights": (w**2).sum() / (2 * 0.5**2 * N_GENES**2),
            "labels": total / (2 * 0.2**2 * N_GENES**2),
        },
        rel=1e-5,
    )
    # eq. 10
    magnitude = effects if parametrisation == "centred" else effects + mean
    expected = np.where(own, 0, magnitude / (1 + np.exp(-logits)))
    np.testing.assert_allclose(model.adjacency().detach(), expected, rtol=1e-4, atol=1e-6)
    shown = expected[list(REGULATORS)] if regulators == "all" else expected
    np.testing.assert_allclose(model.prediction().values, np.abs(shown), rtol=1e-4, atol=1e-6)


def test_the_loss_adds_the_terms_as_they_are():
    view = make_view(labels=make_labels(), embedding=make_vectors())
    model = make_model(InfoSEMBC, view)
    for epoch in (0, 1):
        model.begin_epoch(epoch)
        parts = {k: float(v.detach()) for k, v in model.loss(torch.arange(16)).items()}
        total = parts.pop("total")
        assert set(parts) == {"reconstruction", "kl", "sparsity", "gene_weights", "labels"}
        parts["kl"] *= 0.5  # beta
        assert total == pytest.approx(sum(parts.values()), rel=1e-5)


def test_unknown_pairs_do_not_enter_the_label_term():
    labels = make_labels()
    model = make_model(InfoSEMBC, make_view(labels=labels, embedding=make_vectors()), h=N_GENES)
    with torch.no_grad():  # logits that are free of each other
        model.logit_rows.copy_(torch.eye(N_GENES))
        model.logit_columns.copy_(torch.randn(N_GENES, N_GENES))
    before = model.adjacency_terms()["labels"]
    before.backward()
    is_known = np.zeros((N_GENES, N_GENES), dtype=np.bool_)
    is_known[list(REGULATORS)] = labels != UNKNOWN
    np.testing.assert_array_equal(model.logit_columns.grad.numpy() != 0, is_known)
    with torch.no_grad():
        model.logit_columns[torch.from_numpy(~is_known)] += 100.0
    assert model.adjacency_terms()["labels"] == before


def as_embedding(values):
    genes = GeneIndex([f"G{i}" for i in range(len(values))])
    known = np.ones(len(values), dtype=np.bool_)
    return GeneEmbedding(genes, np.asarray(values, dtype=np.float32), known, "test.npz")


def test_embedding_scalings():
    values = [[1, 4, 8], [3, 4, 0], [8, 4, 1]]
    embedding = as_embedding(values)
    np.testing.assert_array_equal(scale_embedding(embedding, "none"), values)
    lengths = np.array([[9], [5], [9]])
    np.testing.assert_allclose(scale_embedding(embedding, "unit"), values / lengths, rtol=1e-6)
    centred = np.array([[-3, 0, 5], [-1, 0, -3], [4, 0, -2]])
    np.testing.assert_allclose(scale_embedding(embedding, "centre"), centred)
    spread = np.sqrt([26 / 3, 1, 38 / 3])  # the second coordinate is constant
    np.testing.assert_allclose(scale_embedding(embedding, "zscore"), centred / spread, rtol=1e-6)


@pytest.mark.parametrize("scaling", ["none", "unit", "centre", "zscore"])
def test_the_model_uses_the_scaled_embedding(scaling):
    vectors = make_vectors()
    model = make_model(InfoSEMB, make_view(embedding=vectors), embedding_scaling=scaling)
    expected = scale_embedding(as_embedding(vectors), scaling)
    torch.testing.assert_close(model.embedding, torch.from_numpy(expected))


def test_by_default_the_length_of_a_priors_vectors_changes_nothing():
    vectors = make_vectors()
    starts = {}
    for factor in (1, 16):
        view = make_view(embedding=factor * vectors)
        model = InfoSEMB(**SHARED).attach(view)
        train(model, 4)
        starts[factor] = model.prediction().values
    np.testing.assert_array_equal(starts[1], starts[16])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([[1, 2], [0, 0], [3, 1]], ("'G1'", "length 0")),
        ([[1, 2], [2, 4], [3, 6]], ("all 3 genes", "length alone")),
    ],
)
def test_vectors_that_cannot_be_of_unit_length_name_another_scaling(values, words):
    wanted = ("test.npz", *words, "model.embedding_scaling=none")
    with pytest.raises(InputError, match=naming(*wanted)):
        scale_embedding(as_embedding(values), "unit")
    for scaling in ("none", "centre", "zscore"):
        scale_embedding(as_embedding(values), scaling)


@pytest.mark.parametrize(
    ("scale", "divisor"),
    [("per_pair", N_GENES**2), ("sum", 40 * N_GENES), ("undivided", 1)],  # 40 cells
)
def test_prior_scales_divide_all_terms_alike(scale, divisor):
    view = make_view(labels=make_labels(), embedding=make_vectors())
    model = wander(make_model(InfoSEMBC, view, prior_scale=scale, alpha=3.0))
    deviation = model.edge_effects - model.without_self_pairs(model.prior_mean())
    logits = model.label_logits()[model.labelled_rows][model.known_rows, model.known_columns]
    sums = {
        "sparsity": 3.0 * deviation.abs().sum(),
        "gene_weights": model.gene_weights.square().sum() / (2 * 0.5**2),
        "labels": (logits - model.wanted_logits).square().sum() / (2 * 0.2**2),
    }
    expected = {name: float(value.detach()) / divisor for name, value in sums.items()}
    terms = {name: float(value.detach()) for name, value in model.adjacency_terms().items()}
    assert terms == pytest.approx(expected, rel=1e-5)


def test_the_sum_is_the_negative_elbo_over_the_number_of_values():
    """All cells in one batch; Gaussian likelihood of variance 1/2, Laplace and normal priors."""
    model = wander(
        make_model(
            InfoSEMB,
            make_view(embedding=make_vectors()),
            beta=1.0,
            prior_scale="sum",
            alpha=2.0,
            standardise="all",
            batch_size=40,
        )
    )
    other = torch.Generator().manual_seed(5)
    with torch.no_grad():
        moved = model.edge_effects + 0.1 * torch.randn(N_GENES, N_GENES, generator=other)
        moved = model.without_self_pairs(moved)
    found = []
    for effects in (model.edge_effects.detach().clone(), moved):
        with torch.no_grad():
            model.edge_effects.copy_(effects)
        model.begin_epoch(1)  # the same noise
        parts = model.loss(torch.arange(40))
        mean = model.prior_mean()
        laplace = torch.distributions.Laplace(mean, 1 / 2.0)
        pairs = ~torch.eye(N_GENES, dtype=torch.bool)
        log_prior = laplace.log_prob(model.edge_effects)[pairs].sum()
        log_prior = (
            log_prior + torch.distributions.Normal(0.0, 0.5).log_prob(model.gene_weights).sum()
        )
        n_values = 40 * N_GENES
        log_likelihood = -parts["reconstruction"] * n_values  # (x - f)^2 / (2 * 1/2), summed
        elbo = log_likelihood + log_prior - parts["kl"] * n_values
        found.append((parts["total"].item(), -elbo.item() / n_values))
    (loss_a, elbo_a), (loss_b, elbo_b) = found
    assert loss_b - loss_a == pytest.approx(elbo_b - elbo_a, rel=1e-3)
    assert abs(loss_b - loss_a) > 1e-2


def test_undivided_priors_win_over_the_reconstruction():
    view = make_view(embedding=make_vectors())
    distance = {}
    for scale in ("per_pair", "undivided"):
        model = make_model(InfoSEMB, view, prior_scale=scale, alpha=1.0)
        train(model, 40)
        deviation = model.edge_effects - model.without_self_pairs(model.prior_mean())
        distance[scale] = deviation.abs().mean().item()
    assert distance["undivided"] < 0.3 * distance["per_pair"]


def test_a_divergence_names_the_scale_of_the_priors():
    settings = {"prior_scale": "sum", "embedding_learning_rate": 1e30}
    model = make_model(InfoSEMB, make_view(embedding=make_vectors()), **settings)
    words = ("model.prior_scale=per_pair", "model.embedding_learning_rate=1e+30")
    with pytest.raises(InputError, match=naming("diverged", *words)):
        train(model, 6)


def test_weights_that_start_as_a_linear_layers_do():
    view = make_view(embedding=make_vectors(width=200))
    draws = [make_model(InfoSEMB, view, w_start="linear", seed=seed) for seed in range(2)]
    first, second = (model.gene_weights.detach() for model in draws)
    assert not torch.equal(first, second)
    bound = 1 / 400**0.5
    assert first.abs().max() <= bound
    assert first.std() == pytest.approx(bound / 3**0.5, rel=0.1)
    # nothing else starts elsewhere
    plain = make_model(InfoSEMB, view)
    assert torch.equal(plain.edge_effects, draws[0].edge_effects)


def test_untrained_weights_stay_and_count_where_the_prior_is_part_of_the_adjacency():
    view = make_view(embedding=make_vectors())
    settings = {"w_start": "linear", "embedding_learning_rate": 0.0, "seed": 3}
    model = make_model(InfoSEMB, view, parametrisation="non_centred", **settings)
    start = model.gene_weights.detach().clone()
    assert not torch.equal(model.adjacency(), make_model(DeepSEM, view, seed=3).adjacency())
    train(model, 4)
    assert torch.equal(model.gene_weights, start)


# -- training ------------------------------------------------------------------------------


def test_training_pulls_known_pairs_to_their_labels():
    labels = make_labels()
    view = make_view(labels=labels, embedding=make_vectors())
    model = make_model(InfoSEMBC, view, label_learning_rate=0.02, sigma_l=0.1)
    train(model, 60)
    logits = model.label_logits().detach().numpy()[list(REGULATORS)]
    probability = 1 / (1 + np.exp(-logits))
    assert (np.abs(probability[labels == 1] - 0.95) < 0.05).all()
    assert (np.abs(probability[labels == 0] - 0.05) < 0.05).all()
    scores = model.prediction().values
    assert np.median(scores[labels == 1]) > 3 * np.median(scores[labels == 0])


def test_only_adjacency_epochs_train_the_priors_parameters():
    model = make_model(InfoSEMBC, make_view(labels=make_labels(), embedding=make_vectors()))
    names = ("gene_weights", "logit_rows", "logit_columns", "edge_effects")
    seen = []

    class Take(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            seen.append([getattr(model, name).detach().clone() for name in names])

    start = [getattr(model, name).detach().clone() for name in names]
    pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        callbacks=[Take()],
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(model)
    for name, before, after_networks, after_adjacency in zip(names, start, *seen, strict=True):
        assert torch.equal(before, after_networks), name
        assert not torch.equal(after_networks, after_adjacency), name


def test_reading_is_declared():
    reads = {c.__name__: (c.reads_labels, c.reads_embedding) for c in (InfoSEMB, InfoSEMBC)}
    assert reads == {"InfoSEMB": (False, True), "InfoSEMBC": (True, True)}
    assert not InfoSEMFree.reads_embedding
    assert not InfoSEMFree.reads_labels
    assert not DeepSEM.reads_labels


def test_labels_of_another_class_give_another_target():
    labels = make_labels()
    view = make_view(labels=labels, embedding=make_vectors())
    swapped = dataclasses.replace(view, labels=np.where(labels == UNKNOWN, labels, 1 - labels))
    ours, theirs = (make_model(InfoSEMBC, v).wanted_logits for v in (view, swapped))
    torch.testing.assert_close(ours, -theirs)
    assert ours.abs().numpy() == pytest.approx(LOGIT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sigma_w", 0),
        ("sigma_l", 0),
        ("h", 0),
        ("embedding_learning_rate", -1),
        ("label_learning_rate", 0),
    ],
)
def test_options_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(InputError, match=naming(f"model.{name}={value}")):
        make_model(InfoSEMB, make_view(embedding=make_vectors()), **{name: value})
