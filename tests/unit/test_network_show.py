"""Drawings of a network: which edges, where genes lie, what can be read."""

import json
import re

import numpy as np
import pytest

from grn_exp.core.errors import InputError
from grn_exp.network import picture, view
from grn_exp.network.export import as_graph
from grn_exp.network.page import page
from grn_exp.network.runs import one_run
from tests.messages import naming
from tests.networks import leave_network


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "pbmc/deepsem/k"
    return one_run(leave_network(folder, n_regulators=20, n_genes=80, symbol="GENE{}"))


def test_the_best_edges_around_each_gene_are_shown(run):
    edges = view.edges_shown(run, ["GENE1", "GENE50"], top=6)
    assert edges["rank"].is_monotonic_increasing
    for gene in ("GENE1", "GENE50"):
        around = run.edges[(run.edges["source"] == gene) | (run.edges["target"] == gene)]
        assert set(around.head(6)["rank"]) <= set(edges["rank"])
    assert len(edges) <= 12


@pytest.mark.parametrize("given", ["gene7", "Gene7", "GENE7"])
def test_a_gene_is_found_whatever_its_case(run, given):
    assert view.symbol_in(run, given) == "GENE7"


def test_an_unknown_gene_is_told_with_its_like(run):
    with pytest.raises(InputError, match=naming("--gene gene71x", "'GENE71'")):
        view.symbol_in(run, "gene71x")


def test_a_gene_without_a_stable_edge_is_named(run):
    best = run.edges.iloc[0]
    gene = next(g for g in run.scores.genes if g not in (best["source"], best["target"]))
    with pytest.raises(InputError, match=naming("--stability", gene)):
        view.edges_shown(run, [gene], stability=1.0)


def test_too_many_edges_are_refused(run):
    with pytest.raises(InputError, match=naming(f"--top {view.MOST}")):
        view.edges_shown(run, top=view.MOST + 1)


def test_genes_lie_apart_and_always_the_same(run):
    graph = as_graph(view.edges_shown(run, top=100))
    places = view.layout(graph)
    points = np.array(list(places.values()))
    assert set(places) == set(graph)
    assert np.abs(points).max() == pytest.approx(1)
    distances = np.linalg.norm(points[:, None] - points[None, :], axis=2)
    assert distances[~np.eye(len(points), dtype=bool)].min() > 0.02
    again = view.layout(graph)
    assert all((places[gene] == again[gene]).all() for gene in places)


@pytest.mark.parametrize(("genes", "top"), [((), 100), (("GENE1",), 20), (("GENE1", "GENE2"), 1)])
def test_names_do_not_cover_each_other(run, genes, top):
    edges = view.edges_shown(run, genes, top=top)
    figure = picture.network(edges, title="A title", asked_for=genes)
    (axes,) = figure.axes
    boxes = np.array([text.get_window_extent().extents for text in axes.texts])
    names = {text.get_text() for text in axes.texts}
    assert names == set(edges["source"]) | set(edges["target"])
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    overlaps = np.maximum(high - low, 0).prod(axis=2)
    own = np.diag(overlaps)
    assert ((overlaps > 0.1 * own[:, None]).sum() - len(own)) / 2 <= 0.02 * len(own)


def test_an_edge_is_as_wide_as_it_is_stable(run, tmp_path):
    edges = view.edges_shown(run, top=10)
    np.testing.assert_array_equal(picture.widths(edges), edges["stability"].astype(float))
    assert picture.width_note(edges) == "stability"
    other = one_run(leave_network(tmp_path / "d/m/k", stability=False))
    edges = view.edges_shown(other, top=10)
    found = picture.widths(edges)
    assert picture.width_note(edges) == "rank"
    assert found[0] == 1
    assert (np.diff(found) < 0).all()


def test_bars_count_targets_and_regulators(run):
    edges = run.edges.head(200)
    figure = picture.degrees(edges, title="Degrees")
    for axes, column in zip(figure.axes, ("source", "target"), strict=True):
        counts = edges[column].value_counts()
        bars = [bar.get_width() for bar in axes.patches]
        names = [label.get_text() for label in axes.get_yticklabels()]
        assert bars == sorted(bars, reverse=True)
        assert [counts[name] for name in names] == bars
        assert bars[0] == counts.max()


def test_a_page_holds_its_edges_and_asks_for_nothing(run):
    edges = view.edges_shown(run, top=30)
    text = page(edges, title="</script><b>&", asked_for=["GENE1"])
    content = json.loads(
        re.search(r'<script id="network" type="application/json">(.*?)</script>', text, re.S)[1]
    )
    assert len(content["edges"]) == 30
    assert {edge["data"]["rank"] for edge in content["edges"]} == set(edges["rank"])
    assert "<title>&lt;/script&gt;" in text
    assert not re.search(r"""(?:src|href)\s*=\s*["']?https?:""", text)


def test_two_genes_are_shown_as_the_method_saw_them(tmp_path):
    folder = leave_network(tmp_path / "toy/deepsem/k", n_genes=60, symbol="G{:04}")
    node = {"_target_": "grn_exp.data.edges.toy.ToyDataModule"}
    (folder / "config.yaml").write_text(json.dumps({"data": node}))
    cells = view.cells_of(one_run(folder))
    x, y = cells.values[:, cells.genes.positions(["G0002", "G0050"])].T
    figure = picture.pair(x, y, names=("G0002", "G0050"), title="A title")
    (axes,) = figure.axes
    drawn = {tuple(point) for point in axes.collections[0].get_offsets()}
    assert drawn == set(zip(x.astype(float), y.astype(float), strict=True))
    line = axes.lines[0].get_xydata()
    assert (np.diff(line[:, 0]) > 0).all()
    assert line[0] == pytest.approx((0, y[x == 0].mean()))


def test_what_is_known_of_an_edge_is_told(tmp_path):
    run = one_run(leave_network(tmp_path / "d/m/k", n_regulators=40, n_genes=60, stability=False))
    edge = run.edges.iloc[1999]
    rank, correlation = view.told_of(run, edge["source"], edge["target"])
    assert rank.endswith(" 2,000")
    assert correlation.endswith(f" {edge['correlation']:.2f}")
    assert view.told_of(run, "G50", "G1") == []


@pytest.mark.parametrize("values", [[0, 0, 0], [0, 1, 1], [1, 2, 3]])
def test_a_gene_of_few_values_is_drawn(values):
    x = np.array(values, np.float32)
    figure = picture.pair(x, x, names=("A", "B"), title="A title")
    assert len(figure.axes[0].lines[0].get_xydata()) == len(set(values))
