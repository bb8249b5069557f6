"""What every edge method in ``conf/model`` keeps to, on a benchmark that is made in a moment."""

import dataclasses

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from grn_exp import config
from grn_exp.data.edges.base import EVALUATED
from grn_exp.engine.run import run
from grn_exp.models.closed_form import ClosedFormModel
from grn_exp.models.gradient import GradientModel
from tests.contract.lightning import check_plain_trainer

# one run of each method is measured, which a fixture makes; tracing the rest doubles its time
pytestmark = pytest.mark.no_cover
MODELS = config.models_by_task("edges")
TINY = (
    *("data=toy", "data.n_genes=40", "data.n_regulators=12", "data.n_cells_per_type=10"),
    "split.validation_fraction=0.25",  # or no edge is among so few pairs
)
EPOCHS = 3
N_STEPS = 20  # of a method that counts none


def make_spec(model, outputs, *overrides):
    """Return a ready run of ``model``, as short as it can be."""
    config.register()
    overrides = [
        *TINY,
        f"model={model}",
        f"paths.outputs={outputs}",
        "trainer.accelerator=cpu",
        "trainer.enable_progress_bar=false",
        *overrides,
    ]
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        cfg = compose("config", overrides=overrides)
        cfg.trainer.max_epochs = EPOCHS
        if "n_steps" in cfg.model:
            cfg.model.n_steps = N_STEPS
        return config.build_spec(config.identify(cfg, data="toy", model=model))


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """The benchmark that all runs share."""
    data = make_spec("random", tmp_path_factory.mktemp("unused")).make_data()
    data.setup()
    return data


@dataclasses.dataclass
class Finished:
    """A run that is done."""

    spec: object
    rows: list
    arrays: dict


def do(spec, data=None):
    if data is not None:
        spec = dataclasses.replace(spec, make_data=lambda: data)
    rows = run(spec)
    with np.load(spec.identity.folder / "scores.npz") as arrays:
        return Finished(spec, rows, dict(arrays))


@pytest.fixture(scope="module", params=MODELS)
def finished(request, tmp_path_factory, benchmark):
    """One run of each model."""
    torch.set_num_threads(1)
    return do(make_spec(request.param, tmp_path_factory.mktemp("runs")), benchmark)


def again(finished, tmp_path, *overrides, data=None):
    return do(make_spec(finished.spec.identity.model, tmp_path, *overrides), data)


def average_precision(rows):
    return {row["subset"]: row["value"] for row in rows if row["metric"] == "ap"}


def with_truth(monkeypatch, data, **changes):
    changed = dataclasses.replace(data.truth, **changes)
    monkeypatch.setattr(type(data), "truth", property(lambda self: changed))


# -- scores --------------------------------------------------------------------------------


def test_scores_are_finite_with_regulators_first(finished, benchmark):
    scores = finished.arrays["scores"]
    assert scores.dtype == np.float32
    assert scores.shape == (len(benchmark.truth.regulators), len(benchmark.truth.genes))
    assert scores.shape[0] < scores.shape[1]
    assert np.isfinite(scores).all()
    assert tuple(finished.arrays["regulators"]) == benchmark.truth.regulators.symbols
    assert tuple(finished.arrays["genes"]) == benchmark.truth.genes.symbols


def test_every_subset_is_judged(finished):
    assert set(average_precision(finished.rows)) == set(EVALUATED)


def test_the_same_seed_gives_the_same_scores(finished, tmp_path):
    found = again(finished, tmp_path)  # with a benchmark made anew
    np.testing.assert_array_equal(found.arrays["scores"], finished.arrays["scores"])
    assert found.spec.identity.run_key == finished.spec.identity.run_key


def test_another_seed_is_another_run(finished, tmp_path, benchmark):
    found = again(finished, tmp_path, "seed=1", data=benchmark)
    assert found.spec.identity.run_key != finished.spec.identity.run_key
    same = np.array_equal(found.arrays["scores"], finished.arrays["scores"])
    assert same != found.spec.model_class.draws
    if issubclass(found.spec.model_class, GradientModel):
        differ = found.arrays["scores"] != finished.arrays["scores"]
        assert differ.mean() > 0.9


def test_mixed_precision_with_clipped_gradients(finished, tmp_path, benchmark):
    if not issubclass(finished.spec.model_class, GradientModel):
        return
    options = ("trainer.precision=bf16-mixed", "trainer.gradient_clip_val=1")
    found = again(finished, tmp_path, *options, data=benchmark)
    assert np.isfinite(found.arrays["scores"]).all()
    assert found.spec.identity.run_key != finished.spec.identity.run_key


def test_held_out_labels_change_no_score(finished, tmp_path, benchmark, monkeypatch):
    truth, split = benchmark.truth, benchmark.split
    held_out = truth.universe & ~split.train
    flipped = np.where(held_out, ~truth.labels, truth.labels)
    assert all((flipped != truth.labels)[split.mask(subset)].all() for subset in EVALUATED)
    with_truth(monkeypatch, benchmark, labels=flipped)
    found = again(finished, tmp_path, data=benchmark)
    same = np.array_equal(found.arrays["scores"], finished.arrays["scores"])
    assert same != finished.spec.model_class.reads_truth


