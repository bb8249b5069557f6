"""Methods below each other, seen genes on the left, unseen ones on the right."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.metrics.titles import title
from grn_exp.report.figures import choose, style
from grn_exp.report.layout import spaced
from grn_exp.report.tables import CONTROLS, per_split, summarise
from grn_exp.runs.methods import colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_DATASETS = 6
_MOST_METHODS = 20
_FIGURE_5 = "python -m grn_exp -m experiment=infosem_figure5"
_SETS = "python -m grn_exp -m experiment=hos2_table2"


@style.styled
def seen_against_unseen(rows: pd.DataFrame, *, width: float = style.PAGE) -> "Figure":
    """Draw each method's AUPRC on seen and on unseen genes (InfoSEM figure 3a).

    A line of panels per dataset: left the unseen pairs of seen genes, right the pairs of unseen
    genes. Error bars are standard errors over splits; the dashed line is a random ranking, the
    mean share of positives. A method with fewer splits than the others says so.
    """
    rows = choose.of_metric(rows, "ap")
    return _panels(rows, "ap", width=width, notes=["dashed: random"])


@style.styled
def early_precision(rows: pd.DataFrame, *, width: float = style.PAGE) -> "Figure":
    """Draw each method's early precision ratio (Pratapa et al. 2020) on seen and unseen genes.

    The precision of as many pairs as there are positives, over their share; a random ranking has
    1, the dashed line. Error bars are standard errors over splits.
    """
    rows = choose.of_metric(rows, "epr").assign(prevalence=1.0)
    return _panels(rows, "epr", width=width, notes=["dashed: random, 1"])


@style.styled
def exact_matches(rows: pd.DataFrame, *, width: float = style.PAGE) -> "Figure":
    """Draw the share of test targets whose regulator set is found, for each method.

    All set sizes together; error bars are standard errors over splits.
    """
    rows = choose.of_metric(rows, "exact_match", ("test",))
    rows = rows.loc[rows["set_size"].isna()].assign(prevalence=float("nan"))
    subsets = {"test": "test targets"}
    return _panels(rows, "exact_match", subsets, width=width, notes=[], command=_SETS)


@style.styled
def downsampled_training(rows: pd.DataFrame, *, width: float = style.PAGE) -> "Figure":
    """Draw the AUPRC of training without imbalance of regulators (InfoSEM figure 5).

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
    return _panels(balanced, "ap", width=width, notes=notes, beside=plain, command=_FIGURE_5)


def _panels(
    rows: pd.DataFrame,
    metric: str,
    subsets: Mapping[Any, str] = style.SUBSETS,
    *,
    width: float,
    notes: list[str],
    beside: pd.DataFrame | None = None,
    command: str = choose.TABLE_2,
) -> "Figure":
    """Draw a line of panels per dataset that has all subsets; all have one scale."""
    # the mean share of positives over splits: what a random ranking's AUPRC is about
    splits = per_split(rows).drop_duplicates(["dataset", "subset", "split_seed"])
    levels: Any = splits.groupby(["dataset", "subset"])["prevalence"].mean()
    summary = summarise(rows)
    summary = summary.loc[~summary["model"].isin(CONTROLS)]
    n_subsets = summary.groupby("dataset")["subset"].transform("nunique")
    summary = summary.loc[n_subsets == len(subsets)]
    if summary.empty:
        raise InputError(
            f"no dataset has {metric} on {' and '.join(subsets)}; {command} makes such runs"
        )
    summary, few_datasets = choose.most_datasets(summary, _MOST_DATASETS)
    summary, few_methods = _best_of_each(summary)
    summary = summary.assign(shown=_shown(summary, style.letters(0.38 * width)))
    datasets = summary["dataset"].drop_duplicates().tolist()
    lines = {name: summary.loc[summary["dataset"] == name] for name in datasets}
    heights = [_height(line) for line in lines.values()]  # inches
    figure = style.new_figure(width, style.line_height(5) + sum(heights))
    panels = figure.subplots(
        len(datasets), len(subsets), squeeze=False, sharey="row", sharex=True,
        gridspec_kw={"height_ratios": heights},
    )  # fmt: skip
    circles = None if beside is None or beside.empty else summarise(beside)
    room = style.letters(0.6 * width / len(subsets))
    for (dataset, of_line), line in zip(lines.items(), panels, strict=True):
        titles = [style.wrapped(f"{dataset}, {genes}", room) for genes in subsets.values()]
        for axes, subset, text in zip(line, subsets, titles, strict=True):
            _draw_panel(axes, of_line, subset, circles)
            axes.axvline(levels[dataset, subset], **style.DASHED)
            axes.set_title(text, loc="left")
    panels[0, 0].set_xlim(left=0.0)
    panels[0, 0].xaxis.set_major_locator(style.few_ticks())
    notes = ["mean and standard error over splits", *notes, few_datasets, few_methods]
    style.caption(figure, title(metric), notes)
    return figure


