"""Own cells: whatever form they come in, the same matrix and the same network."""

import gzip

import anndata as ad
import h5py
import numpy as np
import pytest
import scanpy as sc
import scipy.io
from scipy import sparse

from grn_exp.core.errors import InputError
from grn_exp.data.cells.symbols import read_regulators
from grn_exp.models.edges.grnboost2 import GRNBoost2
from tests.messages import naming
from tests.unit.cells.conftest import GENES, REGULATORS, logs, module, written


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
