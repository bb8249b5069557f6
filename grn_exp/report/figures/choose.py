"""Which rows and runs a figure shows where the table holds more than fit."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from grn_exp.core.errors import InputError, close_matches
from grn_exp.report.bias_run import ScoredRun, finished_run, read_run
from grn_exp.report.collect import BENCHMARK, METHOD
from grn_exp.report.tables import CONTROLS, labelled, summarise

_ORDER = ["dataset", "method", "split_seed", "seed", "folder", "metric", "subset", "set_size", "k"]
_JUDGED = ("test_unseen", "test_seen")
TABLE_2 = "python -m grn_exp -m experiment=infosem_table2"


def ordered(rows: pd.DataFrame) -> pd.DataFrame:
    """Name methods and datasets and sort, so that the order of the rows changes nothing."""
    return labelled(rows).sort_values(_ORDER, kind="stable", ignore_index=True)


def of_metric(
    rows: pd.DataFrame, metric: str, subsets: Sequence[str] = tuple(reversed(_JUDGED))
) -> pd.DataFrame:
    """Return one metric's rows on some subsets, sorted; names are those of the whole table."""
    rows = labelled(rows)
    return ordered(rows.loc[(rows["metric"] == metric) & rows["subset"].isin(list(subsets))])


def of_dataset(rows: pd.DataFrame, dataset: str | None) -> pd.DataFrame:
    """Return one dataset's rows: the one that is named, or the one with most methods.

    Raises
    ------
    InputError
        If no dataset has that name.
    """
    if dataset is None:
        methods = rows.loc[~rows["model"].isin(CONTROLS)].groupby("dataset")["method"].nunique()
        if methods.empty:
            return rows
        return rows.loc[rows["dataset"] == methods.idxmax()]
    found = rows.loc[rows["dataset"] == dataset]
    if found.empty:
        names = sorted(rows["dataset"].unique())
        raise InputError(
            f"--dataset {dataset}: {close_matches(dataset, names)}"
            f"these runs have {', '.join(names) or 'none'}"
        )
    return found


def most_datasets(rows: pd.DataFrame, n_most: int) -> tuple[pd.DataFrame, str]:
    """Keep the datasets with most methods, and say so where that leaves some out."""
    counts = rows.groupby("dataset")["method"].nunique()
    kept = sorted(counts.index, key=lambda name: (-counts[name], name))[:n_most]
    note = f"{n_most} of {len(counts)} datasets" if len(counts) > n_most else ""
    return rows.loc[rows["dataset"].isin(kept)], note


def best_methods(rows: pd.DataFrame, n_most: int) -> tuple[list[str], str]:
    """Return the methods of highest mean average precision, best first, and what was left out.

    Parameters
    ----------
    rows
        Of ``ap``; unseen genes count where they were judged. Controls are no methods.
    """
    means = summarise(rows.loc[~rows["model"].isin(CONTROLS)])
    subsets = means["subset"].unique().tolist()
    subset = next((name for name in _JUDGED if name in subsets), min(subsets, default=""))
    means = means.loc[means["subset"] == subset].groupby("method")["mean"].mean()
    names = sorted(means.index, key=lambda name: (-means[name], name))
    return names[:n_most], left_out(len(names), n_most, subset)


def left_out(n: int, n_most: int, subset: str) -> str:
    """Return the note that says which methods are shown; empty if all are."""
    if n <= n_most:
        return ""
    return f"{n_most} of {n} methods, by mean AUPRC on {subset.replace('_', ' ')}"


def judged_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of average precision of runs that score pairs.

    Raises
    ------
    InputError
        If there are none.
    """
    found = of_metric(rows, "ap")
    if found.empty:
        raise InputError(
            f"no run has ap on test_seen or test_unseen; {TABLE_2} makes such runs, "
            "python -m grn_exp model=infosem_bc data=mesc one"
        )
    return found


def first_split(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one run of each method: its first seed on the first of the splits that most have.

    Parameters
    ----------
    rows
        Of one dataset, sorted.
    """
    counts = rows.groupby("split_seed")["method"].nunique()
    on_split = rows.loc[rows["split_seed"] == counts.idxmax()]
    return on_split.drop_duplicates("method")


def one_run(rows: pd.DataFrame, run_key: str) -> pd.DataFrame:
    """Return the rows of the run with a key.

    Raises
    ------
    InputError
        If no row has it.
    """
    found = rows.loc[rows["run_key"] == run_key]
    if found.empty:
        raise InputError(
            f"--run {run_key}: {close_matches(run_key, rows['run_key'].unique())}no run has this "
            "key and what this figure shows; a key is the name of a run's folder"
        )
    return found.loc[found["folder"] == found["folder"].iloc[0]]


def best_run(rows: pd.DataFrame, *, run_key: str | None, dataset: str | None) -> pd.Series:
    """Return the run with a key, or else the best method's on its dataset's first split.

    Parameters
    ----------
    rows
        Of :func:`judged_pairs`.
    """
    if run_key is not None:
        return one_run(rows, run_key).iloc[0]
    rows = of_dataset(rows, dataset)
    names, _ = best_methods(rows, 1)
    of_method = rows.loc[rows["method"].isin(names)] if names else rows
    return first_split(of_method).iloc[0]


def read_scored(run: pd.Series) -> ScoredRun:
    """Read the scores, labels and split of a row's run."""
    return read_run(Path(str(run["folder"])))


def with_setting(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    """Add the column ``setting``, a parameter of the benchmark, and name datasets without it.

    Where all runs of a method on a dataset agree, the table does not tell: one of them is asked.

    Parameters
    ----------
    key
        ``split.downsample``, ``data.cell_fraction``, ...

    Returns
    -------
    DataFrame
        Sorted; rows of benchmarks that have no such parameter are dropped.
    """
    rows = rows.drop(columns=["method", "dataset"], errors="ignore")
    told = {text: _taken_out(text, key) for text in rows["benchmark_variant"].unique()}
    told_of_row = [told[text] for text in rows["benchmark_variant"]]
    value = pd.Series([found for found, _ in told_of_row], index=rows.index, dtype="object")
    for _, same in rows.loc[value.isna()].groupby([*METHOD, *BENCHMARK], dropna=False):
        found = finished_run(Path(same["folder"].iloc[0])).parameters.get(key)
        if found is not None:
            value.loc[same.index] = str(found)
    rows = rows.assign(setting=value, benchmark_variant=[rest for _, rest in told_of_row])
    return ordered(rows.loc[value.notna()])


def _taken_out(variant: str, key: str) -> tuple[str | None, str]:
    """Return a parameter's value in ``a=1; b=2``, and the text without it."""
    parts = variant.split("; ")
    found = [part for part in parts if part.startswith(f"{key}=")]
    rest = "; ".join(part for part in parts if part not in found)
    return (found[0].partition("=")[2] if found else None), rest
