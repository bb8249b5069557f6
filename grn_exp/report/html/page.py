"""From run folders to ``report.html``."""

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from grn_exp import __version__
from grn_exp.core.errors import InputError
from grn_exp.metrics.titles import title
from grn_exp.report import claims
from grn_exp.report.collect import Collected, assemble, by_experiment, read_runs
from grn_exp.report.html import summary
from grn_exp.report.html.blocks import Cell, Groups, HtmlTable, Line, Section, relative_link
from grn_exp.report.html.sections import experiment_section, main_rows
from grn_exp.report.names import display_name
from grn_exp.report.runs import Problem, Run
from grn_exp.report.tables import labelled
from grn_exp.storage.atomic import write_text

_GENERATOR = "grn_exp.report"
_PARTS = Path(__file__).parent / "parts"
_KINDS = {
    "holds": "holds",
    "does not hold": "fails",
    "does not hold (within the error)": "within",
    "undecided": "open",
    "cannot be tested here": "open",
}


def write_report(outputs: Path, page: Path, experiment: str | None = None) -> Collected:
    """Write the report of a folder of runs.

    Parameters
    ----------
    outputs
        The folder of ``paths.outputs``.
    page
        The file; one that is there is replaced if it is such a report.
    experiment
        One of the folder's experiments; None for all.

    Returns
    -------
    Collected
        What was read.

    Raises
    ------
    InputError
        If there are no runs, or ``page`` is something else.
    """
    _refuse_strangers(page)
    found = read_runs(outputs, experiment)
    whole = assemble(found)
    write_text(page, render(found, whole, page))
    return whole


def _refuse_strangers(page: Path) -> None:
    if page.suffix not in (".html", ".htm") or page.is_dir():
        raise InputError(f"-o {page}: give the name of a file that ends in .html")
    if not page.is_file():
        return
    with page.open("rb") as stream:
        if f'content="{_GENERATOR}"'.encode() not in stream.read(1000):
            raise InputError(f"{page}: was not written by {_GENERATOR}; give another name with -o")


