"""The table at the end of a run."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from grn_exp.engine.spec import RunIdentity
from grn_exp.metrics.ranking import random_average_precision
from grn_exp.metrics.titles import title
from grn_exp.runs.edges import best_edges
from grn_exp.runs.folder import RunFolder
from grn_exp.runs.sets import best_sets

# the value of a score that knows nothing, where that is no number of the data
_RANDOM = {
    "auroc": "0.5",
    "epr": "1",
    "auprc_trapezoid": "-",  # depends on ties
    "recall_at_half": "-",
}
Column = tuple[str, int | None]
# characters: of the names of metrics, which may be folded; of a value with the space beside it
_NAMES, _VALUE, _RANDOM_VALUE = 22, 12, 7
_BEST = 10  # edges of a run that has nothing to be judged by


def show(rows: list[dict[str, Any]], identity: RunIdentity) -> None:
    """Print a run's metrics with what a random score would get beside each.

    Subsets that do not fit side by side, 80 columns being enough for three, go below each other.
    """
    console = Console()
    if not rows:
        _show_edges(console, identity)
        return
    columns = list(dict.fromkeys(_column(row) for row in rows))
    is_ranked = any(row["prevalence"] is not None for row in rows)
    n_fitting = (console.width - _NAMES) // (_VALUE + is_ranked * _RANDOM_VALUE)
    blocks = range(0, len(columns), max(n_fitting, 1))
    tables = [_table(rows, columns[first:][: blocks.step]) for first in blocks]
    tables[0].title = f"{identity.model} on {identity.data}"
    tables[-1].caption = _caption(rows)
    for table in tables:
        console.print(table)
    console.print(f"files: {identity.folder}", soft_wrap=True, highlight=False)


def _show_edges(console: Console, identity: RunIdentity) -> None:
    """Print the best edges, or the surest sets, of a run that has nothing to be judged by."""
    header, rows, what = _best_of(identity, _BEST)
    table = Table(*header, box=SIMPLE_HEAD, show_edge=False, padding=0)
    table.title = f"{identity.model} on {identity.data}: {what}"
    table.title_justify = "left"
    for row in rows:
        texts = (f"{each:.4g}" if isinstance(each, float) else each for each in row)
        table.add_row(*("" if text is None else str(text) for text in texts))
    console.print(table)
    console.print(f"files: {identity.folder}", soft_wrap=True, highlight=False)


def _best_of(
    identity: RunIdentity, n: int
) -> tuple[Sequence[str], Sequence[Sequence[object]], str]:
    """Return what comes first in a run's edges or sets, as header and rows, and what it is."""
    folder = RunFolder(identity.folder)
    sets = best_sets(folder, n)
    if sets is not None:
        return sets[0], sets[1], "the sets with the largest margins"
    header, rows = best_edges(folder, n) or ([], [])
    return header, rows, "the best edges"


def _table(rows: list[dict[str, Any]], columns: list[Column]) -> Table:
    """Return the table of some subsets."""
    own = [row for row in rows if _column(row) in columns]
    cells = {(_column(row), _label(row)): row for row in own}
    # with rankings of pairs, which a random score gets part of too
    ranked = {_column(row) for row in own if row["prevalence"] is not None}
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0)
    table.title_justify = table.caption_justify = "left"
    table.add_column("metric", max_width=max(len(_label(row)) for row in own))
    for column in columns:
        table.add_column(_header(own, column), justify="right", no_wrap=True)
        if column in ranked:
            table.add_column("random", justify="right", style="dim", no_wrap=True)
    for label in dict.fromkeys(_label(row) for row in own):
        line = [label]
        for column in columns:
            row = cells.get((column, label))
            line.append("" if row is None else _value(row))
            if column in ranked:
                line.append("" if row is None else _random(row))
        table.add_row(*line)
    return table


def show_line(rows: list[dict[str, Any]], identity: RunIdentity) -> None:
    """Print a run of a sweep in one line: what its benchmark is about, and nothing else."""
    console = Console()
    name = identity.model + (f"<{identity.retriever}" if identity.retriever else "")
    parts = [
        f"{_subset(row)} {row['value']:.3f} (random {_random(row)})"
        for row in rows
        if row["metric"] == "ap"
    ]
    title = "AUPRC" if parts else "exact" if rows else "best"
    parts = parts or [
        f"{_subset(row)} {row['value']:.3f}" for row in rows if row["metric"] == "exact_match"
    ]
    if not rows:
        _, found, _ = _best_of(identity, 3)
        parts = [f"{each[0]} -> {each[1]}" for each in found]
    text = f"{identity.data:8} {name:14} {title}  {'  '.join(parts)}  {identity.folder}"
    console.print(text, soft_wrap=True, highlight=False)


def _column(row: dict[str, Any]) -> Column:
    return row["subset"], row.get("set_size")


def _subset(row: dict[str, Any]) -> str:
    subset, size = _column(row)
    return subset if size is None else f"{subset} R={size}"


def _label(row: dict[str, Any]) -> str:
    return title(row["metric"], row.get("k"))


def _header(rows: list[dict[str, Any]], column: Column) -> str:
    of_column = [row for row in rows if _column(row) == column]
    pairs = next((row for row in of_column if row["prevalence"] is not None), None)
    if pairs is not None:
        return f"{_subset(pairs)}\n{pairs['n_positive']} of\n{pairs['n']} pairs"
    return f"{_subset(of_column[0])}\n{max(row['n'] for row in of_column)} targets"


def _value(row: dict[str, Any]) -> str:
    """Return the value, and below it its members' spread or its 95 % interval if it has one."""
    text = f"{row['value']:.3f}"
    if row.get("member_sd") is not None:
        return f"{text}\n{row['member_mean']:.3f}±{row['member_sd']:.3f}"
    if row.get("low") is not None:
        return f"{text}\n{row['low']:.2f}-{row['high']:.2f}"
    return text


def _caption(rows: list[dict[str, Any]]) -> str | None:
    """Say what stands below the values."""
    if any(row.get("member_sd") is not None for row in rows):
        return "below each value: mean ± standard deviation of single seeds"
    if any(row.get("low") is not None for row in rows):
        return "below a share: its 95 % interval"
    return None


def _random(row: dict[str, Any]) -> str:
    if row["prevalence"] is None:
        return "-"
    if row["metric"] in ("ap", "ap_ratio"):
        expected = random_average_precision(row["n"], row["n_positive"])
        return f"{expected / (row['prevalence'] if row['metric'] == 'ap_ratio' else 1):.3f}"
    return _RANDOM.get(row["metric"], f"{row['prevalence']:.3f}")
