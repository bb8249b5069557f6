"""Read expression matrices and networks from files, refusing what is broken."""

import dataclasses
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError, absent, brief
from grn_exp.core.expression import Expression, Transform
from grn_exp.core.genes import GeneIndex, stripped
from grn_exp.core.network import Network
from grn_exp.data.scales import refuse_other_scales
from grn_exp.storage import store
from grn_exp.storage.atomic import write_with
from grn_exp.storage.delimited import read_matrix, read_strings, refuse_twice

if TYPE_CHECKING:
    from anndata import AnnData

# raise it when the parsed form changes: older parsed files are then left alone and not read
_PARSED_VERSION = 1


def read_expression(path: Path, *, transform: Transform = "log") -> Expression:
    """Read a matrix; its genes come in the order of their symbols.

    Copies of one matrix differ in the order of their rows. What is drawn by position, the split
    and a network's first weights, would differ with it.

    Parameters
    ----------
    path
        ``.csv``, ``.tsv`` or either with ``.gz``: genes x cells with the gene symbol in the
        first column, as BEELINE has it; ``.h5ad``: an AnnData, cells x genes.
    transform
        The scale of the values.

    Raises
    ------
    InputError
        If the file is missing, truncated or of an unknown kind, or holds a duplicate gene, a
        non-number, a NaN or infinite value, a negative value, fewer than 2 cells, or values that
        cannot be on a log scale although they should be.
    """
    if not path.is_file():
        raise InputError(f"expression file {path}: {absent(path)}; check the path")
    expression = _read(path, transform)
    if transform == "log":
        refuse_other_scales(expression)
    return expression.take_genes(GeneIndex(sorted(expression.genes.symbols), name=str(path)))


def read_known_expression(key: str) -> Expression:
    """Read a known file's matrix (log scale), from its parsed copy in the cache if there is one.

    The parsed copy carries the hash of the original in its name, so a changed registry entry
    never meets an old copy; an unreadable copy is made again.
    """
    digest = store.known_file(key).git_blob_sha1
    expression = store.kept(
        f"parsed/v{_PARSED_VERSION}/{digest}.h5ad",
        make=lambda: read_expression(store.fetch(key)),
        read=read_expression,
        write=lambda path, made: write_with(path, made.to_anndata().write_h5ad),
    )
    genes = GeneIndex(expression.genes, name=key)
    return dataclasses.replace(expression, genes=genes, source=key)


def _read(path: Path, transform: Transform) -> Expression:
    name = path.name.lower()
    if name.endswith(".h5ad"):
        return Expression.from_anndata(open_h5ad(path), transform=transform, source=str(path))
    if not name.removesuffix(".gz").endswith((".csv", ".tsv")):
        raise InputError(
            f"expression file {path}: unknown ending; give .csv, .csv.gz, .tsv, .tsv.gz or .h5ad"
        )
    table = read_matrix(path, separator="," if ".csv" in name else "\t")
    check_numbers(table, path)
    with np.errstate(over="ignore"):  # too large for float32: infinite, and refused below
        values = np.ascontiguousarray(table.to_numpy(dtype=np.float32).T)
    return Expression(
        values=values,
        genes=GeneIndex(stripped(table.index, name=str(path)), name=str(path)),
        transform=transform,
        source=str(path),
    )


def check_numbers(
    table: pd.DataFrame, path: Path, rows: str = "gene", columns: str = "cell"
) -> None:
    """Refuse words, a row without a number, and a last row that stops before its end.

    Parameters
    ----------
    rows, columns
        What they are, for messages.

    Whole numbers that are too long for an integer become floats in ``table``.

    Raises
    ------
    InputError
        Naming the value.
    """
    for position, name in enumerate(table.columns):
        column = table.iloc[:, position]
        if column.dtype.kind in "iuf":
            continue
        as_number = pd.to_numeric(column.astype(str), errors="coerce")
        words = np.isnan(np.asarray(as_number, dtype=np.float64)) & column.notna().to_numpy()
        if not words.any():  # whole numbers too long for an integer
            table.isetitem(position, as_number)
            continue
        row = int(np.argmax(words))
        raise InputError(
            f"{path}: {columns} {name!r} has {str(column.iloc[row])!r} for {rows} "
            f"{table.index[row]!r}, which is not a number; "
            f"{_decimals(str(column.iloc[row])) or f'rows are {rows}s, columns are {columns}s'}"
        )
    missing = table.isna().to_numpy()
    empty = missing.all(axis=1)
    if empty.any():
        raise InputError(
            f"{path}: the row {table.index[int(np.argmax(empty))]!r} has no values; delete it"
        )
    n_read = missing.shape[1] - int(missing[-1].sum())
    if missing[-1].any() and missing[-1, n_read:].all() and not missing[:-1].any():
        raise InputError(
            f"{path}: the last row ({rows} {table.index[-1]!r}) ends after {n_read} of "
            f"{missing.shape[1]} {columns}s; the file is truncated, copy or download it again"
        )


