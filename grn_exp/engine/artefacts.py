"""The files of a finished run."""

import csv
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.scores import EdgeScores
from grn_exp.core.sets import RegulatorSets
from grn_exp.core.tables import Table
from grn_exp.core.versions import METRICS_SCHEMA
from grn_exp.engine.folder import RunFolder
from grn_exp.storage.atomic import write_json, write_npz, write_with

# network.csv is for reading; scores.npz holds every pair
_TOP_EDGES = 100_000
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


def write_results(
    folder: RunFolder,
    *,
    prediction: EdgeScores | RegulatorSets,
    tables: dict[str, Table],
    history: list[dict[str, float]],
    facts: dict[str, Any],
    rows: list[dict[str, Any]],
) -> None:
    """Write every file of a finished run, the metrics last.

    Parameters
    ----------
    tables
        The benchmark's and the method's own tables by file name: header and rows.
    """
    if isinstance(prediction, EdgeScores):
        _write_scores(folder, prediction)
    for name, (header, lines) in tables.items():
        _write_csv(folder / name, header, lines)
    names = list(dict.fromkeys(["epoch", *(name for row in history for name in row)]))
    epochs = [[row.get(name, "") for name in names] for row in history]
    _write_csv(folder / "history.csv", names, epochs)
    write_json(folder / "provenance.json", facts)
    write_json(folder / "metrics.json", {"schema": METRICS_SCHEMA, "rows": rows})


def read_scores(folder: RunFolder) -> EdgeScores:
    """Return the scores that a finished run left.

    Raises
    ------
    InputError
        If the file is missing or broken.
    """
    try:
        # opened here: NumPy leaves a broken file open
        with (folder / "scores.npz").open("rb") as stream, np.load(stream) as arrays:
            found = {name: arrays[name] for name in ("regulators", "genes", "scores")}
    except _UNREADABLE as error:
        raise InputError(
            f"{folder.path}: scores.npz cannot be read; do that run again with force=true"
        ) from error
    return EdgeScores(
        regulators=GeneIndex(found["regulators"].tolist(), name=str(folder.path)),
        genes=GeneIndex(found["genes"].tolist(), name=str(folder.path)),
        values=found["scores"],
    )


def _write_scores(folder: RunFolder, scores: EdgeScores) -> None:
    arrays = {
        "regulators": scores.regulators.array,
        "genes": scores.genes.array,
        "scores": scores.values,
    }
    write_npz(folder / "scores.npz", arrays)
    regulators, genes = scores.regulators.symbols, scores.genes.symbols
    edges = zip(*scores.ranked(_TOP_EDGES), strict=True)
    network = [(regulators[r], genes[g], str(scores.values[r, g])) for r, g in edges]
    _write_csv(folder / "network.csv", ["regulator", "target", "score"], network)


def _write_csv(path: Path, header: list[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table without pandas, whose import a short run would notice."""

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)

    write_with(path, write)
