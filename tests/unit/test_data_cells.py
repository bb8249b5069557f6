"""Own cells: whatever form they come in, the same matrix; what cannot be used is one line."""

import gc
import gzip
import tracemalloc
import warnings

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.io
from scipy import sparse

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.network import likely_cause
from grn_exp.core.views import UNKNOWN
from grn_exp.data.cells import CellsDataModule, prepare
from grn_exp.data.cells.groups import groups_of
from grn_exp.data.cells.symbols import read_regulators
from grn_exp.data.edges.splitting import SeenUnseenSplitter
from grn_exp.models.edges.genelink import GENELink
from grn_exp.models.edges.grnboost2 import GRNBoost2
from grn_exp.models.edges.infosem import InfoSEMBC
from grn_exp.models.edges.one_hot_lr import OneHotLR
from grn_exp.priors.uninformative import RandomPrior
from tests.messages import lines_naming, naming

REGULATORS = ["SPI1", "GATA1", "CEBPA", "TAL1"]
GENES = [*REGULATORS, *(f"GENE{i}" for i in range(20))]
N_CELLS = 60


@pytest.fixture
def counts() -> ad.AnnData:
    """60 cells x 24 genes of counts, with two columns of obs and symbols and ids in var."""
    rng = np.random.default_rng(0)
    rates = rng.gamma(2.0, 2.0, size=(N_CELLS, 1)) * rng.gamma(2.0, 1.0, size=len(GENES))
    cells = ad.AnnData(rng.poisson(rates).astype(np.float32))
    cells.var_names = GENES
    cells.obs_names = [f"cell{i}" for i in range(N_CELLS)]
    cells.obs["kind"] = pd.Categorical(["a"] * 30 + ["b"] * 25 + ["c"] * 5)
    cells.obs["donor"] = ["d1", "d2", "d3"] * 20
    cells.var["feature_name"] = GENES
    cells.var["other"] = GENES
    return cells


@pytest.fixture
def regulators(tmp_path) -> str:
    path = tmp_path / "regulators.txt"
    path.write_text("\n".join(REGULATORS) + "\n")
    return str(path)


def logs(counts: ad.AnnData) -> ad.AnnData:
    cells = counts.copy()
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    del cells.uns["log1p"]
    return cells


def module(path, regulators, **options):
    options = {"prior": RandomPrior(width=4), **options}
    data = CellsDataModule(str(path), regulators=regulators, **options)
    data.setup()
    return data


def refused(path, regulators, *parts, **options):
    with pytest.raises(InputError, match=naming(*parts)) as caught:
        module(path, regulators, **options)
    assert "np." not in str(caught.value)


