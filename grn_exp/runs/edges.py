"""The network that a run leaves: a table of edges, best first, and what stands beside it."""

import csv
import gzip
import itertools
import zlib
from typing import TYPE_CHECKING

from grn_exp.core.tables import Table
from grn_exp.runs.files import UnreadableError
from grn_exp.runs.folder import RunFolder

if TYPE_CHECKING:  # a finished run is skipped without it
    import pandas as pd

EDGES = "network.csv.gz"  # the best edges
ALL_EDGES = "network.parquet"  # all of them, of a run on own cells
AUDIT = "audit.csv"

# source, target: regulator and gene. rank: from 1. sign: -1, 0 or 1. correlation: of the two
# genes' values as the method saw them. stability: share of the fits to half of the cells that have
# the edge among their top edges. known: 1 an edge of the labels that the method was shown, 0 shown
# as none. The last three are missing where there is no such number.
DTYPES = {
    "source": "str",
    "target": "str",
    "score": "float32",
    "rank": "int32",
    "sign": "int8",
    "correlation": "float32",
    "stability": "float32",
    "known": "Int8",
}
COLUMNS = tuple(DTYPES)
AUDIT_COLUMNS = ("gene", "role", "status", "mean")
GROUP = "group"  # comes before them in a network of several groups of cells

STABLE = 0.8  # an edge of the short list has at least this stability
PER_REGULATOR = 10  # edges of the short list where there is no stability


def best_edges(folder: RunFolder, n: int) -> Table | None:
    """Return the best edges as header and rows; None where the run left no network."""
    path = folder / EDGES
    if not path.is_file():
        return None
    with gzip.open(path, "rt", newline="", encoding="utf-8") as stream:
        lines = csv.reader(stream)
        header = next(lines)
        return header, [
            (*line[:2], float(line[2]), *map(_number, line[3:]))
            for line in itertools.islice(lines, n)
        ]


def _number(text: str) -> float | int | None:
    if not text:
        return None
    return float(text) if "." in text or "e" in text or "n" in text else int(text)


def read_edges(folder: RunFolder) -> "pd.DataFrame":
    """Return a run's edges, best first, with the columns of :data:`DTYPES`.

    A network of several groups that was saved has the column ``group`` before them.

    Raises
    ------
    UnreadableError
        If the run left no network, or its file is broken.
    """
    import pandas as pd

    path = next((path for name in (ALL_EDGES, EDGES) if (path := folder / name).is_file()), None)
    if path is None:
        raise UnreadableError(f"no {EDGES}: this run left no network")
    numbers = {name: [""] for name in COLUMNS[2:]}  # a gene may be called NA
    try:
        if path.name == ALL_EDGES:
            edges = pd.read_parquet(path)
        else:
            edges = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=numbers)  # type: ignore[call-overload]
        group = [GROUP] if GROUP in edges.columns else []
        return edges.loc[:, [*group, *COLUMNS]].astype(DTYPES)
    except KeyError as error:
        raise UnreadableError(f"{path.name} lacks columns: {error.args[0]}") from error
    except (OSError, EOFError, ValueError, TypeError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableError(f"{path.name}: {' '.join(str(error).split())}") from error


def short_list(
    edges: "pd.DataFrame", *, top: int | None = None, stability: float | None = None
) -> "pd.DataFrame":
    """Return the edges that are worth a look, best first.

    Parameters
    ----------
    top
        At most so many.
    stability
        The least that an edge must have. Without both, it is :data:`STABLE`, or where no
        stability was computed, ``top`` is ten a regulator on average.
    """
    if top is None and stability is None:
        if bool(edges["stability"].notna().any()):
            stability = STABLE
        else:
            top = PER_REGULATOR * edges["source"].nunique()
    found = edges if stability is None else edges.loc[edges["stability"] >= stability]
    return found if top is None else found.head(top)
