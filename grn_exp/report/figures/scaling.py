"""What accuracy costs: figure 6 of InfoSEM (fewer cells), and run time."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.metrics.titles import title
from grn_exp.report.figures import choose
from grn_exp.report.figures.style import (
    DASHED,
    LINE_COLOURS,
    WIDTHS,
    caption,
    few_ticks,
    grid,
    is_narrow,
    legend_above,
    panel_title,
    spaced,
    styled,
)
from grn_exp.report.tables import CONTROLS, per_split, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_DATASETS = 4
_MARKERS = "os^D"
_LOOKS: list[dict[str, Any]] = [
    {"marker": marker, "color": colour} for marker in _MARKERS for colour in LINE_COLOURS
]
_MOST_METHODS = 14


@styled
def fewer_cells(
    rows: pd.DataFrame, *, width: float = WIDTHS["page"], subset: str = "test_unseen"
) -> "Figure":
    """Draw AUPRC over the share of the cells that methods were given (InfoSEM figure 6).

    Error bars are standard errors over splits; the dashed line is a random ranking.

    Parameters
    ----------
    rows
        Tidy rows of runs with several ``data.cell_fraction``.
    width
        Of the figure, inches.
    subset
        Pairs that are judged.

    Raises
    ------
    InputError
        If no dataset has runs with several shares.
    """
    found = choose.with_setting(choose.of_metric(rows, "ap", (subset,)), "data.cell_fraction")
    found = found.loc[~found["model"].isin(CONTROLS)]
    n_shares = found.groupby(["dataset", "method"])["setting"].transform("nunique")
    found = found.loc[n_shares > 1]
    if found.empty:
        raise InputError(
            f"no method has runs with several data.cell_fraction and ap on {subset}; python -m "
            "grn_exp -m data=hesc model=deepsem,infosem_b,infosem_bc "
            "data.cell_fraction=0.2,0.4,0.6,0.8,1.0 'split.seed=range(0,10)' makes them"
        )
    found, few_datasets = choose.most_datasets(found, _MOST_DATASETS)
    methods, few_methods = choose.best_methods(found, len(LINE_COLOURS))
    parts = [
        summarise(part.drop(columns="setting")).assign(percent=100 * float(str(share)))
        for share, part in found.groupby("setting")
    ]
    summary = pd.concat(parts, ignore_index=True)
    datasets = sorted(summary["dataset"].unique())
    figure, panels = grid(width, len(datasets), height=1.6, extra=0.7)
    for axes, dataset in zip(panels, datasets, strict=True):
        of_panel = summary.loc[summary["dataset"] == dataset]
        for method, look in zip(sorted(methods), _LOOKS, strict=False):
            line = of_panel.loc[of_panel["method"] == method].sort_values("percent")
            if len(line):
                errors = line["standard_error"].to_numpy()
                x, y = line["percent"].to_numpy(), line["mean"].to_numpy()
                axes.errorbar(x, y, errors, label=method, markersize=3, capsize=1.5, **look)
        splits = per_split(found.loc[found["dataset"] == dataset])
        axes.axhline(float(splits["prevalence"].mean()), label="random", **DASHED)
        axes.set_title(panel_title(str(dataset), width))
        axes.set_xlim(0, 105)
        axes.yaxis.set_major_locator(few_ticks())
    figure.supylabel(f"{title('ap')}, {spaced(subset)}", fontsize="medium")
    notes = ["mean and standard error over splits", few_datasets, few_methods]
    caption(figure, "cells used (%)", notes)
    legend_above(figure, _fullest(panels), n_columns=3 if is_narrow(width) else 6)
    return figure


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
    several = found.groupby("dataset")["method"].transform("nunique") > 1
    found = found.loc[several]
    if found.empty:
        raise InputError(
            f"no dataset has two methods with fit_seconds and {metric} on {subset}; "
            f"{choose.TABLE_2} makes such runs"
        )
    found, few_datasets = choose.most_datasets(found, _MOST_DATASETS)
    methods, few_methods = choose.best_methods(found, _MOST_METHODS)
    points = _points(found)
    looks = dict(zip(sorted(methods), _LOOKS, strict=False))
    datasets = sorted(found["dataset"].unique())
    n_columns = 2 if is_narrow(width) else 5
    n_lines = -(-len(looks) // n_columns)
    figure, panels = grid(width, len(datasets), height=1.6, extra=0.5 + 0.13 * n_lines)
    for axes, dataset in zip(panels, datasets, strict=True):
        of_panel = points.loc[points["dataset"] == dataset]
        for point in of_panel.to_dict("records"):
            if point["method"] in looks:
                times = [[point["median"] - point["min"]], [point["max"] - point["median"]]]
                error = np.nan_to_num(point["standard_error"])
                at: Any = (point["median"], point["mean"], error, times)
                look = {**looks[point["method"]], "markersize": 3.5, "elinewidth": 0.6}
                axes.errorbar(*at, label=point["method"], linestyle="none", **look)
        _decades(axes, of_panel)
        axes.set_title(panel_title(str(dataset), width))
        axes.yaxis.set_major_locator(few_ticks())
    figure.supylabel(f"{title(metric)}, {spaced(subset)}", fontsize="medium")
    notes = ["bars: range of times, standard error over splits", few_datasets, few_methods]
    caption(figure, "time of one fit (s)", notes)
    handles: dict[str, Any] = {}
    for axes in panels:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    names = sorted(handles)
    figure.legend(
        [handles[name] for name in names], names, loc="outside upper center", ncols=n_columns
    )
    return figure


def _decades(axes: "Axes", points: pd.DataFrame) -> None:
    """Let a logarithmic axis reach from a power of ten to another, or it may show none."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    low, high = np.log10([points["min"].min() / 1.2, points["max"].max() * 1.2])
    axes.set_xlim(10 ** np.floor(low), 10 ** np.ceil(high))
    axes.xaxis.set_major_locator(LogLocator(numticks=5))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _points(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each method's accuracy, and least, median and longest time, on each dataset."""
    times = rows.groupby(["dataset", "method"])["fit_seconds"].agg(["min", "median", "max"])
    return summarise(rows).merge(times.reset_index(), on=["dataset", "method"])


def _fullest(panels: Any) -> Any:  # noqa: ANN401 - matplotlib's own
    """Return the panel with most lines, whose legend is everyone's."""
    return max(panels, key=lambda axes: len(axes.get_legend_handles_labels()[1]))
