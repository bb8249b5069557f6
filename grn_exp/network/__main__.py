"""What is done with the networks that runs leave.

``export`` for other tools | ``compare`` two | ``consensus`` of several | ``evaluate`` against true
edges | ``show`` as a picture or a page.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.network import compare, evaluate, export, picture, view
from grn_exp.network.page import page
from grn_exp.network.runs import NetworkRun, distinct_names, find_runs, one_run
from grn_exp.network.truth import read_truth
from grn_exp.report.figures import style
from grn_exp.report.layout import Table, plain_table
from grn_exp.report.terminal import Parser, run, say, write_tables
from grn_exp.storage.atomic import write_text, write_with

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RUN = "the folder of a run, outputs/<experiment>/<data>/<model>/<run_key>"
_RUNS = f"{_RUN}, or a folder that holds several"
_SHOWN = 10  # edges in a printed table


def main() -> None:
    """Run the command; bad input ends in one line and exit code 2."""
    run(_parser(), sys.argv[1:])


def _parser() -> Parser:
    parser = Parser(prog="python -m grn_exp.network", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, do, text, options in (
        ("export", write_networks, "write a network for another tool", _export_options),
        ("compare", compare_two, "which edges two runs rank differently", _compare_options),
        ("consensus", agree, "the mean rank over runs, and where they agree", _consensus_options),
        ("evaluate", judge, "judge networks by a list of true edges", _evaluate_options),
        ("show", show, "draw a part of a network", _show_options),
    ):
        command = commands.add_parser(name, help=text, description=f"{text.capitalize()}.")
        options(command)
        if do is not judge:
            command.add_argument("--force", action="store_true", help="replace what is there")
        command.set_defaults(run=do)
    return parser


def _export_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("runs", type=Path, nargs="+", metavar="RUN", help=_RUNS)
    command.add_argument("--to", choices=tuple(export.FORMS), required=True, help="for which tool")
    command.add_argument(
        "-o", "--output", type=Path, metavar="FILE",
        help="the file; a folder for several; by itself <data>_<model> here",
    )  # fmt: skip
    command.add_argument("--top", type=_count, metavar="N", help="at most so many edges")
    command.add_argument(
        "--stability", type=_share, metavar="S",
        help="edges of at least this stability; 0.8 by itself where there is one",
    )  # fmt: skip


def _compare_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("first", type=Path, metavar="A", help=_RUN)
    command.add_argument("second", type=Path, metavar="B", help="another")
    _add_table_options(command)


def _consensus_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("runs", type=Path, nargs="+", metavar="RUN", help=_RUNS)
    _add_table_options(command)


def _add_table_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="every pair as .csv or .csv.gz"
    )
    command.add_argument(
        "--top", type=_count, metavar="N", help="how many best edges are looked for in both"
    )


def _evaluate_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("runs", type=Path, nargs="+", metavar="RUN", help=_RUNS)
    command.add_argument(
        "--truth", type=Path, required=True, metavar="FILE",
        help="true edges: Gene1,Gene2 or source,target or TF,target; or tabs without a header",
    )  # fmt: skip
    command.add_argument(
        "--known-within", choices=get_args(evaluate.Within), default="truth",
        help="which genes count as targets: those with an edge in the truth (so by itself), with "
        "an edge from a regulator that the run has, or all of the run",
    )  # fmt: skip
    command.add_argument("--format", choices=("text", "markdown", "json"), default="text")


def _show_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", type=Path, metavar="RUN", help=_RUN)
    what = command.add_mutually_exclusive_group()
    what.add_argument("--gene", nargs="+", default=[], metavar="GENE", help="edges around genes")
    what.add_argument(
        "--pair", nargs=2, metavar=("REGULATOR", "TARGET"), help="the values of two genes in cells"
    )
    what.add_argument(
        "--degrees", action="store_true", help="who regulates most, and who is regulated most"
    )
    command.add_argument(
        "--top", type=_count, metavar="N",
        help=f"at most so many edges: {view.BEST} by itself, {view.AROUND} around each gene",
    )  # fmt: skip
    command.add_argument(
        "--stability", type=_share, metavar="S", help="of at least this stability"
    )
    command.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help=".png, .pdf or .html (a page to explore)"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


# -- the commands ------------------------------------------------------------------------------


def write_networks(arguments: argparse.Namespace) -> None:
    """Write one file a run."""
    runs = _usable(arguments.runs)
    output, ending = arguments.output, export.FORMS[arguments.to]
    # not by how many there are: that a second run has failed would turn a folder into a file
    is_one = [each.folder.path for each in runs] == [path.resolve() for path in arguments.runs]
    if len(runs) == 1 and is_one and output is not None and not output.is_dir():
        paths = [output]
    else:
        names = distinct_names(runs, least=2, by="_")
        paths = [(output or Path()) / f"{name}{ending}" for name in names]
    for path in paths:
        _refuse_existing(path, arguments)
    for each, path in zip(runs, paths, strict=True):
        options = {"top": arguments.top, "stability": arguments.stability}
        content = export.export(each, path, arguments.to, **options)
        say(f"{path}: {content}")


def compare_two(arguments: argparse.Namespace) -> None:
    """Print what differs between two runs; write every pair if a file is named."""
    first, second = one_run(arguments.first), one_run(arguments.second)
    if first.folder.path == second.folder.path:
        raise InputError(f"{arguments.second}: the same run twice; give another")
    _check_table(arguments)
    table = compare.differences(first, second)
    names = distinct_names([first, second])
    notes = ["ranks are shares of all pairs, 0 is the best"]
    if "q" in table:
        n_differ = int((table["q"] <= compare.FDR).sum())
        title = (
            f"{n_differ:,} of {len(table):,} edges differ by more than the choice of cells does"
        )
        notes.append(f"q: false discovery rate; up to {compare.FDR:g} an edge counts as different")
    else:
        title = "largest differences of rank"
        without = [each for each in (first, second) if each.stability is None]
        notes.append(
            f"{without[0].folder.path} has no stability: run it with stability=20 to see what "
            "differs by more than the choice of cells does"
        )
    shown = table.head(_SHOWN).rename(columns=dict(zip(("rank_a", "rank_b"), names, strict=True)))
    tables = [
        _agreement_table([first, second], arguments),
        plain_table(shown, name=title, notes=notes),
    ]
    write_tables(tables, "text")
    _write_table(table, arguments)


def agree(arguments: argparse.Namespace) -> None:
    """Print how far runs agree; write the mean ranks if a file is named."""
    runs = _usable(arguments.runs)
    if len(runs) < 2:
        raise InputError(f"{arguments.runs[0]} holds one run; give two or more")
    _check_table(arguments)
    data = sorted({each.names[0] for each in runs})
    if len(data) > 1:
        sys.stderr.write(f"these are runs on several data: {', '.join(data)}\n")
    table = compare.consensus(runs)
    best = table.head(_SHOWN).drop(columns="rank")
    notes = ["ranks among the pairs that all of them scored; ties share their mean"]
    tables = [
        _agreement_table(runs, arguments),
        plain_table(best, name="best on average", notes=notes),
    ]
    write_tables(tables, "text")
    _write_table(table, arguments)


def judge(arguments: argparse.Namespace) -> None:
    """Print how well runs rank true edges."""
    runs = _usable(arguments.runs)
    table = evaluate.evaluate(
        runs, read_truth(arguments.truth), known_within=arguments.known_within
    )
    if arguments.format == "json":
        sys.stdout.write(f"{table.to_json(orient='records', indent=1)}\n")
        return
    names = {"ap": "AUPRC", "ap_ratio": "AUPRC ratio", "epr": "EPR",
             "ap_per_regulator": "AUPRC per regulator"}  # fmt: skip
    notes = [
        "AUPRC: average precision; ratio: over the prevalence; EPR: early precision ratio",
        "per regulator: mean over the regulators with edges",
    ]
    title = f"true edges of {arguments.truth.name}"
    table = table.rename(columns=names)
    write_tables([plain_table(table, name=title, notes=notes)], arguments.format)


def show(arguments: argparse.Namespace) -> None:
    """Draw edges, degrees or a pair."""
    each = one_run(arguments.path)
    path = arguments.output or Path(f"{_file_name(each, arguments)}.png")
    endings = [".png", ".pdf"] + [".html"] * (not arguments.degrees and not arguments.pair)
    if path.suffix.lower() not in endings:
        raise InputError(f"-o {path}: give a file that ends in {' or '.join(endings)}")
    _refuse_existing(path, arguments)
    draw = _degrees if arguments.degrees else _pair if arguments.pair else _network
    drawn = draw(each, path, arguments)
    if isinstance(drawn, str):
        write_text(path, drawn)
    else:
        style.write(drawn, path)
    say(path)


def _network(each: NetworkRun, path: Path, arguments: argparse.Namespace) -> "Figure | str":
    genes = [view.symbol_in(each, gene) for gene in arguments.gene]
    edges = view.edges_shown(each, genes, top=arguments.top, stability=arguments.stability)
    title = f"{', '.join(genes) or 'Best edges'}: {each.title}"
    draw = page if path.suffix.lower() == ".html" else picture.network
    return draw(edges, title=title, asked_for=genes)


def _degrees(each: NetworkRun, path: Path, arguments: argparse.Namespace) -> "Figure":
    del path
    edges = export.chosen_edges(each, top=arguments.top, stability=arguments.stability)
    return picture.degrees(edges, title=f"Degrees: {each.title}")


def _pair(each: NetworkRun, path: Path, arguments: argparse.Namespace) -> "Figure":
    del path
    first, second = (view.symbol_in(each, gene, option="--pair") for gene in arguments.pair)
    names = first, second
    cells = view.cells_of(each)
    values = cells.values[:, cells.genes.positions(names)]
    return picture.pair(
        *values.T,
        names=names,
        title=f"{' and '.join(names)}: {each.title}",
        notes=view.told_of(each, *names),
    )


# -- what they have in common ------------------------------------------------------------------


def _usable(paths: list[Path]) -> list[NetworkRun]:
    runs, left_out = find_runs(paths)
    if left_out:
        more = f" and {len(left_out) - 1} more" if len(left_out) > 1 else ""
        sys.stderr.write(f"left out: {left_out[0]}{more}\n")
    return runs


def _refuse_existing(path: Path, arguments: argparse.Namespace) -> None:
    if path.is_dir():
        raise InputError(f"-o {path}: a folder; give the name of a file")
    if path.exists() and not arguments.force:
        raise InputError(f"{path} is there already; --force replaces it, -o names another")


def _file_name(each: NetworkRun, arguments: argparse.Namespace) -> str:
    what = ["degrees"] if arguments.degrees else arguments.pair or arguments.gene or ["network"]
    return "_".join([*filter(None, each.names[:2]), *what[:5]]).replace("/", "-")


def _check_table(arguments: argparse.Namespace) -> None:
    path = arguments.output
    if path is None:
        return
    if not path.name.endswith((".csv", ".csv.gz")):
        raise InputError(f"-o {path}: give a file that ends in .csv or .csv.gz")
    _refuse_existing(path, arguments)


def _write_table(table: pd.DataFrame, arguments: argparse.Namespace) -> None:
    path = arguments.output
    if path is None:
        return
    how = "gzip" if path.suffix == ".gz" else None
    write_with(path, lambda file: table.to_csv(file, index=False, compression=how))
    say(f"{path}: {len(table):,} pairs")


def _agreement_table(runs: list[NetworkRun], arguments: argparse.Namespace) -> Table:
    table = compare.agreement(runs, top=arguments.top)
    notes = ["jaccard: of the top edges of both, the share that both have"]
    return plain_table(table, name="agreement", notes=notes)


if __name__ == "__main__":
    main()
