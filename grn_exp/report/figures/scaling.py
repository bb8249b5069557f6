"""What accuracy costs: figure 6 of InfoSEM (fewer cells), and run time."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.report.figures import choose, style
from grn_exp.report.tables import CONTROLS, per_split, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_UNSEEN = ("test_unseen",)
_MOST_DATASETS = 4
_MOST_METHODS = 14
_CELLS = ("data.cell_fraction", "data.n_cells_per_type")  # the toy simulates as many as are asked


@style.styled
def fewer_cells(rows: pd.DataFrame, *, width: float = style.PAGE) -> "Figure":
    """Draw AUPRC over the share of the cells that methods were given (InfoSEM figure 6).

    Error bars are standard errors over splits; the dashed line is a random ranking.
    """
    judged = choose.of_metric(rows, "ap", _UNSEEN)
    found = pd.concat([_several_shares(judged, key) for key in _CELLS], ignore_index=True)
    if found.empty:
        raise InputError(
            "no method has runs with several data.cell_fraction and ap on test_unseen; python -m "
            "grn_exp -m data=hesc model=deepsem,infosem_b,infosem_bc "
            "data.cell_fraction=0.2,0.4,0.6,0.8,1.0 'split.seed=range(0,10)' makes them"
        )
    found, few_datasets = choose.most_datasets(found, _MOST_DATASETS)
    methods, few_methods = choose.best_methods(found, style.MOST_LINES)
    look = style.looks(found.loc[found["method"].isin(methods)], marker=True)
    parts = [
        summarise(part.drop(columns="percent")).assign(percent=percent)
        for percent, part in found.groupby("percent")
    ]
    summary = pd.concat(parts, ignore_index=True)
    prevalence: Any = per_split(found).groupby("dataset")["prevalence"].mean()
    datasets = sorted(summary["dataset"].unique())
    figure, panels = style.grid(width, len(datasets), height=1.8, extra=style.line_height(6))
    for axes, dataset in zip(panels, datasets, strict=True):
        for method, marks in look.items():
            of_method = (summary["dataset"] == dataset) & (summary["method"] == method)
            names = ["percent", "mean", "standard_error"]
            values = summary.loc[of_method, names].to_numpy(np.float64).T
            if values.size:
                axes.errorbar(*values, label=method, markersize=3.5, capsize=1.5, **marks)
        axes.axhline(prevalence[dataset], label=style.RANDOM, **style.DASHED)
    _finish(figure, panels, datasets)
    panels[0].set_xlim(0, 105)
    panels[0].xaxis.set_major_locator(style.few_ticks())
    notes = ["mean and standard error over splits", few_datasets, few_methods]
    style.caption(figure, "cells used (%)", notes)
    style.legend_above(figure, panels)
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


@style.styled
def run_time(rows: pd.DataFrame, *, width: float = style.PAGE) -> "Figure":
    """Draw the methods' AUPRC over the time of their fit.

    A point is a method's median time and mean accuracy; bars are the range of the times, and
    standard errors over splits. The time of an ensemble is what ``provenance.json`` says.
    """
    found = choose.of_metric(rows, "ap", _UNSEEN)
    found = found.loc[~found["model"].isin(CONTROLS) & (found["fit_seconds"] > 0)]
    found = found.loc[found.groupby("dataset")["method"].transform("nunique") > 1]
    if found.empty:
        raise InputError(
            "no dataset has two methods with fit_seconds and ap on test_unseen; "
            f"{choose.TABLE_2} makes such runs"
        )
    found, few_datasets = choose.most_datasets(found, _MOST_DATASETS)
    methods, few_methods = choose.best_methods(found, _MOST_METHODS)
    found = found.loc[found["method"].isin(methods)]
    look = style.looks(found, marker=True)
    times = found.groupby(["dataset", "method"])["fit_seconds"].agg(["min", "median", "max"])
    points = summarise(found).merge(times.reset_index(), on=["dataset", "method"])
    datasets = sorted(found["dataset"].unique())
    around = style.line_height(5 + 1.1 * style.legend_lines(look, width))
    figure, panels = style.grid(width, len(datasets), height=1.7, extra=around)
    for axes, dataset in zip(panels, datasets, strict=True):
        for point in points.loc[points["dataset"] == dataset].to_dict("records"):
            median, error = point["median"], np.nan_to_num(point["standard_error"])
            across: Any = [[median - point["min"]], [point["max"] - median]]
            marks = {**look[point["method"]], "linestyle": "none", "markersize": 4}
            marks |= {"label": point["method"], "elinewidth": 0.6}
            axes.errorbar(median, point["mean"], error, across, **marks)
    _finish(figure, panels, datasets)
    style.log_axis(panels[0], float(points["min"].min()), 2 * float(points["max"].max()))
    notes = ["bars: range of times, standard error over splits", few_datasets, few_methods]
    style.caption(figure, "time of one fit (s)", notes)
    style.legend_above(figure, panels)
    return figure


def _finish(figure: "Figure", panels: list["Axes"], datasets: list[str]) -> None:
    """Write which datasets the panels show; their y axis is the AUPRC on unseen genes."""
    room = style.letters(0.7 * figure.get_figwidth() / min(3, len(panels)))
    for axes, dataset in zip(panels, datasets, strict=True):
        axes.set_title(style.wrapped(dataset, room))
    panels[0].set_ylim(bottom=0)
    panels[0].yaxis.set_major_locator(style.few_ticks())
    figure.supylabel(style.AUPRC_UNSEEN, fontsize="medium")
