"""Methods below each other, seen genes on the left, unseen ones on the right."""

from typing import TYPE_CHECKING

import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.metrics.titles import title
from grn_exp.report.figures import choose
from grn_exp.report.figures.style import (
    BLACK,
    DASHED,
    SUBSETS,
    WIDTHS,
    caption,
    few_ticks,
    is_narrow,
    new_figure,
    spaced,
    styled,
    wrapped,
)
from grn_exp.report.tables import CONTROLS, per_split, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_DATASETS = 6
_MOST_METHODS = 20
_LONG_NAME = 10  # letters
_FIGURE_5 = "python -m grn_exp -m experiment=infosem_figure5"


@styled
def seen_against_unseen(rows: pd.DataFrame, *, width: float = WIDTHS["page"]) -> "Figure":
    """Draw each method's AUPRC on seen and on unseen genes (InfoSEM figure 3a).

    A line of panels per dataset: left the unseen pairs of seen genes, right the pairs of unseen
    genes. Error bars are standard errors over splits; the dashed line is a random ranking, the
    mean share of positives. A method with fewer splits than the others says so.

    Parameters
    ----------
    rows
        Tidy rows; the controls ``random`` and ``oracle`` get no bars.
    width
        Of the figure, inches.

    Raises
    ------
    InputError
        If no dataset has ``ap`` on both subsets.
    """
    rows = choose.of_metric(rows, "ap")
    label = f"{title('ap')}; dashed: random"
    return _two_columns(rows, _random_level(rows), width=width, label=label)


@styled
def early_precision(rows: pd.DataFrame, *, width: float = WIDTHS["page"]) -> "Figure":
    """Draw each method's early precision ratio (BEELINE, Pratapa et al. 2020), as figure 3a.

    The precision of as many pairs as there are positives, over their share; a random ranking has
    1, the dashed line. Error bars are standard errors over splits.

    Parameters
    ----------
    rows
        Tidy rows; the controls ``random`` and ``oracle`` get no bars.
    width
        Of the figure, inches.

    Raises
    ------
    InputError
        If no dataset has ``epr`` on both subsets.
    """
    rows = choose.of_metric(rows, "epr")
    levels = dict.fromkeys(_random_level(rows), 1.0)
    label = f"{title('epr')} (random = 1, dashed)"
    return _two_columns(rows, levels, width=width, label=label)


@styled
def downsampled_training(rows: pd.DataFrame, *, width: float = WIDTHS["page"]) -> "Figure":
    """Draw figure 3a for methods trained without imbalance of regulators (InfoSEM figure 5).

    Bars are of runs with ``split.downsample=per_regulator``; an open circle beside a bar is the
    same method trained on all pairs. Error bars are standard errors over splits.

    Parameters
    ----------
    rows
        Tidy rows.
    width
        Of the figure, inches.

    Raises
    ------
    InputError
        If no run was trained so.
    """
    rows = choose.of_metric(rows, "ap")
    found = choose.with_setting(rows, "split.downsample")
    balanced = found.loc[found["setting"] == "per_regulator"].drop(columns="setting")
    if balanced.empty:
        raise InputError(f"no run has split.downsample=per_regulator; {_FIGURE_5} makes them")
    plain = found.loc[found["setting"] == "none"].drop(columns="setting")
    label = f"{title('ap')}; dashed: random"
    note = "bars: as many negatives as positives of each regulator in training"
    note += "" if plain.empty else "; circles: all training pairs"
    levels = _random_level(balanced)
    return _two_columns(
        balanced, levels, width=width, label=label, note=note, beside=plain, command=_FIGURE_5
    )


