"""The posterior of sets as a model, and its evidence in Residual HOS2."""

import dataclasses
import itertools

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir

from grn_exp import config
from grn_exp.core.errors import InputError
from grn_exp.core.sets import CandidatePools, SetView, TargetSets
from grn_exp.data.sets.toy import ToySetsDataModule
from grn_exp.models.sets.evidence_term import EvidenceTerm
from grn_exp.models.sets.set_posterior import SetPosterior
from tests.messages import naming

# -- the model -----------------------------------------------------------------------------------


def make_view(n_cells_per_type=60, n_cell_types=6, n_genes=80, noise="clean", known=False):
    expression, network = ToySetsDataModule(
        n_genes=n_genes,
        n_regulators=10,
        n_cell_types=n_cell_types,
        n_cells_per_type=n_cells_per_type,
        seed=1,
        noise=noise,
    ).load()
    candidates = network.regulators if known else network.genes
    sets = TargetSets.from_network(network, candidates=candidates)
    sets = sets.take(np.flatnonzero(sets.sizes <= 2))
    held = np.arange(len(sets)) % 5 == 0
    train, asked = sets.take(np.flatnonzero(~held)), sets.take(np.flatnonzero(held))
    rng = np.random.default_rng(0)
    own = [set(candidates.positions([t])) if t in candidates else set() for t in sets.targets]
    pools = [
        np.array([c for c in rng.permutation(len(candidates))[:9] if c not in mine])
        for mine in own
    ]
    view = SetView(
        expression=expression,
        regulators=candidates,
        labels=None,
        embedding=None,
        train=train,
        folds=np.arange(len(train)) % 3,
        queries=asked.targets,
        sizes=asked.sizes,
        pools=CandidatePools(candidates, sets.targets, tuple(pools)),
    )
    return view, asked


@pytest.fixture(scope="module")
def view_and_truth():
    return make_view()


@pytest.fixture(scope="module")
def model_and_found(view_and_truth):
    return predicted(view_and_truth[0])


def predicted(view, **options):
    model = SetPosterior(**options).attach(view)
    model.fit()
    prediction = model.prediction()
    symbols = prediction.candidates.symbols
    sets = [frozenset(symbols[m] for m in members) for members in prediction.members]
    return model, dict(zip(prediction.targets, sets, strict=True)), prediction.scores


def share_right(found, truth):
    symbols = truth.candidates.symbols
    true = [frozenset(symbols[m] for m in members) for members in truth.members]
    return np.mean([found[t] == each for t, each in zip(truth.targets, true, strict=True)])


def test_sets_are_found_and_what_was_learnt_is_told(view_and_truth, model_and_found):
    _, truth = view_and_truth
    model, found, scores = model_and_found
    assert model.evidence.time == "static"  # so few genes do not tell the time
    assert (scores <= 0).all()
    assert share_right(found, truth) > 0.3
    facts = model.facts()
    assert facts["time"] == "static"
    assert 0 < facts["seen_rate"]["1"] < 1
    assert 1 / 8 <= facts["half_response_over_mean"] <= 8
    assert facts["bounds_reached"] == []
    assert 0 < facts["following"] < 1


def test_sergios_curve_is_not_fitted_and_activities_can_be_asked_for(view_and_truth):
    view, _ = view_and_truth
    facts = {
        activity: predicted(view, response="sergio", activity=activity)[0].facts()
        for activity in ("auto", "own", "hidden")
    }
    assert facts["auto"] == facts["own"]
    assert "exponent" not in facts["auto"]
    assert "following" not in facts["own"]
    assert "following" in facts["hidden"]


def test_the_time_order_can_be_insisted_on(view_and_truth):
    model, found, _ = predicted(view_and_truth[0], time="path")
    facts = model.facts()
    assert facts["time"] == "path"
    assert facts["n_time_segments"] > 1
    assert found


def test_the_order_of_cells_and_labels_do_not_matter(view_and_truth, model_and_found):
    view, _ = view_and_truth
    expression = view.expression
    order = np.random.default_rng(5).permutation(expression.n_cells)
    turned = dataclasses.replace(expression, values=expression.values[order])
    _, found, scores = model_and_found
    # the labels of a view are those of training targets, which it has as sets already
    labels = np.zeros((len(view.regulators), expression.n_genes), dtype=np.int8)
    other = dataclasses.replace(view, expression=turned, labels=labels, pools=None)
    _, again, their_scores = predicted(other)
    assert again == found
    np.testing.assert_array_equal(their_scores, scores)


def test_the_order_of_genes_does_not_matter(view_and_truth, model_and_found):
    view, _ = view_and_truth
    expression = view.expression
    order = np.random.default_rng(6).permutation(expression.n_genes)
    turned = dataclasses.replace(
        expression, values=expression.values[:, order], genes=expression.genes.take(order)
    )
    _, found, scores = model_and_found
    model, again, their_scores = predicted(dataclasses.replace(view, expression=turned))
    assert again == found
    np.testing.assert_array_equal(their_scores, scores)
    assert model.facts() == model_and_found[0].facts()


@pytest.mark.parametrize(("n_cells", "noise"), [(3, "clean"), (12, "technical")])
def test_few_or_noisy_cells_are_taken_as_they_are(n_cells, noise):
    view, _ = make_view(n_cells_per_type=n_cells, noise=noise, known=True)
    model, found, _ = predicted(view, noise="clean")
    assert model.evidence.time == "static"
    assert set(model.facts()) >= {"n_between", "n_within", "damping"}
    regulators = set(view.regulators.symbols)
    assert all(each <= regulators for each in found.values())