def written(cells: ad.AnnData, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells.write_h5ad(path)
    return path


# -- forms ---------------------------------------------------------------------------------


def _as_counts(counts, folder):
    return written(counts, folder / "x.h5ad"), {}


def _as_sparse_counts(counts, folder):
    counts.X = sparse.csr_matrix(counts.X)
    return written(counts, folder / "x.h5ad"), {}


def _as_logs(counts, folder):
    return written(logs(counts), folder / "x.h5ad"), {}


def _as_layer(counts, folder):
    cells = counts.copy()
    cells.layers["counts"] = counts.X
    cells.X = np.full_like(counts.X, 0.5)
    return written(cells, folder / "x.h5ad"), {"layer": "counts"}


def _as_raw_under_scaled(counts, folder):
    cells = logs(counts)
    cells.raw = cells.copy()
    sc.pp.scale(cells)
    return written(cells, folder / "x.h5ad"), {}


def _as_raw(counts, folder):
    cells = counts.copy()
    cells.raw = counts.copy()
    cells.X = np.full_like(counts.X, 0.5)
    return written(cells, folder / "x.h5ad"), {"use_raw": True}


def _as_csv_of_cells(counts, folder):
    counts.to_df().to_csv(folder / "x.csv")
    return folder / "x.csv", {}


def _as_tsv_of_genes(counts, folder):
    logs(counts).to_df().T.to_csv(folder / "x.tsv.gz", sep="\t")
    return folder / "x.tsv.gz", {}


def _with_ids(counts: ad.AnnData) -> ad.AnnData:
    cells = counts.copy()
    cells.var_names = [f"ENSG{i:011d}.{i % 3}" for i in range(len(GENES))]
    return cells


def _as_ids_with_a_usual_column(counts, folder):
    return written(_with_ids(counts), folder / "x.h5ad"), {}


def _as_ids_with_a_named_column(counts, folder):
    cells = _with_ids(counts)
    del cells.var["feature_name"]
    return written(cells, folder / "x.h5ad"), {"gene_column": "other"}


def _as_10x_folder(counts, folder):
    target = folder / "filtered"
    target.mkdir()
    with gzip.open(target / "matrix.mtx.gz", "wb") as stream:
        scipy.io.mmwrite(stream, sparse.coo_matrix(counts.X.T.astype(int)))
    lines = [f"ENSG{i:011d}\t{gene}\tGene Expression\n" for i, gene in enumerate(GENES)]
    with gzip.open(target / "features.tsv.gz", "wt") as stream:
        stream.writelines(lines)
    with gzip.open(target / "barcodes.tsv.gz", "wt") as stream:
        stream.writelines(f"{name}\n" for name in counts.obs_names)
    return target, {}


def _as_10x_h5(counts, folder):
    matrix = sparse.csr_matrix(counts.X.astype(np.int32))
    with h5py.File(folder / "x.h5", "w") as file:
        group = file.create_group("matrix")
        group["data"], group["indices"], group["indptr"] = (
            *(matrix.data, matrix.indices, matrix.indptr),
        )
        group["shape"] = matrix.shape[::-1]
        group["barcodes"] = np.array(counts.obs_names, dtype="S")
        features = group.create_group("features")
        features["id"] = np.array([f"ENSG{i:011d}" for i in range(len(GENES))], dtype="S")
        features["name"] = np.array(GENES, dtype="S")
        features["feature_type"] = np.array(["Gene Expression"] * len(GENES), dtype="S")
        features["genome"] = np.array(["GRCh38"] * len(GENES), dtype="S")
    return folder / "x.h5", {}


def _as_loom(counts, folder):
    loompy = pytest.importorskip("loompy")
    rows, columns = {"Gene": np.array(GENES)}, {"CellID": np.array(counts.obs_names, dtype=str)}
    loompy.create(str(folder / "x.loom"), counts.X.T, rows, columns)
    return folder / "x.loom", {}


FORMS = [
    *(_as_sparse_counts, _as_logs, _as_layer, _as_raw_under_scaled, _as_raw, _as_csv_of_cells),
    *(_as_tsv_of_genes, _as_ids_with_a_usual_column, _as_ids_with_a_named_column),
    *(_as_10x_folder, _as_10x_h5, _as_loom),
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__.strip("_"))
def test_one_data_set_in_any_form_is_the_same_matrix_and_the_same_network(
    form, counts, regulators, tmp_path
):
    plain, _ = _as_counts(counts, tmp_path)
    expected = module(plain, regulators)
    (tmp_path / "form").mkdir()
    path, options = form(counts, tmp_path / "form")
    found = module(path, regulators, **options)
    assert found.expression.genes == expected.expression.genes
    np.testing.assert_allclose(found.expression.values, expected.expression.values, rtol=2e-6)
    assert found.truth.regulators == expected.truth.regulators
    networks = []
    for data in (expected, found):
        method = GRNBoost2(n_estimators=5).attach(data.view_for(GRNBoost2()))
        method.fit()
        networks.append(method.prediction().values)
    np.testing.assert_allclose(networks[0], networks[1], rtol=1e-4, atol=1e-6)


def test_values_are_log_normalised_and_genes_in_the_order_of_their_symbols(
    counts, regulators, tmp_path
):
    data = module(written(counts, tmp_path / "x.h5ad"), regulators)
    expected = logs(counts)[:, sorted(GENES)]
    np.testing.assert_allclose(data.expression.values, expected.X, rtol=1e-6)
    assert data.describe()["normalisation"].startswith("normalize_total")


def test_symbols_match_whatever_their_case(counts, tmp_path):
    counts.var_names = [gene.title() for gene in GENES]
    del counts.var["feature_name"]
    data = module(written(counts, tmp_path / "x.h5ad"), [*REGULATORS, "NONE1"])
    assert set(data.truth.regulators) == {gene.title() for gene in REGULATORS}


@pytest.mark.parametrize(
    "text",
    [
        *("TF,Sources\nSPI1,x\nGATA1,y\n", "# list\nSPI1\n\nGATA1\n"),
        *("source\tz\nSPI1\t1\nGATA1\t2\n", "SPI1, GATA1\n", "SPI1 GATA1", "'SPI1'\n'GATA1'\n"),
    ],
)
def test_lists_of_regulators(text, counts, tmp_path):
    (tmp_path / "list.csv").write_text(text)
    data = module(written(counts, tmp_path / "x.h5ad"), str(tmp_path / "list.csv"))
    assert set(data.truth.regulators) == {"SPI1", "GATA1"}


def test_lists_that_are_compressed_and_lists_that_are_none(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(gzip.compress(b"SPI1\nGATA1\n"))
    assert read_regulators(str(path))[0] == ["SPI1", "GATA1"]
    for content, part in (
        (b"PK\x03\x04", "zip"),
        (b"<!DOCTYPE html>", "web page"),
        (b'["A"]', "JSON"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=naming("data.regulators=", part)):
            read_regulators(str(path))


# -- which cells and genes -------------------------------------------------------------------


def test_cells_of_a_filter_and_of_a_group(counts, regulators, tmp_path):
    path = written(counts, tmp_path / "x.h5ad")
    assert module(path, regulators, obs_filter="donor != 'd1'").expression.n_cells == 40
    of_a = module(path, regulators, groupby="kind", group="a")
    assert of_a.expression.n_cells == 30
    expected = logs(counts)[:30, list(of_a.expression.genes)].X
    np.testing.assert_allclose(of_a.expression.values, expected, rtol=1e-6)


def test_groups_with_too_few_cells_are_left_out_and_named(counts, tmp_path):
    path = written(counts, tmp_path / "x.h5ad")
    names, left_out = groups_of(str(path), "kind", None)
    assert names == ["a", "b"]
    assert lines_naming(left_out, "c (5)")
    assert groups_of(str(path), "kind", "donor == 'd1' or kind == 'a'")[0] == ["a"]
    with pytest.raises(InputError, match=naming("data.groupby=none")):
        groups_of(str(path), "none", None)


@pytest.mark.parametrize("kind", ["category", "object", "float", "Int64"])
def test_cells_without_a_value_are_no_group(kind, counts, tmp_path):
    values = pd.Series(["1"] * 30 + [None] * 30, index=counts.obs_names, dtype=object)
    numbers = kind in ("float", "Int64")
    counts.obs["g"] = (pd.to_numeric(values) if numbers else values).astype(kind)
    names, left_out = groups_of(str(written(counts, tmp_path / "x.h5ad")), "g", None)
    assert names == ["1.0" if kind == "float" else "1"]
    assert lines_naming(left_out, 30, "g")
    counts.obs["g"] = np.nan
    with pytest.raises(InputError, match=naming("data.groupby=g")):
        groups_of(str(written(counts, tmp_path / "y.h5ad")), "g", None)


def test_a_table_has_no_groups(counts, tmp_path):
    counts.to_df().to_csv(tmp_path / "x.csv")
    with pytest.raises(InputError, match=naming("data.groupby=kind", "none")):
        groups_of(str(tmp_path / "x.csv"), "kind", None)


def test_a_group_of_few_cells_is_named(counts, regulators, tmp_path, caplog):
    module(written(counts, tmp_path / "x.h5ad"), regulators, groupby="kind", group="a")
    assert lines_naming(caplog.text, "kind=a", 30)


def test_the_most_variable_genes_beside_all_regulators(counts, regulators, tmp_path):
    data = module(written(counts, tmp_path / "x.h5ad"), regulators, genes=6)
    assert set(REGULATORS) <= set(data.expression.genes)
    assert 6 <= data.expression.n_genes <= 6 + len(REGULATORS)


def test_the_audit_names_each_regulator_and_each_gene_that_is_left_out(counts, tmp_path):
    counts.X[:, GENES.index("GENE3")] = 0
    counts.X[:, GENES.index("TAL1")] = 0
    counts.X[2:, GENES.index("GENE4")] = 0
    data = module(
        written(counts, tmp_path / "x.h5ad"), [*REGULATORS, "NONE1"], normalise="log1p", genes=None
    )
    header, rows = data.tables(None)["audit.csv"]
    assert header == ("gene", "role", "status", "mean")
    status = {gene: (role, text.partition(":")[0]) for gene, role, text, _ in rows}
    assert len(rows) == len(status) == len(GENES) + 1
    assert status["NONE1"] == ("regulator", "not in the matrix")
    assert status["TAL1"] == ("regulator", "constant")
    assert status["SPI1"] == ("regulator", "used")
    assert status["GENE3"] == ("gene", "constant")
    assert status["GENE4"] == ("gene", "filtered")
    means = {gene: mean for gene, _, _, mean in rows}
    column = np.log1p(counts.X[:, GENES.index("SPI1")])
    assert float(means["SPI1"]) == pytest.approx(column.mean(), rel=1e-4)
    assert means["NONE1"] == ""


# -- half-samples ----------------------------------------------------------------------------


def test_half_samples_are_the_two_halves_of_one_division_within_samples(
    counts, regulators, tmp_path
):
    path = written(counts, tmp_path / "x.h5ad")
    data = module(path, regulators, sample="donor")
    halves = [data._cells.half(number) for number in range(4)]
    for first, second in (halves[:2], halves[2:]):
        assert sorted([*first, *second]) == list(range(N_CELLS))
        donors = counts.obs["donor"].to_numpy()
        assert sorted(donors[first]) == sorted(donors[second])
    assert halves[0].tolist() != halves[2].tolist()
    half = module(path, regulators, sample="donor", half=0)
    assert half.expression.genes == data.expression.genes
    assert np.array_equal(half.expression.values, data.expression.values[halves[0]])


# -- known interactions ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "header"),
    [("k.csv", "Gene1,Gene2"), ("k.csv", "source,target"), ("k.tsv", "TF\ttarget")],
)
def test_known_interactions_are_the_labels_and_other_pairs_unknown(
    name, header, counts, regulators, tmp_path
):
    separator = "\t" if name.endswith("tsv") else ","
    pairs = [("SPI1", "GENE0"), ("spi1", "gene1"), ("GATA1", "SPI1"), ("GATA1", "NONE")]
    lines = [header, *(separator.join(pair) for pair in pairs)]
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    path = written(counts, tmp_path / "x.h5ad")
    data = module(path, regulators, known=str(tmp_path / name))
    view = data.view_for(InfoSEMBC())
    rows, columns = np.nonzero(view.labels == 1)
    found = {
        (view.regulators.symbols[r], view.genes.symbols[c])
        for r, c in zip(rows, columns, strict=True)
    }
    assert found == {("SPI1", "GENE0"), ("SPI1", "GENE1"), ("GATA1", "SPI1")}
    assert set(np.unique(view.labels)) == {UNKNOWN, 1}
    negative = module(path, regulators, known=str(tmp_path / name), unlisted="negative")
    labels = negative.view_for(InfoSEMBC()).labels
    assert (labels == 0).sum() == 2 * 3 - 1 - 3  # 2 regulators x 3 targets, less SPI1 -> SPI1
    assert not data.can_judge("test_seen")


def test_symbols_that_are_left_out_are_named_with_the_likely_cause(
    counts, regulators, tmp_path, caplog
):
    (tmp_path / "k.csv").write_text("Gene1,Gene2\nSPI1,GENE0\nSPI1,GENE1.1\nSPI1,SPI1\n")
    path = written(counts, tmp_path / "x.h5ad")
    with caplog.at_level("INFO"):
        module(path, ["SPI1", "GATA-1"], known=str(tmp_path / "k.csv")).setup("fit")
    assert lines_naming(caplog.text, "k.csv", "1 of 3", "'GENE1.1'", "'GENE1'")
    assert lines_naming(caplog.text, "1 of 2", "'GATA-1'", "'GATA1'")


def test_a_symbol_that_is_a_gene_as_it_stands_has_no_other_spelling():
    genes = GeneIndex(["SPI1", "GENE1"])
    assert likely_cause({"SPI1"}, genes) == ""
    assert "'gene1'" in likely_cause({"SPI1", "gene1"}, genes)


def test_signs_and_absent_edges_of_known_interactions(counts, regulators, tmp_path):
    text = "source,target,weight\nSPI1,GENE0,0.5\nSPI1,GENE1,-2\nSPI1,GENE2,0\n"
    (tmp_path / "k.csv").write_text(text)
    data = module(written(counts, tmp_path / "x.h5ad"), regulators, known=str(tmp_path / "k.csv"))
    view, signs = data.view_for(OneHotLR()), data.known_signs()
    row = view.regulators.positions(["SPI1"])[0]
    columns = view.genes.positions(["GENE0", "GENE1", "GENE2"])
    assert view.labels[row, columns].tolist() == [1, 1, 0]
    assert signs[row, columns].tolist() == [1, -1, 0]


def test_words_and_numbers_that_are_signs_and_those_that_are_none(
    counts, regulators, tmp_path, caplog
):
    signs = {"+": 1, "Activation": 1, "0.7": 1, "-0.2": -1, "\u2212": -1, "repression": -1}
    signs |= {"Unknown": 0, "0": 0, "": 0, "phosphorylates": 0, "inhibits": -1}
    lines = [f"SPI1,GENE{i},{sign}" for i, sign in enumerate(signs)]
    (tmp_path / "k.csv").write_text("\n".join(["source,target,mor", *lines]) + "\n")
    data = module(written(counts, tmp_path / "x.h5ad"), regulators, known=str(tmp_path / "k.csv"))
    found = data.known_signs()[data.truth.regulators.positions(["SPI1"])[0]]
    columns = data.expression.genes.positions(f"GENE{i}" for i in range(len(signs)))
    assert found[columns].tolist() == list(signs.values())
    assert lines_naming(caplog.text, "1 of 11", "mor", "'phosphorylates'")


def test_rows_that_contradict_each_other(counts, regulators, tmp_path):
    path = written(counts, tmp_path / "x.h5ad")
    known = tmp_path / "k.csv"
    known.write_text(
        "source,target,sign\nSPI1,GENE0,+\nSPI1,GENE0,-\nSPI1,GENE1,+\nSPI1,GENE1,?\n"
    )
    data = module(path, regulators, known=str(known))
    columns = data.expression.genes.positions(["GENE0", "GENE1"])
    row = data.truth.regulators.positions(["SPI1"])[0]
    assert data.known_signs()[row, columns].tolist() == [0, 1]
    known.write_text("source,target,weight\nSPI1,GENE0,1\nspi1,GENE0,0\n")
    refused(path, regulators, "'SPI1' -> 'GENE0'", "weight 0", known=str(known))
    known.write_text("source,Source,target\nSPI1,TAL1,GENE0\n")
    refused(path, regulators, "'source'", "twice", known=str(known))


@pytest.mark.parametrize("name", ["nan", "NA", "None", " "])
def test_a_gene_without_a_name_is_left_out_with_a_word(name, counts, regulators, tmp_path, caplog):
    counts.var_names = [*GENES[:-1], name]
    del counts.var["feature_name"]
    data = module(written(counts, tmp_path / "x.h5ad"), regulators)
    assert len(data.expression.genes) == len(GENES) - 1
    assert lines_naming(caplog.text, "1 of 24 genes", f"'{name}'")


def test_genes_that_vary_alike_have_no_most_variable_ones(counts, regulators, tmp_path):
    rng = np.random.default_rng(0)
    counts.X = np.stack([rng.permutation(N_CELLS) % 7 + 0.5 for _ in GENES], 1).astype(np.float32)
    path = written(counts, tmp_path / "x.h5ad")
    refused(path, regulators, "data.genes=null", genes=5, normalise="none")


def test_methods_that_need_labels_or_negatives_say_so(counts, regulators, tmp_path):
    path = written(counts, tmp_path / "x.h5ad")
    with pytest.raises(InputError, match=naming("InfoSEMBC", "data.known=FILE")):
        module(path, regulators).view_for(InfoSEMBC())
    (tmp_path / "k.csv").write_text("source,target\nSPI1,GENE0\nGATA1,GENE1\n")
    data = module(path, regulators, known=str(tmp_path / "k.csv"))
    for method in (GENELink(), OneHotLR()):
        with pytest.raises(InputError, match=naming("data.unlisted=negative")):
            data.view_for(method)


def test_a_split_of_known_interactions_is_judged_and_hides_what_it_holds_out(counts, tmp_path):
    rng = np.random.default_rng(1)
    regulators = GENES[:12]
    pairs = [f"{r},{g}" for r in regulators for g in GENES[12:] if rng.random() < 0.4]
    (tmp_path / "k.csv").write_text("\n".join(["source,target", *pairs]) + "\n")
    data = module(
        written(counts, tmp_path / "x.h5ad"),
        regulators,
        known=str(tmp_path / "k.csv"),
        splitter=SeenUnseenSplitter(validation_fraction=0.0),
    )
    view = data.view_for(InfoSEMBC())
    assert (view.labels[data.split.test_seen | data.split.test_unseen] == UNKNOWN).all()
    method = GRNBoost2(n_estimators=5).attach(data.view_for(GRNBoost2()))
    method.fit()
    subsets = {row.subset for row in data.evaluate(method.prediction())}
    assert subsets == {"test_seen", "test_unseen"}
    with pytest.raises(InputError, match=naming("data.known")):
        module(tmp_path / "x.h5ad", regulators, splitter=SeenUnseenSplitter())


# -- what cannot be used -----------------------------------------------------------------------


def test_files_that_are_none(counts, regulators, tmp_path):
    refused(tmp_path / "x.h5ad", regulators, "data.path", "x.h5ad")
    (tmp_path / "x.xlsx").write_bytes(b"PK")
    refused(tmp_path / "x.xlsx", regulators, "x.xlsx", ".h5ad")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", regulators, "folder", "matrix.mtx")
    whole = written(counts, tmp_path / "y.h5ad").read_bytes()
    (tmp_path / "cut.h5ad").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "cut.h5ad", regulators, "cut.h5ad")
    (tmp_path / "z.h5").write_bytes(whole)
    refused(tmp_path / "z.h5", regulators, "z.h5", ".h5ad")


def _nan(cells):
    cells.X[3, 4] = np.nan


def _duplicate(cells):
    cells.var_names = [*GENES[:-1], "GENE0"]


def _ids(cells):
    cells.var_names = [f"ENSG{i:011d}" for i in range(len(GENES))]
    cells.var = cells.var[["other"]]


def _two_species(cells):
    cells.var_names = [f"hg19_{g}" if i % 2 else f"mm10_{g}" for i, g in enumerate(GENES)]


def _some_prefixed(cells):
    cells.var_names = [f"mm10_{g}" if i % 2 else g for i, g in enumerate(GENES)]


def _some_ids(cells):
    cells.var_names = [f"ENSG{i:011d}" if i % 3 == 2 else g for i, g in enumerate(GENES)]


def _two_spellings(cells):
    cells.var_names = [g.title() if i % 2 else g for i, g in enumerate(GENES)]


def _fractions(cells):
    cells.X = cells.X * 100 + 0.5


def _each_its_own(cells):
    cells.obs["own"] = cells.obs_names


def _one_expressed(cells):
    cells.X[:, 1:] = 0


def _negative(cells):
    sc.pp.scale(cells)
    cells.layers["counts"] = np.abs(cells.X)


@pytest.fixture
def file_of(counts, tmp_path):
    """Write the cells after a change."""

    def write(change):
        if change is not None:
            change(counts)
        return written(counts, tmp_path / "x.h5ad")

    return write


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (_some_prefixed, ["mm10_GATA1"]),
        (_some_ids, ["Ensembl", "data.gene_column"]),
        (_two_spellings, ["'SPI1'", "'Gata1'"]),
    ],
)
def test_genes_that_are_called_otherwise_than_most_are_warned_of(file_of, caplog, change, parts):
    module(file_of(change), GENES)
    assert lines_naming(caplog.text, *parts)


