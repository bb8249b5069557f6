"""One run folder read: what the run is called, what it measured, or why it cannot be used."""

import dataclasses
import math
import time
from pathlib import Path
from typing import Any, Literal, TypeGuard

from grn_exp.core.versions import RESULTS_VERSION
from grn_exp.runs.choices import choice_name
from grn_exp.runs.files import ForeignError, UnreadableError, part
from grn_exp.runs.folder import HISTORY, LOG, METRICS, STATUS, RunFolder, place_of
from grn_exp.runs.key import parameters, without
from grn_exp.runs.rows import Columns

Kind = Literal["failed", "running", "unfinished", "stale", "duplicate", "unreadable"]

_UNRECORDED_VERSION = 2  # of the runs from before provenance.json had it
_SILENT_SECONDS = 3600.0  # a run at work writes its log, status or checkpoint

# parameters that have a column of their own
_SHOWN = (
    *("seed", "ensemble", "split.seed", "split.kind", "split.known_within"),
    *("data.network", "data.gene_set"),
)


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
        The rows of ``metrics.json``, checked: for each field a list of strings, or an array that
        is NaN where a row lacks the number. Arrays cost the garbage collector nothing.
    parameters
        The configuration with dotted keys, without what cannot change a number.
    facts
        What ``provenance.json`` holds; empty where a run has none.
    """

    names: dict[str, Any]
    columns: Columns
    parameters: dict[str, object]
    facts: dict[str, Any]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of ``metrics.json``."""
        lists = self.columns.values()
        return [dict(zip(self.columns, row, strict=True)) for row in zip(*lists, strict=True)]

    @property
    def is_half(self) -> bool:
        """Say whether it is on half of the cells: another run's stability is of it."""
        return self.parameters.get("data.half") is not None

    @property
    def hidden(self) -> dict[str, object]:
        """The parameters that no column shows."""
        return without(self.parameters, _SHOWN)


def read_run(path: Path) -> Run | Problem:
    """Read a run folder."""
    folder = RunFolder(path)
    try:
        status = folder.status()
        kind, reason = _unfinished(folder, status)
        if kind:
            return Problem(str(path), kind, reason)
        columns, facts = folder.columns(), folder.facts()
        version = facts.get("results_version", _UNRECORDED_VERSION)
        if not facts:
            raise ForeignError(
                "no provenance.json, so it is not known which version wrote the run"
            )
        if version != RESULTS_VERSION:
            raise ForeignError(f"results version {version}, this code is at {RESULTS_VERSION}")
        config, fit_seconds = folder.config(), part(facts, "seconds").get("fit")
        names = {
            **_names(config, part(facts, "choices"), path),
            "fit_seconds": float(fit_seconds) if is_number(fit_seconds) else math.nan,
            "folder": str(path),
            "finished_at": str(status.get("at", "")),
        }
        return Run(names, columns, parameters(config), facts)
    except ForeignError as error:
        return Problem(str(path), "stale", f"{error}; force=true runs it again")
    except UnreadableError as error:
        reason = f"{error}; do that run again with force=true"
        return Problem(str(path), "unreadable", reason)


def _unfinished(folder: RunFolder, status: dict[str, Any]) -> tuple[Kind | None, str]:
    """Return why a run has no result; None and an empty string where it has one."""
    state, again = status.get("state"), "the same command goes on"
    paths = (folder / STATUS, folder / LOG, folder / HISTORY, folder.checkpoint)
    written = max((path.stat().st_mtime for path in paths if path.is_file()), default=0.0)
    silence = time.time() - written
    if state == "failed":
        return "failed", str(status.get("error", "no reason given"))
    if state == "running" and silence < _SILENT_SECONDS:
        return "running", f"since {status.get('at')}"
    if state == "running":
        reason = f"nothing written for {silence / 3600:.0f} h; if it was cut off, {again}"
    elif state == "stopped":
        reason = f"stopped; {again}"
    elif state != "finished":
        reason = f"no {STATUS}; {again}"
    elif not (folder / METRICS).is_file():
        reason = f"no {METRICS}; {again}"
    else:
        return None, ""
    return "unfinished", reason


def _names(config: dict[str, Any], choices: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the identifying columns; an empty string where one does not apply."""
    data, split, prior = part(config, "data"), part(config, "split"), part(config, "prior")
    retriever = part(part(config, "retriever"), "model")
    experiment, data_name, model, run_key = place_of(path)
    return {
        "experiment": experiment,
        "data": data_name,
        "network": str(data.get("network") or ""),
        "gene_set": str(data.get("gene_set") or ""),
        "model": model,
        "retriever": choice_name("model", retriever, choices.get("retriever")),
        "prior": choice_name("prior", prior, choices.get("prior"), parameters=True),
        "split_kind": _split_kind(split, choices),
        "split_seed": _whole(split.get("seed", 0), "split.seed"),
        "seed": _whole(config.get("seed", 0), "seed"),
        "ensemble": _whole(config.get("ensemble", 1), "ensemble"),
        "run_key": run_key,
    }


def _split_kind(split: dict[str, Any], choices: dict[str, Any]) -> str:
    """Return what a split is called; which genes are targets is part of it where all are."""
    kind = str(split.get("kind") or choice_name("split", split, choices.get("split")))
    within = split.get("known_within", "block")
    return kind if within == "block" else f"{kind}(known_within={within})"


def _whole(value: object, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnreadableError(f"config.yaml: {key}={value!r} is not a whole number")
    return value


def is_number(value: object) -> TypeGuard[float]:
    """Say whether a value out of a file is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
