"""The files of a finished run."""

import csv
from typing import Any

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.scores import EdgeScores
from grn_exp.core.sets import RegulatorSets
from grn_exp.core.tables import Table
from grn_exp.core.versions import METRICS_SCHEMA
from grn_exp.runs.folder import HISTORY, METRICS, PROVENANCE, SCORES, RunFolder
from grn_exp.storage.atomic import read_npz, write_csv, write_json, write_npz


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
        regulators, genes, values = prediction.regulators, prediction.genes, prediction.values
        arrays = {"regulators": regulators.array, "genes": genes.array, "scores": values}
        write_npz(folder / SCORES, arrays)
    for name, (header, lines) in tables.items():
        write_csv(folder / name, header, lines)
    names = list(dict.fromkeys(["epoch", *(name for row in history for name in row)]))
    epochs = [[row.get(name, "") for name in names] for row in history]
    write_csv(folder / HISTORY, names, epochs)
    write_json(folder / PROVENANCE, facts)
    nothing = {} if rows else {"nothing_held_out": True}
    write_json(folder / METRICS, {"schema": METRICS_SCHEMA, "rows": rows, **nothing})


def read_scores(folder: RunFolder) -> EdgeScores:
    """Return the scores that a finished run left.

    Raises
    ------
    InputError
        If the file is missing or broken.
    """
    try:
        regulators, genes, values = read_npz(folder / SCORES, "regulators", "genes", "scores")
    except ValueError as error:
        raise InputError(
            f"{folder / SCORES} cannot be read; do that run again with force=true"
        ) from error
    return EdgeScores(
        regulators=GeneIndex(regulators.tolist(), name=str(folder.path)),
        genes=GeneIndex(genes.tolist(), name=str(folder.path)),
        values=values,
    )


def read_history(folder: RunFolder) -> list[dict[str, str]]:
    """Return the values of each epoch as they are written; none of a closed form."""
    with (folder / HISTORY).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
