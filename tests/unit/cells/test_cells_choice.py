"""Own cells: which of them, which genes, which half; and what reading them takes."""

import gc
import tracemalloc

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse

from grn_exp.core.errors import InputError
from grn_exp.data.cells import CellsDataModule, prepare
from grn_exp.data.cells.groups import groups_of
from tests.messages import lines_naming, naming
from tests.unit.cells.conftest import GENES, N_CELLS, REGULATORS, logs, module, written


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
