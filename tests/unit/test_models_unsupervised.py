"""Methods that read expression alone, against naive references and by hand."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from rustscenic import grn
from scipy.stats import spearmanr
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.views import TrainView
from grn_exp.models.edges import correlation, grnboost2
from grn_exp.models.edges.correlation import Correlation, partial_correlations
from grn_exp.models.edges.genie3 import GENIE3
from grn_exp.models.edges.grnboost2 import GRNBoost2, _batches
from grn_exp.models.edges.regdiffusion import RegDiffusion
from tests.messages import naming

N_CELLS, N_GENES, N_REGULATORS = 80, 9, 4
BOOST = {"learning_rate": 0.05, "n_estimators": 200, "max_features": 0.5, "subsample": 0.9}


def make_view(seed=0, *, n_cells=N_CELLS, order=None):
    """Return a view whose genes 4 to 8 follow its regulators; one gene is constant."""
    rng = np.random.default_rng(seed)
    values = rng.gamma(2.0, size=(n_cells, N_GENES))
    values[:, 4] = 2 * values[:, 0] + 0.1 * rng.random(n_cells)
    values[:, 5] = 9 - values[:, 1]
    values[:, 6] = values[:, 0] + values[:, 2] + 0.1 * rng.random(n_cells)
    values[:, 8] = 1.0
    symbols = ["d", "b", "c", "a", *"hgfei"]
    genes = GeneIndex(symbols)
    expression = Expression(values=values.astype(np.float32), genes=genes, transform="log1p")
    regulators = GeneIndex(symbols[:N_REGULATORS])
    if order is not None:
        expression = expression.take_genes(genes.take(order))
        regulators = regulators.take(np.arange(N_REGULATORS)[::-1])
    return TrainView(expression=expression, regulators=regulators, labels=None, embedding=None)


def boosted(view, **changes):
    return GRNBoost2(**{**BOOST, "window": 25, **changes}).attach(view)


MODELS = {
    "pearson": lambda view: Correlation(kind="pearson").attach(view),
    "spearman": lambda view: Correlation(kind="spearman").attach(view),
    "partial": lambda view: Correlation(kind="partial").attach(view),
    "grnboost2": boosted,
    "grnboost2 sklearn": lambda view: boosted(view, backend="sklearn"),
    "genie3": lambda view: GENIE3(n_estimators=20, max_features="sqrt").attach(view),
}


@pytest.fixture(autouse=True)
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def predicted(model):
    model.fit()
    return model.prediction()


@pytest.mark.parametrize("name", MODELS)
def test_planted_regulators_come_first_and_self_pairs_and_constants_score_nothing(name):
    found = predicted(MODELS[name](make_view())).values
    assert found[:, 4].argmax() == 0
    assert found[:, 5].argmax() == 1  # a repressor
    assert set(np.argsort(found[:, 6])[-2:]) == {0, 2}
    np.testing.assert_array_equal(found[np.arange(4), np.arange(4)], 0)
    np.testing.assert_array_equal(found[:, 8], 0)
    assert (found >= 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_the_order_of_the_genes_changes_no_score(name):
    order = np.random.default_rng(0).permutation(N_GENES)
    first, second = (predicted(MODELS[name](make_view(order=o))) for o in (None, order))
    assert second.genes != first.genes
    np.testing.assert_array_equal(second.align(first.regulators, first.genes), first.values)


class CutOffError(Exception):
    pass


# of a fit, and in how many of them it is done
STEPS = {"genie3": ("importances", 8), "grnboost2 sklearn": ("importances", 8)}
STEPS["grnboost2"] = ("_rust_edges", 4)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("n_done", [1, 2, 3])
def test_a_fit_that_is_cut_off_at_any_gene_goes_on_from_it(name, n_done, tmp_path, monkeypatch):
    monkeypatch.setattr(grnboost2, "_SHARE_FITTED_AGAIN", 10)  # a batch a gene
    view, (step, n_steps) = make_view(), STEPS[name]
    unbroken = predicted(MODELS[name](view))
    kind, taken, most = type(MODELS[name](view)), [], [n_done]
    original = getattr(kind, step)

    def counting(self, *arguments):
        if len(taken) == most[0]:
            raise CutOffError
        taken.append(arguments)
        return original(self, *arguments)

    monkeypatch.setattr(kind, step, counting)
    broken, resumed = MODELS[name](view), MODELS[name](view)
    broken.unfinished = resumed.unfinished = tmp_path / "checkpoints" / "targets.bin"
    with pytest.raises(CutOffError):
        broken.fit()
    with broken.unfinished.open("ab") as stream:
        stream.write(b"part of a record")
    most[0] = N_GENES * n_steps
    np.testing.assert_array_equal(predicted(resumed).values, unbroken.values)
    assert len(taken) == n_steps


def test_another_fits_genes_are_not_gone_on_from(tmp_path):
    view = make_view()
    for seed in (0, 1):
        model = GENIE3(n_estimators=5, seed=seed).attach(view)
        model.unfinished = tmp_path / "targets.bin"
        model.fit()
        alone = GENIE3(n_estimators=5, seed=seed).attach(view)
        np.testing.assert_array_equal(predicted(alone).values, model.prediction().values)


def test_spearman_is_scipys():
    view = make_view()
    values = np.round(view.expression.values, 0)  # many ties
    tied = TrainView(
        expression=Expression(values=values, genes=view.genes, transform="log1p"),
        regulators=view.regulators,
        labels=None,
        embedding=None,
    )
    found = predicted(Correlation(kind="spearman").attach(tied)).values
    for row in range(N_REGULATORS):
        for column in range(8):
            if row != column:
                expected = abs(spearmanr(values[:, row], values[:, column]).statistic)
                assert found[row, column] == pytest.approx(expected, abs=1e-6)


def test_partial_correlation_sees_through_a_chain():
    """In x -> y -> z, x and z correlate, and do not given y."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=5000)
    y = x + 0.5 * rng.normal(size=5000)
    z = y + 0.5 * rng.normal(size=5000)
    values = (np.stack([x, y, z], axis=1) + 10).astype(np.float32)
    found = partial_correlations(
        Expression(values=values, genes=GeneIndex("xyz"), transform="log1p")
    )
    assert np.corrcoef(x, z)[0, 1] > 0.7
    assert abs(found[0, 2]) < 0.05
    # the textbook formula for one gene that is held fixed
    r_xy, r_yz, r_xz = (np.corrcoef(a, b)[0, 1] for a, b in ((x, y), (y, z), (x, z)))
    expected = (r_xy - r_xz * r_yz) / np.sqrt((1 - r_xz**2) * (1 - r_yz**2))
    assert found[0, 1] == pytest.approx(expected, abs=0.01)
    np.testing.assert_allclose(found, found.T, atol=1e-12)