def test_counts_are_recognised_and_the_order_of_cells_and_genes_does_not_matter():
    view, _ = make_view(noise="technical", known=True)
    model, found, scores = predicted(view)
    assert model.facts()["noise"] == "technical"
    assert model.evidence.time == "static"
    expression, rng = view.expression, np.random.default_rng(5)
    cells = rng.permutation(expression.n_cells)
    genes = rng.permutation(expression.n_genes)
    turned = dataclasses.replace(
        expression.take_genes(expression.genes.take(genes)),
        values=expression.values[np.ix_(cells, genes)],
    )
    _, again, their_scores = predicted(dataclasses.replace(view, expression=turned))
    assert again == found
    np.testing.assert_array_equal(their_scores, scores)


def test_concentrations_are_recognised(view_and_truth, model_and_found):
    view, _ = view_and_truth
    _, found, scores = model_and_found
    _, plain, plain_scores = predicted(view, noise="clean")
    assert plain == found
    np.testing.assert_array_equal(plain_scores, scores)
    with pytest.raises(InputError, match=naming("model.noise=technical", "clean")):
        predicted(view, noise="technical")


def test_sizes_that_no_training_set_has_can_be_asked_for(view_and_truth):
    view, _ = view_and_truth
    _, found, _ = predicted(dataclasses.replace(view, sizes=np.full(len(view.queries), 3)))
    assert {len(each) for each in found.values()} == {3}


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"time": "clock"}, ["model.time=clock", "auto, path, static"]),
        ({"response": "linear"}, ["model.response=linear", "fitted, sergio"]),
        ({"activity": "none"}, ["model.activity=none", "auto, hidden, own"]),
        ({"noise": "none"}, ["model.noise=none", "auto, clean, technical"]),
        ({"n_pool": -1}, ["model.n_pool=-1"]),
        ({"n_sets": 0}, ["model.n_sets=0"]),
    ],
)
def test_options_out_of_range_are_refused(view_and_truth, options, parts):
    with pytest.raises(InputError, match=naming(*parts)):
        predicted(view_and_truth[0], **options)


# -- the evidence for other methods --------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted(model_and_found):
    return model_and_found[0].evidence


def test_the_evidence_of_a_pool_is_that_of_its_genes(view_and_truth, fitted):
    view, _ = view_and_truth
    target, pool = view.queries.symbols[0], view.pools.of(view.queries)[0]
    place = fitted.data.place
    gene = place[view.genes.positions([target])[0]]
    for size in (1, 2, 4):
        sets = np.array(list(itertools.combinations(range(len(pool)), size)))
        own = fitted.for_pool(target, pool)(torch.from_numpy(sets))
        assert own.shape == (len(sets),)
        direct = fitted.hill.of_sets(gene, place[view.regulator_positions[pool]][sets])
        np.testing.assert_allclose(own, direct, rtol=1e-9)


@pytest.mark.parametrize("kind", ["linear", "posterior"])
def test_the_term_is_standardised_and_alike_in_training_and_decoding(view_and_truth, kind):
    view, _ = view_and_truth
    term = EvidenceTerm(view, kind=kind, start=2.0)
    row = next(
        row
        for row, (pool, true) in enumerate(
            zip(view.pools.of(view.train.targets), view.train.members, strict=True)
        )
        if not np.isin(true, pool).all()
    )
    pool = view.pools.of(view.train.targets)[row]
    pairs = torch.tensor(list(itertools.combinations(range(len(pool)), 2)))
    decoded = term.of_pool(view.train.targets.symbols[row], pool)(pairs)
    assert float(decoded.mean()) == pytest.approx(0, abs=0.5)
    assert float(decoded.std()) == pytest.approx(2, rel=0.5)
    in_training = term.of_train(torch.tensor([row]), torch.as_tensor(pool)[pairs][None])
    torch.testing.assert_close(in_training[0], decoded)
    in_training.sum().backward()
    assert term.weight.grad is not None
    true = torch.as_tensor(view.train.members[row])[None, None]  # outside the pool
    assert torch.isfinite(term.of_train(torch.tensor([row]), true)).all()


def residual_hos2(view, *overrides):
    config.register()
    chosen = ["model=residual_hos2", "data=toy_sets", *overrides]
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        cfg = compose("config", chosen)
    names = {"data": "toy_sets", "model": "residual_hos2", "retriever": "context_attention"}
    spec = config.build_spec(config.identify(cfg, **names))
    torch.manual_seed(0)
    return spec.make_model().attach(view)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linear", "posterior"])
def test_residual_hos2_adds_the_evidence_and_learns_its_weight(view_and_truth, kind):
    view, _ = view_and_truth
    plain = residual_hos2(view)
    model = residual_hos2(view, f"model.evidence={kind}", "model.evidence_start=0.5")
    assert plain.evidence is None
    assert model.load_state_dict(plain.state_dict(), strict=False).missing_keys == [
        "evidence.weight"
    ]
    target, pool = view.queries.symbols[0], view.pools.of(view.queries)[0]
    pairs = torch.tensor(list(itertools.combinations(range(len(pool)), 2)))
    plain.eval()
    model.eval()
    with torch.inference_mode():
        gap = model.set_score(target, pool)(pairs) - plain.set_score(target, pool)(pairs)
        torch.testing.assert_close(gap, model.evidence.of_pool(target, pool)(pairs))
    model.train()
    before = float(model.evidence.weight.detach())
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=3,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model)
    assert float(model.evidence.weight.detach()) > before
    prediction = model.prediction()
    assert [len(each) for each in prediction.members] == view.sizes.tolist()


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("model.evidence=quadratic", ["none", "linear", "posterior"]),
        ("model.evidence_rate=-1.0", []),
    ],
)
def test_options_of_the_evidence_are_refused(view_and_truth, override, parts):
    with pytest.raises(InputError, match=naming(override, *parts)):
        residual_hos2(view_and_truth[0], override)
