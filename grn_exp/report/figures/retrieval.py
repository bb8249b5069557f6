"""How long a list of candidates has to be: figures 2 and 3 of Residual HOS2."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.report.bias_run import missing_file
from grn_exp.report.figures import choose
from grn_exp.report.figures.style import (
    LINE_COLOURS,
    WIDTHS,
    caption,
    grid,
    is_narrow,
    legend_above,
    new_figure,
    styled,
)
from grn_exp.report.tables import CONTROLS, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PAPER = ("context_attention", "dot_product")  # first, in the paper's colours
_MOST_SIZES = 4
_COLUMNS = ("subset", "set_size", "k", "recall")


@styled
def retrieval_coverage(
    rows: pd.DataFrame,
    *,
    width: float = WIDTHS["page"],
    dataset: str | None = None,
    run_key: str | None = None,
) -> "Figure":
    """Draw coverage over the size of the pool, a panel per set size (Residual HOS2 figure 2).

    Coverage is the share of test targets all of whose regulators are among the first K. Lines
    are means over splits, bands their standard errors.

    Parameters
    ----------
    rows
        Tidy rows; read is ``recall_curve.csv`` of the retrievers' runs on one dataset.
    width
        Of the figure, inches.
    dataset, run_key
        By default the dataset with most retrievers; or one run only.

    Raises
    ------
    InputError
        If no run retrieves for sets.
    """
    found = choose.of_metric(rows, "recall_at_k", ("test",))
    found = found.loc[~found["model"].isin(CONTROLS) & found["set_size"].notna()]
    if found.empty:
        raise InputError(
            "no run has recall_at_k by set size on test; python -m grn_exp -m data=sergio_ds3 "
            "model=dot_product,context_attention split.seed=42,43,44 makes them"
        )
    if run_key is not None:
        found = choose.one_run(found, run_key)
    found = choose.of_dataset(found, dataset)
    methods, note = _methods(found)
    runs = found.loc[found["method"].isin(methods)].drop_duplicates("folder")
    curves = _curves(runs)
    all_sizes = sorted(curves["set_size"].unique())
    sizes = all_sizes[:_MOST_SIZES]
    figure, panels = grid(width, len(sizes), height=1.3, extra=0.75, shared=True)
    for axes, size in zip(panels, sizes, strict=True):
        of_panel = curves.loc[curves["set_size"] == size]
        for method, colour in zip(methods, LINE_COLOURS, strict=False):
            _line(axes, of_panel.loc[of_panel["method"] == method], method, colour)
        axes.set_title(f"R = {size}")
        axes.set_ylim(-0.02, 1.02)
    figure.supylabel("coverage (share of targets)", fontsize="medium")
    few_sizes = f"{len(sizes)} of {len(all_sizes)} set sizes" if all_sizes != sizes else ""
    of = f"{runs['dataset'].iloc[0]}, test targets; mean and standard error over splits"
    caption(figure, "pool size K (candidate regulators)", [of, note, few_sizes])
    legend_above(figure, panels[0], n_columns=3 if is_narrow(width) else 7)
    return figure


@styled
def retrieval_scaling(
    rows: pd.DataFrame, *, width: float = WIDTHS["page"], dataset: str | None = None
) -> "Figure":
    """Draw strict coverage and edge recall over K on a real network (Residual HOS2 figure 3).

    Left the share of targets all of whose regulators are among the first K, right the mean share
    of a target's regulators. Lines are means over splits, error bars their standard errors.

    Parameters
    ----------
    rows
        Tidy rows.
    width
        Of the figure, inches.
    dataset
        By default the one with most methods.

    Raises
    ------
    InputError
        If no run has both metrics.
    """
    metrics = ("strict_coverage_at_k", "edge_recall_at_k")
    parts = [choose.of_metric(rows, metric, ("test",)) for metric in metrics]
    found = choose.ordered(pd.concat(parts, ignore_index=True))
    found = found.loc[~found["model"].isin(CONTROLS)]
    if set(found["metric"]) != set(metrics):
        raise InputError(
            f"no run has {' and '.join(metrics)} on test; python -m grn_exp -m "
            "data=mesc_retrieval model=dot_product,context_attention split.seed=0,1,2 makes them"
        )
    found = choose.of_dataset(found, dataset)
    methods, note = _methods(found)
    summary = summarise(found)
    figure = new_figure(width, 2.3)
    panels = figure.subplots(1, 2, sharex=True)
    titles = ("strict coverage\n(share of targets)", "edge recall\n(mean share of regulators)")
    for axes, metric, label in zip(panels, metrics, titles, strict=True):
        for method, colour in zip(methods, LINE_COLOURS, strict=False):
            line = summary.loc[(summary["metric"] == metric) & (summary["method"] == method)]
            line = line.sort_values("k")
            axes.errorbar(
                line["k"].to_numpy(np.int64),
                line["mean"].to_numpy(),
                line["standard_error"].to_numpy(),
                marker="o",
                markersize=3,
                capsize=1.5,
                color=colour,
                label=method,
            )
        axes.set_title(label)
        axes.set_ylim(top=1.02)
    of = f"{found['dataset'].iloc[0]}; mean and standard error over splits"
    caption(figure, "list length K (regulators)", [of, note])
    legend_above(figure, panels[0], n_columns=2 if is_narrow(width) else 7)
    return figure


def _methods(rows: pd.DataFrame) -> tuple[list[str], str]:
    """Return the methods that are drawn, the paper's first, and what was left out."""
    known = rows.drop_duplicates("method").set_index("method")["model"]
    names = sorted(map(str, known.index), key=lambda name: (known[name] not in _PAPER, name))
    n_most = len(LINE_COLOURS)
    note = f"{n_most} of {len(names)} methods" if len(names) > n_most else ""
    return names[:n_most], note


def _curves(runs: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard error over splits of the runs' curves."""
    tables = []
    for run in runs.to_dict("records"):
        table = _read_curve(Path(run["folder"]) / "recall_curve.csv")
        tables.append(table.assign(method=run["method"], split_seed=run["split_seed"]))
    table = pd.concat(tables, ignore_index=True)
    table = table.loc[(table["subset"] == "test") & table["set_size"].notna()]
    table = table.astype({"set_size": "int64"})
    keys = ["method", "set_size", "k"]
    of_split = table.groupby([*keys, "split_seed"])["recall"].mean()
    return of_split.groupby(keys).agg(["mean", "sem"]).reset_index()


def _read_curve(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except FileNotFoundError as error:
        raise missing_file(path) from error
    except ValueError as error:
        raise InputError(f"{path} is broken; run again with force=true") from error
    absent: Sequence[str] = [name for name in _COLUMNS if name not in table]
    if absent:
        raise InputError(f"{path}: no column {absent[0]!r}; run again with force=true")
    return table


def _line(axes: "Axes", curve: pd.DataFrame, name: str, colour: str) -> None:
    if curve.empty:
        return
    k, mean, error = (curve[column].to_numpy(np.float64) for column in ("k", "mean", "sem"))
    axes.plot(k, mean, color=colour, label=name)
    axes.fill_between(k, mean - error, mean + error, color=colour, alpha=0.25, linewidth=0)