def test_a_matrix_the_wrong_way_round_is_said_to_be(file_of, tmp_path):
    turned = sc.read_h5ad(file_of(None)).T
    refused(written(turned, tmp_path / "turned.h5ad"), GENES[:4], "data.regulators", ".T")


@pytest.mark.parametrize(
    ("change", "options", "parts"),
    [
        (_nan, {}, ["NaN"]),
        (_duplicate, {}, ["'GENE0'", "data.duplicates=highest"]),
        (_ids, {}, ["data.gene_column", "other"]),
        (_two_species, {}, ["hg19_GENE19"]),
        (_fractions, {}, ["data.normalise=counts"]),
        (_negative, {}, ["data.layer=counts"]),
        (None, {"layer": "cuonts"}, ["data.layer=cuonts"]),
        (None, {"use_raw": True}, ["data.use_raw=true"]),
        (None, {"gene_column": "othr"}, ["data.gene_column=othr", "'other'"]),
        (None, {"obs_filter": "kind =="}, ["data.obs_filter='kind =='"]),
        (None, {"obs_filter": "kind == 'c'"}, [5]),
        (None, {"groupby": "kindd", "group": "a"}, ["data.groupby=kindd", "'kind'"]),
        (None, {"groupby": "kind", "group": "x"}, ["data.group=x", "kind"]),
        (None, {"groupby": "kind", "group": "c"}, ["kind=c", 5]),
        (None, {"group": "a"}, ["data.groupby"]),
        (None, {"groupby": "kind", "group": "aa"}, ["data.group=aa", "'a'"]),
        (None, {"obs_filter": "donor"}, ["data.obs_filter='donor'", "condition"]),
        (None, {"obs_filter": "x = donor"}, ["data.obs_filter='x = donor'"]),
        (_each_its_own, {"sample": "own"}, ["data.sample=own", 60, 0]),
        (_one_expressed, {}, ["SPI1", "data.min_cells"]),
        (None, {"sample": "batch"}, ["data.sample=batch"]),
        (None, {"genes": 0}, ["data.genes=0"]),
        (None, {"known": "missing.csv"}, ["data.known=missing.csv"]),
    ],
)
def test_cells_that_cannot_be_used(change, options, parts, file_of, regulators):
    refused(file_of(change), regulators, *parts, **options)


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (None, ["data.regulators"]),
        ("humann", ["data.regulators=humann"]),
        (["X1", "X2"], ["data.regulators", "'X1'", "'SPI1'"]),
        ([], ["no symbol"]),
        (["", " "], ["no symbol"]),
    ],
)
def test_regulators_that_cannot_be_used(given, parts, counts, tmp_path):
    refused(written(counts, tmp_path / "x.h5ad"), given, *parts)


