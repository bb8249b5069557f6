"""What accuracy costs: figure 6 of InfoSEM (fewer cells), and run time."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.report.figures import choose
from grn_exp.report.figures.style import (
    DASHED,
    MOST_LINES,
    WIDTHS,
    caption,
    few_ticks,
    genes,
    grid,
    legend_above,
    letters,
    line_height,
    log_axis,
    looks,
    short_title,
    styled,
    wrapped,
)
from grn_exp.report.tables import CONTROLS, per_split, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_DATASETS = 4
_MOST_METHODS = 14
_CELLS = ("data.cell_fraction", "data.n_cells_per_type")  # the toy simulates as many as are asked


@styled
def fewer_cells(
    rows: pd.DataFrame, *, width: float = WIDTHS["page"], subset: str = "test_unseen"
) -> "Figure":
    """Draw AUPRC over the share of the cells that methods were given (InfoSEM figure 6).

    Error bars are standard errors over splits; the dashed line is a random ranking.

    Parameters
    ----------
    rows
        Tidy rows of runs with several ``data.cell_fraction``, or on the toy
        ``data.n_cells_per_type``.
    width
        Of the figure, inches.
    subset
        Pairs that are judged.

    Raises
    ------
    InputError
        If no dataset has runs with several shares.
    """
    judged = choose.of_metric(rows, "ap", (subset,))
    found = pd.concat([_several_shares(judged, key) for key in _CELLS], ignore_index=True)
    if found.empty:
        raise InputError(
            f"no method has runs with several data.cell_fraction and ap on {subset}; python -m "
            "grn_exp -m data=hesc model=deepsem,infosem_b,infosem_bc "
            "data.cell_fraction=0.2,0.4,0.6,0.8,1.0 'split.seed=range(0,10)' makes them"
        )
    found, few_datasets = choose.most_datasets(found, _MOST_DATASETS)
    methods, few_methods = choose.best_methods(found, MOST_LINES)
    look = looks(found.loc[found["method"].isin(methods)], marker=True)
    parts = [
        summarise(part.drop(columns="percent")).assign(percent=percent)
        for percent, part in found.groupby("percent")
    ]
    summary = pd.concat(parts, ignore_index=True)
    prevalence = per_split(found).groupby("dataset")["prevalence"].mean()
    datasets = sorted(summary["dataset"].unique())
    figure, panels = grid(width, len(datasets), height=1.8, extra=line_height(6))
    for axes, dataset in zip(panels, datasets, strict=True):
        for method, style in look.items():
            of_method = (summary["dataset"] == dataset) & (summary["method"] == method)
            names = ["percent", "mean", "standard_error"]
            values = summary.loc[of_method, names].to_numpy(np.float64).T
            if values.size:
                axes.errorbar(*values, label=method, markersize=3.5, capsize=1.5, **style)
        axes.axhline(prevalence[dataset], label="random ranking", **DASHED)
    _finish(figure, panels, datasets, f"{short_title('ap')}\n{genes(subset)}")
    panels[0].set_xlim(0, 105)
    panels[0].set_ylim(bottom=0)
    panels[0].xaxis.set_major_locator(few_ticks())
    notes = ["mean and standard error over splits", few_datasets, few_methods]
    caption(figure, "cells used (%)", notes)
    legend_above(figure, panels)
    return figure


def _several_shares(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    """Return the rows of methods that were run with several numbers of cells, with ``percent``."""
    found = choose.with_setting(rows, key)
    found = found.loc[~found["model"].isin(CONTROLS)]
    groups = found.groupby(["dataset", "method"])["setting"]
    found = found.loc[groups.transform("nunique") > 1]
    value = found.pop("setting").astype("float64")
    most = 1.0 if key == _CELLS[0] else value.groupby(found["dataset"]).transform("max")
    return found.assign(percent=100 * value / most)


@styled
def run_time(
    rows: pd.DataFrame,
    *,
    width: float = WIDTHS["page"],
    metric: str = "ap",
    subset: str = "test_unseen",
) -> "Figure":
    """Draw the methods' accuracy over the time of their fit.

    A point is a method's median time and mean accuracy; bars are the range of the times, and
    standard errors over splits. The time of an ensemble is what ``provenance.json`` says.

    Parameters
    ----------
    rows
        Tidy rows; without the controls ``random`` and ``oracle``.
    width
        Of the figure, inches.
    metric, subset
        What counts as accuracy.

    Raises
    ------
    InputError
        If no dataset has two methods with a time.
    """
    found = choose.of_metric(rows, metric, (subset,))
    found = found.loc[~found["model"].isin(CONTROLS) & (found["fit_seconds"] > 0)]
    found = found.loc[found.groupby("dataset")["method"].transform("nunique") > 1]
    if found.empty:
        raise InputError(
            f"no dataset has two methods with fit_seconds and {metric} on {subset}; "
            f"{choose.TABLE_2} makes such runs"
        )
    found, few_datasets = choose.most_datasets(found, _MOST_DATASETS)
    methods, few_methods = choose.best_methods(found, _MOST_METHODS)
    found = found.loc[found["method"].isin(methods)]
    look = looks(found, marker=True)
    times = found.groupby(["dataset", "method"])["fit_seconds"].agg(["min", "median", "max"])
    points = summarise(found).merge(times.reset_index(), on=["dataset", "method"])
    datasets = sorted(found["dataset"].unique())
    figure, panels = grid(width, len(datasets), height=1.7, extra=line_height(5 + len(look) / 3))
    for axes, dataset in zip(panels, datasets, strict=True):
        for point in points.loc[points["dataset"] == dataset].to_dict("records"):
            median, error = point["median"], np.nan_to_num(point["standard_error"])
            at: Any = (
                median,
                point["mean"],
                error,
                [[median - point["min"]], [point["max"] - median]],
            )
            style = {**look[point["method"]], "linestyle": "none", "markersize": 4}
            axes.errorbar(*at, label=point["method"], elinewidth=0.6, **style)
    _finish(figure, panels, datasets, f"{short_title(metric)}\n{genes(subset)}")
    log_axis(panels[0], points["min"].min(), points["max"].max() * 2)
    panels[0].set_ylim(bottom=0)
    notes = ["bars: range of times, standard error over splits", few_datasets, few_methods]
    caption(figure, "time of one fit (s)", notes)
    legend_above(figure, panels)
    return figure


def _finish(figure: "Figure", panels: list["Axes"], datasets: list[str], label: str) -> None:
    """Write which datasets the panels show, and what their y axis is."""
    room = letters(0.7 * figure.get_figwidth() / min(3, len(panels)))
    for axes, dataset in zip(panels, datasets, strict=True):
        axes.set_title(wrapped(choose.setting_text(dataset), room))
    panels[0].yaxis.set_major_locator(few_ticks())
    figure.supylabel(label, fontsize="medium")
