"""Tables that are ready to be printed: cells are text."""

import dataclasses
import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from grn_exp.metrics.titles import title
from grn_exp.report.names import dataset_name
from grn_exp.report.tables import COLUMN, CONTROLS
from grn_exp.runs.methods import display_name, rank

_SUBSETS = {
    "test_unseen": "unseen genes",
    "test_seen": "new pairs of seen genes",
    "test": "test targets",
    "val": "validation",
}
_HEADER_WIDTH = 20  # no wider than a cell with its comparison
_SETTINGS = re.compile(r"(?<!,) (?=\w[\w.]*=)")  # where a label's ``model.alpha=1; ...`` begins


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell; only a page in a browser has more than its text and place.

    Attributes
    ----------
    text
        What it says.
    place
        1 for the best of its column, 2 for the second best.
    source
        Dataset and method whose runs it is about.
    link
        Where the text leads; empty for nowhere.
    details
        Lines that unfold below the text.
    kind
        A class of the style sheet.
    """

    text: str
    place: int = 0
    source: tuple[str, ...] | None = None
    link: str = ""
    details: tuple[str, ...] = ()
    kind: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table that is ready to be printed.

    Attributes
    ----------
    title
        What it is.
    header
        One text per column; lines of a text are separated by line feeds.
    lines
        As many cells in a line as in the header.
    notes
        What the reader has to know.
    n_names
        How many of the first columns are texts.
    name
        Unique on a page.
    folded
        Show the title alone until it is clicked.
    """

    title: str
    header: list[str]
    lines: list[list[Cell]]
    notes: list[str] = dataclasses.field(default_factory=list)
    n_names: int = 1
    name: str = ""
    folded: bool = False

    @property
    def is_ranked(self) -> bool:
        """Does any cell have a place."""
        return any(cell.place for line in self.lines for cell in line)


def line_of(*texts: object) -> list[Cell]:
    """Return a line of plain cells."""
    return [Cell(str(text)) for text in texts]


def paper_table(summary: pd.DataFrame, *, name: str = "") -> Table:
    """Lay a summary out: rows are methods, columns dataset x metric, best and second best marked.

    The number of splits stands beside each value unless it is the same everywhere.
    """
    counts = sorted(set(summary["n_splits"]))
    splits = "splits: n" if len(counts) > 1 else f"{counts[0]} split{'s' * (counts[0] > 1)}"
    controls = " and ".join(map(display_name, CONTROLS))
    note = f"mean ± standard error over {splits}; {controls} are not ranked"
    return _pivoted(
        summary.to_dict("records"),
        lambda entry: (
            with_error(entry["mean"], entry["standard_error"])
            + (f" (n={entry['n_splits']})" if len(counts) > 1 else "")
        ),
        name=name,
        note=note + (", nor is a method that lacks a split" if len(counts) > 1 else ""),
    )


def comparison_tables(comparison: pd.DataFrame, *, note: str) -> list[Table]:
    """Lay :func:`grn_exp.report.compare.beside_paper` out, a table for each of the papers'.

    A cell is ``ours | the paper's (difference)``; ``†`` where the gene sets differ.
    """
    found = []
    for key, part in comparison.groupby(["paper", "table"]):
        paper, table = key  # type: ignore[misc]
        entries: list[dict[Any, Any]] = part.to_dict("records")
        counts = sorted({entry["n_splits"] for entry in entries})
        for entry in entries:
            differs = entry["gene_set"] and entry["paper_gene_set"] not in ("", entry["gene_set"])
            entry["mark"] = "†" if differs else ""
        seeds = {entry["split_seed"] for entry in entries if not pd.isna(entry["split_seed"])}
        single = sorted(int(seed) for seed in seeds)
        notes = f"{note}; our splits: {', '.join(map(str, counts))}"
        if single:
            over = sorted({int(entry["n_over_splits"]) for entry in entries})
            notes = f"ours of split {', '.join(map(str, single))} | the paper's; then ours over "
            notes += f"{', '.join(map(str, over))} splits"
        if any(entry["mark"] for entry in entries):
            notes += "; † the paper's set of genes is another one"
        found.append(
            _pivoted(entries, _compared, name=f"{paper}, table {table}, beside ours", note=notes)
        )
    return found


def _compared(entry: dict[Any, Any]) -> str:
    difference = entry["difference_in_errors"]
    text = "" if math.isnan(difference) else f" ({round(difference, 1) + 0.0:+.1f})"  # never -0.0
    if not pd.isna(entry["split_seed"]):
        text = f"; {with_error(entry['over_splits'], entry['over_splits_error'])}"
    return f"{entry['mean']:.3f} | {entry['published']:.3f}{text}"


