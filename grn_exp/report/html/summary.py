"""What was run: experiments, versions, machines, data; what was left out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from grn_exp.report.collect import Collected
from grn_exp.report.html.blocks import Cell, HtmlTable, Line, relative_link
from grn_exp.report.runs import Run, is_number, part


def experiments_table(of_experiment: Mapping[str, Collected]) -> HtmlTable:
    """Return a line per experiment: how much of what was run, and when."""
    header = ["experiment", "runs", "left out", "datasets", "methods", "splits", "model seeds"]
    header += ["hours", "first finished", "last finished"]
    lines = []
    for name, collected in of_experiment.items():
        runs = collected.rows.drop_duplicates("folder")
        times = sorted(str(at) for at in runs["finished_at"] if at)
        seconds = sum(total_seconds(run.facts) for run in collected.runs.values())
        cells = [
            Cell(name, link=f"#experiment-{name}"),
            *(Cell(str(count)) for count in (len(runs), len(collected.problems))),
            Cell(", ".join(sorted(runs["data"].unique()))),
            Cell(str(_n_methods(runs)) if len(runs) else "0"),
            *(Cell(_numbers(runs[column].tolist())) for column in ("split_seed", "seed")),
            Cell(f"{seconds / 3600:.2f}"),
            *(Cell(text) for text in ((times[0], times[-1]) if times else ("-", "-"))),
        ]
        lines.append(Line(cells))
    return HtmlTable("experiments", "Experiments", header, lines)


def _n_methods(runs: pd.DataFrame) -> int:
    names = ["model", "retriever", "prior", "ensemble", "method_variant"]
    return len(runs.drop_duplicates(names))


def _numbers(values: Sequence[int]) -> str:
    """Return whole numbers in short: ``0 to 9``."""
    found = sorted(set(values))
    if len(found) > 2 and found[-1] - found[0] == len(found) - 1:
        return f"{found[0]} to {found[-1]}"
    return ", ".join(map(str, found)) or "-"


def versions_table(runs: Sequence[Run]) -> HtmlTable:
    """Return what ``provenance.json`` tells of code and machines, with the number of runs."""
    counts: Counter[tuple[str, str]] = Counter()
    for run in runs:
        counts.update(set(_facts(run.facts)))
    lines = [
        Line([Cell(name), Cell(value), Cell(str(count))])
        for (name, value), count in sorted(counts.items())
    ]
    return HtmlTable(
        "versions", "Versions and machines", ["what", "value", "runs"], lines, n_names=2
    )


def _facts(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("grn_exp", "results_version", "git_commit", "python"):
        yield name, str(facts.get(name, "not recorded"))
    for branch in ("versions", "host"):
        for name, value in part(facts, branch).items():
            yield name if branch == "versions" else f"host {name}", str(value)


def data_table(runs: Sequence[Run]) -> HtmlTable:
    """Return the files that runs read, with their hashes, and the sizes of what was in them."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for run in runs:
        counts.update({(run.names["data"], *fact) for fact in _data_facts(run.facts)})
    lines = [
        Line([*(Cell(text) for text in key), Cell(str(count))])
        for key, count in sorted(counts.items())
    ]
    header = ["dataset", "what", "value or hash", "runs"]
    return HtmlTable("data", "Data", header, lines, n_names=3)


def _data_facts(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    data = part(facts, "data")
    for name, value in data.items():
        if isinstance(value, str | int | float):
            yield name, str(value)
    for name, digest in part(data, "files").items():
        yield f"file {name}", str(digest)


def problems_table(problems: pd.DataFrame, page: Path) -> HtmlTable:
    """Return what was left out and why."""
    lines = [
        Line(
            [
                Cell(row["kind"]),
                Cell(row["folder"], link=relative_link(Path(row["folder"]), page)),
                Cell(row["reason"]),
            ]
        )
        for row in problems.to_dict("records")
    ]
    header = ["kind", "folder", "reason"]
    return HtmlTable("left-out", "Runs that were left out", header, lines, n_names=3)


def total_seconds(facts: dict[str, Any]) -> float:
    """Return the seconds of all stages of a run."""
    return float(sum(value for value in part(facts, "seconds").values() if is_number(value)))
