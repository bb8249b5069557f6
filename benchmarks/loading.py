"""What it takes to read a matrix, beside the size of what is kept of it."""

import dataclasses
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.processes import apart, forget_peak, peak_mb
from grn_exp.core.errors import InputError
from grn_exp.data.readers import read_expression
from grn_exp.storage import store

_SEMRAU = "mccalla/expression/semrau.tsv.gz"
_MESC = "beeline/mESC/tfs500/ExpressionData.csv.gz"
# 2 GB as float32; one value in twenty is not zero
_LARGE, _DENSITY = (50_000, 10_000), 0.05


@dataclasses.dataclass(frozen=True)
class Reading:
    """Of one file, in a process of its own.

    Attributes
    ----------
    name
        The file.
    seconds
        Of the processor.
    dense_mb
        Size of the matrix that comes back.
    peak_mb
        Largest resident memory beyond what there was before.
    """

    name: str
    seconds: float
    dense_mb: float
    peak_mb: float


def measure(*, smoke: bool = False) -> tuple[list[Reading], list[str]]:
    """Read each file; return also why a file was left out."""
    found, left_out = [], []
    with tempfile.TemporaryDirectory() as folder:
        files = {
            "semrau.h5ad": _semrau,
            "mESC TFs+500, csv.gz": lambda _: store.fetch(_MESC),
            "sparse h5ad": lambda path: _sparse(path, _LARGE),
        }
        if smoke:
            files = {"sparse h5ad": lambda path: _sparse(path, (200, 100))}
        for name, make in files.items():
            try:
                path = make(Path(folder))
            except InputError as error:
                left_out.append(f"{name}: left out: {error}")
                continue
            found.append(apart(_read, name, path, smoke=smoke))
    return found, left_out


def _read(name: str, path: Path) -> Reading:
    import anndata  # noqa: F401 - imported before the clock starts

    before, start = forget_peak(), time.process_time()
    values = read_expression(path).values
    seconds = time.process_time() - start
    return Reading(name, seconds, values.nbytes / 2**20, peak_mb() - before)


def _semrau(folder: Path) -> Path:
    path = folder / "semrau.h5ad"
    read_expression(store.fetch(_SEMRAU)).to_anndata().write_h5ad(path)
    return path


def _sparse(folder: Path, shape: tuple[int, int]) -> Path:
    import scipy.sparse as sp
    from anndata import AnnData

    rng = np.random.default_rng(0)
    per_cell = int(_DENSITY * shape[1])
    data = rng.gamma(2.0, size=shape[0] * per_cell).astype(np.float32)
    columns = np.concatenate(
        [np.sort(rng.choice(shape[1], per_cell, replace=False)) for _ in range(shape[0])]
    )
    ends = np.arange(0, len(data) + 1, per_cell)
    adata = AnnData(sp.csr_matrix((data, columns, ends), shape=shape))
    adata.var_names = [f"gene{number}" for number in range(shape[1])]
    adata.write_h5ad(folder / "sparse.h5ad")
    return folder / "sparse.h5ad"
