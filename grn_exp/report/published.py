"""The numbers that the papers print, under our names (``paper/*.yaml``)."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from grn_exp.core.errors import InputError, close_matches
from grn_exp.report.collect import BENCHMARK, METHOD

# an empty text, or a missing number, leaves open what the entry is about
_TEXTS = (*("paper", "table"), *BENCHMARK[:-1], *METHOD[:3], *("setting", "metric", "subset"))
_NUMBERS = ("set_size", "k", "split_seed")


@functools.cache
def _papers() -> dict[str, dict[str, Any]]:
    """Return the papers by the names of their files."""
    folder = Path(__file__).parent / "paper"
    return {
        path.stem: yaml.safe_load(path.read_text("utf-8"))
        for path in sorted(folder.glob("*.yaml"))
    }


@functools.cache
def published() -> pd.DataFrame:
    """Return every published number, one a row; not to be changed, all callers have the same.

    Returns
    -------
    DataFrame
        ``paper``, ``table``, then our names (``data``, ``network``, ``gene_set``, ``split_kind``,
        ``model``, ``retriever``, ``prior``, ``metric``, ``subset``, ``set_size``, ``k``,
        ``split_seed``), ``setting`` (overrides other than our default), ``value`` and
        ``standard_error`` (a standard deviation over n splits divided by the root of n). What the
        paper leaves open is an empty text or a missing number.
    """
    entries = [entry for paper in _papers().values() for entry in _of_paper(paper)]
    types = {**dict.fromkeys(_TEXTS, "str"), **dict.fromkeys(_NUMBERS, "Int64")}
    table = pd.DataFrame(entries, columns=pd.Index([*types, "value", "standard_error"]))
    return table.fillna(dict.fromkeys(_TEXTS, "")).astype(types)


def table_of(paper: str, table: str) -> tuple[pd.DataFrame, str]:
    """Return the numbers of a paper's table, and the name of the experiment that is for it.

    Parameters
    ----------
    paper
        ``infosem`` or ``residual_hos2``.
    table
        Its number.

    Raises
    ------
    InputError
        If there is no such paper or table.
    """
    papers = _papers()
    if paper not in papers:
        known = f"{close_matches(paper, list(papers))}choose from {', '.join(papers)}"
        raise InputError(f"--paper {paper}: {known}")
    entries = published()
    entries = entries.loc[entries["paper"] == papers[paper]["paper"]]
    if table not in set(entries["table"]):
        known = ", ".join(entries["table"].unique())
        raise InputError(f"--table {table}: choose from {known} of --paper {paper}")
    experiment = papers[paper]["experiments"].format(table)
    return entries.loc[entries["table"] == table], experiment


def _of_paper(paper: dict[str, Any]) -> list[dict[str, Any]]:
    root = np.sqrt(paper["n_splits"]) if paper["error"] == "standard_deviation" else 1.0
    found = []
    for table in paper["tables"]:
        n_names = len(table["row_names"])
        for row in table["rows"]:
            of_row = dict(zip(table["row_names"], row[:n_names], strict=True))
            for column, cell in zip(table["columns"], row[n_names:], strict=True):
                of_column = dict(zip(table["column_names"], column, strict=True))
                value, error = cell if isinstance(cell, list) else (cell, np.nan)
                entry = _in_our_names({**table["same"], **of_row, **of_column}, paper["names"])
                entry |= {"paper": paper["paper"], "table": table["table"]}
                found.append({**entry, "value": value, "standard_error": error / root})
    return found


def _in_our_names(entry: dict[str, Any], names: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Translate; a paper's dataset has its gene set with it, a paper's method its prior."""
    implied = {
        name: names[name].get(entry[of], "")
        for name, of in (("gene_set", "data"), ("prior", "model"))
        if name in names and of in entry
    }
    return implied | {name: names.get(name, {}).get(value, value) for name, value in entry.items()}
