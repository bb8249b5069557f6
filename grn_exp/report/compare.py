"""Methods against each other, and against the published numbers."""

import itertools
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from grn_exp.core.errors import InputError, close_matches
from grn_exp.report.published import published
from grn_exp.report.tables import COLUMN, labelled, per_split, summarise

TEST_NOTE = (
    "Wilcoxon signed-rank test over common splits, Holm's correction within a column; splits "
    "share data, so p is too small; with n splits it is 2^(1-n) or more"
)
PAPER_NOTE = (
    "ours | the paper's (difference in standard errors: ours and the paper's combined, ours alone "
    "where it gives none)"
)


# -- methods against each other ----------------------------------------------------------------


def paired_tests(rows: pd.DataFrame, *, reference: str | None = None) -> pd.DataFrame:
    """Compare methods on the splits that both have.

    The Wilcoxon signed-rank test is exact for few splits and asks for no normal distribution:
    where a handful of regulators decides a split's value, differences have heavy tails, and a
    paired t-test would follow single splits. Both take splits for independent. They overlap, so
    that the p-values are optimistic.

    Parameters
    ----------
    rows
        Tidy rows.
    reference
        Compare with this method only; None compares all pairs, at the price of more tests.

    Returns
    -------
    DataFrame
        ``dataset``, ``metric``, ``subset``, ``set_size``, ``k``, ``method``, ``other``,
        ``n_splits`` (common ones), ``mean_difference`` (method minus other), ``p`` (two-sided)
        and ``p_holm`` (corrected for all comparisons of the column).

    Raises
    ------
    InputError
        If there is no such reference.
    """
    splits = per_split(rows)
    methods = splits["method"].unique().tolist()
    if reference is not None and reference not in methods:
        raise InputError(
            f"--reference {reference}: {close_matches(reference, methods)}"
            f"choose from {', '.join(methods)}"
        )
    tests = [
        (*key, *test)  # type: ignore[misc]
        for key, column in splits.groupby(COLUMN, dropna=False, sort=False)
        for test in _tests(column.pivot_table("value", "split_seed", "method"), reference)
    ]
    if not tests:
        raise InputError("no two methods share a split, so there is nothing to test")
    names = [*COLUMN, "method", "other", "n_splits", "mean_difference", "p"]
    found = pd.DataFrame(tests, columns=pd.Index(names))
    return found.assign(p_holm=found.groupby(COLUMN, dropna=False)["p"].transform(holm))


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Return p-values corrected by Holm's step-down procedure (Holm 1979).

    The i-th smallest of m is multiplied by m - i + 1; none is less than the one before it, none
    more than 1.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def _tests(
    values: pd.DataFrame, reference: str | None
) -> Iterator[tuple[str, str, int, float, float]]:
    from scipy.stats import wilcoxon

    for first, second in itertools.combinations(values.columns, 2):
        if reference not in (None, first, second):
            continue
        method, other = (second, first) if first == reference else (first, second)
        difference = (values[method] - values[other]).dropna().to_numpy(dtype=np.float64)
        if len(difference):
            unequal = difference[difference != 0.0]  # equal values say nothing
            result: Any = wilcoxon(unequal) if len(unequal) else None
            p = 1.0 if result is None else float(result.pvalue)
            yield method, other, len(difference), float(difference.mean()), p


# -- ours against the papers' ------------------------------------------------------------------


def beside_paper(rows: pd.DataFrame) -> pd.DataFrame:
    """Put the papers' numbers beside ours.

    A published number joins the runs that agree with it in dataset, model, metric, subset, set
    size and k, and in what else its paper fixes: network, kind of split, retriever, prior (whose
    name may go on, ``biobert_published``). A number of one seed joins that split alone; one of
    settings that are not our default joins nothing. The gene set need not agree, as the two
    differ in how they count genes: ``paper_gene_set`` tells the paper's.

    Returns
    -------
    DataFrame
        ``paper``, ``table``, ``dataset``, ``method``, ``metric``, ``subset``, ``set_size``,
        ``k``, ``mean``, ``standard_error``, ``n_splits``, ``published``, ``published_error``,
        ``difference_in_errors`` (missing where we have a single split), ``gene_set``,
        ``paper_gene_set``.
    """
    rows, entries = labelled(rows), published()
    entries = entries.loc[entries["setting"] == ""]
    parts = [_joined(summarise(rows), entries.loc[entries["split_seed"].isna()])]
    for seed, of_seed in entries.groupby("split_seed"):
        ours = rows.loc[rows["split_seed"] == seed]
        if not ours.empty:
            parts.append(_joined(summarise(ours), of_seed))
    return pd.concat([parts[0], *(part for part in parts[1:] if not part.empty)])


def _joined(summary: pd.DataFrame, entries: pd.DataFrame) -> pd.DataFrame:
    on = ["data", "model", "metric", "subset", "set_size", "k"]
    new = {"value": "published", "standard_error": "published_error"}
    both = summary.merge(entries.rename(columns=new), on=on, suffixes=("", "_of_paper"))
    for name in ("network", "split_kind", "retriever", "prior"):
        agree = str.startswith if name == "prior" else operator.eq
        pairs = zip(both[name], both[f"{name}_of_paper"], strict=True)
        both = both.loc[[theirs == "" or agree(mine, theirs) for mine, theirs in pairs]]
    both = both.rename(columns={"gene_set_of_paper": "paper_gene_set"})
    theirs = both["published_error"].to_numpy(dtype=np.float64)
    combined = np.hypot(both["standard_error"].to_numpy(dtype=np.float64), np.nan_to_num(theirs))
    combined[combined == 0] = np.nan
    both["difference_in_errors"] = (both["mean"] - both["published"]) / combined
    numbers = ["mean", "standard_error", "n_splits", "published", "published_error"]
    last = ["difference_in_errors", "gene_set", "paper_gene_set"]
    names = ["paper", "table", "dataset", "method", *COLUMN[1:]]
    return both[[*names, *numbers, *last]]
