"""From a folder of runs to one tidy table."""

import dataclasses
import glob
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError, close_matches
from grn_exp.report import experiments
from grn_exp.report.experiments import Experiment
from grn_exp.report.tuned import with_tuned
from grn_exp.report.usual import is_equal, usual
from grn_exp.runs.folder import place_of
from grn_exp.runs.reading import Problem, Run, read_run
from grn_exp.runs.rows import COUNTS, NUMBERS, TEXTS

METHOD = ("model", "retriever", "prior", "ensemble", "method_variant")
BENCHMARK = ("data", "network", "gene_set", "split_kind", "benchmark_variant")
MEASURE = ("metric", "subset", "set_size", "k")
_OF_RUN = {
    **dict.fromkeys(("experiment", *BENCHMARK, *METHOD), "str"),
    **dict.fromkeys(("split_seed", "seed", "ensemble"), "int64"),
    "run_key": "str",
    "fit_seconds": "float64",
    "folder": "str",
    "finished_at": "str",
}
_OF_ROW = {
    **dict.fromkeys(TEXTS, "str"),
    **dict.fromkeys(COUNTS, "Int64"),
    "value": "float64",
    **dict.fromkeys(NUMBERS, "float64"),
}
_LAST = ("fit_seconds", "folder", "finished_at")
_MARKS = ("status.json", "metrics.json", "config.yaml")  # one of these makes a run's folder
COLUMNS = (*(name for name in _OF_RUN if name not in _LAST), *_OF_ROW, *_LAST)


@dataclasses.dataclass(frozen=True, eq=False)
class Collected:
    """What a folder of runs holds.

    Attributes
    ----------
    rows
        One row per run, metric, subset, set size and k. Texts that do not apply are empty,
        numbers missing. ``method_variant`` and ``benchmark_variant`` name the parameters that
        have another value than the default, where runs differ in them that agree in all other
        columns but the seeds.
    problems
        Folders that gave no rows: ``folder``, ``kind``, ``reason``.
    runs
        The runs of ``rows`` by their ``folder``: configurations, provenance.
    """

    rows: pd.DataFrame
    problems: pd.DataFrame
    runs: dict[str, Run]

    @property
    def shown(self) -> pd.DataFrame:
        """The rows for tables and figures: without members of an ensemble that is here too.

        Their mean and spread stand in the ensemble's own rows.
        """
        members = {
            str(Path(folder).parent / name)
            for folder, run in self.runs.items()
            for name in run.facts.get("members", ())
        }
        return self.rows.loc[~self.rows["folder"].isin(sorted(members))]


def collect(outputs: Path, experiment: str | None = None) -> Collected:
    """Read every run below an outputs folder.

    Parameters
    ----------
    outputs
        The folder that holds ``<experiment>/<data>/<model>/<run_key>``.
    experiment
        One of the folders, or of ``conf/experiment``, only; duplicates are sought within it.

    Raises
    ------
    InputError
        If the folder, the experiment or any run folder is missing.
    """
    return assemble(read_runs(outputs, experiment))


def read_runs(outputs: Path, experiment: str | None = None) -> list[Run | Problem]:
    """Read every run below an outputs folder, and what is wrong with the others.

    Fits to half of the cells are no runs of their own.

    Raises
    ------
    InputError
        If the folder, the experiment or any run folder is missing.
    """
    folder, of = _folder_of(outputs, experiment)
    pattern = "[!.]*" if folder is None else glob.escape(folder)
    read = [
        read_run(path)
        for path in sorted(outputs.glob(f"{pattern}/[!.]*/[!.]*/[!.]*"))
        if any((path / mark).exists() for mark in _MARKS)
    ]
    found = [item for item in read if not (isinstance(item, Run) and item.is_half)]
    if of is not None:
        found = [item for item in with_tuned(found) if of.has(item)]
    if not found:
        raise InputError(
            f"{outputs} holds no run of {experiment}; python -m grn_exp -m "
            f"experiment={experiment} makes them"
            if of
            else f"{outputs} holds no runs; give the folder of paths.outputs, which holds "
            "<experiment>/<data>/<model>/<run key>"
        )
    return found


def _folder_of(outputs: Path, experiment: str | None) -> tuple[str | None, Experiment | None]:
    """Return where an experiment's runs lie, and what tells them from others that lie there."""
    if not outputs.is_dir():
        raise InputError(f"{outputs}: no such folder; give the folder of paths.outputs")
    # hidden ones are a sweep's
    folders = sorted(item.name for item in outputs.glob("[!.]*") if item.is_dir())
    if experiment is None or experiment in folders:
        return experiment, None
    of = experiments.experiment(experiment)
    if of is not None and of.folder in folders:
        return of.folder, of
    names = [*folders, *experiments.experiments_in(folders)]
    raise InputError(
        f"--experiment {experiment}: {close_matches(experiment, names)}"
        f"{outputs} holds the runs of {', '.join(names) or 'none'}"
    )


