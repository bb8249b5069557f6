"""Set methods: hand-worked controls, what the neural scorers start from and can learn."""

import dataclasses
import itertools

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir

from grn_exp import config
from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.sets import CandidatePools, SetView, TargetSets
from grn_exp.models.sets.pairs2 import PairS2
from grn_exp.models.sets.training_sets import MostFrequentSet, NearestTargetSet, SetDictionary
from tests.messages import naming


def make_view(train, queries, values=None, n_cells=40):
    """Return a view: ``train`` maps targets to sets, ``queries`` targets to sizes."""
    genes = GeneIndex("ABCDEFGHIJKLMNOP")
    if values is None:
        values = np.random.default_rng(0).gamma(2.0, size=(n_cells, len(genes)))
    expression = Expression(
        values=np.asarray(values, dtype=np.float32), genes=genes, transform="log1p"
    )
    sets = TargetSets(
        candidates=genes,
        targets=GeneIndex(train),
        members=tuple(genes.positions(members) for members in train.values()),
    )
    everyone = GeneIndex([*train, *queries])
    own = genes.positions(everyone)
    pools = CandidatePools(
        candidates=genes,
        targets=everyone,
        members=tuple(np.setdiff1d(np.arange(10), [gene]) for gene in own),
    )
    return SetView(
        expression=expression,
        regulators=genes,
        labels=None,
        embedding=None,
        train=sets,
        folds=np.zeros(len(sets), dtype=np.int64),
        queries=GeneIndex(queries),
        sizes=np.asarray(list(queries.values()), dtype=np.int64),
        pools=pools,
    )


def names(prediction):
    symbols = prediction.candidates.symbols
    return ["".join(symbols[m] for m in members) for members in prediction.members]


def fitted(cls, view):
    model = cls().attach(view)
    model.fit()
    return model.prediction()


def test_the_most_frequent_set_is_the_commonest_of_that_size_without_the_target():
    train = {"F": "AB", "G": "AB", "H": "AB", "I": "CD", "J": "CD", "K": "ABC", "L": "BCD"}
    train["M"] = "BCD"
    view = make_view(train, {"N": 2, "O": 3, "A": 2})
    assert names(fitted(MostFrequentSet, view)) == ["AB", "BCD", "CD"]


def test_the_nearest_target_lends_its_set():
    values = np.random.default_rng(1).gamma(2.0, size=(50, 16))
    values[:, 13] = values[:, 8] + 0.01 * values[:, 0]  # N follows I
    values[:, 14] = 99 - values[:, 6]  # O mirrors G, and G's set is of another size
    train = {"F": "AB", "G": "BCD", "H": "AC", "I": "CE"}
    view = make_view(train, {"N": 2, "O": 3}, values)
    assert names(fitted(NearestTargetSet, view)) == ["CE", "BCD"]


def test_the_dictionary_chooses_the_training_set_that_explains_most():
    values = np.random.default_rng(2).gamma(2.0, size=(200, 16))
    values[:, 13] = values[:, 0] + values[:, 4] + 1  # N = A + E
    train = {"F": "AB", "G": "BD", "H": "AE", "I": "CE", "J": "ACE"}
    view = make_view(train, {"N": 2}, values)
    prediction = fitted(SetDictionary, view)
    assert names(prediction) == ["AE"]
    assert prediction.scores[0] == pytest.approx(1, abs=1e-4)


# -- neural scorers ------------------------------------------------------------------------------


def make_model(name, view, *overrides):
    config.register()
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        cfg = compose("config", [f"model={name}", "data=toy_sets", *overrides])
    identity = config.identify(cfg, data="toy_sets", model=name, retriever="context_attention")
    torch.manual_seed(0)
    return config.build_spec(identity).make_model().attach(view)


SETS_OF_2 = {
    "F": "AB",
    "G": "CD",
    "H": "AE",
    "I": "CB",
    "J": "DE",
    "K": "AC",
    "L": "BE",
    "M": "AD",
}


def fit(model, n_epochs, callback):
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=n_epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[callback],
    )
    trainer.fit(model)


