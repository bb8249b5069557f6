"""``python -m grn_exp.report OUTPUTS`` writes ``report.html``; the commands give its parts.

``html`` (what is done where no command is named) | ``claims`` | ``table`` | ``figures`` |
``collect`` | ``bias`` | ``dashboard`` | ``publish``.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pandas as pd
from rich.console import Console

from grn_exp.core.errors import InputError
from grn_exp.report import claims, compare, dashboard, figures, layout, published, render, tables
from grn_exp.report.bias import (
    extreme_regulators,
    imbalance_against_coefficient,
    predicted_probabilities,
)
from grn_exp.report.bias_degree import compare_runs
from grn_exp.report.bias_run import read_run
from grn_exp.report.collect import Collected, by_experiment, collect, read_runs, write_parquet
from grn_exp.report.figures.bias import imbalance_figure, probability_figure
from grn_exp.report.html.page import write_report
from grn_exp.storage.atomic import write_text

_COMMANDS = ("html", "claims", "collect", "table", "figures", "bias", "dashboard", "publish")


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 140)


def main() -> None:
    """Run the command; bad input ends in one line and exit code 2."""
    arguments = _parser().parse_args(_with_command(sys.argv[1:]))
    try:
        if arguments.command == "html":
            write_page(arguments)
        elif arguments.command == "dashboard":
            dashboard.write_dashboard(arguments)
        elif arguments.command == "publish":
            publish_runs(arguments)
        elif arguments.command == "claims":
            print_claims(arguments)
        elif arguments.command == "collect":
            write_rows(arguments.outputs, arguments.output)
        elif arguments.command == "table":
            print_table(arguments)
        elif arguments.command == "figures":
            draw_figures(arguments)
        else:
            write_biases(arguments.runs, arguments.output)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


def _with_command(arguments: list[str]) -> list[str]:
    """Put the command in that is meant where none is named."""
    named = not arguments or arguments[0] in (*_COMMANDS, "-h", "--help")
    return arguments if named else ["html", *arguments]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m grn_exp.report", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    page = commands.add_parser("html", help="write everything into one page, report.html")
    decide = commands.add_parser("claims", help="which of the papers' claims hold here")
    gather = commands.add_parser("collect", help="gather all runs; say what was left out and why")
    table = commands.add_parser("table", help="print methods x datasets, means over splits")
    draw = commands.add_parser("figures", help="draw what the runs allow, as PNG and PDF")
    bias = commands.add_parser("bias", help="what of runs' accuracy the genes' degrees explain")
    bias.add_argument("runs", type=Path, nargs="+", help="run folders, figures need one split")
    bias.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    upload = commands.add_parser("publish", help="show finished runs in a dashboard")
    upload.add_argument("--to", choices=("wandb", "trackio", "tensorboard"), required=True)
    upload.add_argument("--project", help="of the dashboard; grn_exp by itself")
    upload.add_argument("--entity", help="user or team, of W&B")
    for command in (page, decide, gather, table, draw, upload):
        command.add_argument("outputs", type=Path, help="the folder of paths.outputs")
    gather.add_argument("-o", "--output", type=Path, metavar="FILE", help="rows as parquet")
    draw.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    figures.add_options(draw, figures.FIGURES)
    dashboard.add_arguments(commands.add_parser("dashboard", help="a W&B workspace for the runs"))
    page.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="instead of OUTPUTS/report.html"
    )
    for command in (page, decide, table, draw, upload):
        command.add_argument("--experiment", help="a folder in OUTPUTS, or one of conf/experiment")
    _add_table_options(table)
    decide.add_argument("--checks", action="store_true", help="show every comparison")
    for command in (decide, table):
        command.add_argument("--format", choices=get_args(render.Format), default="text")
    return parser


def _add_table_options(table: argparse.ArgumentParser) -> None:
    table.add_argument("--paper", help="with --table: what that table shows (infosem, ...)")
    table.add_argument("--table", metavar="NUMBER", help="of --paper")
    table.add_argument("--metric", nargs="+", default=[], help="as in metrics.json; ap by itself")
    table.add_argument("--subset", nargs="+", default=[], help="val, test_unseen, ...")
    table.add_argument("--k", nargs="+", type=int, default=[], help="of recall_at_k and others")
    table.add_argument(
        "--show",
        choices=("means", "seeds", "tests", "paper"),
        default="means",
        help="over splits; spread over model seeds; paired tests; beside the published numbers",
    )
    table.add_argument("--reference", help="with --show tests: compare with this method only")


def write_page(arguments: argparse.Namespace) -> None:
    """Write ``report.html``."""
    path = arguments.output or arguments.outputs / "report.html"
    if not arguments.outputs.is_dir() and len(arguments.outputs.parts) == 1:
        raise InputError(
            f"{arguments.outputs}: no such folder, and no command; give the folder of "
            f"paths.outputs, or one of {', '.join(_COMMANDS)}"
        )
    collected = write_report(arguments.outputs, path, arguments.experiment)
    _tell_left_out(collected)
    _console().print(str(path), soft_wrap=True, highlight=False)


def publish_runs(arguments: argparse.Namespace) -> None:
    """Show finished runs where ``logger=`` shows running ones."""
    collected = _with_runs(arguments.outputs, arguments.experiment)
    _tell_left_out(collected)
    # the mirrors bring torch, which nothing else here needs
    from grn_exp.engine.loggers.publish import publish

    folders = [Path(folder) for folder in collected.runs]
    publish(folders, arguments.to, project=arguments.project, entity=arguments.entity)


def print_claims(arguments: argparse.Namespace) -> None:
    """Print which of the papers' claims hold."""
    collected = collect(arguments.outputs, arguments.experiment)
    _tell_left_out(collected)
    found = claims.verdicts(collected)
    table = claims.checks_table(found) if arguments.checks else claims.claims_table(found)
    if arguments.format == "csv":
        lines = pd.DataFrame(table.lines, columns=pd.Index(table.header))
        sys.stdout.write(lines.to_csv(index=False, lineterminator="\n"))
    elif arguments.format == "text":
        _print_folded(table, _console())
    else:
        sys.stdout.write(getattr(render, arguments.format)(table))