def assemble(found: Sequence[Run | Problem]) -> Collected:
    """Put runs below each other; of two of one configuration the newer counts."""
    finished = [item for item in with_tuned(found) if isinstance(item, Run)]
    runs, duplicates = _newest_of_each(finished)
    problems = [item for item in found if isinstance(item, Problem)] + duplicates
    table = pd.DataFrame(problems, columns=pd.Index(["folder", "kind", "reason"]), dtype="str")
    return Collected(_table(runs), table, {run.names["folder"]: run for run in runs})


def by_experiment(found: Iterable[Run | Problem]) -> dict[str, Collected]:
    """Put each experiment together for itself: a run may be part of several."""
    parts: dict[str, list[Run | Problem]] = defaultdict(list)
    for item in found:
        folder = item.names["folder"] if isinstance(item, Run) else item.folder
        parts[place_of(folder).experiment].append(item)
    return {name: assemble(part) for name, part in parts.items()}


def _newest_of_each(runs: Sequence[Run]) -> tuple[list[Run], list[Problem]]:
    """Keep one run of each configuration: the one that finished last."""
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        of = [run.names["data"], run.names["model"], run.parameters]
        groups[json.dumps(of, sort_keys=True, default=str)].append(run)
    kept, duplicates = [], []
    for group in groups.values():
        *older, newest = sorted(group, key=lambda run: run.names["finished_at"])
        kept.append(newest)
        for run in older:
            same = run.names["run_key"] == newest.names["run_key"]
            what = "the same run" if same else "the same configuration, another input file or key"
            reason = f"{what} as {newest.names['folder']}, which is newer and used"
            duplicates.append(Problem(run.names["folder"], "duplicate", reason))
    return kept, duplicates


def _add_variants(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return each run's names with the parameters that tell it from others of the same names."""
    of_method, of_benchmark = defaultdict(set), defaultdict(set)
    for run, key in _differences(runs):
        if key.startswith(("data.", "split.", "pool.")):
            of_benchmark[run.names["data"]].add(key)
        else:
            of_method[run.names["model"]].add(key)
    return [
        {
            **run.names,
            "method_variant": _settings(run, of_method[run.names["model"]]),
            "benchmark_variant": _settings(run, of_benchmark[run.names["data"]]),
        }
        for run in runs
    ]


def _differences(runs: Sequence[Run]) -> Iterator[tuple[Run, str]]:
    """Yield the parameters in which runs differ that agree in what is shown, with one such run.

    With another prior a prior's own parameters differ anyway; all others are compared across
    priors too, or a longer training could pass for a better embedding.
    """
    shown = [name for name in (*METHOD, *BENCHMARK) if not name.endswith("_variant")]
    without_prior = [name for name in shown if name != "prior"]
    hidden = {run: run.hidden for run in runs}
    for names in (shown, without_prior):
        groups: dict[tuple[Any, ...], list[Run]] = defaultdict(list)
        for run in runs:
            groups[tuple(run.names[name] for name in names)].append(run)
        for group in groups.values():
            for key in {key for run in group for key in hidden[run]}:
                if names is without_prior and key.startswith("prior."):
                    continue
                if len({str(hidden[run].get(key)) for run in group}) > 1:
                    yield group[0], key


def _settings(run: Run, keys: Iterable[str]) -> str:
    """Return the parameters as text, but those that have their default."""
    default = usual(run)
    own = {key: run.parameters[key] for key in sorted(keys) if key in run.parameters}
    return "; ".join(
        f"{key}={value}"
        for key, value in own.items()
        if key not in default or not is_equal(value, default[key])
    )


def _table(runs: Sequence[Run]) -> pd.DataFrame:
    """Put rows below each other, the run's own columns repeated."""
    names = pd.DataFrame(_add_variants(runs), columns=pd.Index(_OF_RUN)).astype(_OF_RUN)
    counts = np.array([len(run.columns["value"]) for run in runs], dtype=np.int64)
    of_run = names.loc[names.index.repeat(counts)].reset_index(drop=True)
    columns: dict[str, Any] = {}
    for name, dtype in _OF_ROW.items():
        parts = [run.columns[name] for run in runs]
        is_text = dtype == "str"
        columns[name] = [*itertools.chain(*parts)] if is_text else np.concatenate([[], *parts])
    whole = pd.concat([of_run, pd.DataFrame(columns).astype(_OF_ROW)], axis=1)
    return whole.loc[:, list(COLUMNS)]
