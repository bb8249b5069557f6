"""Read expression matrices and networks from files, refusing what is broken."""

import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression, Transform
from grn_exp.core.genes import GeneIndex
from grn_exp.core.network import Network

_UNREADABLE = (OSError, EOFError, UnicodeDecodeError, zlib.error, pd.errors.ParserError)


def read_expression(path: Path, *, transform: Transform = "log") -> Expression:
    """Read a matrix.

    Parameters
    ----------
    path
        ``.csv`` or ``.csv.gz``: genes x cells with the gene symbol in the first column, as
        BEELINE has it; ``.h5ad``: an AnnData, cells x genes.
    transform
        The scale of the values.

    Raises
    ------
    InputError
        If the file is missing, truncated or of an unknown kind, or holds a duplicate gene, a
        non-number, a NaN or infinite value, a negative value, or fewer than 2 cells.
    """
    if not path.is_file():
        raise InputError(f"expression file {path}: no such file; check data.expression")
    if path.suffix == ".h5ad":
        return _read_h5ad(path, transform)
    if not path.name.endswith((".csv", ".csv.gz")):
        raise InputError(f"expression file {path}: unknown ending; give .csv, .csv.gz or .h5ad")
    table = _read_csv(path, index_col=0)
    words = [c for c in table.columns if not pd.api.types.is_numeric_dtype(table[c])]
    if words:
        column = pd.to_numeric(table[words[0]], errors="coerce")
        gene = table.index[int(np.flatnonzero(column.isna())[0])] if column.isna().any() else "?"
        raise InputError(
            f"{path}: cell {words[0]!r} has a value that is no number (gene {gene!r}); "
            "rows are genes, columns are cells"
        )
    return Expression(
        values=np.ascontiguousarray(table.to_numpy(dtype=np.float32).T),
        genes=GeneIndex(table.index.astype(str), name=str(path)),
        transform=transform,
        source=str(path),
    )


def _read_h5ad(path: Path, transform: Transform) -> Expression:
    import anndata

    try:
        adata = anndata.read_h5ad(path)
    except (OSError, KeyError, ValueError, anndata.io.IORegistryError) as error:
        raise InputError(f"{path}: cannot read it as AnnData ({_brief(error)})") from error
    if adata.X is None:
        raise InputError(f"{path}: the AnnData has no X; store the matrix there")
    return Expression.from_anndata(adata, transform=transform, source=str(path))


def read_network(path: Path, genes: GeneIndex) -> Network:
    """Read a network in BEELINE's form: columns ``Gene1`` (regulator) and ``Gene2`` (target).

    Self-loops, repeated edges and edges with a gene outside ``genes`` are left out and counted.

    Raises
    ------
    InputError
        If the file is missing, truncated or lacks a column, or no edge joins two of ``genes``.
    """
    if not path.is_file():
        raise InputError(f"network file {path}: no such file")
    table = _read_csv(path, dtype=str, keep_default_na=False)
    for column in ("Gene1", "Gene2"):
        if column not in table.columns:
            raise InputError(
                f"{path}: no column {column!r}, only {', '.join(map(str, table.columns[:5]))}; "
                "give columns Gene1 (regulator) and Gene2 (target)"
            )
    return Network.from_names(
        genes, table["Gene1"].tolist(), table["Gene2"].tolist(), source=str(path)
    )


def _read_csv(path: Path, **options: object) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, **options)  # type: ignore[call-overload]
    except _UNREADABLE as error:
        raise InputError(
            f"{path}: cannot read it to the end ({_brief(error)}); it may be truncated, "
            "copy or download it again"
        ) from error
    except ValueError as error:
        raise InputError(f"{path}: cannot read it ({_brief(error)})") from error
    if table.empty:
        raise InputError(f"{path}: the table is empty")
    return table


def _brief(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