def write_rows(outputs: Path, output: Path | None) -> None:
    """Print what was left out; write all runs' rows to a parquet file if one is named."""
    if output is not None and (output.suffix != ".parquet" or output.is_dir()):
        raise InputError(f"-o {output}: give the name of a file that ends in .parquet")
    collected = collect(outputs)
    if output is not None:
        write_parquet(collected.rows, output)
    console = _console()
    _show_problems(collected, console)
    console.print(
        f"{collected.n_runs} runs, {len(collected.rows)} rows, "
        f"{len(collected.problems)} problems" + (f": {output}" if output else ""),
        soft_wrap=True,
        highlight=False,
    )


def _show_problems(collected: Collected, console: Console) -> None:
    if not collected.problems.empty:
        _print_folded(layout.plain_table(collected.problems, name="left out"), console)


def _print_folded(table: layout.TextTable, console: Console) -> None:
    """Print a table of long texts."""
    for part in render.rich_tables(table, sys.maxsize):
        for column in part.columns:
            column.overflow, column.justify = "fold", "left"
        console.print(part)


def _tell_left_out(collected: Collected) -> None:
    if len(collected.problems):
        kinds = collected.problems["kind"].value_counts().to_dict()
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        sys.stderr.write(f"left out: {counts}; python -m grn_exp.report collect tells more\n")


def _with_runs(outputs: Path, experiment: str | None) -> Collected:
    """Collect for what needs a run at least."""
    collected = collect(outputs, experiment)
    if not collected.n_runs:
        raise _no_runs(outputs)
    return collected


def _no_runs(outputs: Path) -> InputError:
    return InputError(
        f"{outputs}: no finished run that counts; python -m grn_exp.report collect {outputs} "
        "tells what is wrong with those that are there"
    )


def print_table(arguments: argparse.Namespace) -> None:
    """Print the table that is asked for; what was left out goes to standard error."""
    if arguments.reference and arguments.show != "tests":
        raise InputError(f"--reference {arguments.reference}: only --show tests has one; drop it")
    if (arguments.paper is None) != (arguments.table is None):
        raise InputError("--paper, --table: give both, as in --paper infosem --table 2")
    rows, name = _rows_of_paper(arguments) if arguments.paper else _rows_of_runs(arguments)
    frame, found = _asked_for(rows, arguments, name)
    if arguments.format == "csv":
        sys.stdout.write(frame.to_csv(index=False, lineterminator="\n"))
    elif arguments.format == "text":
        console = _console()
        for part in (part for each in found for part in render.rich_tables(each, console.width)):
            console.print(part)
    else:
        sys.stdout.write("\n".join(getattr(render, arguments.format)(each) for each in found))


def _rows_of_runs(arguments: argparse.Namespace) -> tuple[pd.DataFrame, str]:
    collected = _with_runs(arguments.outputs, arguments.experiment)
    _tell_left_out(collected)
    return tables.labelled(collected.rows), arguments.experiment or "all experiments"


