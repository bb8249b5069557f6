"""The way in from Python: own cells in, a network out; benchmarks by their names."""

import json
import logging
import random
import subprocess
import sys
import warnings
from pathlib import Path

import anndata as ad
import hydra
import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.version import getbase

import grn_exp
from grn_exp import compose, config
from grn_exp.core.errors import InputError
from grn_exp.data.benchmark import Benchmark
from grn_exp.data.cells import CellsDataModule
from grn_exp.models.edges.correlation import Correlation
from grn_exp.models.edges.deepsem import DeepSEM
from grn_exp.runs.edges import AUDIT_COLUMNS, COLUMNS
from tests.messages import naming

REGULATORS = ["SPI1", "GATA1", "CEBPA", "TAL1"]
GENES = [*REGULATORS, *(f"GENE{i}" for i in range(20))]
SECTIONS = ("model", "data", "trainer")


def make_cells() -> ad.AnnData:
    """160 cells x 24 genes of counts in three groups, the last of which is too small."""
    rng = np.random.default_rng(0)
    cells = ad.AnnData(rng.poisson(rng.gamma(2.0, 2.0, size=len(GENES)), (160, len(GENES))))
    cells.X = cells.X.astype(np.float32)
    cells.layers["log"] = np.log1p(cells.X)
    cells.var_names, cells.obs_names = GENES, [f"cell{i}" for i in range(160)]
    cells.obs["kind"] = ["B cell"] * 50 + ["T/NK"] * 105 + ["rare"] * 5
    return cells


@pytest.fixture
def cells() -> ad.AnnData:
    return make_cells()


@pytest.fixture(scope="module")
def network() -> grn_exp.Network:
    return grn_exp.infer(make_cells(), "pearson", regulators=REGULATORS)


def refused(call, *parts):
    with pytest.raises(grn_exp.InputError, match=naming(*parts)):
        call()


# -- infer -----------------------------------------------------------------------------------


def test_a_network_is_all_that_a_run_left(network):
    assert tuple(network.edges.columns) == COLUMNS
    assert len(network.edges) == len(REGULATORS) * (len(GENES) - 1)
    assert (network.regulators, network.genes) == (sorted(REGULATORS), sorted(GENES))
    assert tuple(network.audit.columns) == AUDIT_COLUMNS
    assert set(network.audit["status"]) == {"used"}
    assert network.facts["choices"]["model"] == "pearson"
    text = repr(network)
    assert all(part in text for part in ("pearson", "4 regulators", "24 genes", "92 edges"))
    assert "GENE" in network._repr_html_()


@pytest.mark.parametrize("form", ["path", "text", "backed", "view"])
def test_cells_come_in_any_form(network, cells, form, tmp_path):
    path = tmp_path / "own.h5ad"
    cells.write_h5ad(path)
    doubled = ad.concat([cells, cells], index_unique="-")
    given = {
        "path": path,
        "text": str(path),
        "backed": ad.read_h5ad(path, backed="r"),
        "view": doubled[:160],
    }[form]
    found = grn_exp.infer(given, "pearson", regulators=REGULATORS)
    pd.testing.assert_frame_equal(found.edges, network.edges)


@pytest.mark.parametrize("kind", [list, tuple, pd.Index, np.array, pd.Series])
def test_regulators_come_in_any_form(network, cells, kind):
    found = grn_exp.infer(cells, "pearson", regulators=kind(REGULATORS))
    pd.testing.assert_frame_equal(found.edges, network.edges)


def test_known_interactions_may_be_a_table_or_a_file(cells, tmp_path):
    known = pd.DataFrame(
        {"source": ["SPI1", "TAL1"], "target": ["GENE1", "GENE2"], "sign": [-1, 1]}
    )
    known.to_csv(tmp_path / "known.csv", index=False)
    of_table, of_file = (
        grn_exp.infer(cells, "degree", known=each, unlisted="negative").edges
        for each in (known, tmp_path / "known.csv")
    )
    pd.testing.assert_frame_equal(of_table, of_file)
    assert set(of_table[of_table["known"] == 1]["target"]) == {"GENE1", "GENE2"}