def _draw_panel(
    axes: "Axes", of_line: pd.DataFrame, subset: str, circles: pd.DataFrame | None
) -> None:
    """Draw the bars of a subset, each at its method's place among all of the line."""
    places = {name: place for place, name in enumerate(of_line["shown"].unique())}
    here = of_line.loc[of_line["subset"] == subset]
    here = here.assign(place=here["shown"].map(places))
    axes.barh(
        here["place"].to_numpy(),
        here["mean"].to_numpy(),
        xerr=here["standard_error"].fillna(0.0).to_numpy(),
        color=[colour(model) for model in here["model"]],
        height=0.7,
        error_kw={"linewidth": 0.8, "capsize": 1.5, "capthick": 0.8},
    )
    if circles is not None:
        _beside(axes, here, circles)
    axes.tick_params(axis="y", length=0)
    axes.set_yticks(list(places.values()), list(places))
    axes.set_ylim(len(places) - 0.4, -0.6)  # the first one on top


def _best_of_each(summary: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Keep each dataset's best methods, on unseen genes where there are such."""
    unseen = summary.loc[summary["subset"] == summary["subset"].max()]
    rank = unseen.groupby("dataset")["mean"].rank(ascending=False, method="first")
    kept = unseen.loc[rank <= _MOST_METHODS, ["dataset", "method"]]
    n = int(rank.max())
    note = f"the {_MOST_METHODS} best of {n} methods on {spaced(unseen['subset'].iloc[0])}"
    return summary.merge(kept), note if n > _MOST_METHODS else ""


def _shown(summary: pd.DataFrame, room: int) -> list[str]:
    """Return the methods' names, with the number of splits where it is not the dataset's most."""
    most = summary.groupby("dataset")["n_splits"].transform("max")
    few = [f" (n={n})" if n < m else "" for n, m in zip(summary["n_splits"], most, strict=True)]
    pairs = zip(summary["method"], few, strict=True)
    return [style.wrapped(name + note, room) for name, note in pairs]


def _height(of_line: pd.DataFrame) -> float:
    """Return the height of a line of panels: that of its names, and of a title of two lines."""
    names = of_line["shown"].unique()
    n_lines = max(name.count("\n") + 1 for name in names)
    return style.line_height(len(names) * (n_lines + 0.3) + 3.5)


def _beside(axes: "Axes", summary: pd.DataFrame, others: pd.DataFrame) -> None:
    """Draw an open circle over the bars of the methods that the other runs have too."""
    keys = ["dataset", "subset", "method"]
    both = summary[[*keys, "place"]].merge(others[[*keys, "mean", "standard_error"]], on=keys)
    axes.errorbar(
        both["mean"].to_numpy(),
        both["place"].to_numpy(),
        xerr=both["standard_error"].fillna(0.0).to_numpy(),
        fmt="o",
        markersize=3.5,
        markerfacecolor="white",
        markeredgewidth=0.8,
        color=style.BLACK,
        elinewidth=0.6,
        zorder=4,
    )