def _decimals(value: str) -> str:
    """Say how a number is to be written that is spelt in another way; "" for other words."""
    spellings = {
        r"-?[\d.]+,\d+": "write decimals with a point, not a comma",
        r"-?\d{1,3}([, '\u00a0\u202f]\d{3})+(\.\d+)?": "write thousands without separators",
        r"[\u2012-\u2015\u2212]\s*[\d.]+": "write a minus sign as a hyphen, -",
        r"'.*'": "quote by double quotes, or not at all",
    }
    fitting = (how for form, how in spellings.items() if re.fullmatch(form, value.strip()))
    return next(fitting, "")


def open_h5ad(path: Path) -> "AnnData":
    """Read an AnnData file as it stands.

    Raises
    ------
    InputError
        If it is cut off, gzipped, open elsewhere, or no AnnData.
    """
    import anndata

    try:
        with path.open("rb") as raw:
            start = raw.read(4)
            if start.startswith(b"\x1f\x8b"):
                raise InputError(f"{path}: the content is gzipped; unpack it (gunzip) first")
        if start and start != b"\x89HDF":
            raise InputError(
                f"{path}: the content is not HDF5, as that of an AnnData is; copy or write it "
                "again, and give a table the ending .csv or .tsv"
            )
        with warnings.catch_warnings():  # names that occur twice are refused later, by name
            warnings.filterwarnings("ignore", message=".*names are not unique.*")
            return anndata.read_h5ad(path)
    except InputError:
        raise
    except BlockingIOError as error:
        raise InputError(
            f"{path}: another program has the file open for writing; close it there first"
        ) from error
    except Exception as error:  # AnnData's own errors have no common base
        way_out = "the file may be truncated, write or copy it again"
        if "dtype float16" in str(error):
            way_out = "store X as float32"
        elif "unexpected keyword" in str(error):
            way_out = "its parts are not those of an AnnData"
        raise InputError(
            f"{path}: cannot read it as AnnData ({brief(error)}); {way_out}"
        ) from error


def read_network(path: Path, genes: GeneIndex) -> Network:
    """Read a network in BEELINE's form: columns ``Gene1`` (regulator) and ``Gene2`` (target).

    Self-loops, repeated edges and edges with a gene outside ``genes`` are left out and counted.

    Raises
    ------
    InputError
        If the file is missing, truncated or without a column, if its rows do not fit its header,
        or if no edge joins two of ``genes``.
    """
    if not path.is_file():
        raise InputError(f"network file {path}: {absent(path)}; check the path")
    table = read_strings(path)
    for column in ("Gene1", "Gene2"):
        if column not in table.columns:
            raise InputError(
                f"{path}: no column {column!r} in the header, its first line "
                f"({', '.join(map(str, table.columns[:5]))}); give columns Gene1 (regulator) and "
                "Gene2 (target), in a line above the edges if there is none"
            )
    refuse_twice((name for name in table.columns if name in ("Gene1", "Gene2")), path)
    regulators, targets = (stripped(table[c], name=str(path)) for c in ("Gene1", "Gene2"))
    if not (regulators[-1] and targets[-1]):
        raise InputError(
            f"{path}: the last edge ({regulators[-1]!r} -> {targets[-1]!r}) is cut off; the file "
            "is truncated, copy or download it again"
        )
    return Network.from_names(genes, regulators, targets, source=str(path))
