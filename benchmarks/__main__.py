"""``make bench``: every speed claim, against the plain form or a peer's code in the same run."""

import argparse
import statistics
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks import (
    boosting,
    classifiers,
    decoding,
    loading,
    methods,
    retrieval,
    sem,
    simulation,
    sweeps,
)
from grn_exp.core.errors import InputError

Notes = list[str]
Section = Callable[[argparse.Namespace], tuple[Table, Notes]]


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--data", nargs="+", default=["mESC", "mDC"], help="deepsem: on which")
    parser.add_argument("--epochs", type=int, default=6, help="deepsem: of each form")
    parser.add_argument("--methods", nargs="+", help="methods: which, in place of all")
    parser.add_argument(
        "--seconds", type=float, default=60, help="methods: most that a fit may take"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="smallest sizes: does it run, not how fast is it"
    )
    arguments = parser.parse_args(given)
    if arguments.smoke:
        arguments.data, arguments.epochs = ["toy"], 2
    console = Console(width=130)
    for name in dict.fromkeys(arguments.only):
        table, notes = SECTIONS[name](arguments)
        if table.row_count:
            console.print(table)
        for note in notes:
            console.print(note)
        console.print()


def every_method(arguments: argparse.Namespace) -> tuple[Table, Notes]:
    """Fits of every method that scores pairs, and of its peers' own code."""
    table = Table(
        "data",
        "method",
        "code",
        "CPU s",
        "ratio to the fastest",
        "peak memory, MB",
        "of our best 1,000 edges",
        title="A fit, one thread; start-up and reading not counted, but their memory is",
    )
    datasets, chosen = ["mdc", "semrau"], arguments.methods
    if arguments.smoke:
        datasets, chosen = ["toy"], ["random", "grnboost2"]
    notes = [f"Fits were given up after {arguments.seconds:.0f} CPU seconds."]
    for data in datasets:
        try:
            for row in methods.measure(
                data, seconds=arguments.seconds, methods=chosen, smoke=arguments.smoke
            ):
                table.add_row(*_method_cells(row))
        except InputError as error:
            notes.append(f"{data}: left out: {error}")
    return table, notes


def _method_cells(row: methods.Row) -> list[str]:
    seconds, peak = "given up", ""
    if row.cost is not None:
        seconds, peak = f"{row.cost.seconds:.2f}", f"{row.cost.peak_mb:.0f}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    shared = "" if row.shared is None else f"{row.shared}"
    return [row.data, row.method, row.code, seconds, ratio, peak, shared]


def reading(arguments: argparse.Namespace) -> tuple[Table, Notes]:
    """Read matrices, and say what it takes."""
    found, notes = loading.measure(smoke=arguments.smoke)
    table = Table(
        "file",
        "CPU s",
        "dense size, MB",
        "peak memory, MB",
        "ratio",
        title="Reading a matrix; memory beyond what the process had",
    )
    for each in found:
        sizes = (f"{each.dense_mb:.1f}", f"{each.peak_mb:.1f}")
        ratio = f"{each.peak_mb / each.dense_mb:.1f} x"
        table.add_row(each.name, f"{each.seconds:.2f}", *sizes, ratio)
    return table, notes


def deepsem(arguments: argparse.Namespace) -> tuple[Table, Notes]:
    """Training of DeepSEM."""
    table = Table(
        "data",
        "form",
        "networks' epoch, s",
        "adjacency's epoch, s",
        "151 epochs, s",
        "peak memory, MB",
        title="DeepSEM, one thread (medians over epochs); BEELINE: TFs+500, cell-type specific",
    )
    notes = []
    for dataset in arguments.data:
        try:
            plain, fast = sem.measure(dataset, n_epochs=arguments.epochs, smoke=arguments.smoke)
        except InputError as error:
            notes.append(f"{dataset}: left out: {error}")
            continue
        for row in _deepsem_rows(plain, fast):
            table.add_row(dataset, *row, style="bold" if row[0] == "ratio" else None)
        notes.append(fast.agreement(plain))
    return table, notes


