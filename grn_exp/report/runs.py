"""One run folder: what it is called, what it measured, or why it cannot be used."""

import dataclasses
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeGuard

import numpy as np
import yaml
from numpy.typing import NDArray

from grn_exp.core.versions import (
    METRICS_SCHEMA,
    PRIOR_HARDWARE,
    RESULTS_VERSION,
)
from grn_exp.metrics.titles import SHARES
from grn_exp.report.names import choice_name, flattened, without
from grn_exp.runs.trainer_options import counted

Kind = Literal["failed", "running", "unfinished", "stale", "duplicate", "unreadable"]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was built
_UNRECORDED_VERSION = 2  # of the runs from before provenance.json told it
_ROUNDING = 1e-9
_SILENT_SECONDS = 3600.0  # a run at work writes its log, status or checkpoint

# what cannot change a number, and what has a column of its own
_NEUTRAL = ("paths", "logger", "force", "experiment", "preset")
_SHOWN = ("seed", "ensemble", "split.seed", "split.kind", "data.network", "data.gene_set")

TEXTS = ("metric", "subset")
COUNTS = ("set_size", "k", "n", "n_positive")
NUMBERS = ("low", "high", "prevalence", "member_mean", "member_sd")
_FIELDS = (*TEXTS, "value", *COUNTS, *NUMBERS)
_LARGEST = 2**53  # beyond it not every whole number is a float
_NEEDED = (*TEXTS, "value", "n")


@dataclasses.dataclass(frozen=True)
class Problem:
    """A folder whose numbers are left out, and why."""

    folder: str
    kind: Kind
    reason: str


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """A finished run.

    Attributes
    ----------
    names
        The columns that are the same in all its rows.
    columns
        The rows of ``metrics.json``, checked: for each field a list of texts, or an array that is
        NaN where a row lacks the number. Arrays cost the garbage collector nothing.
    parameters
        The configuration with dotted keys, without what cannot change a number.
    facts
        What ``provenance.json`` tells; empty where a run has none.
    """

    names: dict[str, Any]
    columns: dict[str, Sequence[str] | NDArray[np.float64]]
    parameters: dict[str, object]
    facts: dict[str, Any]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of ``metrics.json``."""
        lists = self.columns.values()
        return [dict(zip(self.columns, row, strict=True)) for row in zip(*lists, strict=True)]

    @property
    def hidden(self) -> dict[str, object]:
        """The parameters that no column shows."""
        return without(self.parameters, _SHOWN)


class _UnreadableError(ValueError):
    """A file of a run folder is not what a run writes."""


def read_run(folder: Path) -> Run | Problem:
    """Read a run folder."""
    try:
        status = _read(folder / "status.json") if (folder / "status.json").is_file() else {}
        problem = _unfinished(folder, status)
        if problem is not None:
            return problem
        metrics, facts = _read(folder / "metrics.json"), _provenance(folder)
        outdated = _outdated(metrics, facts)
        if outdated:
            return Problem(str(folder), "stale", f"{outdated}; force=true runs it again")
        return _finished(folder, metrics, facts, finished_at=str(status.get("at", "")))
    except _UnreadableError as error:
        reason = f"{error}; do that run again with force=true"
        return Problem(str(folder), "unreadable", reason)


def _unfinished(folder: Path, status: dict[str, Any]) -> Problem | None:
    """Return what ``status.json`` tells of a run that has no result."""
    state, again = status.get("state"), "the same command goes on"
    if not status:
        return Problem(str(folder), "unfinished", f"no status.json; {again}")
    if state == "failed":
        return Problem(str(folder), "failed", str(status.get("error", "no reason given")))
    if state == "stopped":
        return Problem(str(folder), "unfinished", f"stopped; {again}")
    if state == "running":
        return _running(folder, since=str(status.get("at")))
    if state != "finished":
        raise _UnreadableError(f"status.json: state {state!r} is none that a run writes")
    if not (folder / "metrics.json").is_file():
        return Problem(str(folder), "unfinished", f"no metrics.json; {again}")
    return None


def _running(folder: Path, *, since: str) -> Problem:
    silence = time.time() - _last_write(folder)
    if silence < _SILENT_SECONDS:
        return Problem(str(folder), "running", f"since {since}")
    reason = f"nothing written for {silence / 3600:.0f} h; if cut off, the same command goes on"
    return Problem(str(folder), "unfinished", reason)


def _last_write(folder: Path) -> float:
    names = ("status.json", "run.log", "history.csv", "checkpoints/last.ckpt")
    times = [(folder / name).stat().st_mtime for name in names if (folder / name).is_file()]
    return max(times, default=0.0)


def _outdated(metrics: dict[str, Any], facts: dict[str, Any]) -> str:
    """Return why numbers may not stand beside this code's; empty if they may."""
    schema = metrics.get("schema")
    if schema != METRICS_SCHEMA:
        return f"metrics.json has schema {schema}, this code reads {METRICS_SCHEMA}"
    if not facts:
        return "no provenance.json, so it is not known which version wrote the run"
    version = facts.get("results_version", _UNRECORDED_VERSION)
    if version != RESULTS_VERSION:
        return f"results version {version}, this code is at {RESULTS_VERSION}"
    return ""


def _provenance(folder: Path) -> dict[str, Any]:
    path = folder / "provenance.json"
    return _read(path) if path.is_file() else {}


