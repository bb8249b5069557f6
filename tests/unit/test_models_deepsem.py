"""DeepSEM against hand-worked numbers, a planted edge and the plain reference."""

import itertools

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from benchmarks.plain_deepsem import PlainDeepSEM
from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.views import TrainView
from grn_exp.models.edges.deepsem import DeepSEM
from grn_exp.nn import z_scores
from grn_exp.nn.z_scores import ZScores
from tests.messages import naming

SETTINGS = {
    "alpha": 1.0,
    "beta": 0.5,
    "standardise": "nonzero",
    "regulators": "all",
    "score": "abs",
    "learning_rate": 1e-4,
    "learning_rate_decay": 0.95,
    "adjacency_learning_rate": 1e-3,
    "hidden_width": 16,
    "table_points": 2048,
    "batch_size": 16,
    "optimizer": torch.optim.RMSprop,
}


@pytest.fixture(autouse=True)
def one_thread():
    """Arrays this small are slower on many, and sums come out in one order."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def make_view(n_cells=40, n_genes=12, regulators=(9, 2, 5), values=None):
    """Positive numbers with gaps; the regulators are in no particular order."""
    if values is None:
        rng = np.random.default_rng(0)
        values = rng.gamma(2.0, 1.0, (n_cells, n_genes)) * (rng.random((n_cells, n_genes)) > 0.3)
    genes = GeneIndex([f"G{i}" for i in range(values.shape[1])])
    expression = Expression(values=values.astype(np.float32), genes=genes, transform="log1p")
    return TrainView(
        expression=expression,
        regulators=genes.take(regulators),
        labels=None,
        embedding=None,
    )


def make_model(view=None, **changes):
    torch.manual_seed(0)
    return DeepSEM(**{**SETTINGS, **changes}).attach(view or make_view())


def start_away_from_singular(model):
    """Halve A: with rows that add up to 1, as at the start, I - A of few genes is near-singular.

    Rounding then grows so fast that no two ways of computing agree for long.
    """
    with torch.no_grad():
        model.edge_effects.mul_(0.5)


class Watch(pl.Callback):
    """Take down what is asked for around every epoch."""

    def __init__(self, look):
        self.look = look
        self.seen = [None]
        self.losses = []

    def on_train_epoch_start(self, trainer, pl_module):
        self.seen[0] = self.look(trainer, pl_module) if self.seen[0] is None else self.seen[0]

    def on_train_epoch_end(self, trainer, pl_module):
        self.seen.append(self.look(trainer, pl_module))


def train(model, epochs, look=lambda trainer, model: None):
    """Return what was looked at before training and after every epoch, and the losses."""
    rows = []

    class Losses(pl.callbacks.Checkpoint):
        def on_train_epoch_end(self, trainer, pl_module):
            rows.append({k: float(v) for k, v in trainer.callback_metrics.items()})

    watch = Watch(look)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        callbacks=[watch, Losses()],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model)
    return watch.seen, rows


# -- standardisation -----------------------------------------------------------------------


def standardise_expression(values, how):
    return [part.numpy() for part in ZScores(values, how)(torch.arange(len(values)))]


def test_masked_standardisation_by_hand():
    # gene 0: non-zero 1, 3, 5: mean 3, sd sqrt(8/3); gene 1: one non-zero value, no spread
    values = np.array([[1, 0], [3, 7], [5, 0], [0, 0]], dtype=np.float32)
    scaled, weight = standardise_expression(values, "nonzero")
    sd = np.sqrt(8 / 3)
    expected = np.array([[-2 / sd, 0], [0, 0], [2 / sd, 0], [-3 / sd, 0]])
    np.testing.assert_allclose(scaled, expected, rtol=1e-6)
    np.testing.assert_array_equal(weight, [[1, 0], [1, 1], [1, 0], [0, 0]])
    assert scaled.dtype == weight.dtype == np.float32


def test_masked_standardisation_clips_at_ten():
    # non-zero 100 and 102: mean 101, sd 1, so that a zero lies 101 sd below
    values = np.array([[100, 1], [102, 2], [0, 3]], dtype=np.float32)
    scaled, _ = standardise_expression(values, "nonzero")
    np.testing.assert_allclose(scaled[:, 0], [-1, 1, -10])
    plain, _ = standardise_expression(1e4 * np.eye(300, 2, dtype=np.float32), "all")
    assert plain.max() > 10  # and only there: the other kind has no clip


def test_plain_standardisation_by_hand():
    # gene 0: mean 2, sd sqrt(3.5); gene 1: constant
    values = np.array([[1, 0.1], [2, 0.1], [5, 0.1], [0, 0.1]], dtype=np.float32)
    scaled, weight = standardise_expression(values, "all")
    expected = np.array([[-1, 0], [0, 0], [3, 0], [-2, 0]]) / np.sqrt(3.5)
    np.testing.assert_allclose(scaled, expected, rtol=1e-6)
    assert (weight == 1).all()


@pytest.mark.parametrize("how", ["nonzero", "all"])
def test_standardisation_does_not_depend_on_how_many_cells_are_looked_at_at_a_time(
    how, monkeypatch
):
    values = np.random.default_rng(0).poisson(1.0, (50, 6)).astype(np.float32)
    whole = standardise_expression(values, how)
    scaled = ZScores(values, how)
    assert scaled.ends == (whole[0].min(), whole[0].max())
    assert np.shares_memory(scaled.values.numpy(), values)
    monkeypatch.setattr(z_scores, "_AT_A_TIME", 7 * 6)
    for found, expected in zip(standardise_expression(values, how), whole, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_zeros_and_ones_name_the_scaling_that_takes_them():
    values = (np.random.default_rng(0).random((12, 5)) < 0.5).astype(np.float32)
    with pytest.raises(InputError, match=naming("model.standardise=all")):
        standardise_expression(values, "nonzero")
    assert np.isfinite(standardise_expression(values, "all")[0]).all()


@pytest.mark.parametrize("how", ["nonzero", "all"])
def test_expression_that_never_varies_is_refused(how):
    with pytest.raises(InputError, match=naming("4 cells")):
        standardise_expression(np.full((4, 3), 2.5, dtype=np.float32), how)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alpha", -1.0),
        ("beta", -0.1),
        ("learning_rate", 0.0),
        ("adjacency_learning_rate", -1e-3),
        ("learning_rate_decay", 0.0),
        ("hidden_width", 0),
        ("batch_size", 0),
        ("table_points", 1),
        ("table_points", -5),
    ],
)
def test_options_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(InputError, match=naming(f"model.{name}={value}")):
        make_model(**{name: value})


# -- the adjacency and its orientation -----------------------------------------------------


@pytest.mark.parametrize("regulators", ["all", "known"])
def test_start_is_one_over_the_number_of_partners(regulators):
    model = make_model(regulators=regulators)
    adjacency = model.adjacency().detach()
    assert adjacency.shape == ((12, 12) if regulators == "all" else (3, 12))
    own = (torch.arange(model.n_rows), model.own_columns)
    assert (adjacency[own] == 0).all()
    others = torch.ones_like(adjacency, dtype=torch.bool)
    others[own] = False
    assert adjacency[others].min() >= 1 / 11
    assert adjacency[others].max() <= 1 / 11 + 2e-4 + 1e-7
    assert len(adjacency[others].unique()) > 20


@pytest.mark.parametrize("regulators", ["all", "known"])
def test_scores_read_the_regulators_row_and_the_targets_column(regulators):
    model = make_model(regulators=regulators, score="signed")
    regulator, target = 2, 7  # genes; the view's regulators are 9, 2, 5
    row = regulator if regulators == "all" else 1
    with torch.no_grad():
        model.edge_effects.zero_()
        model.edge_effects[row, target] = -0.25
    scores = model.prediction()
    assert scores.regulators.symbols == ("G9", "G2", "G5")
    expected = np.zeros((3, 12), dtype=np.float32)
    expected[1, target] = -0.25
    np.testing.assert_array_equal(scores.values, expected)
    model.options.score = "abs"
    np.testing.assert_array_equal(model.prediction().values, -expected)


@pytest.mark.parametrize("regulators", ["all", "known"])
def test_a_planted_edge_passes_noise_from_regulator_to_target(regulators):
    model = make_model(regulators=regulators)
    with torch.no_grad():
        model.edge_effects.zero_()
        model.edge_effects[2 if regulators == "all" else 1, 7] = 0.5
        mixing = model._mix(reuse=False)
        z = torch.zeros(2, 12)
        z[0, 2] = z[1, 7] = 1.0
        h = mixing.propagate(z)
    assert h[0].nonzero().flatten().tolist() == [2, 7]
    assert h[0, 7] == 0.5
    assert h[1].nonzero().flatten().tolist() == [7]


def test_training_finds_the_pair_that_was_planted():
    rng = np.random.default_rng(1)
    values = rng.standard_normal((300, 10))
    values[:, 6] = 0.9 * values[:, 3] + 0.4 * rng.standard_normal(300)  # G3 drives G6
    model = make_model(
        make_view(values=values + 10, regulators=(1, 3, 5)),
        regulators="known",
        standardise="all",
        learning_rate=5e-3,
        batch_size=64,
    )
    train(model, 30)
    scores = model.prediction().values
    assert np.unravel_index(scores.argmax(), scores.shape) == (1, 6)
    assert scores[1, 6] > 5 * np.sort(scores.ravel())[-2]


def test_training_points_a_hubs_edges_away_from_the_hub():
    # one pair could be read either way; that one gene explains four others cannot
    hub, targets = 3, [0, 5, 6, 8]
    rng = np.random.default_rng(1)
    values = rng.standard_normal((300, 10))
    values[:, targets] = values[:, [hub]] + 0.6 * rng.standard_normal((300, 4))
    scores = np.zeros((10, 10))
    for seed in range(4):  # as published, the mean over several starts
        model = make_model(
            make_view(values=values + 10, regulators=range(10)),
            standardise="all",
            learning_rate=5e-3,
            adjacency_learning_rate=2e-3,
            batch_size=64,
            seed=seed,
        )
        start_away_from_singular(model)
        train(model, 30)
        scores += model.prediction().values
    best = np.argsort(-scores.ravel())[:4]
    assert {divmod(int(pair), 10) for pair in best} == {(hub, target) for target in targets}
    assert scores[hub, targets].mean() > 1.3 * scores[targets, hub].mean()


# -- training ------------------------------------------------------------------------------


@pytest.mark.parametrize("standardise", ["nonzero", "all"])
def test_tables_and_shortcuts_agree_with_the_plain_reference(standardise):
    view = make_view(n_cells=70, n_genes=30)
    regulators = view.regulator_positions
    for table_points, loss_error, score_error in ((2048, 1e-5, 1e-3), (0, 1e-6, 1e-5)):
        model = make_model(view, standardise=standardise, table_points=table_points)
        start_away_from_singular(model)
        plain = PlainDeepSEM(model).start_as(model)
        start = plain.scores()
        expected = [plain.epoch(epoch) for epoch in range(4)]
        _, rows = train(model, 4)
        totals = [row["train/loss"] for row in rows]
        np.testing.assert_allclose(totals, [e.total for e in expected], rtol=loss_error)
        for name in ("reconstruction", "kl", "sparsity"):
            found = [row[f"train/{name}"] for row in rows]
            wanted = [getattr(e, name) for e in expected]
            np.testing.assert_allclose(found, wanted, rtol=10 * loss_error)
        moved = (plain.scores() - start)[regulators].abs().mean().item()
        distance = np.abs(model.prediction().values - plain.scores()[regulators].numpy())
        assert distance.mean() < score_error * moved
        assert distance.max() < 20 * score_error * moved


def spans(encoder, decoder, latent, adjacency):
    """Return how far what a start computes is from zero, part by part."""
    x = torch.linspace(-3, 3, 13)
    others = adjacency[~torch.eye(len(adjacency), dtype=torch.bool)]
    parts = [encoder(x), encoder(x * 0), decoder(x), decoder(x * 0), latent[0], latent[1]]
    return [float(part.detach().std(correction=0)) for part in (*parts, others)] + [
        float(part.detach().square().mean().sqrt()) for part in (*parts, others)
    ]


def spans_of_model(view, seed, networks):
    model = make_model(view, networks=networks, seed=seed)
    return spans(model.encoder, model.decoder, model.latent_moments(), model.edge_effects)


def spans_of_reference(view, seed):
    plain = PlainDeepSEM(make_model(view), seed=1000 + seed)
    one = torch.ones(1)

    def encoder(x):
        return plain.encoder(torch.stack([x, torch.ones_like(x)], dim=-1))

    def decoder(x):
        return plain.decoder(x.unsqueeze(-1))

    return spans(encoder, decoder, [part(one) for part in plain.prior], plain.a)


def test_starts_agree_in_distribution_with_those_of_the_plain_reference():
    view = make_view(n_cells=8, n_genes=40)
    seeds = range(60)
    expected = np.array([spans_of_reference(view, seed) for seed in seeds])

    def distances(networks):
        """Differences of the means in standard errors."""
        found = np.array([spans_of_model(view, seed, networks) for seed in seeds])
        variances = found.var(axis=0, ddof=1) + expected.var(axis=0, ddof=1)
        error = np.sqrt(variances / len(seeds)) + 1e-9  # some are always 0
        return np.abs(found.mean(axis=0) - expected.mean(axis=0)) / error

    assert distances("published").max() < 4
    # and another start would show: in the decoder at 0 and both moments of the latent prior
    assert (distances("merged")[[10, 11, 12]] > 5).all()


def test_epochs_train_either_the_networks_or_the_adjacency():
    model = make_model()

    def look(trainer, model):
        networks = [p.detach().clone() for p in model.network_parameters()]
        return torch.cat([p.flatten() for p in networks]), model.edge_effects.detach().clone()

    seen, _ = train(model, 7, look)
    for epoch, (before, after) in enumerate(itertools.pairwise(seen)):
        networks_moved = not torch.equal(before[0], after[0])
        adjacency_moved = not torch.equal(before[1], after[1])
        assert (networks_moved, adjacency_moved) == (epoch % 3 == 0, epoch % 3 != 0)


def test_self_pairs_stay_zero_through_training():
    model = make_model()
    train(model, 3)
    assert (model.edge_effects.diagonal() == 0).all()


def test_learning_rate_shrinks_by_the_epoch_and_only_for_the_networks():
    model = make_model(learning_rate=1e-2)

    def look(trainer, model):
        return [group["lr"] for group in trainer.optimizers[0].param_groups]

    seen, _ = train(model, 4, look)
    # at the end of an epoch the rate of the next is set
    np.testing.assert_allclose(seen, [[1e-2 * 0.95**epoch, 1e-3] for epoch in range(5)])


def test_known_regulators_alone_equal_all_genes_with_other_rows_zero():
    known = make_model(regulators="known")
    full = make_model(regulators="all")
    with torch.no_grad():
        full.edge_effects.zero_()
        full.edge_effects[known.regulator_positions] = known.edge_effects
    others = {k: v for k, v in known.state_dict().items() if k != "edge_effects"}
    full.load_state_dict(others, strict=False)
    batch = torch.arange(16)
    for epoch in (0, 1):
        losses = []
        for model in (known, full):
            model.zero_grad()
            model.begin_epoch(epoch)
            losses.append(model.loss(batch))
            losses[-1]["total"].backward()
        torch.testing.assert_close(losses[0], losses[1], rtol=1e-5, atol=1e-6)
        if epoch == 0:
            ours = [p.grad for p in known.network_parameters()]
            torch.testing.assert_close(
                ours, [p.grad for p in full.network_parameters()], rtol=1e-3, atol=1e-5
            )
        else:
            rows = full.edge_effects.grad[full.regulator_positions]
            torch.testing.assert_close(known.edge_effects.grad, rows, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(known.prediction().values, full.prediction().values)


def test_reconstruction_is_the_mean_error_over_the_counted_values(monkeypatch):
    model = make_model()
    batch = torch.arange(16)
    x, _ = model.cells(batch)
    part = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < 0.4
    found = {}
    for name, mask in (("all", part | True), ("part", part), ("rest", ~part)):
        monkeypatch.setattr(model.cells, "forward", lambda _, mask=mask: (x, mask.float()))
        model.begin_epoch(0)  # the same noise each time
        found[name] = float(model.loss(batch)["reconstruction"].detach())
    n_part, n_all = int(part.sum()), part.numel()
    total = found["part"] * n_part + found["rest"] * (n_all - n_part)
    assert found["all"] * n_all == pytest.approx(total, rel=1e-5)
    assert found["part"] != pytest.approx(found["rest"], rel=1e-3)


@pytest.mark.parametrize("table_points", [0, 2048])
def test_divergence_names_the_rates_and_their_values(table_points):
    model = make_model(adjacency_learning_rate=1e30, table_points=table_points)
    words = ("diverged in epoch", "model.adjacency_learning_rate=1e+30", "model.learning_rate=")
    with pytest.raises(InputError, match=naming(*words)):
        train(model, 6)