def _deepsem_rows(plain: sem.Form, fast: sem.Form) -> Iterator[list[str]]:
    for name, form in (("plain", plain), ("grn_exp", fast)):
        epochs = [f"{seconds:.3f}" for seconds in form.phase_seconds()]
        yield [name, *epochs, f"{form.run_seconds():.0f}", f"{form.peak_mb:.0f}"]
    pairs = list(zip(plain.phase_seconds(), fast.phase_seconds(), strict=True))
    pairs += [(plain.run_seconds(), fast.run_seconds()), (plain.peak_mb, fast.peak_mb)]
    yield ["ratio", *(f"{a / b:.1f} x" for a, b in pairs)]


def context_attention(arguments: argparse.Namespace) -> tuple[Table, Notes]:
    """Training steps of the context-attention retriever."""
    small = {"size": retrieval.SMOKE, "n_steps": 1, "n_compared": 1}
    found = retrieval.measure(**small if arguments.smoke else {})
    title = "Context attention, a training step at SERGIO DS3's size, one thread (medians)"
    plain = "plain: the features of every pair"
    table = _two_forms(title, "step, s", {plain: found.plain, "grn_exp": found.fast})
    return table, [f"context attention: losses differ by {found.difference:.1e} at most"]


def _two_forms(title: str, unit: str, forms: dict[str, float]) -> Table:
    """Lay out what the plain form and ours take, and their ratio."""
    table = Table("form", unit, title=title)
    for name, seconds in forms.items():
        table.add_row(name, f"{seconds:.4f}")
    plain, fast = forms.values()
    table.add_row("ratio", f"{plain / fast:.2f} x", style="bold")
    return table


def genelink(arguments: argparse.Namespace) -> tuple[Table, Notes]:
    """Training steps of GENELink."""
    return _classifier_table("GENELink", classifiers.measure_genelink, smoke=arguments.smoke)


def scgreat(arguments: argparse.Namespace) -> tuple[Table, Notes]:
    """Training steps of scGREAT."""
    return _classifier_table("scGREAT", classifiers.measure_scgreat, smoke=arguments.smoke)


def _classifier_table(
    name: str, measure: Callable[..., list[classifiers.ClassifierTimes]], *, smoke: bool
) -> tuple[Table, Notes]:
    found = measure((classifiers.SMOKE,), n_steps=1) if smoke else measure()
    table = Table(
        "size of the data",
        "plain step, s",
        "grn_exp step, s",
        "ratio",
        "grn_exp epoch, s",
        title=f"{name}, training, CPU seconds on one thread (medians)",
    )
    for each in found:
        seconds = (f"{each.plain:.4f}", f"{each.fast:.4f}")
        epoch = f"{each.batches * each.fast:.1f}"
        table.add_row(each.size.name, *seconds, f"{each.ratio:.1f} x", epoch)
    worst = max(each.difference for each in found)
    return table, [f"{name}: losses without dropout differ by {worst:.1e} at most"]


def exact_decoding(arguments: argparse.Namespace) -> tuple[Table, Notes]:
    """Scoring every set of a pool."""
    small = {"n_sets": 64, "repeats": 1} if arguments.smoke else {}
    table = Table(
        "layers, pool, set size",
        "grn_exp, sets/s",
        "one large batch, sets/s",
        "ratio",
        "best-tuned, sets/s",
        "ratio",
        title="Exact decoding against torch's nn.TransformerEncoder, one thread (best of turns)",
    )
    notes = []
    depths = (1, 2)  # the methods' default, and what a deeper one costs
    found = [
        (depth, each) for depth in depths for each in decoding.measure(n_layers=depth, **small)
    ]
    for depth, each in found:
        name = f"L={depth}, M={each.n_candidates}, R={each.size}"
        large = each.fast / each.ratio_at_large_batches()
        best = max(each.plain.values())
        table.add_row(
            name,
            f"{each.fast:,.0f}",
            f"{large:,.0f}",
            f"{each.ratio_at_large_batches():.1f} x",
            f"{best:,.0f}",
            f"{each.ratio():.1f} x",
        )
        notes.append(
            f"{name}: first {each.n_sets} sets; same best set: {each.same_best}; scores differ "
            f"by {each.largest_difference:.1e} standard deviations at most"
        )
    notes.append(
        f"One large batch: {decoding.LARGE_BATCH} sets, as one would write it. Best-tuned: the "
        f"fastest of that and {decoding.SMALL_BATCH} sets, with and without torch's fused layer."
    )
    return table, notes