def test_one_regulator_is_enough_for_a_network(counts, tmp_path):
    data = module(written(counts, tmp_path / "x.h5ad"), ["SPI1"])
    method = GRNBoost2(n_estimators=5).attach(data.view_for(GRNBoost2()))
    method.fit()
    assert method.prediction().values.shape == (1, len(GENES))


def test_a_table_that_does_not_show_which_way_round_it_is(counts, tmp_path):
    counts.to_df().to_csv(tmp_path / "x.csv")
    refused(tmp_path / "x.csv", ["X1"], "data.path", "x.csv", "'X1'", "'GATA1'")


@pytest.mark.parametrize("genes_in", ["rows", "columns"])
def test_a_word_among_the_numbers_is_named_the_right_way_round(genes_in, counts, tmp_path):
    table = counts.to_df().astype(object)
    table.iloc[3, 4] = "low"
    (table if genes_in == "columns" else table.T).to_csv(tmp_path / "x.csv")
    refused(tmp_path / "x.csv", REGULATORS, "cell 'cell3'", "gene 'GENE0'", "'low'")


def test_a_table_without_the_names_of_its_cells(counts, tmp_path):
    counts.to_df().to_csv(tmp_path / "x.csv", index=False)
    refused(tmp_path / "x.csv", REGULATORS, "data.path", "x.csv", "'SPI1'")


