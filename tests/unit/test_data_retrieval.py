"""Retrieval on a real network: candidates, list lengths, rows."""

import numpy as np
import pytest

from benchmarks import paper_retrieval
from grn_exp.core.errors import InputError
from grn_exp.core.scores import EdgeScores
from grn_exp.data.edges.beeline import expression_key, network_key
from grn_exp.data.sets.retrieval import RetrievalDataModule
from grn_exp.data.sets.splitting import TargetCountSplitter
from grn_exp.data.sets.toy import ToyRetrievalDataModule
from grn_exp.models.sets.pairs2 import PairS2
from tests.messages import naming

N_REGULATORS, N_TARGETS = 23, 110


@pytest.fixture
def paths(tmp_path):
    """23 regulators, one of them a target too, of 110 targets; the matrix lacks one regulator."""
    rng = np.random.default_rng(0)
    genes = [f"r{i}" for i in range(N_REGULATORS)] + [f"t{i}" for i in range(N_TARGETS)]
    values = rng.gamma(2.0, size=(len(genes), 8))
    lines = [f"{gene}," + ",".join(map(str, row)) for gene, row in zip(genes, values, strict=True)]
    (tmp_path / "matrix.csv").write_text(",".join(["", *"abcdefgh"]) + "\n" + "\n".join(lines))
    edges = [f"r{i % N_REGULATORS},t{i}" for i in range(N_TARGETS)]
    edges += [f"r{(i + 5) % N_REGULATORS},t{i}" for i in range(0, N_TARGETS, 2)]
    edges += ["r0,r1", "gone,t0", "r2,r2"]
    (tmp_path / "network.csv").write_text("Gene1,Gene2\n" + "\n".join(edges))
    return {
        "expression": str(tmp_path / "matrix.csv"),
        "network_file": str(tmp_path / "network.csv"),
    }


def module(**changes) -> RetrievalDataModule:
    options = {
        "dataset": "mESC",
        "gene_set": "tfs500",
        "network": "cell_type_specific",
        "splitter": TargetCountSplitter(),
    }
    return RetrievalDataModule(**{**options, **changes})


def test_files_by_path_need_no_registry(paths, no_data):
    data = module(**paths)
    assert data.keys == []
    facts = data.describe()
    assert facts["n_candidates"] == N_REGULATORS
    assert facts["n_targets"] == N_TARGETS + 1  # r1 too
    assert facts["n_targets_by_role"] == {"train": 81, "val": 0, "test": 30}
    assert facts["edges_left_out"] == {"self_loops": 1, "duplicates": 0, "outside_matrix": 1}
    assert sorted(facts["files"]) == sorted(paths.values())


def test_the_toy_is_judged_as_a_real_network_is(no_data):
    data = ToyRetrievalDataModule(splitter=TargetCountSplitter(), candidates="known")
    assert data.list_lengths == [10, 13, 15, 17, 19, 21]  # of 24
    truth = data.truth
    labels = truth.labels.astype(np.float32)
    rows = data.evaluate(EdgeScores(truth.regulators, truth.genes, labels))
    measured = {row.metric: row.value for row in rows}
    assert measured["strict_coverage_at_k"] == measured["edge_recall_at_k"] == 1.0


def test_lists_are_as_long_in_proportion_and_rows_name_their_length(paths):
    data = module(**paths)
    assert data.list_lengths == [10, 12, 14, 16, 18, 20]  # of 23, as 100 .. 200 of 229
    truth = data.truth
    labels = truth.labels.astype(np.float32)
    rows = data.evaluate(EdgeScores(truth.regulators, truth.genes, labels))
    assert [(row.metric, row.k) for row in rows] == [
        *[("strict_coverage_at_k", k) for k in data.list_lengths],
        *[("edge_recall_at_k", k) for k in data.list_lengths],
        ("ap", None),
        ("shared_set_share", None),
    ]
    assert {row.value for row in rows[:-1]} == {1.0}
    worst = data.evaluate(EdgeScores(truth.regulators, truth.genes, -labels))
    assert {row.value for row in worst[:-2]} == {0.0}
    assert all(row.n == 30 and row.set_size is None for row in worst[:-2])
    header, table = data.tables(EdgeScores(truth.regulators, truth.genes, labels))[
        "recall_curve.csv"
    ]
    assert header[1] == "set_size"
    assert [row[1] for row in table] == [""] * (N_REGULATORS - 1)


def test_numbers_of_targets_can_be_given(paths):
    data = module(**paths, splitter=TargetCountSplitter(n_train=40, n_test=20))
    assert len(data.sets) == 60
    visible = data.view(labels=True, embedding=False).labels
    assert (visible >= 0).any(axis=0).sum() == 40
    asked = data.truth.universe.any(axis=0)
    assert asked.sum() == 60  # what was not drawn is not labelled at all


def test_it_is_for_ranking_alone(paths):
    data = module(**paths)
    assert data.tasks == ("edges",)
    with pytest.raises(InputError, match=naming("PairS2", "sets", "RetrievalDataModule", "edges")):
        data.view_for(PairS2())


def test_raw_counts_and_networks_that_are_not_there_are_refused(paths, tmp_path):
    counts = tmp_path / "counts.csv"
    counts.write_text(",a,b\nr0,3,4\nt0,5,9\n")
    with pytest.raises(InputError, match=naming("counts.csv", "scanpy.pp.log1p")):
        module(**{**paths, "expression": str(counts)}).setup()
    with pytest.raises(InputError, match=naming("network", "nothing.csv")):
        module(**{**paths, "network_file": str(tmp_path / "nothing.csv")}).setup()
    with pytest.raises(InputError, match=naming("data.network=lofgof", "mDC", "mESC")):
        module(dataset="mDC", network="lofgof")


def test_drawn_files_have_the_size_that_is_asked_for(tmp_path):
    expression, network, n_edges = paper_retrieval.write(tmp_path, paper_retrieval.SMALL)
    data = module(expression=str(expression), network_file=str(network))
    facts, size = data.describe(), paper_retrieval.SMALL
    assert data.expression.values.shape == (size.n_cells, size.n_genes)
    assert facts["n_candidates"] <= size.n_regulators
    assert facts["n_targets"] <= size.n_targets
    assert data.truth.labels.sum() == n_edges
    assert n_edges == pytest.approx(size.in_degree * size.n_targets, rel=0.25)


def test_mesc_as_it_is_configured(real_data):
    keys = (expression_key("mESC", "tfs500"), network_key("mESC", "tfs500", "cell_type_specific"))
    real_data(*keys)
    data = module()
    facts = data.describe()
    assert facts["n_candidates"] == 88
    assert facts["n_targets_by_role"] == {"train": 711, "val": 0, "test": 266}
    assert data.list_lengths == [38, 46, 54, 61, 69, 77]
    assert set(facts["files"]) == set(keys)