def _two_columns(
    rows: pd.DataFrame,
    levels: dict[tuple[str, str], float],
    *,
    width: float,
    label: str,
    note: str = "",
    beside: pd.DataFrame | None = None,
    command: str = choose.TABLE_2,
) -> "Figure":
    """Draw a line of two panels per dataset that has both subsets."""
    summary = summarise(rows)
    summary = summary.loc[~summary["model"].isin(CONTROLS)]
    subsets = {name: set(part["subset"]) for name, part in summary.groupby("dataset")}
    both = [name for name, found in subsets.items() if found == set(SUBSETS)]
    if not both:
        metric = rows["metric"].iloc[0] if len(rows) else "ap"
        raise InputError(
            f"no dataset has {metric} on test_seen and test_unseen; {command} makes such runs"
        )
    summary = summary.loc[summary["dataset"].isin(both)]
    summary, few_datasets = choose.most_datasets(summary, _MOST_DATASETS)
    summary, few_methods = _best_of_each(summary)
    names = _with_few_splits(summary).map(lambda n: wrapped(n, 24 if is_narrow(width) else 40))
    summary = summary.assign(shown=names)
    datasets = summary["dataset"].drop_duplicates().tolist()
    slot = 0.06 + 0.1 * max(name.count("\n") + 1 for name in names)  # inches of a bar
    counts = [summary.loc[summary["dataset"] == name, "shown"].nunique() for name in datasets]
    heights = [
        slot * n + 0.32 + 0.22 * (len(name) > _LONG_NAME)
        for n, name in zip(counts, datasets, strict=True)
    ]
    figure = new_figure(width, 0.5 + sum(heights))
    panels = figure.subplots(
        len(datasets),
        2,
        squeeze=False,
        sharey="row",
        sharex="row",
        gridspec_kw={"height_ratios": heights},
    )
    circles = None if beside is None or beside.empty else summarise(beside)
    for dataset, line in zip(datasets, panels, strict=True):
        of_line = summary.loc[summary["dataset"] == dataset]
        for axes, (subset, colour) in zip(line, SUBSETS.items(), strict=True):
            here = of_line.loc[of_line["subset"] == subset]
            _method_bars(axes, here, colour)
            if circles is not None:
                _beside(axes, here, circles)
            axes.axvline(levels[dataset, subset], **DASHED)
            axes.set_title(f"{dataset}, {spaced(subset)}", loc="left")
        if len(dataset) > _LONG_NAME:  # above both panels then
            above = wrapped(dataset, int(12 * width))
            line[0].set_title(f"{above}\n{spaced('test_seen')}", loc="left")
            line[1].set_title(spaced("test_unseen"), loc="left")
        line[0].set_xlim(left=0.0)
    caption(figure, label, [note, few_datasets, few_methods])
    return figure


def _best_of_each(summary: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Keep each dataset's best methods on unseen genes."""
    parts, note = [], ""
    for _, part in summary.groupby("dataset"):
        unseen = part.loc[part["subset"] == "test_unseen"].sort_values(
            "mean", ascending=False, kind="stable"
        )
        note = choose.left_out(len(unseen), _MOST_METHODS, "test_unseen") or note
        parts.append(part.loc[part["method"].isin(unseen["method"].iloc[:_MOST_METHODS])])
    return pd.concat(parts, ignore_index=True), note


def _with_few_splits(summary: pd.DataFrame) -> pd.Series:
    """Return the methods' names, with the number of splits where it is not the dataset's most."""
    most = summary.groupby("dataset")["n_splits"].max().to_dict()
    names = [
        row["method"]
        if row["n_splits"] == most[row["dataset"]]
        else f"{row['method']} (n={row['n_splits']})"
        for row in summary.to_dict("records")
    ]
    return pd.Series(names, index=summary.index, dtype="str")


def _method_bars(axes: "Axes", summary: pd.DataFrame, colour: str) -> None:
    """Draw a bar per method, the first one on top."""
    axes.barh(
        list(summary["shown"]),
        summary["mean"].to_numpy(),
        xerr=summary["standard_error"].fillna(0.0).to_numpy(),
        color=colour,
        height=0.7,
        error_kw={"linewidth": 0.8, "capsize": 1.5, "capthick": 0.8},
    )
    if not axes.yaxis_inverted():
        axes.invert_yaxis()
    axes.xaxis.set_major_locator(few_ticks())


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
        color=BLACK,
        elinewidth=0.6,
        zorder=4,
    )


def _random_level(rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Return the mean share of positives over splits: what a random ranking's AUPRC is about."""
    splits = per_split(rows).drop_duplicates(["dataset", "subset", "split_seed"])
    means = splits.groupby(["dataset", "subset"])["prevalence"].mean()
    return {(str(key[0]), str(key[1])): float(value) for key, value in means.items()}  # type: ignore[index]