def test_raw_values_stand_in_for_scaled_ones(cells):
    scaled = cells.copy()
    scaled.raw = cells
    scaled.X = scaled.X - scaled.X.mean(axis=0)
    whole = grn_exp.infer(cells, "pearson", regulators=REGULATORS)
    found = grn_exp.infer(scaled, "pearson", regulators=REGULATORS)
    pd.testing.assert_frame_equal(found.edges, whole.edges)


def test_groups_are_networks_of_their_own(cells):
    both = grn_exp.infer(cells, "pearson", regulators=REGULATORS, groupby="kind", stability=4)
    assert both.groups == ["B cell", "T/NK"]
    assert tuple(both.edges.columns) == ("group", *COLUMNS)
    assert both.audit.columns[0] == "group"
    alone = grn_exp.infer(
        cells[cells.obs["kind"] == "T/NK"], "pearson", regulators=REGULATORS, stability=4
    )
    of_group = both.group("T/NK")
    pd.testing.assert_frame_equal(of_group.edges, alone.edges)
    pd.testing.assert_frame_equal(of_group.audit, alone.audit)
    assert of_group.facts["network"]["stability_fits"] == 4
    named = grn_exp.infer(cells, "pearson", regulators=REGULATORS, groupby="kind", group="T/NK")
    assert named.groups == []
    assert len(both.short_list(stability=0.0, top=3)) == 6
    assert len(both.score([("SPI1", "GENE3")])) == 2
    for call in (both.to_networkx, both.to_scores):
        refused(call, "B cell", "T/NK", "network.group('B cell')")
    refused(lambda: both.group("B cells"), "B cell")


@pytest.mark.parametrize("values", [[0, 1], [False, True], [0.5, 1.0]])
def test_groups_may_be_numbers(cells, values, tmp_path):
    cells.obs["louvain"] = np.repeat(values, 80)
    given = {"regulators": REGULATORS, "groupby": "louvain", "outputs": tmp_path}
    both = grn_exp.infer(cells, "pearson", **given)
    assert both.groups == [str(value) for value in values]
    one = grn_exp.infer(cells, "pearson", group=values[1], **given)
    pd.testing.assert_frame_equal(one.edges, both.group(values[1]).edges)
    assert len(list(tmp_path.glob("*/*/*/*/network.parquet"))) == 2


def test_a_file_that_was_written_again_has_other_groups(cells, tmp_path):
    path = tmp_path / "own.h5ad"
    for names in (["a", "b"], ["c", "d"]):
        cells.obs["half"] = np.repeat(names, 80)
        cells.write_h5ad(path)
        found = grn_exp.infer(path, "pearson", regulators=REGULATORS, groupby="half")
        assert found.groups == names


def test_runs_are_kept_where_that_is_asked_for(cells, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"regulators": REGULATORS, "outputs": "kept", "experiment": "mine"}
    first = grn_exp.infer(cells, "pearson", **options)
    (written,) = Path("kept").glob("mine/cells/pearson/*/metrics.json")
    at = written.stat().st_mtime_ns
    again = grn_exp.infer(cells.copy(), "pearson", **options)
    assert written.stat().st_mtime_ns == at
    pd.testing.assert_frame_equal(again.edges, first.edges)
    pd.testing.assert_frame_equal(grn_exp.load(written.parent).edges, first.edges)
    grn_exp.infer(cells, "pearson", force=True, **options)
    assert written.stat().st_mtime_ns > at


def random_states():
    of_numpy = np.random.get_state()[1].tolist()  # noqa: NPY002 - what a caller may use
    return random.getstate(), of_numpy, torch.get_rng_state().tolist()


