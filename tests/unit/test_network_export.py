"""``python -m grn_exp.network export``: each form is read by its own tool, where that is here."""

import csv
from pathlib import Path

import anndata
import networkx as nx
import numpy as np
import pandas as pd
import pytest

from grn_exp.core.errors import InputError
from grn_exp.network.export import FORMS, export
from grn_exp.network.runs import NetworkRun, distinct_names, find_runs, one_run
from grn_exp.runs.folder import RunFolder
from tests.messages import lines_naming, naming
from tests.networks import leave_network


@pytest.fixture
def run(tmp_path):
    return one_run(leave_network(tmp_path / "e/pbmc/grnboost2/key"))


def written(run, form, tmp_path, **options):
    path = tmp_path / f"out{FORMS[form]}"
    export(run, path, form, **options)
    return path


def test_pyscenic_gets_every_edge_as_adjacencies(run, tmp_path):
    table = pd.read_csv(written(run, "pyscenic", tmp_path))
    assert list(table) == ["TF", "target", "importance"]
    assert len(table) == len(run.edges)
    assert table["TF"].tolist() == run.edges["source"].tolist()
    np.testing.assert_allclose(table["importance"], run.edges["score"], rtol=1e-6)


def test_decoupler_scores_cells_by_the_network(run, tmp_path):
    decoupler = pytest.importorskip("decoupler")
    table = pd.read_csv(written(run, "decoupler", tmp_path, top=30))
    assert list(table) == ["source", "target", "weight"]
    best = run.edges.head(30)
    np.testing.assert_allclose(table["weight"], best["sign"] * best["score"], rtol=1e-5)
    genes = list(run.scores.genes)
    values = np.random.default_rng(0).random((5, len(genes)), np.float32)
    cells = pd.DataFrame(values, index=[f"cell{i}" for i in range(5)], columns=genes)
    activity, _ = decoupler.mt.ulm(cells, table, tmin=2)
    assert activity.shape == (5, 3)
    assert np.isfinite(activity.to_numpy()).all()


def test_scores_below_zero_are_no_weights(tmp_path):
    folder = leave_network(tmp_path / "d/m/k", scores=[[0, 2, 1, -1], [-3, 0, -2, 3]])
    run = one_run(folder)
    with pytest.raises(InputError, match=naming("--to decoupler", "--top 3")):
        export(run, tmp_path / "x.csv", "decoupler", top=6)
    assert not (tmp_path / "x.csv").exists()
    export(run, tmp_path / "x.csv", "decoupler", top=3)


def test_graphml_holds_what_is_known_of_each_edge(run, tmp_path):
    graph = nx.read_graphml(written(run, "graphml", tmp_path, top=10))
    assert graph.is_directed()
    assert graph.number_of_edges() == 10
    for edge in run.edges.head(10).to_dict("records"):
        found = graph.edges[edge["source"], edge["target"]]
        assert found["rank"] == edge["rank"]
        assert found["sign"] == edge["sign"]
        assert found["correlation"] == pytest.approx(edge["correlation"])
        assert ("known" in found) == (not pd.isna(edge["known"]))
    assert {gene for gene, regulates in graph.nodes("regulator") if regulates} == set(
        run.edges.head(10)["source"]
    )


def test_sif_names_the_interaction_between_source_and_target(run, tmp_path):
    with written(run, "sif", tmp_path, top=8).open(newline="") as stream:
        lines = list(csv.reader(stream, delimiter="\t"))
    names = {-1: "represses", 1: "activates"}
    best = run.edges.head(8)
    signs = best["sign"].map(names)
    assert lines == [
        list(line) for line in zip(best["source"], signs, best["target"], strict=True)
    ]


def test_gmt_has_a_gene_set_a_regulator(run, tmp_path):
    lines = [
        line.split("\t") for line in written(run, "gmt", tmp_path, top=15).read_text().splitlines()
    ]
    best = run.edges.head(15)
    assert {line[0]: set(line[2:]) for line in lines} == best.groupby("source")["target"].apply(
        set
    ).to_dict()
    assert all(line[1] for line in lines)


@pytest.mark.parametrize("whole", [True, False])
def test_anndata_has_regulators_x_genes(whole, tmp_path):
    run = one_run(
        leave_network(tmp_path / "d/m/k", n_regulators=8, whole=whole, rank_mean=np.ones((8, 12)))
    )
    found = anndata.read_h5ad(written(run, "h5ad", tmp_path))
    assert found.obs_names.tolist() == list(run.scores.regulators)
    assert found.var_names.tolist() == list(run.scores.genes)
    np.testing.assert_array_equal(found.X, run.scores.values)
    for name in ("sign", "correlation"):
        for edge in run.edges.head(20).to_dict("records"):
            at = found[edge["source"], edge["target"]].layers[name].item()
            assert at == pytest.approx(edge[name])
    missing = np.isnan(found.layers["correlation"]).sum()
    assert missing == 8 if whole else missing == 8 * 12 - 60
    assert found.layers["stability"].dtype == np.float32
    assert found.uns["model"] == "m"


def test_the_short_list_is_what_is_stable_or_ten_a_regulator(run, tmp_path):
    graph = nx.read_graphml(written(run, "graphml", tmp_path))
    assert all(value >= 0.8 for *_, value in graph.edges(data="stability"))
    folder = leave_network(tmp_path / "d/m/k", n_genes=40, stability=False)
    other = one_run(folder)
    assert nx.read_graphml(written(other, "graphml", tmp_path)).number_of_edges() == 30
    with pytest.raises(InputError, match=naming("--stability 0.5", folder)):
        written(other, "sif", tmp_path, stability=0.5)


@pytest.mark.parametrize("form", FORMS)
def test_symbols_that_look_like_something_else_stay(form, tmp_path):
    folder = tmp_path / "d/m/k"
    run = one_run(leave_network(folder, symbol="{}E3"))
    content = written(run, form, tmp_path).read_bytes()
    assert b"1E3" in content
    assert b"1000" not in content


# -- which runs ------------------------------------------------------------------------------


def test_runs_are_found_below_a_folder_and_others_told(tmp_path):
    leave_network(tmp_path / "e/d/a/1")
    leave_network(tmp_path / "e/d/b/1", state="failed")
    leave_network(tmp_path / ".tuning/e/d/c/1")
    half = leave_network(tmp_path / "e/d/a/2")
    (half / "config.yaml").write_text("data: {half: 3}")
    runs, left_out = find_runs([tmp_path, tmp_path / "e/d/a/1"])
    assert [run.names[1] for run in runs] == ["a"]
    assert lines_naming("\n".join(left_out), "failed", tmp_path / "e/d/b/1") == left_out


@pytest.mark.parametrize("damage", ["absent", "empty", "unfinished", "no network"])
def test_a_folder_without_a_usable_run_is_named(damage, tmp_path):
    folder = tmp_path / "d/m/k"
    if damage == "empty":
        folder.mkdir(parents=True)
    elif damage != "absent":
        state = "running" if damage == "unfinished" else "finished"
        leave_network(folder, state=state)
    if damage == "no network":
        for path in folder.glob("network.*"):
            path.unlink()
    with pytest.raises(InputError, match=naming(folder)):
        find_runs([folder])


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_run_that_was_moved_has_the_names_that_are_left(depth, tmp_path):
    folder = leave_network(tmp_path / "d/m/k")
    run = NetworkRun(RunFolder(Path("/", *folder.parts[-1 - depth :])))
    assert run.names == (*[""] * (2 - depth), *folder.parts[-1 - depth :])
    assert "/" not in distinct_names([run], least=2, by="_")[0]
    assert " on " not in run.title or depth == 2
