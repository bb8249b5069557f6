"""What every set method in ``conf/model`` keeps to, on a benchmark that is made in a moment."""

import csv
import dataclasses

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from grn_exp import config
from grn_exp.core.network import Network
from grn_exp.core.sets import TargetSets
from grn_exp.engine.artefacts import read_scores
from grn_exp.engine.run import run
from grn_exp.models.closed_form import ClosedFormModel
from grn_exp.models.gradient import GradientModel
from grn_exp.models.sets.base import PooledSelector
from grn_exp.runs.folder import RunFolder
from tests.contract.lightning import check_plain_trainer

# one run of each method is measured, which a fixture makes; tracing the rest doubles its time
pytestmark = pytest.mark.no_cover
MODELS = config.models_by_task("sets")
POOLED = [m for m in MODELS if issubclass(config.model_class(m), PooledSelector)]
TINY = ("data=toy_sets", "data.n_cells_per_type=12", "pool.size=12", "data.set_sizes=[1,2]")


def make_spec(model, outputs, *overrides):
    """Return a ready run of ``model``, as short as it can be."""
    config.register()
    overrides = [
        *TINY,
        f"model={model}",
        f"paths.outputs={outputs}",
        "trainer.accelerator=cpu",
        "trainer.enable_progress_bar=false",
        *(["retriever=regulator_frequency"] if model in POOLED else []),
        *overrides,
    ]
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        cfg = compose("config", overrides=overrides)
        cfg.trainer.max_epochs = 3
        if "warm_start_epochs" in cfg.model:
            cfg.model.warm_start_epochs = min(cfg.model.warm_start_epochs, 1)
        names = {"data": "toy_sets", "model": model, "retriever": "regulator_frequency"}
        return config.build_spec(config.identify(cfg, **names))


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """The benchmark that all runs share."""
    data = make_spec("most_frequent_set", tmp_path_factory.mktemp("unused")).make_data()
    data.setup()
    return data


@dataclasses.dataclass
class Finished:
    """A run that is done: target to predicted set, and the rows."""

    spec: object
    rows: list
    sets: dict
    scores: dict


