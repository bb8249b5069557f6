"""Tables that are ready to be printed: cells are text."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from grn_exp.metrics.titles import title
from grn_exp.report.tables import COLUMN, CONTROLS


@dataclasses.dataclass(frozen=True)
class TextTable:
    """A table of texts.

    Attributes
    ----------
    title
        What it is.
    header
        One text per column; lines of a text are separated by line feeds.
    lines
        Cells, as many in a line as in the header.
    places
        1 for the best cell of a column, 2 for the second best, 0 for others; same shape.
    notes
        What the reader has to know.
    n_names
        How many of the first columns are the line's name.
    """

    title: str
    header: list[str]
    lines: list[list[str]]
    places: list[list[int]]
    notes: list[str] = dataclasses.field(default_factory=list)
    n_names: int = 1

    @property
    def is_ranked(self) -> bool:
        """Does any cell have a place."""
        return any(place for line in self.places for place in line)


def paper_table(summary: pd.DataFrame, *, name: str = "") -> TextTable:
    """Lay a summary out: rows are methods, columns dataset x metric, best and second best marked.

    The number of splits stands beside each value unless it is the same everywhere.
    """
    entries: list[dict[str, Any]] = summary.to_dict("records")
    keys = sorted({_column(entry) for entry in entries}, key=_order)
    counts = sorted({entry["n_splits"] for entry in entries})
    cells, places = {}, {}
    for entry in entries:
        at = entry["method"], _column(entry)
        cells[at] = with_error(entry["mean"], entry["standard_error"])
        cells[at] += f" (n={entry['n_splits']})" if len(counts) > 1 else ""
        places[at] = entry["place"] if entry["place"] <= 2 else 0
    controls = {entry["method"]: entry["model"] in CONTROLS for entry in entries}
    methods = sorted(controls, key=lambda method: controls[method])  # stable: controls go last
    subsets = list(dict.fromkeys(entry["subset"] for entry in entries))
    splits = "splits: n" if len(counts) > 1 else f"{counts[0]} split{'s' * (counts[0] > 1)}"
    return TextTable(
        title=f"{name}: {', '.join(subsets)}",
        header=["method", *(_header(key, with_subset=len(subsets) > 1) for key in keys)],
        lines=[[method, *(cells.get((method, key), "-") for key in keys)] for method in methods],
        places=[[0, *(places.get((method, key), 0) for key in keys)] for method in methods],
        notes=[
            f"mean ± standard error over {splits}; {' and '.join(CONTROLS)} are not ranked"
            + (", nor is a method that lacks a split" if len(counts) > 1 else "")
        ],
    )


def comparison_table(comparison: pd.DataFrame, *, notes: Sequence[str]) -> TextTable:
    """Lay :func:`grn_exp.report.compare.beside_paper` out; ``†`` where the gene sets differ."""
    lines, differ = [], False
    for entry in comparison.to_dict("records"):
        theirs, mine = entry["paper_gene_set"], entry["gene_set"]
        mark = "†" if theirs and mine and theirs != mine else ""
        differ |= bool(mark)
        ours = with_error(entry["mean"], entry["standard_error"])
        difference = entry["difference_in_errors"]
        line = [
            f"{entry['paper']} {entry['table']}",
            f"{entry['dataset']}{mark}",
            entry["method"],
            _measure(entry),
            entry["subset"],
            f"{ours} (n={entry['n_splits']})",
            with_error(entry["published"], entry["published_error"]),
            "-" if math.isnan(difference) else f"{difference:+.1f}",
        ]
        lines.append(line)
    names = ["paper, table", "dataset", "method", "measure", "subset"]
    header = [*names, "ours", "paper", "difference"]
    told = [*notes, "† the paper's set of genes is another one"] if differ else list(notes)
    return _unranked("beside the published numbers", header, lines, told, n_names=len(names))


def plain_table(frame: pd.DataFrame, *, name: str, notes: Sequence[str] = ()) -> TextTable:
    """Lay a table out as it is, but metric, set size and k in one column."""
    names = [str(column) for column in frame if column not in ("metric", "set_size", "k")]
    if len(names) < len(frame.columns):
        names.insert(1, "measure")
    entries: list[dict[Any, Any]] = frame.to_dict("records")
    lines = [
        [_text(_measure(entry) if column == "measure" else entry[column]) for column in names]
        for entry in entries
    ]
    numbers = [column in frame and is_numeric_dtype(frame[column]) for column in names]
    n_names = numbers.index(True) if True in numbers else len(names) - 1
    header = [column.replace("_", " ") for column in names]
    return _unranked(name, header, lines, notes, n_names=n_names)


def _unranked(
    name: str, header: list[str], lines: list[list[str]], notes: Sequence[str], *, n_names: int
) -> TextTable:
    """Return a table without places; a name that all lines share goes to the title."""
    shared = [
        i for i in range(n_names) if len(lines) > 1 and len({line[i] for line in lines}) == 1
    ]
    parts = [name, *(f"{header[i]}: {lines[0][i]}" for i in shared)]
    kept = [i for i in range(len(header)) if i not in shared]
    return TextTable(
        title="; ".join(parts),
        header=[header[i] for i in kept],
        lines=[[line[i] for i in kept] for line in lines],
        places=[[0] * len(kept) for _ in lines],
        notes=list(notes),
        n_names=n_names - len(shared),
    )


def with_error(mean: float, error: float) -> str:
    """Return ``mean ± error``, or the mean alone where there is no error."""
    return f"{mean:.3f}" if math.isnan(error) else f"{mean:.3f} ± {error:.3f}"


def _column(entry: dict[str, Any]) -> tuple[Any, ...]:
    """Return a column's identity; missing numbers compare unequal and become None."""
    return tuple(None if pd.isna(entry[name]) else entry[name] for name in COLUMN)


def _order(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple((part is not None, part) for part in key)


def _header(key: tuple[Any, ...], *, with_subset: bool) -> str:
    dataset, metric, subset, size, k = key
    lines = [dataset, title(metric, k)]
    lines += [subset] if with_subset else []
    lines += [] if size is None else [f"R={size}"]
    return "\n".join(lines)


def _measure(entry: dict[Any, Any]) -> str:
    """Return metric, k and set size in a line."""
    k = None if pd.isna(entry["k"]) else entry["k"]
    size = "" if pd.isna(entry["set_size"]) else f" R={entry['set_size']}"
    return title(entry["metric"], k) + size


def _text(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