def test_training_labels_reach_the_models_that_read_them(
    finished, tmp_path, benchmark, monkeypatch
):
    """The counterpart: the test above would miss a model that is shown nothing at all."""
    truth, split = benchmark.truth, benchmark.split
    with_truth(monkeypatch, benchmark, labels=np.where(split.train, ~truth.labels, truth.labels))
    found = again(finished, tmp_path, data=benchmark)
    same = np.array_equal(found.arrays["scores"], finished.arrays["scores"])
    reads = finished.spec.model_class.reads_labels or finished.spec.model_class.reads_truth
    assert same != reads


# -- controls ------------------------------------------------------------------------------


def test_methods_that_read_the_truth_are_right_and_others_are_not(finished):
    values = average_precision(finished.rows).values()
    if finished.spec.model_class.reads_truth:
        assert all(value == 1.0 for value in values)
    else:
        assert not all(value == 1.0 for value in values)  # a small subset may be ranked perfectly


def expected_by_chance(n, n_positive):
    """Mean average precision of a random order of ``n`` pairs (it lies above the prevalence)."""
    harmonic = (1 / np.arange(1, n + 1)).sum()
    return ((n_positive - 1) / (n - 1) * (n - harmonic) + harmonic) / n


def test_random_matches_the_prevalence(benchmark, tmp_path):
    spec = make_spec("random", tmp_path)
    found = {subset: [] for subset in EVALUATED}
    for seed in range(200):
        model = spec.make_model(seed=seed).attach(benchmark.view())
        rows = [row.as_dict() for row in benchmark.evaluate(model.prediction())]
        for subset, value in average_precision(rows).items():
            found[subset].append(value)
    for subset, values in found.items():
        labels = benchmark.truth.labels[benchmark.split.mask(subset)]
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        chance = expected_by_chance(len(labels), labels.sum())
        assert abs(np.mean(values) - chance) < 4 * error
        assert abs(np.mean(values) - labels.mean()) < harmonic_excess(labels) + 4 * error


def harmonic_excess(labels):
    return expected_by_chance(len(labels), labels.sum()) - labels.mean()


def without_own_numbers():
    """Closed forms that compute their scores from labels alone, without drawing any number."""
    names = []
    for name in MODELS:
        cls = config.model_class(name)
        reads = cls.reads_labels or cls.reads_truth
        if issubclass(cls, ClosedFormModel) and reads:
            names.append(name)
    return names


@pytest.mark.parametrize("name", without_own_numbers())
def test_permuting_the_genes_permutes_the_scores(name, benchmark, tmp_path):
    spec = make_spec(name, tmp_path)
    reads = spec.model_class
    rng = np.random.default_rng(0)
    truth = benchmark.truth
    rows, columns = (rng.permutation(n) for n in truth.labels.shape)
    view = benchmark.view(labels=reads.reads_labels, truth=reads.reads_truth)
    turned = dataclasses.replace(
        view,
        expression=view.expression.take_genes(view.genes.take(columns)),
        regulators=view.regulators.take(rows),
        labels=None if view.labels is None else view.labels[np.ix_(rows, columns)],
    )
    found = []
    for each in (view, turned):
        model = spec.make_model().attach(each)
        model.fit()
        found.append(model.prediction())
    first, second = found
    assert second.genes != first.genes
    np.testing.assert_allclose(second.align(first.regulators, first.genes), first.values, 1e-6)
    assert len(np.unique(first.values)) > 1


# -- files ---------------------------------------------------------------------------------


def test_checkpoints_hold_tensors_and_plain_types(finished):
    path = finished.spec.identity.folder / "checkpoints" / "last.ckpt"
    if not issubclass(finished.spec.model_class, GradientModel):
        assert not path.exists()
        return
    model = finished.spec.model_class.load_from_checkpoint(path, weights_only=True)
    np.testing.assert_array_equal(model.prediction().values, finished.arrays["scores"])


def test_a_plain_trainer_gets_the_same_numbers(finished, benchmark, tmp_path):
    """From Python, without the command line: fit, validate, test, predict, load."""
    check_plain_trainer(finished, benchmark, tmp_path / "own.ckpt", max_epochs=EPOCHS)


def test_history_has_a_row_an_epoch_with_finite_losses(finished):
    text = (finished.spec.identity.folder / "history.csv").read_text().splitlines()
    if not issubclass(finished.spec.model_class, GradientModel):
        assert text == ["epoch"]  # a header without rows
        return
    header = text[0].split(",")
    assert {"epoch", "train/loss", "val/ap"} <= set(header)
    losses = [float(line.split(",")[header.index("train/loss")]) for line in text[1:]]
    assert len(losses) == EPOCHS
    assert np.isfinite(losses).all()