def trained(model, n_epochs):
    """Train; return the loss of every epoch."""
    losses = []

    class Losses(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            losses.append(float(pl_module._sums["total"] / pl_module._n_seen))

    fit(model, n_epochs, Losses())
    return losses


def test_residual_hos2_starts_as_its_own_pair_scorer():
    view = make_view(SETS_OF_2, {"N": 2, "O": 3})
    residual = make_model("residual_hos2", view)
    pairs = make_model("pairs2", view)
    pairs.encoder.load_state_dict(residual.encoder.state_dict())
    pairs.pair_scorer.load_state_dict(residual.pair_scorer.state_dict())
    ours, theirs = residual.prediction(), pairs.prediction()
    assert names(ours) == names(theirs)
    np.testing.assert_allclose(ours.scores, theirs.scores, rtol=1e-5)


def test_the_residual_learns():
    view = make_view(SETS_OF_2, {"N": 2})
    model = make_model("residual_hos2", view)
    assert not model.set_transformer.head.weight.any()
    trained(model, 2)
    assert model.set_transformer.head.weight.any()


@pytest.mark.slow
def test_pure_hos2_memorises_eight_targets():
    """The paper's sanity check (appendix E): near-zero loss on a few targets."""
    view = make_view(SETS_OF_2, {"N": 2})
    overrides = [
        "model.learning_rate=1e-3",
        "model.encoder_dropout=0",
        "model.layer_dropout=0",
    ]
    losses = trained(make_model("pure_hos2", view, *overrides), 150)
    assert losses[0] > 0.8
    assert np.mean(losses[-10:]) < 0.01


def test_a_warm_start_trains_pairs_first_and_frees_the_encoder_last():
    view = make_view(SETS_OF_2, {"N": 2})
    model = make_model(
        "pure_hos2_warm", view, "model.warm_start_epochs=2", "model.frozen_epochs=2"
    )
    seen = []

    def state():
        parts = (model.encoder, model.pair_scorer, model.set_transformer)
        return [torch.cat([p.detach().flatten().clone() for p in m.parameters()]) for m in parts]

    class States(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            seen.append(state())

    fit(model, 6, States())
    seen.append(state())
    moved = np.array(
        [
            [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
            for before, after in itertools.pairwise(seen)
        ]
    )
    encoder, pair_scorer, transformer = moved.T
    assert encoder.tolist() == [True, True, False, False, True, True]
    assert pair_scorer.tolist() == [True, True, False, False, False, False]
    assert transformer.tolist() == [False, False, True, True, True, True]


@pytest.mark.parametrize("confusers", ["retriever", "score"])
def test_the_residuals_warm_start_is_a_training_of_pairs2(confusers):
    view = make_view(SETS_OF_2, {"N": 2})
    option = f"model.confusers={confusers}"
    pairs = make_model("pairs2", view, option)
    trained(pairs, 3)
    residual = make_model("residual_hos2", view, option, "model.warm_start_epochs=3")
    start = residual.set_transformer.head.weight.detach().clone()
    seen, shares = {}, []

    class States(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if pl_module.current_epoch == 3:
                for part in ("encoder", "pair_scorer"):
                    state = getattr(pl_module, part).state_dict()
                    seen[part] = {name: value.clone() for name, value in state.items()}
                assert torch.equal(pl_module.set_transformer.head.weight, start)

        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            shares.append(pl_module._near_miss_share)

    fit(residual, 5, States())
    np.testing.assert_allclose(shares, [0.5, 0.7, 0.9, 0.5, 0.9])  # the curriculum starts anew
    for part, state in seen.items():
        for name, value in getattr(pairs, part).state_dict().items():
            # where arrays lie in memory decides about a last digit, and of the last layer's
            # bias, which no ranking sees, about all: its gradient is rounding
            if value.numel() > 1:
                torch.testing.assert_close(state[name], value, rtol=1e-4, atol=1e-5)
    assert not torch.equal(residual.set_transformer.head.weight, start)


def test_edge_cross_entropy_is_over_the_pool_and_what_retrieval_missed():
    view = make_view({"F": "AP", "I": "BC"}, {"N": 2})  # P is in no pool
    options = ["model.loss=bce", "model.positive_weight=3"]
    options += ["model.encoder_dropout=0", "model.scorer_dropout=0"]
    model = make_model("pairs2", view, *options)
    found = float(model.loss(torch.tensor([0, 1]))["total"].detach())
    z, expected = model.encoder(model.features), []
    for row, symbol in enumerate(view.train.targets.symbols):
        target = int(view.genes.positions([symbol])[0])
        phi = model.pair_scorer(z, z[target][None])[0].tolist()
        true = set(view.train.members[row].tolist())
        members = true | set(view.pools.of(view.train.targets)[row].tolist())
        terms = [3 * np.log1p(np.exp(-phi[m])) for m in true]
        terms += [np.log1p(np.exp(phi[m])) for m in members - true]
        expected.append(np.sum(terms) / len(members))
    assert found == pytest.approx(np.mean(expected), rel=1e-4)


@pytest.mark.parametrize("name", ["pure_hos2_warm", "residual_hos2"])
def test_a_warm_start_that_leaves_no_epoch_is_refused(name):
    view = make_view(SETS_OF_2, {"N": 2})
    model = make_model(name, view, "model.warm_start_epochs=2")
    with pytest.raises(
        InputError, match=naming("trainer.max_epochs=2", "model.warm_start_epochs=2")
    ):
        model.check(2)
    model.check(3)


def test_the_rate_rises_over_the_warm_up():
    view = make_view(SETS_OF_2, {"N": 2})
    overrides = ["model.warmup_steps=8", "model.batch_size=4"]
    model = make_model("pairs2", view, *overrides)
    rates = []

    class Rates(pl.Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            rates.append(optimizer.param_groups[0]["lr"])

    fit(model, 6, Rates())
    np.testing.assert_allclose(rates[:8], 2e-4 * np.arange(1, 9) / 8)
    np.testing.assert_allclose(rates[8:], 2e-4)


def test_the_loss_is_the_mean_margin_over_the_negatives():
    view = make_view(SETS_OF_2, {"N": 2})
    model = make_model("pairs2", view, "model.encoder_dropout=0", "model.scorer_dropout=0")
    batch = torch.tensor([0, 3])
    model._rng = np.random.default_rng(5)
    found = float(model.loss(batch)["total"].detach())
    model._rng = np.random.default_rng(5)
    ((rows, sets),) = model._examples(batch)
    expected = []
    for row, row_sets in zip(rows.tolist(), sets.numpy(), strict=True):
        target = int(view.genes.positions([view.train.targets.symbols[row]])[0])
        z = model.encoder(model.features)
        phi = model.pair_scorer(z, z[target][None])[0]
        scores = [float(phi[list(each)].sum().detach()) for each in row_sets]
        gaps = [scores[0] - score for score in scores[1:]]
        expected.append(np.mean([np.log1p(np.exp(1.0 - gap)) for gap in gaps]))
    assert found == pytest.approx(np.mean(expected), rel=1e-4)


def test_confusers_by_score_are_the_pools_best_by_the_methods_own_pair_score():
    view = make_view(SETS_OF_2, {"N": 2})
    options = ["model.confusers=score", "model.n_confusers=3", "model.near_miss_start=1"]
    model = make_model("pairs2", view, *options).train()
    batch = torch.tensor([0, 3])  # F is regulated by A, B; I by B, C
    ((_, sets),) = model._examples(batch)
    assert model.training
    model.eval()
    z = model.encoder(model.features)
    for row, row_sets in zip(batch.tolist(), sets.tolist(), strict=True):
        target = int(view.genes.positions([view.train.targets.symbols[row]])[0])
        phi = model.pair_scorer(z, z[target][None])[0].tolist()
        true = set(view.train.members[row].tolist())
        wrong = set(view.pools.of(view.train.targets)[row].tolist()) - true
        best = sorted(wrong, key=lambda gene: -phi[gene])[:3]
        swapped_in = [set(each) - true for each in row_sets[1:]]
        assert all(len(each) == 1 for each in swapped_in)
        assert set().union(*swapped_in) == set(best)


@pytest.mark.parametrize("confusers", ["retriever", "score"])
def test_choosing_confusers_draws_no_random_number(confusers):
    view = make_view(SETS_OF_2, {"N": 2})
    model = make_model("residual_hos2", view, f"model.confusers={confusers}").train()
    torch.manual_seed(3)
    model.ranked_pools(torch.tensor([0, 3]))
    found = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(found, torch.rand(1))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_confusers_by_score_train_weights_under_autocast():
    view = make_view(SETS_OF_2, {"N": 2})
    model = make_model("pairs2", view, "model.confusers=score").train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model.loss(torch.tensor([0, 3]))["total"]
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.encoder.parameters())


def test_more_confusers_than_a_pool_holds_are_refused():
    view = make_view(SETS_OF_2, {"N": 2})  # pools of 9 or 10
    make_model("pairs2", view, "model.n_confusers=10")
    with pytest.raises(InputError, match=naming("model.n_confusers=11", "10", "pool.size")):
        make_model("pairs2", view, "model.n_confusers=11")


def test_a_score_without_pairs_chooses_no_confusers():
    view = make_view(SETS_OF_2, {"N": 2})
    with pytest.raises(InputError, match=naming("model.confusers=score", "retriever")):
        make_model("pure_hos2", view, "model.confusers=score")


def test_a_view_without_pools_is_a_defect():
    view = dataclasses.replace(make_view(SETS_OF_2, {"N": 2}), pools=None)
    with pytest.raises(RuntimeError, match="without pools"):
        make_model("pairs2", view)


def test_a_weight_of_true_edges_is_refused_where_none_is_used():
    with pytest.raises(InputError, match=naming("model.positive_weight=5", "model.loss=bce")):
        PairS2(positive_weight=5.0)


@pytest.mark.parametrize("option", [{"confusers": "retriever"}, {"n_confusers": 7}])
def test_confusers_are_refused_where_no_wrong_sets_are_drawn(option):
    (name, value), *_ = option.items()
    with pytest.raises(InputError, match=naming(f"model.{name}={value}", "model.loss=bce")):
        PairS2(loss="bce", **option)
