"""Which rows and runs a figure shows where the table holds more than fit, and their names."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from grn_exp.core.errors import InputError, close_matches
from grn_exp.report.bias.run import ScoredRun, finished_run, read_run
from grn_exp.report.collect import BENCHMARK, METHOD
from grn_exp.report.figures import style
from grn_exp.report.layout import spaced
from grn_exp.report.names import dataset_name
from grn_exp.report.tables import CONTROLS, labelled, summarise
from grn_exp.runs.methods import display_name, rank

_ORDER = ["method", "split_seed", "seed", "folder", "metric", "subset", "set_size", "k"]
Named = str | None  # what the command line may choose
TABLE_2 = "python -m grn_exp -m experiment=infosem_table2"


def ordered(rows: pd.DataFrame) -> pd.DataFrame:
    """Name methods and datasets as a reader does; sort methods as in the tables, by family."""
    rows = labelled(rows)
    of = dict(rows[["dataset", "data"]].drop_duplicates().itertuples(index=False))
    datasets = {
        label: setting_text(dataset_name(label)) if label.split(" ")[0] == data else label
        for label, data in of.items()  # one that has its name already keeps it
    }
    rows = rows.assign(dataset=[datasets[label] for label in rows["dataset"]])
    known = dict(rows[["method", "model"]].drop_duplicates().itertuples(index=False))
    names = {method: _shown(method, model) for method, model in known.items()}
    if len(set(names.values())) == len(names):
        rows = rows.assign(method=[names[method] for method in rows["method"]])
    families = sorted(set(known.values()), key=lambda model: (rank(model), model))
    rows = rows.assign(_family=pd.Categorical(rows["model"], families))
    rows = rows.sort_values(["dataset", "_family", *_ORDER], kind="stable", ignore_index=True)
    return rows.drop(columns="_family")


def _shown(method: str, model: str) -> str:
    """Return a method's label with its model's and retriever's names, settings without paths."""
    if not method.startswith(model):
        return method
    retriever, _, rest = method[len(model) :].partition(" ")
    on = f" on {display_name(retriever[1:])}" if retriever else ""
    return f"{display_name(model)}{on}" + (f", {setting_text(rest)}" if rest else "")


def setting_text(settings: str) -> str:
    """Return ``a.b._target_=c.D; a.e_f=1`` as a reader takes it in: ``b=D, e f=1``."""
    classes = re.sub(r"\._target_=(\w+\.)*", "=", settings)
    return re.sub(r"\b(\w+\.)+(\w+=)", r"\2", classes).replace("; ", ", ").replace("_", " ")


def of_metric(
    rows: pd.DataFrame, metric: str, subsets: Sequence[str] = tuple(style.SUBSETS)
) -> pd.DataFrame:
    """Return one metric's rows on some subsets, sorted; names are those of the whole table."""
    rows = labelled(rows)
    return ordered(rows.loc[(rows["metric"] == metric) & rows["subset"].isin(list(subsets))])


def one_dataset(rows: pd.DataFrame, *, run_key: Named, dataset: Named) -> pd.DataFrame:
    """Return the rows of the run or the dataset that is named, or of that with most methods.

    Raises
    ------
    InputError
        If no run has that key, or no dataset that name.
    """
    if run_key is not None:
        found = rows.loc[rows["run_key"] == run_key]
        if found.empty:
            raise InputError(
                f"--run {run_key}: {close_matches(run_key, rows['run_key'].unique())}no run has "
                "this key and what this figure shows; a key is the name of a run's folder"
            )
        rows = found.loc[found["folder"] == found["folder"].iloc[0]]
    if dataset is None:
        methods = rows.loc[~rows["model"].isin(CONTROLS)].groupby("dataset")["method"].nunique()
        if methods.empty:
            return rows
        return rows.loc[rows["dataset"] == methods.idxmax()]
    found = rows.loc[(rows["dataset"] == dataset) | (rows["data"] == dataset)]
    if found.empty:
        names = sorted({*rows["dataset"], *rows["data"]})
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
    """Return the methods of highest mean, best first, and what was left out.

    Parameters
    ----------
    rows
        Of one metric; unseen genes count where they were judged. Controls are no methods.
    """
    means = summarise(rows.loc[~rows["model"].isin(CONTROLS)])
    subset = max(means["subset"], default="")
    means = means.loc[means["subset"] == subset].groupby("method")["mean"].mean()
    names = sorted(means.index, key=lambda name: (-means[name], name))
    note = f"the {n_most} best of {len(names)} methods on {spaced(subset)}"
    return names[:n_most], note if len(names) > n_most else ""


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


def best_runs(
    rows: pd.DataFrame, n_most: int, *, run_key: Named, dataset: Named
) -> tuple[pd.DataFrame, str]:
    """Return a dataset's rows of its best methods, or one run's, and what was left out.

    Raises
    ------
    InputError
        If no run scores pairs, there is no such run, or only controls have runs.
    """
    found = of_metric(rows, "ap")
    if found.empty:
        raise InputError(
            f"no run has ap on test_seen or test_unseen; {TABLE_2} makes such runs, "
            "python -m grn_exp model=infosem_bc data=mesc one"
        )
    found = one_dataset(found, run_key=run_key, dataset=dataset)
    if run_key is not None:
        return found, ""
    names, note = best_methods(found, n_most)
    if not names:
        raise InputError(f"only controls have runs; {TABLE_2} makes runs of methods")
    return found.loc[found["method"].isin(names)], note


def best_run(rows: pd.DataFrame, *, run_key: Named, dataset: Named) -> tuple[str, ScoredRun]:
    """Return the run with a key, or else the best method's on its dataset's first split.

    Its method and split stand before it, as a title says them.
    """
    run = first_split(best_runs(rows, 1, run_key=run_key, dataset=dataset)[0]).iloc[0]
    return f"{run['method']}, {split_of(run)}", read_run(Path(run["folder"]))


def read_scored(runs: pd.DataFrame) -> list[ScoredRun]:
    """Read the scores, labels and split of each row's run."""
    return [read_run(Path(folder)) for folder in runs["folder"]]


def split_of(run: pd.Series) -> str:
    """Return a run's dataset and split, as a caption says it."""
    return f"{run['dataset']}, split {run['split_seed']}"


def with_setting(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    """Add the column ``setting``, a parameter of the benchmark, and name datasets without it.

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
    value = pd.Series(index=rows.index, dtype="object")
    for _, same in rows.groupby([*METHOD, *BENCHMARK], dropna=False):
        found = finished_run(Path(same["folder"].iloc[0])).parameters.get(key)
        if found is not None:
            value.loc[same.index] = str(found)
    variants = rows["benchmark_variant"].str.replace(
        rf"{re.escape(key)}=[^;]*(; )?", "", regex=True
    )
    rows = rows.assign(setting=value, benchmark_variant=variants.str.removesuffix("; "))
    return ordered(rows.loc[value.notna()])