def test_partial_correlation_exists_with_fewer_cells_than_genes():
    found = predicted(Correlation(kind="partial").attach(make_view(n_cells=5))).values
    assert np.isfinite(found).all()
    assert found.max() <= 1


def test_partial_correlation_without_varying_genes_is_refused():
    values = np.ones((6, 3), dtype=np.float32)
    expression = Expression(values=values, genes=GeneIndex("abc"), transform="log1p")
    with pytest.raises(InputError, match=naming("0 of 3 genes", "6 cells")):
        partial_correlations(expression)


@pytest.mark.parametrize("n_cells", [2, 3, 4, 12])
def test_partial_correlation_of_few_or_equal_cells_is_finite_or_one_line(n_cells):
    values = np.random.default_rng(0).random((n_cells, 9)).astype(np.float32)
    for cells in (values, values[np.arange(n_cells) % 2]):
        expression = Expression(values=cells, genes=GeneIndex("abcdefghi"), transform="log1p")
        message = ""
        try:
            assert np.isfinite(partial_correlations(expression)).all()
        except InputError as error:
            message = str(error)
        assert not message or re.search(naming(f"{n_cells} cells", "9 genes"), message)


def test_regdiffusion_leaves_out_what_its_package_cannot_scale(tmp_path, monkeypatch):
    """A gene that is the highest or the lowest of every cell, and then the next one."""
    monkeypatch.chdir(tmp_path)
    values = np.random.default_rng(0).random((30, 8)).astype(np.float32) + 1
    values[:, 2] = 5 * values[:, 1:].max(axis=1)
    values[:, 3] = 4
    values[:, 4] = 0
    expression = Expression(values=values, genes=GeneIndex("abcdefgh"), transform="log1p")
    view = TrainView(expression, GeneIndex("abc"), labels=None, embedding=None)
    scores = predicted(RegDiffusion(n_steps=3).attach(view)).values
    assert np.isfinite(scores).all()
    assert not scores[:, [2, 3, 4]].any()
    assert not scores[2].any()
    assert scores[:2, 5:].any()
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_grnboost2_is_a_loop_with_the_published_stopping_rule():
    """The reference adds trees one by one and looks at the last 25 out-of-bag improvements."""
    view = make_view()
    found = predicted(boosted(view, backend="sklearn")).values
    ordered = view.by_symbol()
    inputs = ordered.expression.values[:, ordered.regulator_positions]
    target = view.expression.values[:, 6].astype(np.float64)
    for n_trees in range(1, BOOST["n_estimators"] + 1):
        model = GradientBoostingRegressor(**{**BOOST, "n_estimators": n_trees}, random_state=0)
        model.fit(inputs, target)
        if n_trees >= 25 and model.oob_improvement_[-25:].mean() < 0:
            break
    assert 25 < n_trees < BOOST["n_estimators"]
    expected = dict(zip(ordered.regulators, model.feature_importances_ * n_trees, strict=True))
    np.testing.assert_allclose(found[:, 6], [expected[r] for r in view.regulators], rtol=1e-6)


