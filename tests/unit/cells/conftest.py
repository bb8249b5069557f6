"""Cells of one's own: 60 of them, 24 genes, four regulators, in a file or in memory."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

from grn_exp.core.errors import InputError
from grn_exp.data.cells import CellsDataModule
from grn_exp.priors.uninformative import RandomPrior
from tests.messages import naming

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


@pytest.fixture
def file_of(counts, tmp_path):
    """Write the cells after a change."""

    def write(change):
        if change is not None:
            change(counts)
        return written(counts, tmp_path / "x.h5ad")

    return write