def render(found: list[Run | Problem], whole: Collected, page: Path) -> str:
    """Return the page.

    Parameters
    ----------
    found
        What :func:`~grn_exp.report.collect.read_runs` gave.
    whole
        The same as a table, each configuration once.
    page
        Where it will be: links are relative.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PARTS), autoescape=True, undefined=jinja2.StrictUndefined
    )
    own = {
        name: (_PARTS / name).read_text(encoding="utf-8") for name in ("style.css", "script.js")
    }
    of_experiment = by_experiment(found)
    n_left_out = sum(len(each.problems) for each in of_experiment.values())
    n_runs = sum(each.n_runs for each in of_experiment.values())
    return environment.get_template("report.html").render(
        generator=_GENERATOR,
        heading="Runs of grn_exp",
        lead=f"{n_runs} runs of {len(of_experiment)} experiments; {n_left_out} folders left out. "
        f"Written by grn_exp {__version__}.",
        sections=_sections(of_experiment, whole, page),
        style=Markup(own["style.css"]),  # noqa: S704 - a file of this package
        script=Markup(own["script.js"]),  # noqa: S704
    )


def _sections(
    of_experiment: Mapping[str, Collected], whole: Collected, page: Path
) -> list[Section]:
    runs = [run for each in of_experiment.values() for run in each.runs.values()]
    problems = pd.concat([each.problems for each in of_experiment.values()], ignore_index=True)
    groups = Groups()
    rows = {name: labelled(c.rows) for name, c in of_experiment.items() if len(c.rows)}
    experiments = [experiment_section(name, part, groups) for name, part in rows.items()]
    left_out = summary.problems_table(problems, page)
    what = [
        summary.experiments_table(of_experiment),
        *([left_out] if left_out.lines else []),
        summary.data_table(runs),
        summary.versions_table(runs),
    ]
    return [
        *experiments,
        _claims_section(whole),
        _runs_section(rows, of_experiment, groups, page),
        Section("run", "What was run", what),
    ]


def _claims_section(whole: Collected) -> Section:
    found = claims.verdicts(whole)
    counts = {each: sum(v.decision == each for v in found) for each in claims.DECISIONS}
    told = "; ".join(f"{count} {decision}" for decision, count in counts.items() if count)
    untested = [v for v in found if v.decision == "cannot be tested here"]
    tested = [v for v in found if v.decision != "cannot be tested here"]
    notes = [f"{len(found)} claims: {told}.", claims.RULE]
    if (whole.problems["kind"] == "duplicate").any():
        notes.append(
            "A configuration that several experiments share counts once here, the newest run."
        )
    parts = [("claims-table", "What these runs decide", tested)] if tested else []
    parts += [("claims-untested", "What needs other runs", untested)] if untested else []
    header = ["claim", "decision", "numbers", "where", "runs that are missing"]
    tables = [
        HtmlTable(name, title, header, list(map(_claim, of)), n_names=5, folded=of is untested)
        for name, title, of in parts
    ]
    return Section("claims", "The papers' claims", tables, notes=notes)


def _claim(verdict: claims.Verdict) -> Line:
    several = len(verdict.checks) > 1
    details = tuple(
        f"{check.name}: {check.outcome}: {check.told}"
        for check in verdict.checks
        if several and check.outcome != "not here"
    )
    missing = "; ".join(f"python -m grn_exp {command}" for command in verdict.commands)
    return Line(
        [
            Cell(verdict.text, kind="claim"),
            Cell(verdict.decision, kind=f"decision {_KINDS[verdict.decision]}"),
            Cell(verdict.reason, details=details, kind="numbers"),
            Cell(f"{verdict.paper}, {verdict.where}", kind="where"),
            Cell(missing if verdict.is_open else "-"),
        ]
    )


def _runs_section(
    rows: Mapping[str, pd.DataFrame],
    of_experiment: Mapping[str, Collected],
    groups: Groups,
    page: Path,
) -> Section:
    """Return every run with its folder and configuration."""
    lines: list[Line] = []
    seen: set[int] = set()
    measures: set[str] = set()
    for experiment, part in rows.items():
        # of the two test sets for pairs, the one of unseen genes
        main = main_rows(part).sort_values("subset", ascending=False, kind="stable")
        main = main.drop_duplicates("folder").set_index("folder")
        values, names = main["value"].to_dict(), main["metric"].to_dict()
        subsets, lengths = main["subset"].to_dict(), main["k"].to_dict()
        for run in part.drop_duplicates("folder").to_dict("records"):
            folder = run["folder"]
            facts = of_experiment[experiment].runs[folder].facts
            group = groups.number(experiment, run["dataset"], run["method"])
            value = "-"
            if folder in values:
                k = None if pd.isna(lengths[folder]) else lengths[folder]
                measures.add(f"{title(names[folder], k)} on {subsets[folder]}")
                value = f"{values[folder]:.3f}"
            link = relative_link(Path(folder), page)
            cells = [
                *(Cell(str(run[name])) for name in ("experiment", "dataset")),
                Cell(display_name(run["method"])),
                Cell(run["run_key"], link=f"{link}/"),
                Cell("config.yaml", link=f"{link}/config.yaml"),
                *(Cell(str(run[name])) for name in ("split_seed", "seed", "ensemble")),
                Cell(value),
                Cell(f"{summary.total_seconds(facts):.1f}"),
                Cell(re.sub(r"^([0-9a-f]{8})[0-9a-f]+", r"\1", str(facts.get("git_commit", "-")))),
                Cell(run["finished_at"] or "-"),
            ]
            lines.append(Line(cells, group, group not in seen))
            seen.add(group)
    header = ["experiment", "dataset", "method", "run", "configuration", "split", "seed"]
    header += ["ensemble", "main number", "seconds", "commit", "finished"]
    notes = [f"main number: {'; '.join(sorted(measures))}"] if measures else []
    notes.append("Values in the tables above lead to the runs that they are means of.")
    table = HtmlTable("all-runs", f"{len(lines)} runs", header, lines, notes, n_names=5)
    return Section("runs", "Runs", [table])
