"""From tidy rows to means over splits.

Two sources of spread are kept apart: the values of a split's model seeds are averaged first, so a
standard error is over splits; :func:`spread_over_seeds` tells the other one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError, close_matches
from grn_exp.report.collect import BENCHMARK, MEASURE, METHOD

CONTROLS = ("random", "oracle")  # shown, but no competitors
_EQUAL_DIGITS = 3  # what is printed as the same is a tie
_PLACES = 2
_LOWER_IS_BETTER = ("score_gap",)
_FORMS = {"retriever": "<{}", "ensemble": " x{}"}  # of the parts of a label; others stand apart
_CELL = ["dataset", *BENCHMARK, "method", *METHOD, *MEASURE]
COLUMN = ["dataset", *MEASURE]  # what tells a table's columns


# -- choosing and naming -----------------------------------------------------------------------


def select(
    rows: pd.DataFrame,
    *,
    metrics: Sequence[str] = (),
    subsets: Sequence[str] = (),
    ks: Sequence[int] = (),
    splits: Sequence[int] = (),
) -> pd.DataFrame:
    """Keep some metrics, subsets, list lengths and splits; none given keeps all of them.

    Raises
    ------
    InputError
        If a value does not occur.
    """
    for column, wanted in (
        ("metric", metrics),
        ("subset", subsets),
        ("k", ks),
        ("split_seed", splits),
    ):
        if not wanted:
            continue
        _require_known(rows, column, wanted)
        kept = rows[column].isin(list(wanted))
        if column == "k":
            kept |= ~rows["metric"].str.endswith("_at_k")  # another metric's k is no choice
        rows = rows.loc[kept]
    if rows.empty:
        raise InputError("no rows with this metric, subset and k together; drop one of them")
    return rows


def only(
    tables: Mapping[str, pd.DataFrame], *, data: Sequence[str] = (), models: Sequence[str] = ()
) -> dict[str, pd.DataFrame]:
    """Keep some datasets and methods, and the tables that have such; none given keeps all.

    Raises
    ------
    InputError
        If a dataset or method occurs in none of the tables.
    """
    found = dict(tables)
    for column, wanted in (("data", data), ("model", models)):
        if wanted:
            _require_known(pd.concat(found.values()), column, wanted)
            found = {name: rows.loc[rows[column].isin(wanted)] for name, rows in found.items()}
    return {name: rows for name, rows in found.items() if len(rows)}


def _require_known(rows: pd.DataFrame, column: str, wanted: Sequence[Any]) -> None:
    known = sorted(rows[column].dropna().unique())
    for value in wanted:
        if value not in known:
            texts = [str(item) for item in known]
            raise InputError(
                f"--{column.removesuffix('_seed')} {value}: {close_matches(str(value), texts)}"
                f"these runs have {', '.join(texts) or 'none'}"
            )


def like(rows: pd.DataFrame, entries: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Keep the rows that agree with one of the published ``entries`` in what all of these fix."""
    for name in names:
        of_paper = entries[name].tolist()
        if not any(pd.isna(value) or value == "" for value in of_paper):
            rows = rows.loc[rows[name].isin(of_paper)]
    return rows


def labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """Add ``method`` and ``dataset``: short names with no more than tells them apart.

    A method is its model; retriever (``pairs2<dot_product``), prior, number of seeds in an
    ensemble and parameters follow where a model has several on one dataset. A dataset likewise.
    Rows that have names keep them, so a part of a table is called as in the whole.
    """
    if "method" in rows:
        return rows
    return rows.assign(method=_labels(rows, METHOD, BENCHMARK), dataset=_labels(rows, BENCHMARK))


