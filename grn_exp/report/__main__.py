"""``python -m grn_exp.report OUTPUTS`` writes ``report.html``; the commands give its parts.

``html`` (what is done where no command is named) | ``claims`` | ``table`` | ``figures`` |
``collect`` | ``bias`` | ``dashboard`` | ``publish``.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.report import (
    claims,
    compare,
    dashboard,
    figures,
    layout,
    published,
    regulators,
    render,
    tables,
)
from grn_exp.report.bias import files as bias_files
from grn_exp.report.collect import Collected, by_experiment, collect, read_runs
from grn_exp.report.html.page import write_report
from grn_exp.report.terminal import Parser, run, say, write_csv, write_tables
from grn_exp.runs.folder import place_of
from grn_exp.storage.atomic import write_with

# what --show is about where no --metric is named; of sets, of pairs
_USUAL = {"counts": ("exact_match",), "regulators": ("ap_per_regulator",)}
_COMMANDS = ("html", "claims", "collect", "table", "figures", "bias", "dashboard", "publish")


def main() -> None:
    """Run the command; bad input ends in one line and exit code 2."""
    words = sys.argv[1:]
    if words and words[0] not in (*_COMMANDS, "-h", "--help"):
        words = ["html", *words]
    run(_parser(), words)


def _parser() -> Parser:
    parser = Parser(prog="python -m grn_exp.report", description=__doc__)
    commands = parser.add_subparsers(required=True)
    page = commands.add_parser("html", help="write everything into one page, report.html")
    decide = commands.add_parser("claims", help="which of the papers' claims hold here")
    gather = commands.add_parser("collect", help="gather all runs; say what was left out and why")
    table = commands.add_parser("table", help="print methods x datasets, means over splits")
    draw = commands.add_parser("figures", help="draw what the runs allow, as PNG and PDF")
    bias = commands.add_parser("bias", help="what of runs' accuracy the genes' degrees explain")
    workspace = commands.add_parser("dashboard", help="a W&B workspace for the runs")
    upload = commands.add_parser("publish", help="show finished runs in a dashboard")
    for command, do in (
        (page, write_page), (decide, print_claims), (gather, write_rows), (table, print_table),
        (draw, draw_figures), (bias, write_biases), (upload, publish_runs),
        (workspace, dashboard.write_dashboard),
    ):  # fmt: skip
        command.set_defaults(run=do)
    bias.add_argument("runs", type=Path, nargs="+", help="run folders, figures need one split")
    upload.add_argument("--to", choices=("wandb", "trackio", "tensorboard"), required=True)
    upload.add_argument("--project", help="of the dashboard; grn_exp by itself")
    upload.add_argument("--entity", help="user or team, of W&B")
    for command in (page, decide, gather, table, draw, upload):
        command.add_argument("outputs", type=Path, help="the folder of paths.outputs")
    gather.add_argument("-o", "--output", type=Path, metavar="FILE", help="rows as parquet")
    for command in (draw, bias):
        command.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    figures.add_options(draw, figures.FIGURES)
    dashboard.add_arguments(workspace)
    page.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="instead of OUTPUTS/report.html"
    )
    for command in (page, decide, table, draw, upload):
        command.add_argument("--experiment", help="a folder in OUTPUTS, or one of conf/experiment")
    for command in (table, draw):
        command.add_argument("--data", nargs="+", default=[], help="show these datasets alone")
        command.add_argument("--model", nargs="+", default=[], help="show these methods alone")
    _add_table_options(table)
    decide.add_argument("--checks", action="store_true", help="show every comparison")
    decide.add_argument("--data", nargs="+", default=[], help="decide on these datasets alone")
    for command in (decide, table):
        command.add_argument("--format", choices=get_args(render.Format), default="text")
    return parser


def _add_table_options(table: argparse.ArgumentParser) -> None:
    table.add_argument("--paper", help="with --table: what that table shows (infosem, ...)")
    table.add_argument("--table", metavar="NUMBER", help="of --paper")
    table.add_argument(
        "--metric",
        nargs="+",
        default=[],
        help="as in metrics.json; ap by itself, exact_match of sets",
    )
    table.add_argument("--subset", nargs="+", default=[], help="val, test_unseen, ...")
    table.add_argument("--k", nargs="+", type=int, default=[], help="of recall_at_k and others")
    table.add_argument(
        "--show",
        choices=("means", "seeds", "tests", "counts", "regulators", "paper"),
        default="means",
        help="over splits; spread over model seeds; paired tests of splits, counting targets, or "
        "of regulators; beside the published numbers",
    )
    table.add_argument(
        "--reference",
        help="with --show tests, counts or regulators: compare with this method only",
    )
    table.add_argument("--split", nargs="+", type=int, default=[], help="these seeds only")


def write_page(arguments: argparse.Namespace) -> None:
    """Write ``report.html``."""
    path = arguments.output or arguments.outputs / "report.html"
    if not arguments.outputs.is_dir() and len(arguments.outputs.parts) == 1:
        raise InputError(
            f"{arguments.outputs} is neither a folder nor a command; give the folder of "
            f"paths.outputs, or one of {', '.join(_COMMANDS)}"
        )
    _say_what_is_left_out(write_report(arguments.outputs, path, arguments.experiment))
    say(path)


def publish_runs(arguments: argparse.Namespace) -> None:
    """Show finished runs where ``logger=`` shows running ones."""
    collected = _with_runs(arguments.outputs, arguments.experiment)
    # the mirrors bring torch, which nothing else here needs
    from grn_exp.engine.loggers.publish import publish

    folders = [Path(folder) for folder in collected.runs]
    publish(folders, arguments.to, project=arguments.project, entity=arguments.entity)
    sent = f"{len(folders)} run{'s' * (len(folders) != 1)} sent to {arguments.to}"
    where = f"; tensorboard --logdir {arguments.outputs} shows them"
    say(sent + where * (arguments.to == "tensorboard"))


def print_claims(arguments: argparse.Namespace) -> None:
    """Print which of the papers' claims hold."""
    collected = collect(arguments.outputs, arguments.experiment)
    _say_what_is_left_out(collected, arguments.data)
    found = claims.verdicts(collected, arguments.data)
    table = claims.checks_table(found) if arguments.checks else claims.claims_table(found)
    if arguments.format == "csv":
        lines = [[cell.text for cell in line] for line in table.lines]
        write_csv(pd.DataFrame(lines, columns=pd.Index(table.header)))
    else:
        write_tables([table], arguments.format, folded=True)


