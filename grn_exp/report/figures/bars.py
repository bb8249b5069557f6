"""Methods below each other, seen genes on the left, unseen ones on the right."""

from typing import TYPE_CHECKING

import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.metrics.titles import title
from grn_exp.report.figures import choose, style
from grn_exp.report.names import colour
from grn_exp.report.tables import CONTROLS, per_split, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_DATASETS = 6
_MOST_METHODS = 20
_FIGURE_5 = "python -m grn_exp -m experiment=infosem_figure5"


@style.styled
def seen_against_unseen(rows: pd.DataFrame, *, width: float = style.WIDTHS["page"]) -> "Figure":
    """Draw each method's AUPRC on seen and on unseen genes (InfoSEM figure 3a).

    A line of panels per dataset: left the unseen pairs of seen genes, right the pairs of unseen
    genes. Error bars are standard errors over splits; the dashed line is a random ranking, the
    mean share of positives. A method with fewer splits than the others says so.
    """
    rows = choose.of_metric(rows, "ap")
    return _two_columns(rows, _random_level(rows), width=width, notes=["dashed: random"])


@style.styled
def early_precision(rows: pd.DataFrame, *, width: float = style.WIDTHS["page"]) -> "Figure":
    """Draw each method's early precision ratio (BEELINE, Pratapa et al. 2020), as figure 3a.

    The precision of as many pairs as there are positives, over their share; a random ranking has
    1, the dashed line. Error bars are standard errors over splits.
    """
    rows = choose.of_metric(rows, "epr")
    levels = dict.fromkeys(_random_level(rows), 1.0)
    return _two_columns(rows, levels, width=width, notes=["dashed: random, 1"])


@style.styled
def downsampled_training(rows: pd.DataFrame, *, width: float = style.WIDTHS["page"]) -> "Figure":
    """Draw figure 3a for methods trained without imbalance of regulators (InfoSEM figure 5).

    Bars are of runs with ``split.downsample=per_regulator``; an open circle beside a bar is the
    same method trained on all pairs. Error bars are standard errors over splits.
    """
    found = choose.with_setting(choose.of_metric(rows, "ap"), "split.downsample")
    balanced = found.loc[found["setting"] == "per_regulator"].drop(columns="setting")
    if balanced.empty:
        raise InputError(f"no run has split.downsample=per_regulator; {_FIGURE_5} makes them")
    plain = found.loc[found["setting"] == "none"].drop(columns="setting")
    notes = [
        "bars: trained on as many negatives as positives of each regulator",
        "" if plain.empty else "circles: on all training pairs",
        "dashed: random",
    ]
    levels = _random_level(balanced)
    return _two_columns(
        balanced, levels, width=width, notes=notes, beside=plain, command=_FIGURE_5
    )


