"""What was run: experiments, versions, machines, data; every run; what was left out."""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from grn_exp.metrics.titles import title
from grn_exp.report.collect import METHOD, Collected
from grn_exp.report.html.sections import main_rows
from grn_exp.report.layout import Cell, Table, line_of, spaced
from grn_exp.report.names import dataset_name
from grn_exp.runs.files import part
from grn_exp.runs.methods import display_name
from grn_exp.runs.reading import Run, is_number

_OF_CODE = ("grn_exp", "results_version", "git_commit", "python")


def experiments_table(of_experiment: Mapping[str, Collected]) -> Table:
    """Return a line per experiment: how much of what was run, and when."""
    header = ["experiment", "runs", "left out", "datasets", "methods", "splits", "model seeds"]
    header += ["hours", "first finished", "last finished"]
    lines = []
    for name, collected in of_experiment.items():
        runs = collected.rows.drop_duplicates("folder")
        times = sorted(str(at) for at in runs["finished_at"] if at) or ["-"]
        seconds = sum(total_seconds(run.facts) for run in collected.runs.values())
        link = f"#experiment-{name}" if len(runs) else ""
        what = line_of(
            len(runs),
            len(collected.problems),
            ", ".join(map(dataset_name, sorted(runs["data"].unique()))),
            len(runs.drop_duplicates(list(METHOD))),
            *(_numbers(runs[column].tolist()) for column in ("split_seed", "seed")),
            f"{seconds / 3600:.2f}",
            *(times[0], times[-1]),
        )
        lines.append([Cell(name, link=link), *what])
    return Table("Experiments", header, lines, name="experiments")


def _numbers(values: Sequence[int]) -> str:
    """Return whole numbers in short: ``0 to 9``."""
    found = sorted(set(values))
    if len(found) > 2 and found[-1] - found[0] == len(found) - 1:
        return f"{found[0]} to {found[-1]}"
    return ", ".join(map(str, found)) or "-"


def versions_table(runs: Sequence[Run]) -> Table:
    """Return what ``provenance.json`` says of code and machines, with the number of runs."""
    facts: Counter[tuple[str, ...]] = Counter()
    for run in runs:
        own = {key: run.facts.get(key, "not recorded") for key in _OF_CODE}
        host = {f"host {key}": value for key, value in part(run.facts, "host").items()}
        of_run = {**own, **part(run.facts, "versions"), **host}
        facts.update((key, str(value)) for key, value in of_run.items())
    return _counted("Versions and machines", "versions", ["what", "value"], facts)


def data_table(runs: Sequence[Run]) -> Table:
    """Return the files that runs read, with their hashes, and the sizes of what was in them."""
    facts: Counter[tuple[str, ...]] = Counter()
    for run in runs:
        data = part(run.facts, "data")
        plain = {key: value for key, value in data.items() if isinstance(value, str | int | float)}
        files = {f"file {key}": value for key, value in part(data, "files").items()}
        name = dataset_name(run.names["data"])
        facts.update((name, key, str(value)) for key, value in {**plain, **files}.items())
    return _counted("Data", "data", ["dataset", "what", "value or hash"], facts)


def _counted(title: str, name: str, header: list[str], facts: Counter[tuple[str, ...]]) -> Table:
    lines = [line_of(*key, count) for key, count in sorted(facts.items())]
    return Table(title, [*header, "runs"], lines, n_names=len(header), name=name)


def problems_table(problems: pd.DataFrame, page: Path) -> Table:
    """Return what was left out and why."""
    header = ["kind", "folder", "reason"]
    lines = [
        [Cell(kind), Cell(folder, link=_relative_link(folder, page)), Cell(reason)]
        for kind, folder, reason in problems[header].itertuples(index=False)
    ]
    return Table("Runs that were left out", header, lines, n_names=3, name="left-out")


def runs_table(
    rows: Mapping[str, pd.DataFrame], of_experiment: Mapping[str, Collected], page: Path
) -> Table:
    """Return every run with its folder and configuration; tables lead here.

    Parameters
    ----------
    rows
        Labelled rows by experiment.
    """
    lines: list[list[Cell]] = []
    measures: set[str] = set()
    for experiment, of in rows.items():
        # of the two test sets for pairs, the one of unseen genes
        main = main_rows(of).sort_values("subset", ascending=False, kind="stable")
        values = main.drop_duplicates("folder").set_index("folder").to_dict("index")
        for run in of.drop_duplicates("folder").to_dict("records"):
            folder = run["folder"]
            facts, value = of_experiment[experiment].runs[folder].facts, values.get(folder)
            if value:
                k = None if pd.isna(value["k"]) else value["k"]
                measures.add(f"{title(value['metric'], k)} on {spaced(value['subset'])}")
            commit = str(facts.get("git_commit", "-"))
            link = _relative_link(folder, page)
            source = (experiment, run["dataset"], run["method"])
            lines.append(
                [
                    Cell(experiment, source=source, kind="run"),
                    *line_of(dataset_name(run["dataset"]), display_name(run["method"])),
                    Cell(run["run_key"], link=f"{link}/"),
                    Cell("config.yaml", link=f"{link}/config.yaml"),
                    *line_of(run["split_seed"], run["seed"], run["ensemble"]),
                    Cell(f"{value['value']:.3f}" if value else "-"),
                    Cell(f"{total_seconds(facts):.1f}"),
                    Cell(re.sub(r"^([0-9a-f]{8})[0-9a-f]+", r"\1", commit)),
                    Cell(run["finished_at"] or "-"),
                ]
            )
    header = ["experiment", "dataset", "method", "run", "configuration", "split", "seed"]
    header += ["ensemble", "main number", "seconds", "commit", "finished"]
    notes = [f"main number: {'; '.join(sorted(measures))}"] if measures else []
    notes.append("Values in the tables above lead to the runs that they are means of.")
    text = f"{len(lines)} run{'s' * (len(lines) != 1)}"
    return Table(text, header, lines, notes, n_names=5, name="all-runs")


def networks_table(of_experiment: Mapping[str, Collected], page: Path) -> Table:
    """Return every run that nothing was judged in: networks of own cells."""
    lines = []
    for experiment, collected in of_experiment.items():
        for folder, run in collected.runs.items():
            if len(run.columns["value"]):
                continue
            data, network = part(run.facts, "data"), part(run.facts, "network")
            facts = (data.get("n_cells"), data.get("n_regulators"), data.get("n_genes"))
            of_network = (network.get("n_edges"), network.get("stability_fits"))
            link = _relative_link(folder, page)
            lines.append(
                [
                    *line_of(experiment, dataset_name(run.names["data"])),
                    *line_of(display_name(run.names["model"])),
                    Cell(run.names["run_key"], link=f"{link}/"),
                    *line_of(*("-" if fact is None else fact for fact in (*facts, *of_network))),
                ]
            )
    header = ["experiment", "dataset", "method", "run", "cells", "regulators", "genes", "edges"]
    header.append("half-samples")
    note = (
        "No known edges were given to judge these runs by. python -m grn_exp.network draws, "
        "exports and compares their networks, and judges them by a file of true edges."
    )
    return Table("Networks", header, lines, [note], n_names=4, name="networks")


def total_seconds(facts: dict[str, Any]) -> float:
    """Return the seconds of all stages of a run."""
    return float(sum(value for value in part(facts, "seconds").values() if is_number(value)))


def _relative_link(folder: str, page: Path) -> str:
    """Return the address of a folder as seen from the page, its characters escaped."""
    return quote(Path(os.path.relpath(folder, page.parent)).as_posix())
