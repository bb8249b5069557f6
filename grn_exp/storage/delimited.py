"""Tables of text, read as they are written: a symbol is never taken for a number."""

import csv
import gzip
import itertools
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError, brief

_LOOKED_AT = 512  # bytes at the beginning
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "blanks"}
# how the content of a file begins that is not a table of text
_OTHER_KINDS = {
    b"\x89HDF": "an HDF5 file; give it the ending .h5ad if it is an AnnData",
    b"PK\x03\x04": "a zip archive (an Excel file is one); write a csv file from it",
    b"\xd0\xcf\x11\xe0": "an Excel file; write a csv file from it",
    b"PAR1": "a parquet file; write a csv file from it",
    b"\x93NUMPY": "a NumPy array; write a csv file with names from it",
    **dict.fromkeys((b"RDX", b"X\n\0"), "an R file; write a csv file from it"),
    **dict.fromkeys((b'{"', b'[{"', b'["'), "JSON; write a table with a header"),
    b"\x1f\x8b": "compressed twice; unpack it once",  # of what is unpacked
    **dict.fromkeys((b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"), "compressed, but not by gzip"),
    **dict.fromkeys((b"\xff\xfe", b"\xfe\xff"), "UTF-16 text; write it as UTF-8"),
    **dict.fromkeys(
        (b"<!doctype", b"<html", b"<?xml", b"<error"),
        "a web page or XML, perhaps a server's error; download the file itself",
    ),
    b"version https://git-lfs": "a pointer of Git LFS; git lfs pull fetches the file",
}


def read_matrix(path: Path, *, separator: str = ",") -> pd.DataFrame:
    """Read a table of numbers whose first column holds symbols.

    The header may name the first column, leave its name empty (as pandas writes an index) or
    leave it out (as R writes row names).

    Returns
    -------
    DataFrame
        The symbols as text in the index, the header in the columns.

    Raises
    ------
    InputError
        If the file is empty, cut off, not a table separated by commas, or without a header.
    """
    table = _read(path, separator, row_names=True, converters={0: str})
    names, header = table.iloc[:, 0].to_numpy(), table.columns[1:]
    _refuse_values(path, str(table.columns[0]), header)
    table = table.iloc[:, 1:].set_axis(pd.Index(names, name=table.columns[0]), axis=0)
    if "" in names or "" in header:  # programs write rows and columns of nothing around a table
        given = table.notna().to_numpy()
        rows, columns = (names != "") | given.any(axis=1), (header != "") | given.any(axis=0)
        table = table.loc[rows, columns]
    _refuse_empty(table, path)
    return table


def _refuse_values(path: Path, first: str, names: pd.Index) -> None:
    """Refuse a header that holds values, as the first row of a table without one does.

    Names may be whole numbers, all of them different.
    """
    numbers = np.asarray(pd.to_numeric(names.to_series(), errors="coerce"), dtype=np.float64)
    is_names = names.is_unique and (numbers == np.round(numbers)).all()
    if first and len(names) and not np.isnan(numbers).any() and not is_names:
        raise InputError(
            f"{path}: the first line ({first},{','.join(names[:3])},...) holds values, not the "
            "names of columns; add a header, or if these are names, put a letter before them"
        )


def read_strings(path: Path, *, separator: str = ",") -> pd.DataFrame:
    """Read a table in which every value is text and every column has a name.

    Raises
    ------
    InputError
        As :func:`read_matrix`.
    """
    table = _read(path, separator, row_names=False, dtype=str, keep_default_na=False)
    table = table.loc[(table != "").any(axis=1)]  # rows of nothing, as spreadsheets write them
    _refuse_empty(table, path)
    return table


def refuse_twice(columns: Iterable[str], path: Path) -> None:
    """Refuse a header in which a name occurs twice, so that there is no telling which is meant.

    Raises
    ------
    InputError
        Naming it.
    """
    names = list(columns)
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: the column {twice!r} occurs twice; rename or drop one")


def _refuse_empty(table: pd.DataFrame, path: Path) -> None:
    if len(table) == 0:
        raise InputError(f"{path}: the table has no rows; give a header and rows of values")


def _read(path: Path, separator: str, *, row_names: bool, **options: Any) -> pd.DataFrame:  # noqa: ANN401
    header: list[str] = []
    try:
        header = _header(path, separator, row_names=row_names)
        with opened(path) as stream:
            places: Any = {"header": 0, "names": range(len(header)), "sep": separator}
            table = pd.read_csv(stream, low_memory=False, **places, **options)
    except pd.errors.EmptyDataError:
        table = pd.DataFrame()
    except InputError:
        raise
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(
            f"{path}: cannot read it to the end ({brief(error)}); the file may be cut off or not "
            "be UTF-8 text, copy or download it again"
        ) from error
    except (ValueError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot read it ({brief(error)}); give every row as many values as the header"
        ) from error
    _refuse_empty(table, path)
    table.columns = pd.Index(header)
    return table


def _header(path: Path, separator: str, *, row_names: bool) -> list[str]:
    """Return the names of the columns, after a look at the file's first two lines.

    With ``row_names`` the name of the first column may be missing.
    """
    refuse_other_kinds(path)
    with opened(path) as stream:
        lines = list(itertools.islice((line for line in stream if line.strip()), 2))
    if not lines:
        raise InputError(f"{path}: the file is empty; give a header and rows of values")
    header, *rows = csv.reader(lines, delimiter=separator)
    n_extra = len(rows[0]) - len(header) if rows else 0
    _refuse_other_forms(path, lines, separator, fits=0 <= n_extra <= row_names)
    if n_extra > row_names:
        raise InputError(
            f"{path}: its rows have more columns ({len(rows[0])}) than its header "
            f"({','.join(header[:5])}); name every column"
        )
    return ["", *header] if n_extra == 1 else header


def refuse_other_kinds(path: Path) -> None:
    """Refuse a file whose content, unpacked if it is compressed by gzip, is no text.

    Raises
    ------
    InputError
        Saying what it is.
    """
    with path.open("rb") as raw:
        start = raw.read(_LOOKED_AT)
    if start.startswith(b"\x1f\x8b"):
        with gzip.open(path) as unpacked:
            start = unpacked.read(_LOOKED_AT)
    for magic, kind in _OTHER_KINDS.items():
        if start.startswith(magic) or start.lower().startswith(magic):
            raise InputError(f"{path}: the content is {kind}")
    if start[257:262] == b"ustar":
        raise InputError(f"{path}: the content is a tar archive; unpack it")
    if b"\0" in start:
        raise InputError(f"{path}: the content is no UTF-8 text; write it as such")


def _refuse_other_forms(path: Path, lines: list[str], separator: str, *, fits: bool) -> None:
    line, *others = lines
    if line.lower().lstrip('"').startswith("sep="):
        raise InputError(f"{path}: the first line is {line.strip()!r}; delete that line")
    if line.startswith(("#", "%")) and not (separator in line and fits):
        raise InputError(
            f"{path}: the first line is a comment ({line.strip()[:40]!r}); delete such lines"
        )
    found = [name for each, name in _SEPARATORS.items() if each in line.strip()]
    if found and separator not in line:
        if others and separator in others[0]:
            raise InputError(
                f"{path}: the first line ({line.strip()[:40]!r}) has no {_SEPARATORS[separator]} "
                "and the next one has; delete it if it is a title"
            )
        raise InputError(
            f"{path}: its columns are separated by {found[0]}; separate by "
            f"{_SEPARATORS[separator]}"
        )


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """Open text, compressed or not, whatever the file's ending says."""
    with path.open("rb") as raw:
        how = gzip.open if raw.read(2) == b"\x1f\x8b" else open
    with how(path, "rt", encoding="utf-8-sig", newline="") as stream:
        yield stream  # type: ignore[misc]
