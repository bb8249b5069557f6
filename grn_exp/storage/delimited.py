"""Tables of text, read as they are written: a symbol is never taken for a number."""

import csv
import gzip
import itertools
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from grn_exp.core.errors import InputError, brief

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "blanks"}
# how the content of a file begins that is not a table of text
_OTHER_KINDS = {
    b"\x89HDF": "an HDF5 file; give it the ending .h5ad if it is an AnnData",
    b"PK\x03\x04": "a zip archive (an Excel file is one); write a csv file from it",
    **dict.fromkeys((b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"), "compressed, but not by gzip"),
    **dict.fromkeys((b"\xff\xfe", b"\xfe\xff"), "UTF-16 text; write it as UTF-8"),
    **dict.fromkeys((b"<!doctype", b"<html"), "a web page; download the file itself"),
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
        If the file is empty, cut off, or not a table separated by commas.
    """
    table = _read(path, separator, row_names=True, converters={0: str})
    names, header = table.iloc[:, 0].to_numpy(), table.columns[1:]
    table = table.iloc[:, 1:].set_axis(pd.Index(names, name=table.columns[0]), axis=0)
    if "" in names or "" in header:  # programs write rows and columns of nothing around a table
        given = table.notna().to_numpy()
        rows, columns = (names != "") | given.any(axis=1), (header != "") | given.any(axis=0)
        table = table.loc[rows, columns]
    return table


def read_strings(path: Path, *, separator: str = ",") -> pd.DataFrame:
    """Read a table in which every value is text and every column has a name.

    Raises
    ------
    InputError
        As :func:`read_matrix`.
    """
    return _read(path, separator, row_names=False, dtype=str, keep_default_na=False)


def _read(path: Path, separator: str, *, row_names: bool, **options: Any) -> pd.DataFrame:  # noqa: ANN401
    header: list[str] = []
    try:
        header = _header(path, separator, row_names=row_names)
        with _opened(path) as stream:
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
    if table.empty:
        raise InputError(f"{path}: the table has no rows; give a header and rows of values")
    table.columns = pd.Index(header)
    return table


def _header(path: Path, separator: str, *, row_names: bool) -> list[str]:
    """Return the names of the columns, after a look at the file's first two lines.

    With ``row_names`` the name of the first column may be missing.
    """
    with path.open("rb") as raw:
        start = raw.read(64)
    for magic, kind in _OTHER_KINDS.items():
        if start.startswith(magic) or start.lower().startswith(magic):
            raise InputError(f"{path}: the content is {kind}")
    if b"\0" in start and not start.startswith(b"\x1f\x8b"):
        raise InputError(f"{path}: the content is no UTF-8 text; write it as such")
    with _opened(path) as stream:
        lines = list(itertools.islice((line for line in stream if line.strip()), 2))
    if not lines:
        raise InputError(f"{path}: the file is empty; give a header and rows of values")
    header, *rows = csv.reader(lines, delimiter=separator)
    n_extra = len(rows[0]) - len(header) if rows else 0
    _refuse_other_forms(path, lines[0], separator, fits=0 <= n_extra <= row_names)
    if n_extra > row_names:
        raise InputError(
            f"{path}: its rows have more columns ({len(rows[0])}) than its header "
            f"({','.join(header[:5])}); name every column"
        )
    return ["", *header] if n_extra == 1 else header


def _refuse_other_forms(path: Path, line: str, separator: str, *, fits: bool) -> None:
    if line.lower().lstrip('"').startswith("sep="):
        raise InputError(f"{path}: the first line is {line.strip()!r}; delete that line")
    if line.startswith(("#", "%")) and not (separator in line and fits):
        raise InputError(
            f"{path}: the first line is a comment ({line.strip()[:40]!r}); delete such lines"
        )
    found = [name for each, name in _SEPARATORS.items() if each in line.strip()]
    if found and separator not in line:
        raise InputError(
            f"{path}: its columns are separated by {found[0]}; separate by "
            f"{_SEPARATORS[separator]}"
        )


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """Open text, compressed or not, whatever the file's ending says."""
    with path.open("rb") as raw:
        opened = gzip.open if raw.read(2) == b"\x1f\x8b" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as stream:
        yield stream  # type: ignore[misc]
