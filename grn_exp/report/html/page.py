"""From run folders to ``report.html``."""

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from grn_exp import __version__
from grn_exp.core.errors import InputError
from grn_exp.report import claims
from grn_exp.report.collect import Collected, assemble, by_experiment, read_runs
from grn_exp.report.html import summary
from grn_exp.report.html.sections import Section, experiment_section
from grn_exp.report.tables import labelled
from grn_exp.runs.reading import Problem, Run
from grn_exp.storage.atomic import write_text

_GENERATOR = "grn_exp.report"
_PARTS = Path(__file__).parent / "parts"


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
    write_text(page, _rendered(found, whole, page))
    return whole


def _refuse_strangers(page: Path) -> None:
    if page.suffix not in (".html", ".htm") or page.is_dir():
        raise InputError(f"-o {page}: give the name of a file that ends in .html")
    if not page.is_file():
        return
    with page.open("rb") as stream:
        if f'content="{_GENERATOR}"'.encode() not in stream.read(1000):
            raise InputError(f"{page}: was not written by {_GENERATOR}; give another name with -o")


def _rendered(found: list[Run | Problem], whole: Collected, page: Path) -> str:
    """Return the page; ``whole`` has each configuration of ``found`` once."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PARTS), autoescape=True, undefined=jinja2.StrictUndefined
    )
    of_experiment = by_experiment(found)
    counts = [
        _counted(sum(len(each.runs) for each in of_experiment.values()), "run"),
        _counted(len(of_experiment), "experiment"),
        _counted(sum(len(each.problems) for each in of_experiment.values()), "folder"),
    ]
    numbers = itertools.count()  # of the groups of runs that values are means of
    return environment.get_template("report.html").render(
        generator=_GENERATOR,
        heading="What the runs found",
        lead="{} of {}; {} left out.".format(*counts) + f" Written by grn_exp {__version__}.",
        sections=_sections(of_experiment, whole, page),
        groups=defaultdict(lambda: next(numbers)),
    )


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


def _sections(
    of_experiment: Mapping[str, Collected], whole: Collected, page: Path
) -> list[Section]:
    runs = [run for each in of_experiment.values() for run in each.runs.values()]
    problems = pd.concat([each.problems for each in of_experiment.values()], ignore_index=True)
    rows = {name: labelled(c.shown) for name, c in of_experiment.items() if len(c.rows)}
    what = [
        summary.experiments_table(of_experiment),
        *([summary.problems_table(problems, page)] if len(problems) else []),
        summary.data_table(runs),
        summary.versions_table(runs),
    ]
    networks = summary.networks_table(of_experiment, page)
    return [
        *(experiment_section(name, part) for name, part in rows.items()),
        *(
            [Section("unjudged", "Networks that nothing was judged in", [networks])]
            if networks.lines
            else []
        ),
        _claims_section(whole),
        Section("runs", "Runs", [summary.runs_table(rows, of_experiment, page)]),
        Section("run", "What was run", what),
    ]


def _claims_section(whole: Collected) -> Section:
    """Return the claims that these runs decide; folded, those that need other runs."""
    found = claims.verdicts(whole)
    counts = {each: sum(v.decision == each for v in found) for each in claims.DECISIONS}
    text = "; ".join(f"{count} {decision}" for decision, count in counts.items() if count)
    notes = [f"{len(found)} claims: {text}."]
    if (whole.problems["kind"] == "duplicate").any():
        notes.append(
            "A configuration that several experiments share counts once here, the newest run."
        )
    untested = [v for v in found if v.decision == "cannot be tested here"]
    tested = [v for v in found if v not in untested]
    parts = {"What these runs decide": tested, "What needs other runs": untested}
    made = [
        dataclasses.replace(
            claims.claims_table(of),
            title=title,
            name="claims-untested" if of is untested else "claims-table",
            folded=of is untested,
        )
        for title, of in parts.items()
        if of
    ]
    return Section("claims", "The papers' claims", made, notes)
