"""McCalla et al.'s files, which have no header; both benchmarks of them, and their filter."""

import gzip

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from grn_exp import config
from grn_exp.api import load_benchmark
from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.network import Network
from grn_exp.core.scores import EdgeScores
from grn_exp.data.edges.base import truth_of
from grn_exp.data.edges.mccalla import McCallaDataModule, expression_key, network_key
from grn_exp.data.edges.splitting import SeenUnseenSplitter
from grn_exp.data.sets.retrieval import McCallaRetrieval
from grn_exp.priors.uninformative import RandomPrior
from grn_exp.storage import store
from tests.messages import naming

N_GENES, N_CELLS = 60, 30
OF_THE_NETWORK = SeenUnseenSplitter(known_within="block")  # its targets alone
GENES = [f"Gene{i:02d}" for i in range(N_GENES)]
CHIP = sorted({(r, t) for r in range(8) for t in range(N_GENES) if (r * 7 + t * 3) % 5 == 0} - {
    (r, r) for r in range(8)
})  # fmt: skip


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A drawn Semrau of 60 genes and two networks in a data folder; returns genes x cells."""
    rng = np.random.default_rng(0)
    values = np.log2(rng.poisson(2.0, size=(N_GENES, N_CELLS)) + 1.0).round(6)
    values[-1] = 0
    values[-1, :2] = 1
    rows = ["\t".join([gene, *map(str, row)]) for gene, row in zip(GENES, values, strict=True)]
    header = "\t".join(f"cell{i}" for i in range(N_CELLS))
    chip = [f"{GENES[r]}\t{GENES[t]}\t{r + t}" for r, t in CHIP]
    chip += ["Gene00\tGene00\t1", "Other\tGene01\t1", "Gene00\tElse\t1", f"{chip[0]}"]
    contents = {
        expression_key("semrau"): gzip.compress("\n".join([header, *rows]).encode(), mtime=0),
        network_key("semrau", "chip"): "\n".join(chip).encode(),
        network_key("semrau", "perturbation"): b"Gene10\tGene11\nGene10\tGene12\n",
        network_key("semrau", "literature"): b"Sox2\tOct4\nNanog\tSox2\n",
        network_key("semrau", "chip_and_perturbation"): b"gene01\tgene02\ngene03\tgene04\n",
    }
    entries = {}
    for key, content in contents.items():
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digest = store.git_blob_sha1(path)
        entries[key] = store.KnownFile(key, f"http://127.0.0.1:9/{key}", digest)
    for key in (expression_key("chen"), network_key("chen", "chip")):
        entries[key] = store.KnownFile(key, f"http://127.0.0.1:9/{key}", "0" * 40)
    monkeypatch.setattr(store, "registry", lambda: entries)
    monkeypatch.setenv("GRN_EXP_DATA", str(tmp_path))
    return values


def edges_of(network: Network) -> set[tuple[str, str]]:
    names = network.genes.array
    return set(zip(names[network.regulator], names[network.target], strict=True))


# -- reading -------------------------------------------------------------------------------


def test_edges_without_a_header_are_read_with_the_first_line(files):
    expression, network = McCallaDataModule("semrau").load()
    np.testing.assert_array_equal(expression.values, files.T.astype(np.float32))
    assert expression.genes.symbols == tuple(GENES)
    assert edges_of(network) == {(GENES[r], GENES[t]) for r, t in CHIP}
    assert network.left_out == {"self_loops": 1, "duplicates": 1, "outside_matrix": 2}


def test_regulators_are_those_with_a_row_in_the_network(files):
    data = McCallaDataModule("semrau")
    truth = data.truth
    assert set(truth.regulators) == {GENES[r] for r, _ in CHIP}
    assert truth.labels.sum() == len(CHIP)
    assert set(data.describe()["files"]) == {
        expression_key("semrau"), network_key("semrau", "chip")
    }  # fmt: skip
    assert data.split.test_unseen.any()
    rows = data.evaluate(_scores(data))
    assert {row.subset for row in rows} >= {"test_seen", "test_unseen"}
    assert {row.value for row in rows if row.metric == "ap"} == {1.0}


def _scores(data):
    truth = data.truth
    return EdgeScores(truth.regulators, truth.genes, truth.labels.astype(np.float32))


def test_labels_are_the_networks_rows():
    rng = np.random.default_rng(1)
    genes = GeneIndex([f"G{i}" for i in range(20)])
    pairs = np.argwhere(rng.random((20, 20)) < 0.05)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    network = Network(genes, pairs[:, 0], pairs[:, 1])
    truth = truth_of(network)
    rows = genes.positions(truth.regulators)
    np.testing.assert_array_equal(truth.labels, network.adjacency()[rows])


@pytest.mark.parametrize(
    ("dataset", "network", "name"),
    [
        ("semrau", "chip", "mESC/chipunion"),
        ("semrau", "perturbation", "mESC/KDUnion"),
        ("semrau", "chip_and_perturbation", "mESC/chipunion_KDUnion_intersect"),
        ("chen", "chip", "hESC/escapechip"),
        ("liu", "literature", "hESC/lit"),
    ],
)
def test_every_choice_has_its_known_files(dataset, network, name):
    keys = McCallaDataModule(dataset, network=network).keys
    assert keys == [f"mccalla/expression/{dataset}.tsv.gz", f"mccalla/{name}.txt"]
    assert set(keys) <= store.registry().keys()


# -- the gene filter -----------------------------------------------------------------------


def test_genes_of_few_cells_are_left_out(files):
    whole, filtered = (McCallaDataModule("semrau", min_cells=n) for n in (0, 3))
    assert set(whole.expression.genes) - set(filtered.expression.genes) == {GENES[-1]}
    kept = list(range(N_GENES - 1))
    np.testing.assert_array_equal(filtered.expression.values, whole.expression.values[:, kept])
    lost = sum(t == N_GENES - 1 for _, t in CHIP)
    left_out = [d.describe()["edges_left_out"]["outside_matrix"] for d in (whole, filtered)]
    assert left_out[1] - left_out[0] == lost


def test_variable_genes_are_scanpys_beside_the_regulators(files):
    import scanpy
    from anndata import AnnData

    cells = AnnData(np.log(2) * files.T)  # scanpy's logarithms are natural
    cells.var_names = GENES
    scanpy.pp.highly_variable_genes(cells, n_top_genes=20, flavor="seurat")
    expected = {GENES[r] for r, _ in CHIP}.union(cells.var_names[cells.var["highly_variable"]])
    data = McCallaDataModule("semrau", variable_genes=20, splitter=OF_THE_NETWORK)
    assert set(data.expression.genes) == expected
    assert 20 < len(expected) < 30


# -- as a benchmark of retrieval -----------------------------------------------------------


def test_retrieval_ranks_the_networks_regulators(files):
    data = McCallaRetrieval("semrau", split_seed=3)
    regulators = {r for r, _ in CHIP}
    assert set(data.sets.candidates) == {GENES[r] for r in regulators}
    facts = data.describe()
    n_targets = len({t for _, t in CHIP})
    assert sum(facts["n_targets_by_role"].values()) == n_targets
    in_degrees = np.unique([t for _, t in CHIP], return_counts=True)[1]
    assert facts["in_degree"]["max"] == in_degrees.max()
    assert facts["in_degree"]["mean"] == pytest.approx(in_degrees.mean())
    assert {row.metric for row in data.evaluate(_scores(data))} >= {
        "strict_coverage_at_k", "edge_recall_at_k"
    }  # fmt: skip


# -- real files ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "n_regulators", "n_targets", "n_edges"),
    [
        ("chip", 49, 9825, 94126),
        ("perturbation", 111, 7093, 39709),
        ("chip_and_perturbation", 37, 2686, 4393),
    ],
)
@pytest.mark.slow
def test_semrau_has_the_published_size(real_data, network, n_regulators, n_targets, n_edges):
    real_data(expression_key("semrau"), network_key("semrau", network))
    data = McCallaDataModule("semrau", network=network, splitter=OF_THE_NETWORK)
    facts = data.describe()
    assert data.expression.values.shape == (384, 10243)
    assert facts["n_regulators"] == n_regulators
    assert facts["n_targets"] == n_targets
    assert facts["n_positive"] == n_edges


# -- configuration and bad input -----------------------------------------------------------


@pytest.mark.parametrize(
    "network", ["chip", "perturbation", "chip_and_perturbation", "literature"]
)
def test_methods_are_configured_for_a_genome(network):
    config.register()

    def composed(data, model):
        with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
            overrides = [f"data={data}", f"data.network={network}", f"model={model}"]
            return compose("config", overrides)

    assert composed("semrau", "deepsem").model.regulators == "known"
    assert composed("chen", "infosem_b").model.regulators == "known"
    assert composed("semrau_retrieval", "context_attention").model.batch_size == 64
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        small = compose("config", ["data=mesc_retrieval", "model=context_attention"])
    assert small.model.batch_size == 16  # the paper's


def test_the_benchmark_has_random_vectors_unless_others_are_asked_for(files):
    data = McCallaDataModule("semrau")
    assert isinstance(data.prior, RandomPrior)
    assert data.embedding().known.all()


def test_an_unknown_network_names_those_that_there_are():
    with pytest.raises(InputError, match=naming("data.network", "chop", "chip", "perturbation")):
        load_benchmark("semrau", network="chop")
    with pytest.raises(InputError, match=naming("data.network", "chop", "chip")):
        load_benchmark("semrau_retrieval", network="chop")


def test_a_file_that_is_not_here_is_downloaded_or_named(files, own_cache):
    key = expression_key("chen")
    with pytest.raises(InputError, match=naming(f"http://127.0.0.1:9/{key}", own_cache / key)):
        McCallaDataModule("chen").setup()


def test_a_network_of_other_genes_is_refused(files):
    where = network_key("semrau", "literature")
    with pytest.raises(InputError, match=naming(where, "2 edges", "'Sox2' -> 'Oct4'", "'Gene00'")):
        McCallaDataModule("semrau", network="literature").setup()
    lower = ("2 edges", "'gene01' -> 'gene02'", "4 of the 4", "case", "'Gene01'")
    with pytest.raises(InputError, match=naming(*lower)):
        McCallaDataModule("semrau", network="chip_and_perturbation").setup()


@pytest.mark.parametrize(
    ("options", "part"),
    [({"min_cells": -1}, "data.min_cells=-1"), ({"variable_genes": 0}, "data.variable_genes=0")],
)
def test_a_filter_out_of_range_is_named(options, part):
    with pytest.raises(InputError, match=naming(part)):
        McCallaDataModule("semrau", **options)