def sergio(arguments: argparse.Namespace) -> tuple[Table, Notes]:
    """Cells of SERGIO's DS3."""
    small = {"n_targets": 4, "n_seeds": 2, "smoke": True} if arguments.smoke else {}
    table = Table(
        "form", "CPU seconds", "peak memory, MB", title="SERGIO DS3: 1,200 genes, 9 x 300 cells"
    )
    published = "published code: 764 CPU s (not measured here)"
    try:
        found = simulation.measure(**small)
    except InputError as error:
        return table, [f"SERGIO DS3: left out: {error}"]
    plain = found.plain
    seconds = statistics.median(each.seconds for each in found.fast)
    peak_mb = max(each.peak_mb for each in found.fast)
    part = f"{found.n_plain} of {found.n_genes} genes"
    table.add_row("plain loops", f"{plain.seconds:.0f}, from {part}", f"{plain.peak_mb:.0f}*")
    table.add_row("grn_exp", f"{seconds:.2f}", f"{peak_mb:.0f}")
    table.add_row("ratio", f"{plain.seconds / seconds:.0f} x, extrapolated", "", style="bold")
    return table, [found.agreement(), published, f"* memory of {part}, as Python lists"]


def grnboost2(arguments: argparse.Namespace) -> tuple[Table, Notes]:
    """Boosting of genes on regulators."""
    title = "GRNBoost2 on scikit-learn, mDC, CPU seconds a target on one thread"
    small = {"dataset": "toy", "n_targets": 2} if arguments.smoke else {}
    try:
        found = boosting.measure(**small)
    except InputError as error:
        return Table(), [f"GRNBoost2: left out: {error}"]
    forms = {"arboreto's own core": found.plain, "grn_exp": found.fast}
    table = _two_forms(title, "a target, s", forms)
    return table, [f"GRNBoost2: importances differ by {found.difference:.1e} at most"]


def sweep(arguments: argparse.Namespace) -> tuple[Table, Notes]:
    """Short runs, finished runs, collected runs."""
    small = {"n_runs": 2, "n_finished": 2, "n_rows": 20, "smoke": True}
    found = sweeps.measure(**small if arguments.smoke else {})
    table = Table("what", "CPU s", "s", title="Sweeps and reports, one process")
    for name, seconds in (
        (f"{found.n_runs} runs of random on toy, one command", found.sweep),
        ("the same by calling the library", found.library),
        (f"{found.n_finished:,} finished runs skipped", found.skip),
        (f"{found.n_finished:,} runs collected", found.collect),
        (f"{found.n_rows:,} rows collected", found.rows),
    ):
        table.add_row(name, f"{seconds.cpu:.1f}", f"{seconds.wall:.1f}")
    return table, [f"sweep: the framework adds {found.milliseconds_a_run:.0f} ms a run"]


SECTIONS: dict[str, Section] = {
    "methods": every_method,
    "loading": reading,
    "deepsem": deepsem,
    "retrieval": context_attention,
    "grnboost2": grnboost2,
    "genelink": genelink,
    "scgreat": scgreat,
    "decoding": exact_decoding,
    "simulation": sergio,
    "sweep": sweep,
}

if __name__ == "__main__":
    main()