def _labels(rows: pd.DataFrame, parts: Sequence[str], within: Sequence[str] = ()) -> pd.Series:
    """Name the combinations of ``parts``, telling those of which one ``within`` has several."""
    main, *others = parts
    apart = rows.groupby([main, *within])[others].nunique().gt(1).groupby(level=0).any()
    labels = []
    combinations: Any = rows[list(parts)].drop_duplicates()
    for own in combinations.to_dict("records"):
        told = [name for name in others if apart.loc[own[main], name]]
        told = [name for name in told if own[name] or "variant" not in name]
        texts = (_FORMS.get(name, " {}").format(own[name] or "-") for name in told)
        labels.append("".join([own[main], *texts]))
    number = rows.groupby(list(parts), sort=False).ngroup()  # in the order of the labels
    return number.map(dict(enumerate(labels))).astype("str")


# -- means and spreads -------------------------------------------------------------------------


def per_split(rows: pd.DataFrame) -> pd.DataFrame:
    """Average each split's model seeds.

    Returns
    -------
    DataFrame
        A row per method, dataset, metric, subset, set size, k (of metrics at k) and split, with
        ``value``, ``n_seeds``, ``seed_variance`` (ddof 1; an ensemble's between its members) and
        ``prevalence``.
    """
    rows = labelled(rows)
    listed = rows["metric"].str.endswith("_at_k")
    rows = rows.assign(k=rows["k"].where(listed), member_variance=rows["member_sd"] ** 2)
    groups = rows.groupby([*_CELL, "split_seed"], dropna=False, sort=False)
    found = groups.agg(
        value=("value", "mean"),
        n_seeds=("value", "size"),
        seed_variance=("value", "var"),
        member_variance=("member_variance", "mean"),
        prevalence=("prevalence", "mean"),
    ).reset_index()
    found["seed_variance"] = found.pop("member_variance").fillna(found["seed_variance"])
    return found


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Average over splits, each split's seeds averaged before.

    Returns
    -------
    DataFrame
        A row per method, dataset, metric, subset, set size and k, with ``mean``,
        ``standard_error`` (standard deviation with ddof 1, divided by the square root of the
        number of splits; missing for one split), ``n_splits`` and ``place`` (1 is best, 2 is
        second; 0 for others, for ties, for controls, and for a method that lacks a split which
        the one with most splits has: splits differ more than methods do).
    """
    groups = per_split(rows).groupby(_CELL, dropna=False, sort=False)
    found = groups.agg(
        mean=("value", "mean"),
        standard_error=("value", "sem"),
        n_splits=("value", "size"),
        splits=("split_seed", lambda seeds: tuple(sorted(seeds))),
    ).reset_index()
    columns = [found[name] for name in COLUMN]
    sign = np.where(found["metric"].isin(_LOWER_IS_BETTER), -1.0, 1.0)
    has_all = found.groupby(columns, dropna=False)["splits"].transform(
        lambda splits: [set(max(splits, key=len)) <= set(own) for own in splits]
    )
    competes = ~found["model"].isin(CONTROLS) & has_all
    competing = (found["mean"] * sign).round(_EQUAL_DIGITS).where(competes)
    places = competing.groupby(columns, dropna=False).rank(method="min", ascending=False)
    tied = places.groupby([*columns, places], dropna=False).transform("size") > 1
    shown = places.mask(tied | (places > _PLACES)).fillna(0).astype("int64")
    return found.drop(columns="splits").assign(place=shown)


def spread_over_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """Return how far model seeds are apart within a split.

    Returns
    -------
    DataFrame
        A row per method, dataset, metric, subset, set size and k with several seeds, with
        ``seed_sd``, the square root of the splits' mean variance over seeds (ddof 1; an
        ensemble's over its members), and ``n_splits``, the splits that have one.

    Raises
    ------
    InputError
        If there is no such method.
    """
    splits = per_split(rows)
    splits = splits[splits["seed_variance"].notna()]
    if splits.empty:
        raise InputError(
            "no method has several seeds on one split; run with ensemble=10, or sweep seed=0,1,2"
        )
    groups = splits.groupby(_CELL, dropna=False, sort=False)["seed_variance"]
    found = groups.agg(seed_sd="mean", n_splits="size").reset_index()
    return found.assign(seed_sd=np.sqrt(found["seed_sd"].astype("float64")))