def write_rows(arguments: argparse.Namespace) -> None:
    """Print what was left out; write all runs' rows to a parquet file if one is named."""
    output = arguments.output
    if output is not None and (output.suffix != ".parquet" or output.is_dir()):
        raise InputError(f"-o {output}: give the name of a file that ends in .parquet")
    collected = collect(arguments.outputs)
    if output is not None:
        write_with(output, lambda path: collected.rows.to_parquet(path, index=False))
    if not collected.problems.empty:
        table = layout.plain_table(collected.problems, name="left out")
        write_tables([table], "text", folded=True)
    counts = f"{len(collected.runs)} runs, {len(collected.rows)} rows, "
    say(f"{counts}{len(collected.problems)} problems" + (f": {output}" if output else ""))


def print_table(arguments: argparse.Namespace) -> None:
    """Print the table that is asked for; what was left out goes to standard error."""
    if arguments.reference and arguments.show not in ("tests", "counts", "regulators"):
        raise InputError(
            f"--reference {arguments.reference} needs --show tests, counts or regulators; add it"
        )
    if (arguments.paper is None) != (arguments.table is None):
        raise InputError("--paper, --table: give both, as in --paper infosem --table 2")
    if arguments.paper:
        rows, name = _rows_of_paper(arguments)
    else:
        only = (arguments.data, arguments.model)
        rows = _with_runs(arguments.outputs, arguments.experiment, *only).shown
        name = arguments.experiment or "all experiments"
    alone = tables.only({name: rows}, data=arguments.data, models=arguments.model)
    rows = tables.labelled(alone.get(name, rows))
    frame, found = _asked_for(rows, arguments, name)
    if arguments.format == "csv":
        write_csv(frame)
    else:
        write_tables(found, arguments.format)