def _two_columns(
    rows: pd.DataFrame,
    levels: dict[tuple[str, str], float],
    *,
    width: float,
    notes: list[str],
    beside: pd.DataFrame | None = None,
    command: str = choose.TABLE_2,
) -> "Figure":
    """Draw a line of two panels per dataset that has both subsets; all panels have one scale."""
    metric = rows["metric"].iloc[0] if len(rows) else "ap"
    summary = summarise(rows)
    summary = summary.loc[~summary["model"].isin(CONTROLS)]
    n_subsets = summary.groupby("dataset")["subset"].transform("nunique")
    summary = summary.loc[n_subsets == len(style.SUBSETS)]
    if summary.empty:
        raise InputError(
            f"no dataset has {metric} on test_seen and test_unseen; {command} makes such runs"
        )
    summary, few_datasets = choose.most_datasets(summary, _MOST_DATASETS)
    summary, few_methods = _best_of_each(summary)
    room, title_room = style.letters(0.38 * width), style.letters(0.32 * width)
    summary = summary.assign(
        shown=[style.wrapped(name, room) for name in _with_few_splits(summary)]
    )
    datasets = summary["dataset"].drop_duplicates().tolist()
    titles = [
        [
            style.wrapped(f"{choose.setting_text(name)}, {of}", title_room)
            for of in style.SUBSETS.values()
        ]
        for name in datasets
    ]
    heights = []  # inches
    for name, (_, above) in zip(datasets, titles, strict=True):
        shown = summary.loc[summary["dataset"] == name, "shown"].unique()
        n_lines = max(text.count("\n") + 1 for text in shown)
        heights.append(style.line_height(len(shown) * (n_lines + 0.3) + above.count("\n") + 2.5))
    figure = style.new_figure(width, style.line_height(5) + sum(heights))
    ratios = {"height_ratios": heights}
    panels = figure.subplots(
        len(datasets), 2, squeeze=False, sharey="row", sharex=True, gridspec_kw=ratios
    )
    circles = None if beside is None or beside.empty else summarise(beside)
    for dataset, above, line in zip(datasets, titles, panels, strict=True):
        of_line = summary.loc[summary["dataset"] == dataset]
        for axes, subset, title_of_panel in zip(line, style.SUBSETS, above, strict=True):
            here = of_line.loc[of_line["subset"] == subset]
            _method_bars(axes, here)
            if circles is not None:
                _beside(axes, here, circles)
            axes.axvline(levels[dataset, subset], **style.DASHED)
            axes.set_title(title_of_panel, loc="left")
    panels[0, 0].set_xlim(left=0.0)
    panels[0, 0].xaxis.set_major_locator(style.few_ticks())
    notes = ["mean and standard error over splits", *notes, few_datasets, few_methods]
    style.caption(figure, title(metric), notes)
    return figure


def _best_of_each(summary: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Keep each dataset's best methods on unseen genes."""
    unseen = summary.loc[summary["subset"] == "test_unseen"]
    rank = unseen.groupby("dataset")["mean"].rank(ascending=False, method="first")
    kept = unseen.loc[rank <= _MOST_METHODS, ["dataset", "method"]]
    n = int(rank.max())
    note = f"the {_MOST_METHODS} best of {n} methods on unseen genes"
    return summary.merge(kept), note if n > _MOST_METHODS else ""


def _with_few_splits(summary: pd.DataFrame) -> list[str]:
    """Return the methods' names, with the number of splits where it is not the dataset's most."""
    most = summary.groupby("dataset")["n_splits"].transform("max")
    few = summary["n_splits"] < most
    return [
        f"{name} (n={n})" if is_few else name
        for name, n, is_few in zip(summary["method"], summary["n_splits"], few, strict=True)
    ]


def _method_bars(axes: "Axes", summary: pd.DataFrame) -> None:
    """Draw a bar per method, the first one on top."""
    axes.barh(
        list(summary["shown"]),
        summary["mean"].to_numpy(),
        xerr=summary["standard_error"].fillna(0.0).to_numpy(),
        color=[colour(model) for model in summary["model"]],
        height=0.7,
        error_kw={"linewidth": 0.8, "capsize": 1.5, "capthick": 0.8},
    )
    if not axes.yaxis_inverted():
        axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)


def _beside(axes: "Axes", summary: pd.DataFrame, others: pd.DataFrame) -> None:
    """Draw an open circle over the bars of the methods that the other runs have too."""
    keys = ["dataset", "subset", "method"]
    both = summary[[*keys, "shown"]].merge(others[[*keys, "mean", "standard_error"]], on=keys)
    if both.empty:
        return
    axes.errorbar(
        both["mean"].to_numpy(),
        list(both["shown"]),
        xerr=both["standard_error"].fillna(0.0).to_numpy(),
        fmt="o",
        markersize=3.5,
        markerfacecolor="white",
        markeredgewidth=0.8,
        color=style.BLACK,
        elinewidth=0.6,
        zorder=4,
    )


def _random_level(rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Return the mean share of positives over splits: what a random ranking's AUPRC is about."""
    splits = per_split(rows).drop_duplicates(["dataset", "subset", "split_seed"])
    means = splits.groupby(["dataset", "subset"])["prevalence"].mean()
    return {(str(key[0]), str(key[1])): float(value) for key, value in means.items()}  # type: ignore[index]
