"""``make bench``: every speed claim, measured against the plain form in the same run."""

import argparse

from rich.console import Console
from rich.table import Table

from benchmarks.sem import measure
from grn_exp.core.errors import InputError


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--data", nargs="+", default=["mESC", "mDC"], help="BEELINE datasets")
    parser.add_argument("--epochs", type=int, default=6)
    arguments = parser.parse_args()
    table = Table(
        "data",
        "form",
        "networks' epoch, s",
        "adjacency's epoch, s",
        "151 epochs, s",
        "peak memory, MB",
        title="DeepSEM, TFs+500, cell-type specific, one thread (medians over epochs)",
    )
    notes = []
    for dataset in arguments.data:
        try:
            plain, fast = measure(dataset, n_epochs=arguments.epochs)
        except InputError as error:
            notes.append(f"{dataset}: left out: {error}")
            continue
        for name, form in (("plain", plain), ("grn_exp", fast)):
            networks, adjacency = form.phase_seconds()
            table.add_row(
                dataset,
                name,
                f"{networks:.3f}",
                f"{adjacency:.3f}",
                f"{form.run_seconds():.0f}",
                f"{form.peak_mb:.0f}",
            )
        ratios = (a / b for a, b in zip(plain.phase_seconds(), fast.phase_seconds(), strict=True))
        table.add_row(
            dataset,
            "ratio",
            *(f"{ratio:.1f} x" for ratio in ratios),
            f"{plain.run_seconds() / fast.run_seconds():.1f} x",
            f"{plain.peak_mb / fast.peak_mb:.1f} x",
            style="bold",
        )
        notes.append(fast.agreement(plain))
    console = Console(width=130)
    console.print(table)
    for note in notes:
        console.print(note)


if __name__ == "__main__":
    main()