def test_nothing_of_the_callers_is_changed(cells, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = cells.copy()
    states = random_states()
    filters = warnings.filters[:]
    grn_exp.infer(cells, "deepsem", regulators=REGULATORS, max_epochs=1)
    assert random_states() == states
    assert warnings.filters[:] == filters
    assert list(tmp_path.iterdir()) == []
    pd.testing.assert_frame_equal(cells.obs, before.obs)
    assert (cells.X == before.X).all()
    assert list(cells.uns) == list(before.uns)


def test_hydra_is_the_callers_own(cells, tmp_path):
    (tmp_path / "own.yaml").write_text("x: 1\n")
    with hydra.initialize_config_dir(str(tmp_path), version_base="1.2"):
        before = GlobalHydra.instance().hydra
        grn_exp.infer(cells, "pearson", regulators=REGULATORS)
        refused(lambda: grn_exp.infer(cells, "pearson", regulators=[], prior="x"), "prior=x")
        assert (GlobalHydra.instance().hydra, getbase().minor) == (before, 2)
        assert hydra.compose("own").x == 1
    assert not GlobalHydra.instance().is_initialized()


# -- options by name -------------------------------------------------------------------------


def test_options_go_where_they_belong():
    given = {"alpha": np.float64(2), "layer": "log", "max_epochs": 7, "seed": 3, "prior": "random"}
    keys = {"model.beta": 5, "data.path": Path("x.h5ad"), "model/optimizer": "sgd"}
    chosen = {"model": "deepsem", "data": "anndata"}
    config = compose.identify(chosen, given, keys, sections=SECTIONS).config
    assert (config["model"]["alpha"], config["model"]["beta"]) == (2.0, 5)
    assert (config["data"]["layer"], config["data"]["path"]) == ("log", "x.h5ad")
    assert (config["trainer"]["max_epochs"], config["seed"]) == (7, 3)
    assert config["prior"]["_target_"].endswith("RandomPrior")
    assert config["model"]["optimizer"]["_target_"].endswith("SGD")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"method": "grnbost2"}, ("model=grnbost2", "'grnboost2'")),
        ({"method": "deepsem", "alhpa": 1}, ("alhpa", "'alpha'")),
        ({"laeyr": "log"}, ("laeyr", "'layer'")),
        ({"layer": "lgo"}, ("data.layer=lgo", "'log'")),
        ({"prior": "bibert"}, ("prior=bibert", "'biobert'")),
        ({"trainer": "cpus"}, ("trainer=cpus", "'cpu'")),
        ({"seed": "x"}, ("seed='x'",)),
        ({"stability": 1}, ("stability=1",)),
        ({"sample": "donor"}, ("data.sample=donor", "stability=20")),
        ({"overrides": {"data.laeyr": 1}}, ("data.laeyr", "'layer'")),
        ({"overrides": {"dtaa.layer": 1}}, ("dtaa.layer", "'data'")),
        ({"overrides": {"split.seed": 1}}, ("split.seed",)),
        ({"alpha": 1}, ("alpha",)),
        ({"genes": object()}, ("data.genes",)),
        ({"groupby": "knid"}, ("data.groupby=knid", "'kind'", "cells")),
        ({"regulators": ["X", "Y"]}, ("data.regulators", "'X'")),
        ({"regulators": None}, ("data.regulators",)),
        ({"known": pd.DataFrame({"a": ["b"]})}, ("data.known=known", "a")),
        ({"known": [("SPI1", "GENE3")]}, ("known", "list")),
        ({"method": "infosem_bc"}, ("InfoSEMBC", "data.known=FILE")),
        ({"cells": 5}, ("cells", "int")),
        ({"cells": "nowhere.h5ad"}, ("data.path=nowhere.h5ad",)),
        ({"path": "x.h5ad", "overrides": {"data.path": "y.h5ad"}}, ("y.h5ad",)),
        ({"path": "x.h5ad"}, ("path", "data.path")),
        ({"model": "spearman"}, ("model='spearman'", "'pearson'")),
        ({"data": "toy"}, ("data='toy'", "'anndata'")),
        ({"overrides": {"model": "spearman"}}, ("model='spearman'", "'pearson'")),
        ({"overrides": ["split.seed=1"]}, ("overrides", "split.seed=1")),
        ({"groupby": ["kind"]}, ("groupby", "kind")),
        ({"groupby": "kind", "group": ""}, ("data.group=", "B cell")),
        ({"regulators": 5}, ("regulators=5",)),
        ({"half": 1}, ("half", "stability=20")),
        ({"unlisted": "negative"}, ("data.unlisted=negative", "data.known")),
    ],
)
def test_what_cannot_be_used_is_one_line(cells, options, parts, tmp_path):
    given = {"cells": cells, "method": "pearson", "regulators": REGULATORS, **options}
    refused(lambda: grn_exp.infer(**given, outputs=tmp_path / "outputs"), *parts)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_two_options_have_is_refused():
    chosen = {"model": "deepsem", "data": "anndata"}
    refused(
        lambda: compose.identify(chosen, {"regulators": "human"}, {}, sections=SECTIONS),
        "model.regulators",
        "data.regulators",
    )