def _rows_of_paper(arguments: argparse.Namespace) -> tuple[pd.DataFrame, str]:
    """Return the rows that a paper's table has, of the experiment that is for it."""
    entries, experiment = published.table_of(arguments.paper, arguments.table)
    collected = _with_runs(arguments.outputs, arguments.experiment or experiment)
    _tell_left_out(collected)
    rows = tables.like(collected.rows, entries, ("metric", "subset", "set_size", "k"))
    if arguments.experiment is None:  # one that is named may be of other data: a small one
        rows = tables.like(rows, entries, ("data", "network", "split_kind"))
    title = f"{entries['paper'].iloc[0]}, table {arguments.table}"
    if rows.empty:
        raise InputError(
            f"{title}: none of these runs measured that; drop --table, or --experiment"
        )
    return tables.labelled(rows), title


def _asked_for(
    rows: pd.DataFrame, arguments: argparse.Namespace, name: str
) -> tuple[pd.DataFrame, list[layout.TextTable]]:
    """Return the numbers, and how they are laid out."""
    metrics = arguments.metric or ([] if arguments.paper else ["ap"])
    rows = tables.select(rows, metrics=metrics, subsets=arguments.subset, ks=arguments.k)
    if arguments.show == "seeds":
        frame = tables.spread_over_seeds(rows)
        return frame, [layout.seeds_table(frame)]
    if arguments.show == "tests":
        frame = compare.paired_tests(rows, reference=arguments.reference)
        return frame, [layout.plain_table(frame, name="paired tests", notes=[compare.TEST_NOTE])]
    if arguments.show == "paper":
        frame = compare.beside_paper(rows)
        if arguments.paper:
            entries, _ = published.table_of(arguments.paper, arguments.table)
            frame = tables.like(frame, entries, ("paper", "table"))
        if frame.empty:
            raise InputError(
                "--show paper: the papers have no number of these datasets, methods and metrics"
            )
        return frame, layout.comparison_tables(frame, note=compare.PAPER_NOTE)
    frame = tables.summarise(rows)
    return frame, [layout.paper_table(frame, name=name)]


def draw_figures(arguments: argparse.Namespace) -> None:
    """Write each experiment's figures; say which no runs allow, and end so if one was named."""
    chosen = figures.asked_for(arguments, figures.FIGURES)
    found = by_experiment(read_runs(arguments.outputs, arguments.experiment))
    usable = {name: tables.labelled(each.rows) for name, each in found.items() if each.n_runs}
    if not usable:
        raise _no_runs(arguments.outputs)
    console = _console()
    impossible: dict[str, str] = {}
    for name, draw in chosen.items():
        drawn = False
        for experiment, rows in usable.items():
            folder = arguments.output / experiment if len(usable) > 1 else arguments.output
            try:
                made = {label: draw(rows, width=width) for label, width in figures.WIDTHS.items()}
            except InputError as error:
                impossible[name] = f"{name}: {error}"
                continue
            drawn = True
            for label, figure in made.items():
                for path in figures.save(figure, folder / f"{name}_{label}"):
                    console.print(str(path), soft_wrap=True, highlight=False)
        if drawn:
            impossible.pop(name, None)
    if impossible and arguments.only:
        raise InputError("; ".join(impossible.values()))
    for message in impossible.values():
        console.print(message, soft_wrap=True, highlight=False)


def write_biases(runs: Sequence[Path], folder: Path) -> None:
    """Write ``degrees.csv`` of all runs; figures 3b and 3c of InfoSEM where the runs allow."""
    console = _console()
    scored = [read_run(run) for run in runs]
    explained = compare_runs(scored)
    write_text(folder / "degrees.csv", explained.to_csv(index=False, lineterminator="\n"))
    console.print(str(folder / "degrees.csv"), soft_wrap=True, highlight=False)
    drawn: dict[str, Any] = {}
    for run in scored:
        if (run.folder / "coefficients.csv").is_file():
            try:
                correlation = imbalance_against_coefficient(run.folder)
            except InputError as error:  # of a run without imbalance; the others have theirs
                console.print(f"no figure of imbalance: {error}", soft_wrap=True, highlight=False)
                continue
            title = f"{run.name['data']}, split {run.name['split_seed']}"
            drawn[f"imbalance_{run.name['run_key']}"] = imbalance_figure(correlation, title=title)
    of_split = [[run.name[key] for key in ("data", "network", "split_seed")] for run in scored]
    if any(each != of_split[0] for each in of_split):
        console.print("runs of several splits: no figure of predicted probabilities")
    else:
        try:
            chosen = extreme_regulators(scored[0])
            parts = [predicted_probabilities(run, chosen) for run in scored]
            drawn["probabilities"] = probability_figure(pd.concat(parts, ignore_index=True))
        except InputError as error:
            console.print(f"no figure of predicted probabilities: {error}", soft_wrap=True)
    for name, figure in drawn.items():
        for path in figures.save(figure, folder / name):
            console.print(str(path), soft_wrap=True, highlight=False)


if __name__ == "__main__":
    main()
