"""Own cells: what cannot be used is one line."""

import numpy as np
import pytest
import scanpy as sc

from grn_exp.models.edges.grnboost2 import GRNBoost2
from tests.messages import lines_naming
from tests.unit.cells.conftest import GENES, REGULATORS, module, refused, written


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