def _finished(
    folder: Path, metrics: dict[str, Any], facts: dict[str, Any], *, finished_at: str
) -> Run:
    rows = metrics.get("rows")
    if not isinstance(rows, list) or not rows:
        raise _UnreadableError("metrics.json: no rows")
    columns = _columns(rows)
    config = _read(folder / "config.yaml")
    fit_seconds = part(facts, "seconds").get("fit")
    names = {
        **_names(config, folder),
        "fit_seconds": float(fit_seconds) if is_number(fit_seconds) else math.nan,
        "folder": str(folder),
        "finished_at": finished_at,
    }
    return Run(names, columns, _parameters(config), facts)


def _names(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the identifying columns; an empty text where one does not apply."""
    data, split = part(config, "data"), part(config, "split")
    retriever = part(part(config, "retriever"), "model")
    experiment, data_name, model, run_key = folder.parts[-4:]
    return {
        "experiment": experiment,
        "data": data_name,
        "network": str(data.get("network") or ""),
        "gene_set": str(data.get("gene_set") or ""),
        "model": model,
        "retriever": choice_name("model", retriever),
        "prior": choice_name("prior", part(config, "prior"), parameters=True),
        "split_kind": str(split.get("kind") or choice_name("split", split)),
        "split_seed": _whole(split.get("seed", 0), "split.seed"),
        "seed": _whole(config.get("seed", 0), "seed"),
        "ensemble": _whole(config.get("ensemble", 1), "ensemble"),
        "run_key": run_key,
    }


def _parameters(config: dict[str, Any]) -> dict[str, object]:
    neutral = [*_NEUTRAL, *(f"prior.{name}" for name in PRIOR_HARDWARE)]
    flat = without(flattened(config), neutral)
    flat = {k: v for k, v in flat.items() if not k.startswith(("trainer.", "retriever.trainer."))}
    for prefix, node in (("", config), ("retriever.", part(config, "retriever"))):
        if {"model", "trainer"} <= node.keys():
            flat |= {f"{prefix}trainer.{name}": value for name, value in counted(node).items()}
    if flat.get("ckpt_path", "") is None:
        del flat["ckpt_path"]
    if flat.get("ensemble") == 1:
        del flat["ensemble"]  # as before there were any
    return flat


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise _UnreadableError(f"{path.name}: {reason}") from error
    if not isinstance(content, dict):
        raise _UnreadableError(f"{path.name}: holds no mapping")
    return content


def part(tree: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a branch of what a file holds; nothing where it is no mapping."""
    found = tree.get(name)
    return found if isinstance(found, dict) else {}


def _whole(value: object, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _UnreadableError(f"config.yaml: {key}={value!r} is no whole number")
    return value


def _columns(rows: Sequence[Any]) -> dict[str, Sequence[str] | NDArray[np.float64]]:
    """Return the fields; refuse a row that lacks one, or holds something else in it."""
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise _UnreadableError(f"metrics.json: row {number} is no mapping")
    columns = {name: [row.get(name) for row in rows] for name in _FIELDS}
    for name, values in columns.items():
        if not _all_valid(name, values):
            number = next(i for i, value in enumerate(values) if not _all_valid(name, [value]))
            raise _UnreadableError(_complaint(name, values[number], rows[number], number))
    _refuse_repeated(columns)
    _refuse_beyond_one(columns)
    return {
        name: list(map(sys.intern, values)) if name in TEXTS else np.array(values, np.float64)
        for name, values in columns.items()
    }


def _all_valid(name: str, values: list[Any]) -> bool:
    """Say whether a column holds what it should; looks at a million values in no time."""
    types = set(map(type, values))
    if types == {type(None)}:
        return name not in _NEEDED
    if name in _NEEDED and type(None) in types:
        return False
    if name in TEXTS:
        return types == {str}
    allowed = {int, type(None)} if name in COUNTS else {int, float, type(None)}
    if not types <= allowed:
        return False
    if float not in types or int in types:
        whole = [value for value in values if type(value) is int]
        if min(whole) < -_LARGEST or max(whole) > _LARGEST:
            return False
    # a value that is not finite makes the sum so
    known = [value for value in values if value is not None] if type(None) in types else values
    return math.isfinite(sum(known))


def _complaint(name: str, value: object, row: dict[str, Any], number: int) -> str:
    where = f"metrics.json: row {number}"
    if name in TEXTS or (name == "n" and value is None):
        return f"{where} has no {name}"
    if name == "value":
        return f"{where} ({row['metric']}): value {value!r}, no number"
    kind = "whole number" if name in COUNTS else "number"
    return f"{where}: {name} {value!r} is no {kind}"


def _refuse_repeated(columns: dict[str, list[Any]]) -> None:
    """Refuse two values of one measure, which would be averaged; k tells lists of k apart."""
    seen: dict[tuple[Any, ...], int] = {}
    keys = zip(*(columns[name] for name in ("metric", "subset", "set_size", "k")), strict=True)
    for number, (metric, subset, size, k) in enumerate(keys):
        key = metric, subset, size, k if metric.endswith("_at_k") else None
        first = seen.setdefault(key, number)
        if first != number:
            raise _UnreadableError(
                f"metrics.json: row {number} ({metric}, {subset}) has the measure of row {first}"
            )


def _refuse_beyond_one(columns: dict[str, list[Any]]) -> None:
    """Refuse a share that is none: no run writes it."""
    for number, (metric, value) in enumerate(
        zip(columns["metric"], columns["value"], strict=True)
    ):
        if metric in SHARES and value is not None and not 0 <= value <= 1 + _ROUNDING:
            raise _UnreadableError(
                f"metrics.json: row {number} ({metric}): value {value} is no share"
            )


def is_number(value: object) -> TypeGuard[float]:
    """Say whether a value out of a file is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