def test_genie3_is_the_mean_variance_that_the_splits_take_away():
    view = make_view()
    found = predicted(GENIE3(n_estimators=30, max_features="all").attach(view)).values
    ordered = view.by_symbol()
    inputs = ordered.expression.values[:, ordered.regulator_positions]
    target = view.expression.values[:, 4].astype(np.float64)
    forest = RandomForestRegressor(n_estimators=30, random_state=0)
    forest.fit(inputs, target / target.std())
    expected = np.zeros(N_REGULATORS)
    for tree in (estimator.tree_ for estimator in forest):
        weighted = tree.weighted_n_node_samples
        for node in np.flatnonzero(tree.children_left >= 0):
            children = [tree.children_left[node], tree.children_right[node]]
            gain = weighted[node] * tree.impurity[node]
            gain -= (weighted[children] * tree.impurity[children]).sum()
            expected[tree.feature[node]] += gain / weighted[0]
    of = dict(zip(ordered.regulators, expected / 30, strict=True))
    np.testing.assert_allclose(found[:, 4], [of[r] for r in view.regulators], rtol=1e-5)
    assert found[:, 4].sum() < 1.2  # of a variance of 1


@pytest.mark.slow
def test_more_processes_give_the_same_scores():
    few = {"backend": "sklearn", "n_estimators": 40}
    expected = predicted(boosted(make_view(), **few)).values
    torch.set_num_threads(2)
    np.testing.assert_array_equal(predicted(boosted(make_view(), **few)).values, expected)


def test_both_backends_name_the_same_regulators():
    planted = slice(4, 7)  # how many trees a gene gets, and so the sum, varies with the draws
    found, exact = (
        predicted(boosted(make_view(), backend=name)).values[:, planted]
        for name in ("rustscenic", "sklearn")
    )
    shares = (found / found.sum(axis=0), exact / exact.sum(axis=0))
    assert np.corrcoef(*map(np.ravel, shares))[0, 1] > 0.95