def _pivoted(
    entries: list[dict[Any, Any]], cell: Callable[[dict[Any, Any]], str], *, name: str, note: str
) -> Table:
    """Return methods x columns; settings in which methods or datasets differ become footnotes."""
    keys = sorted({_column(entry) for entry in entries}, key=_order)
    methods = sorted(sorted({entry["method"] for entry in entries}), key=rank)
    of = {(entry["method"], _column(entry)): entry for entry in entries}
    marks = {entry["dataset"]: entry.get("mark", "") for entry in entries}
    subsets = list(dict.fromkeys(entry["subset"] for entry in entries))
    labels = Labels()  # footnotes are numbered as they are read: title, header, lines
    datasets = [labels.dataset(one) + mark for one, mark in marks.items() if len(marks) == 1]
    title = f"{name}: {', '.join(datasets + [spaced(subset) for subset in subsets])}"
    header = [_header(key, labels, marks, with_subset=len(subsets) > 1) for key in keys]
    lines = []
    for method in methods:
        entries_of_line = [of.get((method, key)) for key in keys]
        cells = [
            Cell(cell(e), e.get("place", 0), (e["dataset"], method)) if e else Cell("-")
            for e in entries_of_line
        ]
        lines.append([Cell(labels.method(method)), *cells])
    return Table(title, ["method", *header], lines, [note, *labels.notes])


class Labels:
    """Names as a reader writes them; settings that tell rows apart go to numbered footnotes."""

    def __init__(self) -> None:
        self._settings: dict[str, int] = {}

    @property
    def notes(self) -> list[str]:
        """The footnotes."""
        return [f"({number}) {setting}" for setting, number in self._settings.items()]

    def method(self, label: str) -> str:
        """Return a method's display name, with the number of its footnote."""
        return self._numbered(label, display_name)

    def dataset(self, label: str) -> str:
        """Return a dataset's display name, with the number of its footnote."""
        return self._numbered(label, dataset_name)

    def _numbered(self, label: str, named: Callable[[str], str]) -> str:
        name, *settings = _SETTINGS.split(label, maxsplit=1)
        if not settings:
            return named(name)
        number = self._settings.setdefault(settings[0], len(self._settings) + 1)
        return f"{named(name)} ({number})"


def plain_table(frame: pd.DataFrame, *, name: str, notes: Sequence[str] = ()) -> Table:
    """Lay a table out as it is, but metric, set size and k in one column."""
    names = [str(column) for column in frame if column not in ("metric", "set_size", "k")]
    if len(names) < len(frame.columns):
        names.insert(1, "measure")
    labels = Labels()
    shown: dict[str, Callable[[Any], str]] = {"dataset": labels.dataset, "subset": spaced}
    shown |= dict.fromkeys(("method", "other"), labels.method)
    entries: list[dict[Any, Any]] = frame.to_dict("records")
    lines = [
        [
            _measure(entry) if column == "measure" else shown.get(column, _text)(entry[column])
            for column in names
        ]
        for entry in entries
    ]
    numbers = [column in frame and is_numeric_dtype(frame[column]) for column in names]
    n_names = numbers.index(True) if True in numbers else len(names) - 1
    header = [column.replace("_", " ") for column in names]
    # a name that all lines share goes to the title
    shared = [
        i for i in range(n_names) if len(lines) > 1 and len({line[i] for line in lines}) == 1
    ]
    parts = [name, *(f"{header[i]}: {lines[0][i]}" for i in shared)]
    kept = [i for i in range(len(header)) if i not in shared]
    return Table(
        title="; ".join(parts),
        header=[header[i] for i in kept],
        lines=[line_of(*(line[i] for i in kept)) for line in lines],
        notes=[*notes, *labels.notes],
        n_names=n_names - len(shared),
    )


def seeds_table(frame: pd.DataFrame) -> Table:
    """Lay :func:`grn_exp.report.tables.spread_over_seeds` out."""
    shown = frame.loc[:, [*COLUMN, "method", "seed_sd", "n_splits"]]
    note = "standard deviation over model seeds within a split, root mean square over splits"
    return plain_table(shown, name="spread over model seeds", notes=[note])


def with_error(mean: float, error: float) -> str:
    """Return ``mean ± error``, or the mean alone where there is no error."""
    return f"{mean:.3f}" if math.isnan(error) else f"{mean:.3f} ± {error:.3f}"


def _column(entry: dict[str, Any]) -> tuple[Any, ...]:
    """Return a column's identity; missing numbers compare unequal and become None."""
    return tuple(None if pd.isna(entry[name]) else entry[name] for name in COLUMN)


def spaced(subset: str) -> str:
    """Return a subset as a reader knows it."""
    return _SUBSETS.get(subset, subset)


def _order(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dataset, metric, *others = key  # what the sets' papers are about goes first
    return dataset, metric != "exact_match", metric, *((p is not None, p) for p in others)


def _header(
    key: tuple[Any, ...], labels: Labels, marks: Mapping[str, str], *, with_subset: bool
) -> str:
    dataset, metric, subset, size, k = key
    lines = [] if len(marks) == 1 else [labels.dataset(dataset) + marks[dataset]]
    lines += textwrap.wrap(title(metric, k), _HEADER_WIDTH)
    lines += [spaced(subset)] if with_subset else []
    lines += [] if size is None else [f"R={size}"]
    return "\n".join(lines)


def _measure(entry: dict[Any, Any]) -> str:
    """Return metric, k and set size in a line."""
    k = None if pd.isna(entry["k"]) else entry["k"]
    size = "" if pd.isna(entry["set_size"]) else f" R={entry['set_size']}"
    return title(entry["metric"], k) + size


def _text(value: Any) -> str:  # noqa: ANN401 - a cell
    if pd.isna(value):
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
