"""From tidy rows to means over splits.

Two sources of spread are kept apart: the values of a split's model seeds are averaged first, so a
standard error is over splits; :func:`spread_over_seeds` tells the other one.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError, close_matches
from grn_exp.report.collect import BENCHMARK, MEASURE, METHOD

CONTROLS = ("random", "oracle")  # shown, but no competitors
_LOWER_IS_BETTER = ("score_gap",)
_CELL = ["dataset", *BENCHMARK, "method", *METHOD, *MEASURE]
COLUMN = ["dataset", *MEASURE]  # what tells a table's columns


# -- choosing and naming -----------------------------------------------------------------------


def select(
    rows: pd.DataFrame,
    *,
    metrics: Sequence[str] = (),
    subsets: Sequence[str] = (),
    ks: Sequence[int] = (),
) -> pd.DataFrame:
    """Keep some metrics, subsets and list lengths; none given keeps all of them.

    Raises
    ------
    InputError
        If a value does not occur.
    """
    for name, wanted in (("metric", metrics), ("subset", subsets), ("k", ks)):
        if not wanted:
            continue
        known = sorted(rows[name].dropna().unique())
        for value in wanted:
            if value not in known:
                texts = [str(item) for item in known]
                raise InputError(
                    f"--{name} {value}: {close_matches(str(value), texts)}"
                    f"these runs have {', '.join(texts) or 'none'}"
                )
        kept = rows[name].isin(list(wanted))
        if name == "k":
            kept |= ~rows["metric"].str.endswith("_at_k")  # another metric's k is no choice
        rows = rows.loc[kept]
    if rows.empty:
        raise InputError("no rows with this metric, subset and k together; drop one of them")
    return rows


def labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """Add ``method`` and ``dataset``: short names with no more than tells them apart.

    A method is its model; retriever (``pairs2<dot_product``), prior, number of seeds in an
    ensemble and parameters follow where a model has several. A dataset likewise. Rows that have
    names keep them, so a part of a table is called as in the whole.
    """
    if "method" in rows:
        return rows
    method = _labels(rows, METHOD, {"retriever": "<{}", "ensemble": " x{}"})
    dataset = _labels(rows, BENCHMARK, {})
    return rows.assign(method=method, dataset=dataset)


def _labels(rows: pd.DataFrame, parts: Sequence[str], forms: dict[str, str]) -> pd.Series:
    main, *others = parts
    combinations = rows[list(parts)].drop_duplicates()
    values = {name: list(combinations[name]) for name in parts}
    of_main: dict[str, dict[str, set[object]]] = {}
    for number, key in enumerate(values[main]):
        found = of_main.setdefault(key, {name: set() for name in others})
        for name in others:
            found[name].add(values[name][number])
    labels = []
    for number, key in enumerate(values[main]):
        told = [name for name in others if len(of_main[key][name]) > 1]
        texts = (forms.get(name, " {}").format(values[name][number] or "-") for name in told)
        labels.append(key + "".join(texts))
    keyed = combinations.assign(_label=labels)
    merged = rows[list(parts)].merge(keyed, on=list(parts), how="left")
    return pd.Series(merged["_label"].to_numpy(), index=rows.index, dtype="str")


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
        number of splits; missing for one split), ``n_splits`` and ``place`` (1 is best; 0 for
        controls).
    """
    groups = per_split(rows).groupby(_CELL, dropna=False, sort=False)["value"]
    found = groups.agg(mean="mean", standard_error="sem", n_splits="size").reset_index()
    sign = np.where(found["metric"].isin(_LOWER_IS_BETTER), -1.0, 1.0)
    competing = (found["mean"] * sign).where(~found["model"].isin(CONTROLS))
    columns = [found[name] for name in COLUMN]
    places = competing.groupby(columns, dropna=False).rank(method="min", ascending=False)
    return found.assign(place=places.fillna(0).astype("int64"))


def spread_over_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """Return how far model seeds are apart within a split.

    Returns
    -------
    DataFrame
        A row per method, dataset, metric, subset, set size and k with several seeds, with
        ``seed_sd``, the square root of the splits' mean variance over seeds (ddof 1; an
        ensemble's over its members), and ``n_splits``, the splits that have one.
    """
    splits = per_split(rows)
    splits = splits[splits["seed_variance"].notna()]
    groups = splits.groupby(_CELL, dropna=False, sort=False)["seed_variance"]
    found = groups.agg(seed_sd="mean", n_splits="size").reset_index()
    return found.assign(seed_sd=np.sqrt(found["seed_sd"].astype("float64")))
