"""One run folder: what it is called, what it measured, or why it cannot be used."""

import dataclasses
import json
import math
import time
from pathlib import Path
from typing import Any, Literal, TypeGuard

import yaml

from grn_exp.core.versions import (
    METRICS_SCHEMA,
    PRIOR_HARDWARE,
    RESULTS_VERSION,
    TRAINER_HARDWARE,
)
from grn_exp.report.names import choice_name, flattened, without

Kind = Literal["failed", "running", "unfinished", "stale", "duplicate", "unreadable"]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was built
_UNRECORDED_VERSION = 2  # of the runs from before provenance.json told it
_SILENT_SECONDS = 3600.0  # a run at work writes its log, status or checkpoint

# what cannot change a number, and what has a column of its own
_NEUTRAL = ("paths", "logger", "force", "experiment", "preset")
_SHOWN = ("seed", "ensemble", "prior", "split.seed", "split.kind", "data.network", "data.gene_set")

TEXTS = ("metric", "subset")
COUNTS = ("set_size", "k", "n", "n_positive")
NUMBERS = ("low", "high", "prevalence", "member_mean", "member_sd")


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
    rows
        Of ``metrics.json``, checked.
    parameters
        The configuration with dotted keys, without what cannot change a number.
    """

    names: dict[str, Any]
    rows: list[dict[str, Any]]
    parameters: dict[str, object]

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
            return Problem(str(folder), "stale", outdated)
        return _finished(folder, metrics, facts, finished_at=str(status.get("at", "")))
    except _UnreadableError as error:
        return Problem(str(folder), "unreadable", str(error))


def _unfinished(folder: Path, status: dict[str, Any]) -> Problem | None:
    """Return what ``status.json`` tells of a run that has no result."""
    state, again = status.get("state"), "the same command goes on"
    if not status:
        return Problem(str(folder), "unfinished", f"no status.json; {again}")
    if state == "failed":
        return Problem(str(folder), "failed", str(status.get("error", "no reason given")))
    if state == "running":
        silence = time.time() - _last_write(folder)
        if silence < _SILENT_SECONDS:
            return Problem(str(folder), "running", f"since {status.get('at')}")
        reason = f"nothing written for {silence / 3600:.0f} h; if it was cut off, {again}"
        return Problem(str(folder), "unfinished", reason)
    if state != "finished":
        raise _UnreadableError(f"status.json: state {state!r} is none that a run writes")
    if not (folder / "metrics.json").is_file():
        return Problem(str(folder), "unfinished", f"no metrics.json; {again}")
    return None


def _last_write(folder: Path) -> float:
    names = ("status.json", "run.log", "history.csv", "checkpoints/last.ckpt")
    times = [(folder / name).stat().st_mtime for name in names if (folder / name).is_file()]
    return max(times, default=0.0)


def _outdated(metrics: dict[str, Any], facts: dict[str, Any]) -> str:
    """Return why numbers may not stand beside this code's; empty if they may."""
    schema = metrics.get("schema")
    if schema != METRICS_SCHEMA:
        return f"metrics.json has schema {schema}, this code reads {METRICS_SCHEMA}"
    version = facts.get("results_version", _UNRECORDED_VERSION)
    if version != RESULTS_VERSION:
        return f"results version {version}, this code is at {RESULTS_VERSION}; run it again"
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
    for number, row in enumerate(rows):
        _check_row(row, number)
    config = _read(folder / "config.yaml")
    fit_seconds = _part(facts, "seconds").get("fit")
    names = {
        **_names(config, folder),
        "fit_seconds": float(fit_seconds) if _is_number(fit_seconds) else math.nan,
        "folder": str(folder),
        "finished_at": finished_at,
    }
    return Run(names, rows, _parameters(config))


def _names(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the identifying columns; an empty text where one does not apply."""
    data, split = _part(config, "data"), _part(config, "split")
    retriever = _part(_part(config, "retriever"), "model")
    experiment, data_name, model, run_key = folder.parts[-4:]
    return {
        "experiment": experiment,
        "data": data_name,
        "network": str(data.get("network") or ""),
        "gene_set": str(data.get("gene_set") or ""),
        "model": model,
        "retriever": choice_name("model", retriever),
        "prior": choice_name("prior", _part(config, "prior"), parameters=True),
        "split_kind": str(split.get("kind") or choice_name("split", split)),
        "split_seed": _whole(split.get("seed", 0), "split.seed"),
        "seed": _whole(config.get("seed", 0), "seed"),
        "ensemble": _whole(config.get("ensemble", 1), "ensemble"),
        "run_key": run_key,
    }


def _parameters(config: dict[str, Any]) -> dict[str, object]:
    neutral = [*_NEUTRAL, *(f"prior.{name}" for name in PRIOR_HARDWARE)]
    for trainer in ("trainer", "retriever.trainer"):
        neutral += [f"{trainer}.{name}" for name in TRAINER_HARDWARE]
    flat = without(flattened(config), neutral)
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


def _part(config: dict[str, Any], name: str) -> dict[str, Any]:
    part = config.get(name)
    return part if isinstance(part, dict) else {}


def _whole(value: object, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _UnreadableError(f"config.yaml: {key}={value!r} is no whole number")
    return value


def _check_row(row: object, number: int) -> None:
    """Refuse a row that lacks a field, or holds something else in it."""
    where = f"metrics.json: row {number}"
    if not isinstance(row, dict):
        raise _UnreadableError(f"{where} is no mapping")
    for name in TEXTS:
        if not isinstance(row.get(name), str):
            raise _UnreadableError(f"{where} has no {name}")
    if not _is_number(row.get("value")):
        raise _UnreadableError(f"{where} ({row['metric']}): value {row.get('value')!r}, no number")
    if row.get("n") is None:
        raise _UnreadableError(f"{where} has no n")
    for name in COUNTS:
        value = row.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise _UnreadableError(f"{where}: {name} {value!r} is no whole number")
    for name in NUMBERS:
        if row.get(name) is not None and not _is_number(row[name]):
            raise _UnreadableError(f"{where}: {name} {row[name]!r} is no number")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