def test_duplicates_keep_the_one_with_most_expression(counts, tmp_path):
    _duplicate(counts)
    counts.X[:, -1] += 100
    data = module(
        written(counts, tmp_path / "x.h5ad"), REGULATORS, duplicates="highest", normalise="log1p"
    )
    column = data.expression.values[:, data.expression.genes.positions(["GENE0"])[0]]
    np.testing.assert_allclose(column, np.log1p(counts.X[:, -1]), rtol=1e-6)


def test_half_samples_of_a_run_read_the_file_once_and_a_changed_file_again(
    counts, regulators, tmp_path, monkeypatch
):
    path = written(counts, tmp_path / "x.h5ad")
    opened = []
    real = prepare.open_cells

    def counting(path, **options):
        opened.append(path)
        return real(path, **options)

    monkeypatch.setattr(prepare, "open_cells", counting)
    whole = module(path, regulators)
    halves = [module(path, regulators, half=number) for number in range(2)]
    assert len(opened) == 1
    n_cells = [half.expression.n_cells for half in halves]
    assert sum(n_cells) == whole.expression.n_cells == N_CELLS
    module(path, regulators, genes=5)
    assert len(opened) == 2, "other options, other cells"
    counts.X[:, 0] = 1 + np.arange(N_CELLS)
    written(counts, path)
    again = module(path, regulators)
    assert len(opened) == 3
    assert not np.array_equal(again.expression.values, whole.expression.values)
    del whole, halves, again
    gc.collect()
    module(path, regulators)
    assert len(opened) == 4, "no matrix outlives the run that uses it"


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("how", ["counts", "log1p", "none"])
def test_reading_takes_little_more_than_the_matrix(counts, regulators, tmp_path, dense, how):
    n_cells = 4000
    values = np.tile(counts.X, (n_cells // N_CELLS + 1, 20))[:n_cells]
    values = np.log1p(values) if how == "none" else values
    if not dense:
        values = values * (np.random.default_rng(0).random(values.shape) < 0.25)
    cells = ad.AnnData(values if dense else sparse.csr_matrix(values))
    cells.var_names = [*GENES, *(f"COPY{i}" for i in range(cells.n_vars - len(GENES)))]
    path = written(cells, tmp_path / "x.h5ad")
    module(path, regulators, normalise=how, genes=None)  # what libraries need once is there
    tracemalloc.start()
    data = module(path, regulators, normalise=how, genes=None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert data.expression.values.nbytes > 0.9 * values.nbytes
    assert peak < 3 * values.nbytes


def test_sizes_are_those_of_the_matrix_that_is_read(counts, regulators, tmp_path):
    cells = logs(counts)
    cells.raw = cells.copy()
    cells = cells[:, 2:10].copy()
    sc.pp.scale(cells)
    path = written(cells, tmp_path / "x.h5ad")
    read = module(path, regulators)
    sizes = CellsDataModule(str(path), regulators=regulators).sizes()
    assert (sizes.n_cells, sizes.n_genes, sizes.n_regulators) == (N_CELLS, len(GENES), 4)
    assert read.expression.n_genes <= sizes.n_genes