# -- a network -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [list, np.array, pd.DataFrame])
def test_pairs_are_looked_up_in_their_order(network, kind):
    pairs = [("TAL1", "GENE3"), ("SPI1", "GENE1"), ("TAL1", "GENE3")]
    given = (
        pd.DataFrame(pairs, columns=["source", "target"]) if kind is pd.DataFrame else kind(pairs)
    )
    found = network.score(given)
    assert list(zip(found["source"], found["target"], strict=True)) == pairs
    edges = network.edges.set_index(["source", "target"])["score"]
    assert found["score"].tolist() == [edges[pair] for pair in pairs]


@pytest.mark.parametrize(
    ("pairs", "parts"),
    [
        ([("SPI2", "GENE1")], ("'SPI2'", "'SPI1'")),
        ([("spi1", "GENE1")], ("'spi1'", "'SPI1'")),
        ([("GENE1", "GENE2")], ("'GENE1'",)),
        ([("SPI1", "GENE99")], ("'GENE99'", "'GENE9'")),
        ([("SPI1",)], ("pairs",)),
        (pd.DataFrame({"tf": ["SPI1"]}), ("pairs", "tf", "source")),
        (None, ("pairs=None",)),
        ([1, 2], ("pairs=[1, 2]",)),
    ],
)
def test_pairs_that_it_lacks_are_one_line(network, pairs, parts):
    refused(lambda: network.score(pairs), *parts)


@pytest.mark.parametrize("top", [0, -1, 1.5, "5"])
def test_a_short_list_has_an_edge_at_least(network, top):
    refused(lambda: network.short_list(top=top), f"top={top!r}")


@pytest.mark.parametrize("stability", [0.8, 80, "x"])
def test_a_short_list_by_stability_needs_one(network, stability):
    refused(lambda: network.short_list(stability), f"stability={stability!r}")


def test_a_graph_has_what_stands_beside_an_edge(network, tmp_path):
    graph = network.to_networkx(top=10)
    best = network.edges.iloc[0]
    assert graph.number_of_edges() == 10
    edge = graph.edges[best["source"], best["target"]]
    assert edge["score"] == pytest.approx(best["score"])
    assert (edge["rank"], edge["sign"]) == (1, best["sign"])
    assert not {"stability", "known"} & edge.keys()
    assert graph.nodes[best["source"]]["regulator"] is True
    import networkx as nx

    nx.write_graphml(graph, tmp_path / "graph.graphml")  # refuses what is no plain number


