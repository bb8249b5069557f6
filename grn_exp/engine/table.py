"""The table at the end of a run."""

from typing import Any

from rich.console import Console
from rich.table import Table

from grn_exp.engine.spec import RunIdentity

_TITLES = {
    "ap": "AUPRC (average precision)",
    "ap_ratio": "  ratio to random",
    "auprc_trapezoid": "AUPRC (trapezoid)",
    "auroc": "AUROC",
    "hit_at_1pct": "Hit@1%",
    "epr": "early precision ratio",
    "recall_at_half": "recall at half the top score",
    "ap_per_regulator": "AUPRC, mean over regulators",
}
# the value of a score that knows nothing, where that is no number of the data
_RANDOM = {
    "ap_ratio": "1",
    "auroc": "0.5",
    "epr": "1",
    "auprc_trapezoid": "-",  # depends on ties
    "recall_at_half": "-",
    "ap_per_regulator": "-",
}


def show(rows: list[dict[str, Any]], identity: RunIdentity) -> None:
    """Print a run's metrics with what a random score would get beside each."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    table = Table(title=f"{identity.model} on {identity.data}", title_justify="left")
    table.add_column("metric", no_wrap=True)
    subsets = list(dict.fromkeys(row["subset"] for row in rows))
    values = {(row["subset"], row["metric"]): row for row in rows}
    for subset in subsets:
        first = next(row for row in rows if row["subset"] == subset)
        header = f"{subset}\n{first['n_positive']} of {first['n']} pairs"
        table.add_column(header, justify="right")
        table.add_column("random", justify="right", style="dim")
    for metric in dict.fromkeys(row["metric"] for row in rows):
        cells = [_TITLES.get(metric, metric)]
        for subset in subsets:
            row = values.get((subset, metric))
            cells += ["", ""] if row is None else [f"{row['value']:.3f}", _random(row)]
        table.add_row(*cells)
    console.print(table)
    console.print(f"files: {identity.folder}", soft_wrap=True, highlight=False)


def show_line(rows: list[dict[str, Any]], identity: RunIdentity) -> None:
    """Print a run of a sweep in one line: average precision, and what random would get."""
    parts = [
        f"{row['subset']} {row['value']:.3f} (random {row['prevalence']:.3f})"
        for row in rows
        if row["metric"] == "ap"
    ]
    text = f"{identity.data:8} {identity.model:14} AUPRC  {'  '.join(parts)}  {identity.folder}"
    Console().print(text, soft_wrap=True, highlight=False)


def _random(row: dict[str, Any]) -> str:
    return _RANDOM.get(row["metric"], f"{row['prevalence']:.3f}")
