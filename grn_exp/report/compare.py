"""Methods against each other, and against the published numbers."""

import itertools
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from grn_exp.core.errors import InputError, close_matches
from grn_exp.report.paired import Counts, counts_targets, on_common_targets, outcomes
from grn_exp.report.published import published
from grn_exp.report.tables import COLUMN, labelled, per_split, summarise

TEST_NOTE = (
    "Wilcoxon signed-rank test over common splits, Holm's correction within a column; splits "
    "share data, so p is too small; with n splits it is 2^(1-n) or more"
)
COUNTS_NOTE = (
    "targets of all splits that both methods have: both right, one alone, none; p of McNemar's "
    "exact test, Holm's correction within a column; a target that several splits test counts in "
    "each, so p is too small"
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
    require_method(reference, splits)
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


def paired_counts(rows: pd.DataFrame, *, reference: str | None = None) -> pd.DataFrame:
    """Compare methods target by target, where a metric is a share of targets.

    Parameters
    ----------
    rows
        Tidy rows; those of other metrics are left out.
    reference
        As in :func:`paired_tests`.

    Returns
    -------
    DataFrame
        ``dataset``, ``metric``, ``subset``, ``set_size``, ``k``, ``method``, ``other``,
        ``n_splits`` (common ones), ``n_targets``, ``both``, ``method_alone``, ``other_alone``,
        ``neither``, ``p`` (McNemar's exact test) and ``p_holm``.

    Raises
    ------
    InputError
        If there is no such reference, no such metric, or a run lacks the table of its targets.
    """
    rows = labelled(rows)
    require_method(reference, rows)
    rows = rows.loc[rows["metric"].map(counts_targets)]
    found = []
    for key, column in rows.groupby(COLUMN, dropna=False, sort=False):
        of = {str(name): outcomes(own) for name, own in column.groupby("method")}
        for method, other in comparisons(list(of), reference):
            table = on_common_targets(of[method], of[other])
            if not table.empty:
                counts = Counts.of(table)
                numbers = (counts.both, counts.left, counts.right, counts.neither, counts.p)
                names: list[Any] = [*key, method, other]  # type: ignore[misc]
                found.append([*names, counts.n_splits, counts.n, *numbers])
    if not found:
        raise InputError(
            "no two methods have targets in common that a metric counts, as exact_match and "
            "recall_at_k do"
        )
    counted = ["n_splits", "n_targets", "both", "method_alone", "other_alone", "neither", "p"]
    table = pd.DataFrame(found, columns=pd.Index([*COLUMN, "method", "other", *counted]))
    return table.assign(p_holm=table.groupby(COLUMN, dropna=False)["p"].transform(holm))


def require_method(reference: str | None, rows: pd.DataFrame) -> None:
    """Refuse a reference that is none of the methods, which rows have by their labels.

    Raises
    ------
    InputError
        If there is no such method.
    """
    methods = rows["method"].unique().tolist()
    if reference is not None and reference not in methods:
        raise InputError(
            f"--reference {reference}: {close_matches(reference, methods)}"
            f"choose from {', '.join(methods)}"
        )


def comparisons(methods: Sequence[str], reference: str | None) -> Iterator[tuple[str, str]]:
    """Yield every two methods, or each with the reference, which is the second of a pair."""
    for first, second in itertools.combinations(methods, 2):
        if reference in (None, first, second):
            yield (second, first) if first == reference else (first, second)


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

    for method, other in comparisons(values.columns.tolist(), reference):
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
    name may go on, ``biobert_published``). A number of one seed joins that split alone, with the
    mean over all splits beside it. One of other settings than our default joins the runs that
    differ from it in these alone. The gene set need not agree, as the two
    differ in how they count genes: ``paper_gene_set`` tells the paper's.

    Returns
    -------
    DataFrame
        ``paper``, ``table``, ``dataset``, ``method``, ``metric``, ``subset``, ``set_size``,
        ``k``, ``mean``, ``standard_error``, ``n_splits``, ``published``, ``published_error``,
        ``difference_in_errors`` (missing where we have a single split), ``gene_set``,
        ``paper_gene_set``, ``split_seed`` (the one split of the paper's number; else missing),
        and then also ``over_splits``, ``over_splits_error`` and ``n_over_splits``.
    """
    rows, entries = labelled(rows), published()
    whole = summarise(rows)
    over = {
        "mean": "over_splits",
        "standard_error": "over_splits_error",
        "n_splits": "n_over_splits",
    }
    on = ["dataset", "method", *COLUMN[1:]]
    beside = whole.rename(columns=over)[[*on, *over.values()]]
    several = _joined(whole, entries.loc[entries["split_seed"].isna()])
    parts = [several.assign(**dict.fromkeys(["split_seed", *over.values()], np.nan))]
    for seed, of_seed in entries.groupby("split_seed"):
        ours = rows.loc[rows["split_seed"] == seed]
        if not ours.empty:
            joined = _joined(summarise(ours), of_seed).assign(split_seed=seed)
            parts.append(joined.merge(beside, on=on, how="left"))
    return pd.concat([parts[0], *(part for part in parts[1:] if not part.empty)])


def _joined(summary: pd.DataFrame, entries: pd.DataFrame) -> pd.DataFrame:
    on = ["data", "model", "metric", "subset", "set_size", "k"]
    new = {"value": "published", "standard_error": "published_error"}
    both = summary.merge(entries.rename(columns=new), on=on, suffixes=("", "_of_paper"))
    for name in ("network", "split_kind", "retriever", "prior"):
        agree = str.startswith if name == "prior" else operator.eq
        pairs = zip(both[name], both[f"{name}_of_paper"], strict=True)
        both = both.loc[[theirs == "" or agree(mine, theirs) for mine, theirs in pairs]]
    both = both.loc[_of_the_setting(both)]
    both = both.rename(columns={"gene_set_of_paper": "paper_gene_set"})
    theirs = both["published_error"].to_numpy(dtype=np.float64)
    combined = np.hypot(both["standard_error"].to_numpy(dtype=np.float64), np.nan_to_num(theirs))
    combined[combined == 0] = np.nan
    both["difference_in_errors"] = (both["mean"] - both["published"]) / combined
    numbers = ["mean", "standard_error", "n_splits", "published", "published_error"]
    last = ["difference_in_errors", "gene_set", "paper_gene_set"]
    names = ["paper", "table", "dataset", "method", *COLUMN[1:]]
    return both[[*names, *numbers, *last]]


def _of_the_setting(both: pd.DataFrame) -> list[bool]:
    """Say which runs have the settings of a published number.

    One without settings is of our default only in the parameters that the paper varies.
    """
    varied = {setting.partition("=")[0] for setting in both["setting"] if setting}
    pairs = zip(both["method_variant"], both["setting"], strict=True)
    return [
        ours == theirs if theirs else not any(f"{name}=" in ours for name in varied)
        for ours, theirs in pairs
    ]