def do(spec, data=None):
    if data is not None:
        changes = {"make_data": lambda: data}
        if spec.retriever is not None:
            changes["retriever"] = dataclasses.replace(spec.retriever, make_data=lambda: data)
        spec = dataclasses.replace(spec, **changes)
    rows = run(spec)
    with (spec.identity.folder / "sets.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    sets = {line["target"]: frozenset(line["predicted"].split(";")) for line in lines}
    return Finished(spec, rows, sets, {line["target"]: float(line["score"]) for line in lines})


@pytest.fixture(scope="module", params=MODELS)
def finished(request, tmp_path_factory, benchmark):
    """One run of each model."""
    torch.set_num_threads(1)
    return do(make_spec(request.param, tmp_path_factory.mktemp("runs")), benchmark)


def again(finished, tmp_path, *overrides, data=None):
    return do(make_spec(finished.spec.identity.model, tmp_path, *overrides), data)


def values(rows, metric):
    return {row["set_size"]: row["value"] for row in rows if row["metric"] == metric}


def test_every_held_out_target_gets_a_set_of_its_size_without_itself(finished, benchmark):
    held_out = benchmark.sets.take(benchmark.split.positions("test"))
    assert set(finished.sets) == set(held_out.targets.symbols)
    for target, size in zip(held_out.targets, held_out.sizes, strict=True):
        assert len(finished.sets[target]) == size
        assert target not in finished.sets[target]
    assert np.isfinite(list(finished.scores.values())).all()


def test_sets_are_judged_by_size_with_intervals(finished, benchmark):
    sizes = set(benchmark.sets.sizes.tolist())
    assert set(values(finished.rows, "exact_match")) - {None} == sizes
    exact = [row for row in finished.rows if row["metric"] == "exact_match"]
    assert all(row["low"] <= row["value"] <= row["high"] for row in exact)
    if isinstance_pooled(finished):
        coverage, exact_match = (values(finished.rows, m) for m in ("coverage", "exact_match"))
        assert all(exact_match[size] <= coverage[size] for size in sizes)


def isinstance_pooled(finished):
    return issubclass(finished.spec.model_class, PooledSelector)


def test_the_same_seed_gives_the_same_sets(finished, tmp_path):
    found = again(finished, tmp_path)  # with a benchmark made anew
    assert found.sets == finished.sets
    assert found.scores == finished.scores


def test_mixed_precision_with_clipped_gradients(finished, tmp_path):
    if finished.spec.identity.model not in ("pairs2", "residual_hos2"):  # the others' parts
        return
    options = ("trainer.precision=bf16-mixed", "trainer.gradient_clip_val=1")
    found = again(finished, tmp_path, *options)
    assert values(found.rows, "exact_match")
    assert found.spec.identity.run_key != finished.spec.identity.run_key


def with_other_sets(data, monkeypatch, role, rng):
    """Give the targets of a role other sets of the same sizes."""
    sets, split = data.sets, data.split
    members = list(sets.members)
    for row in split.positions(role):
        own = set(sets.candidates.positions([sets.targets.symbols[row]]))
        free = np.setdiff1d(np.arange(len(sets.candidates)), [*members[row], *own])
        members[row] = np.sort(rng.choice(free, size=len(members[row]), replace=False))
    changed = dataclasses.replace(sets, members=tuple(members))
    monkeypatch.setattr(type(data), "sets", property(lambda self: changed))
    return changed


def test_held_out_sets_change_no_prediction(finished, tmp_path, benchmark, monkeypatch):
    changed = with_other_sets(benchmark, monkeypatch, "test", np.random.default_rng(0))
    assert isinstance(changed, TargetSets)
    found = again(finished, tmp_path, data=benchmark)
    assert found.sets == finished.sets
    assert found.scores == finished.scores


def test_training_sets_reach_the_models(finished, tmp_path, benchmark, monkeypatch):
    """The counterpart: the test above would miss a model that is shown nothing at all."""
    with_other_sets(benchmark, monkeypatch, "train", np.random.default_rng(0))
    found = again(finished, tmp_path, data=benchmark)
    assert found.sets != finished.sets


def turned(benchmark, spec):
    """Return the benchmark with its genes in another order."""
    expression, network = benchmark.load()
    order = np.random.default_rng(0).permutation(expression.n_genes)
    genes = expression.genes.take(order)
    symbols = expression.genes.symbols
    edges = Network.from_names(
        genes,
        [symbols[r] for r in network.regulator],
        [symbols[t] for t in network.target],
        source="turned",
    )
    data = spec.make_data()
    data.load = lambda: (expression.take_genes(genes), edges)
    role_of = {}
    for role in ("train", "val", "test"):
        for symbol in benchmark.split.targets.array[benchmark.split.mask(role)]:
            role_of[symbol] = role

    def split(sets):
        drawn = type(benchmark.splitter).split(benchmark.splitter, sets)
        masks = {
            role: np.asarray([role_of[s] == role for s in drawn.targets])
            for role in ("train", "val", "test")
        }
        return dataclasses.replace(drawn, **masks)

    data.splitter = _Splitter(split)
    data.setup()
    return data


class _Splitter:
    """The same roles whatever the order; folds by name."""

    def __init__(self, split):
        self.split = split

    def folds(self, train, seed):
        names = np.sort(train.targets.array)
        place = {name: row for row, name in enumerate(names)}
        return np.asarray([place[symbol] % 3 for symbol in train.targets], dtype=np.int64)


@pytest.mark.parametrize("name", MODELS)
def test_permuting_the_genes_permutes_the_sets(name, benchmark, tmp_path):
    """Of a fitted closed form, and of a neural method as it starts."""
    spec = make_spec(name, tmp_path)
    other = turned(benchmark, spec)
    found = []
    for data in (benchmark, other):
        scores = None
        if spec.retriever is not None:
            retriever = spec.retriever.make_model().attach(data.view(labels=True))
            retriever.fit()
            scores = retriever.prediction()
        view = data.set_view(scores)
        view = dataclasses.replace(view, folds=_Splitter(None).folds(view.train, 0))
        model = spec.make_model().attach(view)
        if isinstance(model, ClosedFormModel):
            model.fit()
        sets = model.prediction()
        symbols = sets.candidates.symbols
        found.append(
            {
                target: frozenset(symbols[m] for m in members)
                for target, members in zip(sets.targets, sets.members, strict=True)
            }
        )
    assert found[0] == found[1]
    assert len(set(found[0].values())) > 1


def test_a_plain_trainer_gets_the_same_numbers(finished, benchmark, tmp_path):
    """From Python, without the command line: fit, validate, test, predict, load."""
    if finished.spec.retriever is not None:
        benchmark.use_candidates(read_scores(RunFolder(finished.spec.retriever.identity.folder)))
    check_plain_trainer(finished, benchmark, tmp_path / "own.ckpt", max_epochs=3)


def test_checkpoints_and_curves(finished):
    folder = finished.spec.identity.folder
    trained = issubclass(finished.spec.model_class, GradientModel)
    assert (folder / "checkpoints" / "last.ckpt").exists() == trained
    lines = (folder / "history.csv").read_text().splitlines()
    if not trained:
        assert lines == ["epoch"]
        return
    assert len(lines) == 1 + 3
    losses = [
        float(line.split(",")[lines[0].split(",").index("train/loss")]) for line in lines[1:]
    ]
    assert np.isfinite(losses).all()