def _rows_of_paper(arguments: argparse.Namespace) -> tuple[pd.DataFrame, str]:
    """Return the rows that a paper's table has, of the experiment that is for it."""
    entries, experiment = published.table_of(arguments.paper, arguments.table)
    title = f"{entries['paper'].iloc[0]}, table {arguments.table}"
    how = f"python -m grn_exp -m experiment={experiment} makes the runs of {title}"
    try:
        own, only = arguments.experiment or experiment, (arguments.data, arguments.model)
        collected = _with_runs(arguments.outputs, own, *only)
    except InputError as error:
        if arguments.experiment or not arguments.outputs.is_dir():
            raise
        raise InputError(f"{arguments.outputs} holds no run of {title}; {how}") from error
    rows = tables.like(collected.shown, entries, ("metric", "subset", "set_size", "k"))
    if arguments.experiment is None:  # one that is named may be of other data: a small one
        rows = tables.like(rows, entries, ("data", "network", "split_kind"))
    if rows.empty:
        raise InputError(f"none of these runs measured what {title} shows; {how}")
    return rows, title


def _asked_for(
    rows: pd.DataFrame, arguments: argparse.Namespace, name: str
) -> tuple[pd.DataFrame, list[layout.Table]]:
    """Return the numbers, and how they are laid out."""
    usual = _USUAL.get(arguments.show, ("exact_match", "ap"))
    present = [each for each in usual if each in set(rows["metric"])] or [usual[-1]]
    metrics = arguments.metric or ([] if arguments.paper else present)
    rows = tables.select(
        rows,
        metrics=metrics,
        subsets=arguments.subset,
        ks=arguments.k,
        splits=arguments.split,
    )
    if arguments.show == "seeds":
        frame = tables.spread_over_seeds(rows)
        return frame, [layout.seeds_table(frame)]
    if arguments.show == "tests":
        frame = compare.paired_tests(rows, reference=arguments.reference)
        return frame, [layout.plain_table(frame, name="paired tests", notes=[compare.TEST_NOTE])]
    if arguments.show == "counts":
        frame = compare.paired_counts(rows, reference=arguments.reference)
        name = "methods target by target"
        return frame, [layout.plain_table(frame, name=name, notes=[compare.COUNTS_NOTE])]
    if arguments.show == "regulators":
        frame = regulators.paired_regulators(rows, reference=arguments.reference)
        name = "methods regulator by regulator"
        return frame, [layout.plain_table(frame, name=name, notes=[regulators.NOTE])]
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
    shown = {name: each.shown for name, each in found.items() if each.runs}
    if not shown:
        raise _no_runs(arguments.outputs)
    chosen_rows = tables.only(shown, data=arguments.data, models=arguments.model)
    usable = {name: tables.labelled(rows) for name, rows in chosen_rows.items()}
    impossible: list[str] = []
    for name, draw in chosen.items():
        errors: list[str] = []
        for experiment, rows in usable.items():
            folder = arguments.output / experiment if len(usable) > 1 else arguments.output
            try:
                made = {label: draw(rows, width=width) for label, width in figures.WIDTHS.items()}
            except InputError as error:
                errors.append(f"{name}: {error}")
                continue
            for label, figure in made.items():
                for path in figures.save(figure, folder / f"{name}_{label}"):
                    say(path)
        if len(errors) == len(usable):
            impossible.append(errors[-1])
    if impossible and arguments.only:
        raise InputError("; ".join(impossible))
    for message in impossible:
        say(message)


def write_biases(arguments: argparse.Namespace) -> None:
    """Write what degrees explain of runs, and figures 3b and 3c of InfoSEM."""
    for line in bias_files.write(arguments.runs, arguments.output):
        say(line)


# -- what the commands have in common ----------------------------------------------------------


def _with_runs(
    outputs: Path, experiment: str | None, data: Sequence[str] = (), models: Sequence[str] = ()
) -> Collected:
    """Collect for what needs a run at least; say what was left out."""
    collected = collect(outputs, experiment)
    if not collected.runs:
        raise _no_runs(outputs)
    _say_what_is_left_out(collected, data, models)
    return collected


def _no_runs(outputs: Path) -> InputError:
    return InputError(
        f"{outputs}: none of the runs has finished, or can be used; "
        f"python -m grn_exp.report collect {outputs} lists them with the reasons"
    )


def _say_what_is_left_out(
    collected: Collected, data: Sequence[str] = (), models: Sequence[str] = ()
) -> None:
    """Count what was left out of some datasets and methods; none given is all."""
    kinds: Counter[str] = Counter()
    for folder, kind in collected.problems[["folder", "kind"]].itertuples(index=False):
        place = place_of(folder)
        if (not data or place.data in data) and (not models or place.model in models):
            kinds[kind] += 1
    if kinds:
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        sys.stderr.write(f"left out: {counts}; python -m grn_exp.report collect lists them\n")


if __name__ == "__main__":
    main()
