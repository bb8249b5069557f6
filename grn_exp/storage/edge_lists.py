"""Lists of edges between genes, in any of the forms that they come in."""

import gzip
from pathlib import Path

from grn_exp.core.errors import InputError
from grn_exp.core.genes import stripped
from grn_exp.core.network import edge_columns
from grn_exp.storage.delimited import read_strings, refuse_twice


def read_pairs(path: Path) -> tuple[list[str], list[str]]:
    """Read edges separated by commas or tabs, ``.gz`` or not; further columns are not read.

    The header names the columns ``Gene1,Gene2`` (BEELINE), ``source,target``, ``TF,target`` or
    ``regulator,target``, whatever the case; a file separated by tabs may have none, and then
    begins with regulator and target.

    Returns
    -------
    regulators, targets
        As they are spelt, without blanks around them.

    Raises
    ------
    InputError
        If the file is broken or has other columns.
    """
    separator = "\t" if _has_tabs(path) else ","
    table = read_strings(path, separator=separator)
    names = {str(name).strip().casefold(): place for place, name in enumerate(table.columns)}
    header = edge_columns(names)
    if header is None and (separator == "," or len(table.columns) < 2):
        raise InputError(
            f"{path}: its columns are {', '.join(map(str, table.columns[:5]))}; name regulator "
            "and target Gene1,Gene2 or source,target or TF,target, or separate by tabs without a "
            "header"
        )
    if header is not None:
        given = (str(name).strip().casefold() for name in table.columns)
        refuse_twice((name for name in given if name in header), path)
    places = (0, 1) if header is None else tuple(names[name] for name in header)
    regulators, targets = (stripped(table.iloc[:, place], name=str(path)) for place in places)
    if header is None:  # what was taken for one is an edge
        regulators.insert(0, str(table.columns[0]).strip())
        targets.insert(0, str(table.columns[1]).strip())
    return regulators, targets


def _has_tabs(path: Path) -> bool:
    """Look at the beginning of a file, compressed or not."""
    try:
        with path.open("rb") as raw:
            opened = gzip.open if raw.read(2) == b"\x1f\x8b" else open
        with opened(path, "rb") as stream:
            return b"\t" in stream.readline(10_000)
    except (OSError, EOFError):
        return False  # its reader says what is wrong
