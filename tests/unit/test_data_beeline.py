"""BEELINE: every held file loads, the parsed copy is used and made again, options act."""

import gzip
import logging

import numpy as np
import pandas as pd
import pytest

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.scores import EdgeScores
from grn_exp.data.edges import beeline
from grn_exp.data.edges.beeline import (
    BeelineDataModule,
    expression_key,
    load_expression,
    network_key,
)
from grn_exp.data.edges.splitting import SeenUnseenSplitter
from grn_exp.priors.base import DatasetPrior
from grn_exp.priors.published import PublishedBioBertPrior
from grn_exp.priors.uninformative import OneHotPrior
from grn_exp.storage import store
from tests.messages import lines_naming, naming

HELD = [("hHEP", "tfs500"), ("mDC", "tfs500"), ("mDC", "tfs1000"), ("mESC", "tfs500")]
SHAPES = {
    ("hHEP", "tfs500"): (425, 948),
    ("mDC", "tfs500"): (383, 821),
    ("mDC", "tfs1000"): (383, 1321),
    ("mESC", "tfs500"): (421, 1120),
}


def module(**options) -> BeelineDataModule:
    return BeelineDataModule(
        **{
            "dataset": "hESC",
            "gene_set": "tfs500",
            "network": "cell_type_specific",
            "splitter": SeenUnseenSplitter(),
            "prior": OneHotPrior(),
            **options,
        }
    )


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A made-up hESC of 30 genes and 40 cells in a data folder, with its hashes."""
    rng = np.random.default_rng(0)
    genes = [f"G{i:02d}" for i in range(30)]
    values = rng.gamma(2.0, size=(30, 40)).round(3)
    rows = [f"{gene},{','.join(map(str, row))}" for gene, row in zip(genes, values, strict=True)]
    matrix = "\n".join([",".join(["", *[f"c{i}" for i in range(40)]]), *rows]) + "\n"
    edges = [f"G{r:02d},G{t:02d}" for r, t in np.argwhere(rng.random((8, 30)) < 0.3) if r != t] + [
        "G00,G00",
        "G01,OTHER",
    ]
    contents = {
        expression_key("hESC", "tfs500"): matrix,
        network_key("hESC", "tfs500", "cell_type_specific"): "\n".join(["Gene1,Gene2", *edges]),
    }
    folder, entries = tmp_path / "data", {}
    for key, text in contents.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(gzip.compress(text.encode(), mtime=0))
        digest = store.git_blob_sha1(folder / key)
        entries[key] = store.KnownFile(key, f"http://127.0.0.1:9/{key}", digest)
    monkeypatch.setattr(store, "registry", lambda: entries)
    monkeypatch.setenv("GRN_EXP_DATA", str(folder))
    return values.T.astype(np.float32)


# -- real data -----------------------------------------------------------------------------


@pytest.mark.parametrize(("dataset", "gene_set"), HELD)
def test_every_held_dataset_loads_with_every_network(real_data, dataset, gene_set):
    kinds = ["cell_type_specific", "non_specific", "string"]
    kinds += ["lofgof"] if dataset == "mESC" else []
    real_data(
        expression_key(dataset, gene_set), *(network_key(dataset, gene_set, k) for k in kinds)
    )
    for kind in kinds:
        splitter = SeenUnseenSplitter(known_within="block")
        data = module(dataset=dataset, gene_set=gene_set, network=kind, splitter=splitter)
        data.prepare_data()
        data.setup()
        expression, truth = data.expression, data.truth
        assert (expression.n_cells, expression.n_genes) == SHAPES[dataset, gene_set]
        # mouse symbols come in upper case; human ones hold "orf" as in C1orf50
        lower = [s for s in expression.genes if s != s.upper() and "orf" not in s]
        assert not lower
        assert truth.labels.any(axis=1).all()  # every regulator has an edge
        assert not truth.labels[~truth.universe].any()
        assert not (truth.universe & ~truth.labels.any(axis=0)).any()
        assert data.describe()["n_positive"] == truth.labels.sum()


def test_a_matrix_of_the_users_replaces_the_datasets(real_data):
    partial = "partial/hESC_541genes_x_758cells.csv.gz"
    folder = real_data(partial, network_key("hESC", "tfs500", "cell_type_specific"))
    data = module(expression=str(folder / partial))
    assert data.keys == [network_key("hESC", "tfs500", "cell_type_specific")]
    data.setup()
    assert (data.expression.n_cells, data.expression.n_genes) == (758, 541)
    assert len(data.truth.regulators) == 34
    files = data.describe()["files"]
    assert files[str(folder / partial)].startswith("sha256:")
    assert data.describe()["edges_left_out"]["outside_matrix"] > 0


def test_genes_without_a_vector_are_dropped_for_every_model(real_data):
    sets = [f"biobert/{n}/{f}" for n in ("hESC500", "mESC500") for f in ("Target.csv",)]
    network = network_key("mDC", "tfs500", "cell_type_specific")
    real_data(expression_key("mDC", "tfs500"), network, *sets)
    options = {"dataset": "mDC", "prior": PublishedBioBertPrior()}
    everyone, kept = module(**options), module(genes="with_embedding", **options)
    assert everyone.expression.n_genes == 821
    assert everyone.embedding().known.sum() == 255
    assert kept.expression.n_genes == 255
    assert kept.embedding().known.all()
    assert kept.truth.genes == kept.expression.genes == kept.split.genes
    same = everyone.expression.take_genes(kept.expression.genes)
    np.testing.assert_array_equal(kept.expression.values, same.values)
    # an edge is kept exactly if both genes are
    rows = everyone.truth.regulators.positions(kept.truth.regulators)
    columns = everyone.truth.genes.positions(kept.truth.genes)
    labels = everyone.truth.labels[np.ix_(rows, columns)]
    np.testing.assert_array_equal(kept.truth.labels, labels)


# -- a made-up dataset ---------------------------------------------------------------------


def test_the_second_load_reads_the_parsed_copy(tiny, own_cache, monkeypatch):
    first = load_expression("hESC", "tfs500")
    np.testing.assert_array_equal(first.values, tiny)
    (parsed,) = own_cache.rglob("*.h5ad")
    assert store.known_file(expression_key("hESC", "tfs500")).git_blob_sha1 in parsed.name

    def never(key):
        raise AssertionError(f"{key} was read again")

    monkeypatch.setattr(beeline.store, "fetch", never)
    second = load_expression("hESC", "tfs500")
    np.testing.assert_array_equal(second.values, first.values)
    assert second.genes == first.genes
    assert (second.source, second.transform) == (first.source, first.transform)


@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: c[: len(c) // 2], lambda c: b"x" * 9])
def test_a_corrupt_parsed_copy_is_made_again_and_said_so(tiny, own_cache, caplog, damage):
    load_expression("hESC", "tfs500")
    (parsed,) = own_cache.rglob("*.h5ad")
    whole = parsed.read_bytes()
    parsed.write_bytes(damage(whole))
    with caplog.at_level(logging.WARNING):
        again = load_expression("hESC", "tfs500")
    assert lines_naming(caplog.text, "WARNING", parsed)
    np.testing.assert_array_equal(again.values, tiny)
    assert len(parsed.read_bytes()) == len(whole)
    caplog.clear()
    load_expression("hESC", "tfs500")
    assert not caplog.records


def test_a_parsed_copy_that_cannot_be_kept_costs_a_warning(tiny, no_cache, caplog):
    np.testing.assert_array_equal(load_expression("hESC", "tfs500").values, tiny)
    assert lines_naming(caplog.text, "WARNING", "GRN_EXP_CACHE")


def test_what_the_network_has_too_much_is_counted(tiny):
    left_out = module().describe()
    data = module()
    data.setup()
    assert data.describe()["edges_left_out"] == {
        "self_loops": 1,
        "duplicates": 0,
        "outside_matrix": 1,
    }
    assert left_out["edges_left_out"] == data.describe()["edges_left_out"]


def test_a_share_of_the_cells_is_drawn_by_its_seed(tiny):
    def cells(**options):
        return module(**options).expression.values

    fifth = cells(cell_fraction=0.2)
    assert fifth.shape == (8, 30)
    rows = [int(np.flatnonzero((tiny == row).all(axis=1))[0]) for row in fifth]
    assert rows == sorted(set(rows))  # different cells, in the matrix's order
    np.testing.assert_array_equal(fifth, cells(cell_fraction=0.2))
    assert (fifth != cells(cell_fraction=0.2, cell_seed=1)).any()
    np.testing.assert_array_equal(cells(cell_fraction=1.0, cell_seed=1), tiny)
    # the smaller share is part of the larger: figure 6 compares like with like
    half = {row.tobytes() for row in cells(cell_fraction=0.5)}
    assert {row.tobytes() for row in fifth} <= half


def test_the_split_does_not_depend_on_the_cells(tiny):
    one, other = module(), module(cell_fraction=0.5)
    np.testing.assert_array_equal(one.split.train, other.split.train)


def test_a_copy_with_its_rows_in_another_order_is_split_alike(tiny, tmp_path):
    whole = store.locate(expression_key("hESC", "tfs500"))
    header, *rows = gzip.decompress(whole.read_bytes()).decode().strip().split("\n")
    copy = tmp_path / "copy.csv"
    copy.write_text("\n".join([header, *rows[::-1]]) + "\n")
    one, other = module(), module(expression=str(copy))
    assert one.truth.genes == other.truth.genes
    for name, mask in one.split.arrays().items():
        np.testing.assert_array_equal(mask, other.split.arrays()[name])


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (np.zeros_like, ["40 cells"]),
        (lambda x: x[:1].repeat(40, axis=0), ["40 cells"]),
        (np.round, ["counts", "scanpy.pp.normalize_total", "scanpy.pp.log1p"]),
        (lambda x: x * 100, [881.3, "scanpy.pp.log1p"]),
    ],
)
def test_a_matrix_of_the_users_on_another_scale_is_refused(tiny, tmp_path, change, parts):
    path = tmp_path / "own.csv"
    genes = [f"G{i:02d}" for i in range(30)]
    pd.DataFrame(change(tiny).T, index=pd.Index(genes)).to_csv(path)
    with pytest.raises(InputError, match=naming("own.csv", *parts)):
        module(expression=str(path)).load()


@pytest.mark.parametrize("share", [0.01, 0.03])
def test_too_small_a_share_names_the_option(tiny, share):
    with pytest.raises(
        InputError, match=naming(f"data.cell_fraction={share}", int(share * 40), "40 cells")
    ):
        module(cell_fraction=share).setup()


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"cell_fraction": 0.0}, ["data.cell_fraction=0.0"]),
        ({"cell_fraction": 1.1}, ["data.cell_fraction=1.1"]),
        ({"cell_seed": -1}, ["data.cell_seed=-1"]),
        ({"network": "lofgof"}, ["data.network=lofgof", "hESC", "mESC", "string"]),
    ],
)
def test_options_that_cannot_be_are_refused_at_once(options, parts):
    with pytest.raises(InputError, match=naming(*parts)):
        module(**options)


def test_lofgof_is_taken_for_mesc():
    assert module(dataset="mESC", network="lofgof").keys[-1].endswith("lofgof/network.csv")


def test_an_unknown_dataset_names_its_neighbours():
    with pytest.raises(InputError, match=naming("beeline/hESC/tfs500/ExpressionData.csv.gz")):
        module(dataset="hESX").prepare_data()


def test_a_missing_matrix_of_the_users_is_named(tiny, tmp_path):
    with pytest.raises(InputError, match=naming("none.csv")):
        module(expression=str(tmp_path / "none.csv")).setup()


def test_title_case_symbols_are_not_taken_for_upper_case_ones(tiny, tmp_path):
    path = tmp_path / "lower.csv"
    path.write_text("gene,c1,c2\ng0,1.5,2\ng1,2,3\n")
    with pytest.raises(InputError, match=naming("'G00' -> 'G02'", "'g0', 'g1'", "lower.csv")):
        module(expression=str(path)).setup()


def test_a_view_holds_training_labels_only(tiny):
    data = module()
    view = data.view(labels=True, embedding=True)
    np.testing.assert_array_equal(view.labels != -1, data.split.train)
    np.testing.assert_array_equal(view.labels == 1, data.split.train & data.truth.labels)
    assert view.embedding.genes == data.expression.genes
    blind = data.view(labels=False, embedding=False)
    assert blind.labels is None
    assert blind.embedding is None


def test_scores_are_judged_by_name(tiny):
    data = module()
    truth = data.truth
    oracle = EdgeScores(truth.regulators, truth.genes, truth.labels.astype(np.float32))
    rows, columns = (
        np.random.default_rng(1).permutation(len(g)) for g in (oracle.regulators, oracle.genes)
    )
    shuffled = EdgeScores(
        truth.regulators.take(rows),
        truth.genes.take(columns),
        oracle.values[np.ix_(rows, columns)],
    )
    judged = [row.as_dict() for row in data.evaluate(shuffled)]
    assert judged == [row.as_dict() for row in data.evaluate(oracle)]
    assert {row["value"] for row in judged if row["metric"] == "ap"} == {1.0}
    assert {row.subset for row in data.evaluate(shuffled, ["val"])} == {"val"}
    with pytest.raises(InputError, match=naming("'G00'", "30 of 30")):
        data.evaluate(EdgeScores(truth.regulators, GeneIndex("A"), oracle.values[:, :1]))


def test_a_dataset_without_vectors_of_its_own_says_which_priors_there_are(tiny):
    with pytest.raises(InputError, match=naming("prior=dataset", "prior=biobert", "prior=table")):
        module(prior=DatasetPrior()).embedding()