@pytest.mark.parametrize("groupby", [None, "kind"])
def test_what_was_saved_is_loaded(cells, groupby, tmp_path):
    network = grn_exp.infer(cells, "pearson", regulators=REGULATORS, groupby=groupby, stability=2)
    network.save(tmp_path / "own")
    again = grn_exp.load(tmp_path / "own")
    pd.testing.assert_frame_equal(again.edges, network.edges)
    pd.testing.assert_frame_equal(again.audit, network.audit)
    assert again.facts == json.loads(json.dumps(network.facts))
    assert repr(again) == repr(network)
    refused(lambda: network.save(tmp_path / "own"), tmp_path / "own", "overwrite=True")
    network.save(tmp_path / "own", overwrite=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    refused(lambda: network.save(tmp_path / "other", overwrite=True), tmp_path / "other")
    refused(lambda: network.save(None), "folder=None")


def test_a_folder_without_a_network_is_one_line(network, tmp_path):
    refused(lambda: grn_exp.load(tmp_path), tmp_path, "network.csv.gz")
    refused(lambda: grn_exp.load(tmp_path / "none"), tmp_path / "none", "no such folder")
    (tmp_path / "status.json").write_text('{"state": "running"}')
    refused(lambda: grn_exp.load(tmp_path), tmp_path, "running")
    refused(lambda: network.save(tmp_path, overwrite=True), tmp_path)
    network.save(tmp_path / "own")
    (tmp_path / "own" / "audit.csv").write_text("gene,mean\nA,x\n")
    refused(lambda: grn_exp.load(tmp_path / "own"), tmp_path / "own", "audit.csv")


# -- benchmarks ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(config.choices("data")) - {"anndata", "anndata_sets"}))
def test_benchmarks_go_by_their_names(name):
    assert isinstance(grn_exp.load_benchmark(name), Benchmark)


def test_a_benchmarks_options_go_where_they_belong():
    found = grn_exp.load_benchmark("toy", 3, n_genes=50, validation_fraction=0.2, prior="random")
    assert (found.splitter.seed, found.splitter.validation_fraction) == (3, 0.2)
    assert type(found.prior).__name__ == "RandomPrior"
    refused(lambda: grn_exp.load_benchmark("mesk"), "data=mesk", "'mesc'")
    refused(lambda: grn_exp.load_benchmark("toy", n_gene=50), "n_gene", "'n_genes'")


def test_a_network_is_judged_as_its_scores_are(caplog):
    benchmark = grn_exp.load_benchmark("toy", n_genes=60, n_regulators=16)
    method = Correlation().attach(benchmark.view())
    method.fit()
    scores = method.prediction()
    rows, columns = scores.ranked(10**6)
    edges = pd.DataFrame(
        {
            "source": scores.regulators.array[rows],
            "target": scores.genes.array[columns],
            "score": scores.values[rows, columns],
        }
    )
    network = grn_exp.Network(edges.sample(frac=1, random_state=0), pd.DataFrame(), {})
    wanted = [row.as_dict() for row in benchmark.evaluate(scores)]
    assert [row.as_dict() for row in benchmark.evaluate(network)] == wanted
    pd.testing.assert_frame_equal(grn_exp.evaluate(network, benchmark), pd.DataFrame(wanted))
    part = grn_exp.Network(edges.head(200), pd.DataFrame(), {})
    refused(lambda: grn_exp.evaluate(part, benchmark), "200", "missing='lowest'")
    with caplog.at_level(logging.WARNING, "grn_exp"):
        lowest = grn_exp.evaluate(part, benchmark, missing="lowest")
    assert len(lowest) == len(wanted)
    assert "200" in caplog.text
    foreign = grn_exp.Network(edges.assign(source="X"), pd.DataFrame(), {})
    refused(lambda: grn_exp.evaluate(foreign, benchmark, missing="lowest"), "0")
    refused(lambda: grn_exp.evaluate(edges, benchmark), "network", "DataFrame")
    refused(lambda: grn_exp.evaluate(network, "toy"), "benchmark", "str")
    refused(lambda: grn_exp.evaluate(network, benchmark, missing="x"), "missing='x'", "lowest")
    few = grn_exp.Network(edges[edges["target"] != edges["target"][0]], pd.DataFrame(), {})
    refused(lambda: grn_exp.evaluate(few, benchmark), "missing='lowest'")


def test_own_cells_are_a_benchmark_too(cells, tmp_path):
    cells.write_h5ad(tmp_path / "x.h5ad")
    rng = np.random.default_rng(0)
    pairs = [(tf, gene) for tf in GENES[:12] for gene in GENES if rng.random() < 0.3]
    pd.DataFrame(pairs, columns=["source", "target"]).to_csv(tmp_path / "known.csv", index=False)
    benchmark = grn_exp.load_benchmark(
        "anndata",
        path=tmp_path / "x.h5ad",
        known=tmp_path / "known.csv",
        split="seen_unseen",
        seen_fraction=0.5,
    )
    network = grn_exp.infer(tmp_path / "x.h5ad", "pearson", regulators=GENES[:12])
    assert "test_unseen" in set(grn_exp.evaluate(network, benchmark)["subset"])
    own = {"path": tmp_path / "x.h5ad", "known": tmp_path / "known.csv"}
    undivided = grn_exp.load_benchmark("anndata", **own)
    refused(lambda: grn_exp.evaluate(network, undivided), "split=")


def test_a_column_that_h5ad_has_no_form_for_is_left_out_by_name(network, cells, caplog):
    cells.obs["when"] = pd.to_datetime(["2020-01-01"] * cells.n_obs)
    cells.obs["mixed"] = [1, "a"] * (cells.n_obs // 2)
    with caplog.at_level(logging.WARNING, "grn_exp"):
        found = grn_exp.infer(cells, "pearson", regulators=REGULATORS)
    pd.testing.assert_frame_equal(found.edges, network.edges)
    assert "obs['when']" in caplog.text
    assert "obs['mixed']" in caplog.text
    assert "'kind'" not in caplog.text
    assert {"when", "mixed"} <= set(cells.obs)


# -- the classes -----------------------------------------------------------------------------


def test_a_trainer_of_ones_own(cells, tmp_path):
    path = tmp_path / "cells.h5ad"
    cells.write_h5ad(path)
    data = CellsDataModule(str(path), regulators=REGULATORS)

    options = {"alpha": 2.0, "beta": 1.0, "adjacency_learning_rate": 1e-3, "hidden_width": 8}

    def trained(*, by_view: bool) -> tuple[pl.Trainer, DeepSEM]:
        model = DeepSEM(regulators="known", **options)
        trainer = pl.Trainer(
            max_epochs=2,
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path / str(by_view),
        )
        if by_view:
            trainer.fit(model.attach(data.view_for(model)))
        else:
            trainer.fit(model, datamodule=data)
        return trainer, model

    trainer, model = trained(by_view=False)
    scores = model.predict()
    assert np.array_equal(trained(by_view=True)[1].predict().values, scores.values)
    checkpoint = trainer.checkpoint_callback.best_model_path
    assert np.array_equal(DeepSEM.load_from_checkpoint(checkpoint).predict().values, scores.values)
    network = grn_exp.infer(path, "deepsem", regulators=REGULATORS, max_epochs=2, **options)
    found = network.to_scores()
    wanted = scores.align(found.regulators, found.genes)
    assert np.array_equal(wanted[~found.self_pairs()], found.values[~found.self_pairs()])


# -- the package -----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_import_is_light_and_a_run_says_nothing_unasked(cells, tmp_path):
    code = (
        "import sys, grn_exp\n"
        "heavy = {'torch', 'numpy', 'pandas', 'anndata', 'hydra', 'pytorch_lightning'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        f"grn_exp.infer(sys.argv[1], 'deepsem', regulators={REGULATORS}, max_epochs=1)\n"
    )
    cells.write_h5ad(tmp_path / "own.h5ad")
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "own.h5ad")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_package_shows_its_names():
    assert set(grn_exp.__all__) <= set(dir(grn_exp))
    assert all(getattr(grn_exp, name) for name in grn_exp.__all__)
    assert grn_exp.InputError is InputError
    assert not hasattr(grn_exp, "nothing")
    assert (Path(grn_exp.__file__).parent / "py.typed").is_file()
