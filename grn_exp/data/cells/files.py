"""Open a file of cells, whatever tool wrote it."""

import logging
import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from grn_exp.core import extras
from grn_exp.core.errors import InputError, brief
from grn_exp.core.genes import stripped
from grn_exp.data.readers import check_numbers, open_h5ad
from grn_exp.storage.delimited import read_matrix

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger(__name__)

TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
_KINDS = "a .h5ad, .h5 (10x), .loom, .csv or .tsv file, or a 10x folder with matrix.mtx"


def open_cells(path: Path, *, landmarks: Collection[str]) -> "AnnData":
    """Read a file of cells as an AnnData, cells x genes, with nothing done to it.

    Parameters
    ----------
    path
        A ``.h5ad``, a 10x ``.h5``, a 10x folder (``matrix.mtx``), a ``.loom`` (with loompy), or a
        table in csv or tsv, either way round.
    landmarks
        Upper-case symbols of genes, such as regulators: they tell which way round a table is.

    Raises
    ------
    InputError
        If the file is missing, broken or of another kind.
    """
    require(path)
    name = path.name.lower()
    if path.is_dir():
        return _read_10x_folder(path)
    if name.endswith(".h5ad"):
        return open_h5ad(path)
    if name.endswith(TABLES):
        return _read_table(path, landmarks)
    if name.endswith(".h5"):
        _refuse_anndata(path)
        return _with_scanpy(path, "read_10x_h5")
    if name.endswith(".loom"):
        extras.load("loompy", f"data.path={path}", "loompy")
        return _with_scanpy(path, "read_loom")
    raise InputError(f"data.path={path}: unknown ending; give {_KINDS}")


def require(path: Path) -> None:
    """Refuse a path where nothing is.

    Raises
    ------
    InputError
        If there is no file or folder.
    """
    if not path.exists():
        raise InputError(f"data.path={path}: no such file; give {_KINDS}")


def _refuse_anndata(path: Path) -> None:
    import h5py

    if h5py.is_hdf5(path):
        with h5py.File(path) as file:
            if {"obs", "var"} <= set(file):
                raise InputError(f"data.path={path}: an AnnData; give it the ending .h5ad")


def _read_10x_folder(path: Path) -> "AnnData":
    found = sorted(file.name for file in path.iterdir())
    if not any(name.removesuffix(".gz").endswith("matrix.mtx") for name in found):
        raise InputError(
            f"data.path={path}: no matrix.mtx in this folder ({', '.join(found[:5]) or 'empty'}); "
            f"give {_KINDS}"
        )
    return _with_scanpy(path, "read_10x_mtx", make_unique=False)


def _with_scanpy(path: Path, reader: str, **options: bool) -> "AnnData":
    import scanpy

    try:
        with warnings.catch_warnings():  # names that occur twice are refused later, by name
            warnings.filterwarnings("ignore", message=".*names are not unique.*")
            return getattr(scanpy, reader)(path, **options)
    except Exception as error:  # libraries' own errors have no common base
        raise InputError(
            f"data.path={path}: cannot read it ({brief(error)}); copy or write it again"
        ) from error


def _refuse_unnamed(names: pd.Index, path: Path) -> None:
    """Refuse values in place of names, as a table has that was written without them."""
    numbers = np.asarray(pd.to_numeric(names.to_series(), errors="coerce"), dtype=np.float64)
    if names.has_duplicates and not np.isnan(numbers).any():
        raise InputError(
            f"data.path={path}: its first column ({names.name!r}) holds numbers that occur more "
            "than once, not names; write the table with the names of its rows"
        )


def _some(names: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(names)[:2]))


def _read_table(path: Path, landmarks: Collection[str]) -> "AnnData":
    from anndata import AnnData

    separator = "," if ".csv" in path.name.lower() else "\t"
    table = read_matrix(path, separator=separator)
    rows, columns = (
        stripped(map(str, names), name=str(path)) for names in (table.index, table.columns)
    )
    n_rows, n_columns = (
        len({name.upper() for name in names}.intersection(landmarks)) for names in (rows, columns)
    )
    if n_rows == n_columns:
        raise InputError(
            f"data.path={path}: {n_rows} regulators are among the names of its rows (such as "
            f"{_some(rows)}) and {n_columns} among those of its columns (such as "
            f"{_some(columns)}), so it does not show which are genes; give data.regulators=... "
            f"with the same kind of symbols as the table (they are such as {_some(landmarks)})"
        )
    genes_in_rows = n_rows > n_columns
    log.info(
        "%s: genes are in the %s (%d regulators are named there)",
        *(path, "rows" if genes_in_rows else "columns", max(n_rows, n_columns)),
    )
    check_numbers(table, path, *(("gene", "cell") if genes_in_rows else ("cell", "gene")))
    _refuse_unnamed(table.index, path)
    values = table.to_numpy(dtype=np.float32)
    del table
    cells = AnnData(np.ascontiguousarray(values.T if genes_in_rows else values))
    cells.obs_names, cells.var_names = (columns, rows) if genes_in_rows else (rows, columns)
    return cells
