"""SERGIO's networks as a benchmark of sets: what is read, shown, judged and refused."""

import numpy as np
import pytest

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.scores import EdgeScores
from grn_exp.core.sets import RegulatorSets
from grn_exp.core.views import UNKNOWN
from grn_exp.data.sets import sergio
from grn_exp.data.sets.pools import OraclePool, RetrievedPool
from grn_exp.data.sets.sergio import SergioDataModule
from grn_exp.data.sets.splitting import TargetSplitter
from grn_exp.storage import store
from tests.messages import lines_naming, naming

REGULATORS = range(8)


def line(target: int, *regulators: int) -> str:
    n = len(regulators)
    return ",".join(map(str, [target, n, *regulators, *[2.0] * n, *[2.0] * n]))


def sets_by_target() -> dict[int, tuple[int, ...]]:
    """Targets 8..27 in turn with one of two sets of 2 regulators, or of 3."""
    choices = [(0, 1), (2, 3, 4), (5, 6), (1, 6, 7)]
    return {target: choices[target % 4] for target in range(8, 28)}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Put a small network in the place of the known ones; return how to change it."""
    folder = tmp_path / "DS1"
    folder.mkdir()

    def write(sets=None, masters=REGULATORS):
        sets = sets_by_target() if sets is None else sets
        lines = [line(target, *regulators) for target, regulators in sets.items()]
        (folder / "interactions.txt").write_text("\n".join(lines))
        rates = [f"{m},{0.5 + m / 4},{2.0 - m / 8}" for m in masters]
        (folder / "master_regulators.txt").write_text("\n".join(rates))

    monkeypatch.setattr(store, "fetch", lambda key: folder / key.split("/")[-1])
    write()
    return write


def module(**changes) -> SergioDataModule:
    options = {
        "dataset": "DS1",
        "splitter": TargetSplitter(validation_fraction=0.2),
        "pool": RetrievedPool(size=6, caps={3: 4}),
        "set_sizes": None,
    }
    return SergioDataModule(**{**options, **changes})


def truth_as_scores(data: SergioDataModule) -> EdgeScores:
    truth = data.truth
    return EdgeScores(truth.regulators, truth.genes, truth.labels.astype(np.float32))


def true_sets(data: SergioDataModule, view, **changes) -> RegulatorSets:
    asked = data.sets.take(data.sets.targets.positions(view.queries))
    options = {"members": asked.members, "scores": np.zeros(len(asked)), "pools": view.pools}
    return RegulatorSets(asked.candidates, asked.targets, **{**options, **changes})


def value(rows, metric, subset="test", size=None, k=None):
    (row,) = [
        r for r in rows if (r.metric, r.subset, r.set_size, r.k) == (metric, subset, size, k)
    ]
    return row.value


def test_cells_are_simulated_once_and_read_from_the_cache(files, own_cache, monkeypatch):
    one = module().expression
    assert one.values.shape == (2 * 300, 28)
    assert one.transform == "log1p"
    (copy,) = own_cache.rglob("*.npz")
    assert "seed0" in copy.name
    monkeypatch.setattr(sergio, "simulate_steady_state", None)  # would fail if it were called
    np.testing.assert_array_equal(module().expression.values, one.values)


def test_an_unreadable_copy_is_made_again(files, own_cache, caplog):
    first = module().expression.values
    (copy,) = own_cache.rglob("*.npz")
    whole = copy.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"no archive"):
        copy.write_bytes(broken)
        np.testing.assert_array_equal(module().expression.values, first)
        assert lines_naming(caplog.text, "WARNING", copy)
        assert len(copy.read_bytes()) == len(whole)
        caplog.clear()


def test_cells_that_cannot_be_kept_cost_a_warning(files, no_cache, caplog):
    assert module().expression.values.shape == (2 * 300, 28)
    assert lines_naming(caplog.text, "WARNING", "GRN_EXP_CACHE")


def test_another_network_or_seed_has_a_copy_of_its_own(files, own_cache):
    first = module().expression.values
    assert (module(simulation=1).expression.values != first).any()
    sets = sets_by_target()
    sets[8] = (3, 7)
    files(sets)
    assert (module().expression.values != first).any()
    assert len(list(own_cache.rglob("*.npz"))) == 3


def test_cells_further_apart_in_time_have_a_copy_of_their_own(files, own_cache):
    first = module().expression
    apart = module(sampling_state=40).expression
    assert (apart.values != first.values).any()
    names = sorted(copy.name for copy in own_cache.rglob("*.npz"))
    assert [name.endswith("-seed0-sampling40.npz") for name in names] == [True, False]
    np.testing.assert_array_equal(module(sampling_state=40).expression.values, apart.values)
    assert "sampling40" in apart.source
    assert "sampling" not in first.source


def test_technical_noise_is_of_the_simulations_seed(files):
    clean, noisy, again = (module(noise=n).expression for n in ("clean", "technical", "technical"))
    np.testing.assert_array_equal(noisy.values, again.values)
    assert (noisy.values == 0).mean() > (clean.values == 0).mean()
    per_cell = np.expm1(noisy.values.astype(np.float64)).sum(axis=1)
    np.testing.assert_allclose(per_cell[per_cell > 0], 1e4, rtol=1e-4)


def test_truth_and_view_hold_what_they_should(files):
    data = module()
    truth, view = data.truth, data.view(labels=True, embedding=False)
    genes = view.genes.symbols
    for target, regulators in sets_by_target().items():
        column = genes.index(str(target))
        assert np.flatnonzero(truth.labels[:, column]).tolist() == list(regulators)
        assert truth.universe[:, column].sum() == len(genes) - 1
    assert truth.universe.sum() == 20 * 27
    train = data.split.targets.array[data.split.train].tolist()
    for column, symbol in enumerate(genes):
        seen = view.labels[:, column]
        if symbol in train:
            assert seen[column] == UNKNOWN
            assert (np.delete(seen, column) == np.delete(truth.labels[:, column], column)).all()
        else:
            assert (seen == UNKNOWN).all()
    assert data.view(labels=False, embedding=False).labels is None
    with pytest.raises(InputError, match=naming("data", "gene embedding")):
        data.view(labels=True, embedding=True)


def test_a_held_out_targets_regulators_change_nothing_that_is_shown(files, tmp_path):
    """The expression is given, so that it cannot tell; the number of regulators is shown."""
    data = module()
    matrix = tmp_path / "matrix.csv"
    values = np.random.default_rng(0).gamma(2.0, size=(28, 12))
    rows = [f"{i}," + ",".join(map(str, row)) for i, row in enumerate(values)]
    matrix.write_text("," + ",".join(map(str, range(12))) + "\n" + "\n".join(rows))
    given = {"expression": str(matrix)}
    scores = EdgeScores(
        data.truth.regulators,
        data.truth.genes,
        np.random.default_rng(1).random((28, 28)).astype(np.float32),
    )
    before = module(**given).set_view(scores, seed=0)
    sets = sets_by_target()
    for symbol in before.queries:
        others = [(2, 7), (0, 3)] if len(sets[int(symbol)]) == 2 else [(0, 4, 5), (2, 5, 7)]
        sets[int(symbol)] = others[int(symbol) % 2]
    files(sets)
    after = module(**given).set_view(scores, seed=0)
    assert before.queries == after.queries
    assert before.train.keys() == after.train.keys()
    np.testing.assert_array_equal(before.labels, after.labels)
    np.testing.assert_array_equal(before.folds, after.folds)
    np.testing.assert_array_equal(before.sizes, after.sizes)
    for one, two in zip(before.pools.members, after.pools.members, strict=True):
        np.testing.assert_array_equal(one, two)
    # the oracle's pools are the exception
    oracle = {**given, "pool": OraclePool(size=6, caps={3: 4})}
    pools = module(**oracle).set_view(scores, seed=0).pools
    assert pools.covers(module(**oracle).sets).all()


def test_the_set_view_asks_for_the_held_out_targets_in_the_genes_order(files):
    data = module()
    view = data.set_view(None, seed=0)
    held = data.split.val | data.split.test
    assert view.queries.symbols == tuple(data.split.targets.array[held].tolist())
    assert view.sizes.tolist() == data.sets.sizes[held].tolist()
    assert view.pools is None
    assert len(view.train) == data.split.train.sum()
    pools = data.set_view(truth_as_scores(data), seed=0).pools
    assert pools.targets == data.sets.targets
    assert {len(pool) for pool in pools.members} == {4, 6}


def test_the_truth_is_judged_perfect(files):
    data = module()
    rows = data.evaluate(truth_as_scores(data))
    assert value(rows, "recall_at_k", k=5) == 1
    assert value(rows, "ap") == value(rows, "ap", subset="val") == 1
    view = data.set_view(truth_as_scores(data), seed=0)
    rows = data.evaluate(true_sets(data, view))
    for metric in ("exact_match", "exact_match_covered", "coverage", "jaccard", "f1"):
        assert value(rows, metric) == value(rows, metric, subset="val", size=2) == 1
    assert value(rows, "shared_set_share") == 1
    unseen = module(splitter=TargetSplitter(kind="unseen_set"))
    assert value(unseen.evaluate(truth_as_scores(unseen)), "shared_set_share") == 0


def test_coverage_is_recall_at_the_cap(files):
    data = module()
    truth = data.truth
    noise = np.random.default_rng(5).random(truth.labels.shape)
    values = (truth.labels * 0.6 + noise).round(1).astype(np.float32)  # with ties
    scores = EdgeScores(truth.regulators, truth.genes, values)
    view = data.set_view(scores, seed=0)
    header, curve = data.tables(scores)["recall_curve.csv"]
    chosen = data.evaluate(true_sets(data, view))
    for size in (2, 3):
        cap = data.pool.cap(size)
        at_cap = [dict(zip(header, row, strict=True)) for row in curve]
        recall = next(
            float(row["recall"])
            for row in at_cap
            if row["subset"] == "test" and row["set_size"] == size and row["k"] == cap
        )
        assert value(chosen, "coverage", size=size) == pytest.approx(recall)
    assert 0 < value(chosen, "coverage") < 1


def test_an_approximate_search_is_compared_with_the_best_set(files):
    data = module()
    view = data.set_view(truth_as_scores(data), seed=0)
    n = len(view.queries)
    best = np.full(n, 2.0)
    scores = np.full(n, 2.0)
    test_targets = set(data.split.targets.array[data.split.test].tolist())
    first = next(i for i, symbol in enumerate(view.queries) if symbol in test_targets)
    scores[first] = 1.5
    n_test = len(test_targets)
    rows = data.evaluate(true_sets(data, view, scores=scores, best_scores=best))
    assert value(rows, "found_optimum") == pytest.approx(1 - 1 / n_test)
    assert value(rows, "score_gap") == pytest.approx(0.5 / n_test)
    best[:] = np.nan  # nothing was compared
    rows = data.evaluate(true_sets(data, view, scores=scores, best_scores=best))
    assert not [row for row in rows if row.metric in ("found_optimum", "score_gap")]


def test_tables_and_validation_scores(files):
    data = module()
    scores = truth_as_scores(data)
    header, rows = data.tables(scores)["recall_curve.csv"]
    assert header == ["subset", "set_size", "k", "recall"]
    assert ("test", 3, 2, 0.0) in rows
    assert ("test", 3, 3, 1.0) in rows
    assert len(rows) == 2 * 3 * 27
    header, rows = data.tables(scores)["ranks.csv"]
    assert header == ["subset", "target", "set_size", "worst_rank"]
    # every true regulator comes first
    assert {row[2] - row[3] for row in rows} == {0}
    view = data.set_view(scores, seed=0)
    header, rows = data.tables(true_sets(data, view))["sets.csv"]
    assert len(rows) == len(view.queries)
    by_target = {row[1]: dict(zip(header, row, strict=True)) for row in rows}
    symbol = view.queries.symbols[0]
    expected = ";".join(map(str, sets_by_target()[int(symbol)]))
    assert by_target[symbol]["true"] == by_target[symbol]["predicted"] == expected
    assert by_target[symbol]["exact"] == by_target[symbol]["covered"] == 1
    assert value(data.evaluate(scores, ["val"]), "ap", "val") == 1.0
    assert value(data.evaluate(true_sets(data, view), ["val"]), "exact_match", "val") == 1.0
    assert data.val_dataloader().subsets == ["val"]
    assert module(splitter=TargetSplitter()).val_dataloader().subsets == []


def test_known_candidates_are_the_genes_that_regulate(files):
    data = module(candidates="known")
    assert data.truth.regulators == GeneIndex(map(str, REGULATORS))
    assert data.view(labels=True, embedding=False).labels.shape == (8, 28)


def test_a_decoder_is_asked_about_every_set_size(files):
    asked = []

    class Decoder:
        def check(self, pool_size, set_size):
            asked.append((pool_size, set_size))

    module().check_decoder(Decoder())
    assert asked == [(6, 2), (4, 3)]


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "h5ad"])
def test_a_matrix_by_path_in_any_order_of_genes(files, tmp_path, ending):
    import pandas as pd
    from anndata import AnnData

    values = np.random.default_rng(0).gamma(2.0, size=(9, 29)).astype(np.float32)
    ids = [str(i) for i in np.random.default_rng(1).permutation(29)]  # one gene more
    path = tmp_path / f"matrix.{ending}"
    table = pd.DataFrame(values.T, index=ids)
    if ending == "h5ad":
        AnnData(X=values, var=pd.DataFrame(index=ids)).write_h5ad(path)
    else:
        table.to_csv(path)
    expression = module(expression=str(path)).expression
    assert expression.genes.symbols == tuple(map(str, range(28)))
    np.testing.assert_allclose(
        expression.values[:, 5], np.log1p(values[:, ids.index("5")]), rtol=1e-5
    )


def test_a_matrix_without_ids_is_refused(files, tmp_path):
    path = tmp_path / "matrix.csv"
    rows = np.random.default_rng(0).random((28, 5))
    path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    with pytest.raises(InputError, match=naming("matrix.csv", "first line")):
        module(expression=str(path)).setup()


@pytest.mark.parametrize(
    ("change", "gene"),
    [
        ({1: (27,)}, 1),
        ({28: (29,)}, 29),
        ({7: (0, 1)}, 7),
    ],
)
def test_a_network_that_cannot_be_simulated_is_refused_in_one_line(files, change, gene):
    files({**sets_by_target(), **change})
    with pytest.raises(InputError, match=naming("DS1/interactions.txt", f"gene '{gene}'")):
        module().setup()


def test_a_cycle_is_refused_in_one_line(files):
    files({**sets_by_target(), 7: (27,), 27: (7, 1, 6)}, masters=range(7))
    with pytest.raises(InputError, match=naming("'7' -> '27' -> '7'", "cycle")):
        module().setup()


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"simulation": -1}, ["data.simulation=-1"]),
        ({"simulation": 15, "source": "published"}, ["data.simulation=15", "0..14"]),
        ({"sampling_state": 0}, ["data.sampling_state=0", 1]),
        (
            {"sampling_state": 500, "source": "published"},
            ["data.sampling_state=500", "data.source=published"],
        ),
        (
            {"sampling_state": 500, "expression": "cells.csv"},
            ["data.sampling_state=500", "data.expression"],
        ),
    ],
)
def test_simulations_that_do_not_exist_are_refused(options, parts):
    with pytest.raises(InputError, match=naming(*parts)):
        module(**options)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"set_sizes": [2, 4]}, ["data.set_sizes=[2, 4]", 4, "2, 3"]),
        ({"set_sizes": []}, ["data.set_sizes=[]"]),
        ({"pool": RetrievedPool(size=2, caps={})}, ["pool.size=2", "sets of 3"]),
    ],
)
def test_choices_that_do_not_fit_the_network_are_refused_at_setup(files, options, parts):
    with pytest.raises(InputError, match=naming(*parts)):
        module(**options).setup()


def test_a_matrix_on_its_side_is_refused(files, tmp_path):
    """Numbered cells would pass for SERGIO's numbered genes."""
    n_genes = len(module().expression.genes)
    rows = [",".join(["", *map(str, range(n_genes))])]
    rows += [",".join([str(cell), *["1.5"] * n_genes]) for cell in range(n_genes + 20)]
    path = tmp_path / "side.csv"
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(InputError, match=naming("side.csv", "48 genes", "28 cells", "28 genes")):
        module(expression=str(path)).setup()