BATCHES = """
import sys
from grn_exp.models.edges import grnboost2
from tests.unit.test_models_unsupervised import boosted, make_view, predicted
grnboost2._MOST_BATCHES, grnboost2._SHARE_FITTED_AGAIN = int(sys.argv[1]), 100.0
model = boosted(make_view(), seed=int(sys.argv[2]))
sys.stdout.write(predicted(model).values.tobytes().hex())
"""


@pytest.mark.slow
def test_seed_alone_decides_what_rustscenic_gives():
    """Not the number of threads, which a process fixes at its first call, nor the batches."""
    printed = [
        subprocess.run(
            [sys.executable, "-c", BATCHES, n_batches, seed],
            env={**os.environ, "RAYON_NUM_THREADS": n_threads},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
        ).stdout
        for n_threads, n_batches, seed in (("1", "1", "0"), ("8", "3", "0"), ("1", "1", "1"))
    ]
    assert printed[0] == printed[1] != printed[2]


def test_batches_hold_every_gene_that_varies_and_refit_few_regulators():
    for n_genes, n_regulators in ((1, 1), (9, 4), (821, 20), (10_243, 49), (900, 400), (30, 30)):
        varying = np.arange(n_genes) % 5 > 0
        regulators = np.arange(n_regulators)
        batches = list(_batches(varying, regulators))
        assert {*np.flatnonzero(varying)} <= {*np.concatenate(batches)}
        assert all(np.isin(regulators, batch).all() for batch in batches)
        assert (len(batches) - 1) * n_regulators <= 0.1 * n_genes


def test_a_large_fit_on_many_regulators_has_several_batches():
    batches = list(_batches(np.ones(18_000, bool), np.arange(1639)))
    assert len(batches) > 1
    assert (len(batches) - 1) * 1639 <= 0.3 * 18_000


def test_a_signal_is_heard_while_a_batch_is_fitted(monkeypatch):
    """Native code does not look for signals."""
    ended = threading.Event()
    monkeypatch.setattr(grn, "infer", lambda *_args, **_options: ended.wait(60))

    def stop(*_):
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    start = time.monotonic()
    try:
        with pytest.raises(InterruptedError):
            boosted(make_view()).fit()
    finally:
        ended.set()
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - start < 20


def test_a_run_on_rustscenic_says_which_version():
    view = make_view()
    assert boosted(view).facts() == {"rustscenic": version("rustscenic")}
    assert not boosted(view, backend="sklearn").facts()


def test_grnboost2_without_rustscenic_names_the_other_backend(monkeypatch):
    monkeypatch.setitem(sys.modules, "rustscenic", None)
    with pytest.raises(InputError, match=naming("model.backend=rustscenic", "=sklearn")):
        boosted(make_view())
    assert boosted(make_view(), backend="sklearn")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"subsample": 1.0}, "model.subsample=1.0"),
        ({"max_features": 0.0}, "model.max_features=0.0"),
        ({"n_estimators": 0}, "model.n_estimators=0"),
        ({"window": 0}, "model.window=0"),
    ],
)
def test_grnboost2_refuses(changes, part):
    with pytest.raises(InputError, match=naming(part)):
        boosted(make_view(), **changes)


@pytest.mark.parametrize("name", ["pearson", "spearman", "partial"])
def test_correlations_do_not_depend_on_how_many_cells_are_looked_at_at_a_time(name, monkeypatch):
    view, found = make_view(), []
    for n_cells in (N_CELLS, 7):
        monkeypatch.setattr(correlation, "_AT_A_TIME", n_cells * N_GENES)
        model = MODELS[name](view)
        model.fit()
        found.append(model.prediction().values)
    assert found[1] == pytest.approx(found[0], abs=1e-6)
