"""How long a list of candidates has to be: figures 2 and 3 of Residual HOS2."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.report.bias.run import read_table
from grn_exp.report.figures import choose, style
from grn_exp.report.figures.choose import Named
from grn_exp.report.tables import CONTROLS, summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAPER = ("context_attention", "dot_product")  # drawn first
_MOST_SIZES = 4


@style.styled
def retrieval_coverage(
    rows: pd.DataFrame, *, width: float = style.PAGE, dataset: Named = None, run_key: Named = None
) -> "Figure":
    """Draw coverage over the size of the pool, a panel per set size (Residual HOS2 figure 2).

    Coverage is the share of test targets all of whose regulators are among the first K. Lines
    are means over splits, bands their standard errors. The axis ends where no curve rises more.
    """
    found = choose.of_metric(rows, "recall_at_k", ("test",))
    found = found.loc[~found["model"].isin(CONTROLS) & found["set_size"].notna()]
    if found.empty:
        raise InputError(
            "no run has recall_at_k by set size on test; python -m grn_exp -m data=sergio_ds3 "
            "model=dot_product,context_attention split.seed=42,43,44 makes them"
        )
    runs, note = _few_methods(choose.one_dataset(found, run_key=run_key, dataset=dataset))
    curves = _curves(runs.drop_duplicates("folder"))
    sizes = sorted(curves["set_size"].unique())
    few_sizes = f"{_MOST_SIZES} of {len(sizes)} set sizes" if len(sizes) > _MOST_SIZES else ""
    sizes = sizes[:_MOST_SIZES]
    figure, panels = style.grid(width, len(sizes), height=1.5, extra=style.line_height(7))
    for axes, size in zip(panels, sizes, strict=True):
        of_panel = curves.loc[curves["set_size"] == size]
        for method, look in style.looks(runs).items():
            line = of_panel.loc[of_panel["method"] == method]
            k, mean, error = (line[name].to_numpy() for name in ("k", "mean", "sem"))
            axes.plot(k, mean, label=method, **look)
            band = {"color": look["color"], "alpha": 0.2, "linewidth": 0}
            axes.fill_between(k, mean - error, mean + error, **band)
        axes.set_title(f"R = {size}")
    top = curves.groupby(["method", "set_size"])["mean"].transform("max")
    rising = curves.loc[curves["set_size"].isin(sizes) & (curves["mean"] < top), "k"]
    style.log_axis(panels[0], 1, 1.1 * rising.max() + 2)
    style.share_axis(panels[0].yaxis)
    figure.supylabel("coverage\n(share of targets)", fontsize=style.small_font())
    of = f"{runs['dataset'].iloc[0]}, test targets with R regulators"
    style.caption(
        figure,
        "pool size K (candidate regulators)",
        [of, "mean and standard error over splits", note, few_sizes],
    )
    style.legend_above(figure, panels)
    return figure


@style.styled
def retrieval_scaling(
    rows: pd.DataFrame, *, width: float = style.PAGE, dataset: Named = None
) -> "Figure":
    """Draw strict coverage and edge recall over K on a real network (Residual HOS2 figure 3).

    K is a share of the network's regulators, so that networks of other sizes than the paper's 229
    compare with it. Left the share of targets all of whose regulators are among the first K, right
    the mean share of a target's regulators. Lines are means over splits, error bars their standard
    errors.
    """
    metrics = {
        "strict_coverage_at_k": "strict coverage\n(share of targets)",
        "edge_recall_at_k": "edge recall\n(share of regulators)",
    }
    parts = [choose.of_metric(rows, metric, ("test",)) for metric in metrics]
    found = choose.ordered(pd.concat(parts, ignore_index=True))
    found = found.loc[~found["model"].isin(CONTROLS)]
    if set(found["metric"]) != set(metrics):
        raise InputError(
            f"no run has {' and '.join(metrics)} on test; python -m grn_exp -m "
            "data=mesc_retrieval model=dot_product,context_attention split.seed=0,1,2 makes them"
        )
    found, note = _few_methods(choose.one_dataset(found, run_key=None, dataset=dataset))
    summary = summarise(found.assign(k=_shares(found))).sort_values("k", kind="stable")
    figure = style.new_figure(width, 1.7 + style.line_height(5))
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, (metric, label) in zip(panels, metrics.items(), strict=True):
        for method, look in style.looks(found, marker=True).items():
            line = summary.loc[(summary["metric"] == metric) & (summary["method"] == method)]
            values = (line[name].to_numpy(float) for name in ("k", "mean", "standard_error"))
            axes.errorbar(*values, label=method, markersize=3.5, capsize=1.5, **look)
        axes.set_title(label)
    style.share_axis(panels[0].yaxis)
    panels[0].xaxis.set_major_locator(style.few_ticks())
    of = f"{found['dataset'].iloc[0]}; mean and standard error over splits"
    style.caption(figure, "list length K (share of the regulators)", [of, note])
    style.legend_above(figure, panels)
    return figure


def _shares(rows: pd.DataFrame) -> pd.Series:
    """Return K as a share of a run's regulators, whose number the end of its curve shows."""
    folders = rows["folder"].astype(str)
    n = {
        folder: int(read_table(Path(folder) / "recall_curve.csv", ("k",))["k"].max()) + 1
        for folder in folders.unique()
    }
    return rows["k"].astype(float) / [n[folder] for folder in folders]


def _few_methods(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the rows of the methods that are drawn, the paper's first, and what was left out."""
    known = rows.drop_duplicates("method").set_index("method")["model"]
    names = sorted(map(str, known.index), key=lambda name: known[name] not in _PAPER)
    note = f"{style.MOST_LINES} of {len(names)} methods" if len(names) > style.MOST_LINES else ""
    return rows.loc[rows["method"].isin(names[: style.MOST_LINES])], note


def _curves(runs: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard error over splits of the runs' curves."""
    tables = []
    for run in runs.to_dict("records"):
        path = Path(run["folder"]) / "recall_curve.csv"
        table = read_table(path, ("subset", "set_size", "k", "recall"))
        tables.append(table.assign(method=run["method"], split_seed=run["split_seed"]))
    table = pd.concat(tables, ignore_index=True)
    table = table.loc[(table["subset"] == "test") & table["set_size"].notna()]
    table = table.astype({"set_size": "int64"})
    keys = ["method", "set_size", "k"]
    of_split = table.groupby([*keys, "split_seed"])["recall"].mean()
    return of_split.groupby(keys).agg(["mean", "sem"]).reset_index()
