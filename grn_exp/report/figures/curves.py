"""Curves of runs: precision over recall, and training."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.splits import Subset
from grn_exp.report.bias_run import ScoredRun, missing_file
from grn_exp.report.figures import choose
from grn_exp.report.figures.style import (
    DASHED,
    LINE_COLOURS,
    SUBSETS,
    WIDTHS,
    caption,
    few_ticks,
    grid,
    new_figure,
    panel_title,
    spaced,
    styled,
)
from grn_exp.report.tables import CONTROLS, labelled, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FEW_PAIRS = 0.02  # a precision at a recall below this is of a handful of pairs
_MOST_TRAINED = 6
_MOST_RUNS = 10  # of a method

Numbers = NDArray[np.float64]


@styled
def pr_curves(
    rows: pd.DataFrame,
    *,
    width: float = WIDTHS["page"],
    run_key: str | None = None,
    dataset: str | None = None,
) -> "Figure":
    """Draw precision over recall, on seen and on unseen genes.

    Curves are of one split, as steps whose area is the average precision; the legend has the
    mean average precision and its standard error over all splits. The dashed line is the share
    of positives, a random ranking.

    Parameters
    ----------
    rows
        Tidy rows; read are the scores of the runs that are drawn.
    width
        Of the figure, inches.
    run_key, dataset
        One run only; or the dataset, by default the one with most methods, on its first split.

    Raises
    ------
    InputError
        If there is no such run.
    """
    found = choose.judged_pairs(rows)
    chosen = found if run_key is None else choose.one_run(found, run_key)
    chosen = choose.of_dataset(chosen, dataset)
    names, note = choose.best_methods(chosen, len(LINE_COLOURS))
    if run_key is None:
        chosen = chosen.loc[chosen["method"].isin(names)]
    if chosen.empty:
        raise InputError(f"only controls have runs; {choose.TABLE_2} makes runs of methods")
    runs = choose.first_split(chosen).sort_values("method")
    scored = [choose.read_scored(run) for _, run in runs.iterrows()]
    subsets = _judged(scored[0])
    if not subsets:
        raise InputError(f"{scored[0].folder}: no test pairs of both classes; take another split")
    figure = new_figure(width, 1.9 + 0.13 * (len(scored) + 1))
    panels = figure.subplots(1, len(subsets), squeeze=False)[0]
    means = summarise(found.loc[found["dataset"] == runs["dataset"].iloc[0]])
    cut = [
        _panel(axes, subset, scored, [_with_mean(name, means, subsets) for name in runs["method"]])
        for axes, subset in zip(panels, subsets, strict=True)
    ]
    panels[0].set_ylabel("precision")
    of = f"{runs['dataset'].iloc[0]}, split {runs['split_seed'].iloc[0]}; dashed: random"
    low = f"precision axis fits recall above {_FEW_PAIRS}" if any(cut) else ""
    caption(figure, "recall", [of, low, note])
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside upper center",
        title=f"AUPRC, {' | '.join(map(spaced, subsets))} (mean ± s.e. over splits)",
    )
    return figure


def _judged(run: ScoredRun) -> list[Subset]:
    return [subset for subset in SUBSETS if run.has_both_classes(subset)]


def curve(run: ScoredRun, subset: Subset) -> tuple[Numbers, Numbers]:
    """Return recall and precision, at the scores where the recall rises.

    The average precision is the sum of the precisions, each times the rise of its recall.
    """
    from sklearn.metrics import precision_recall_curve

    mask = run.split.mask(subset)
    precision, recall, _ = precision_recall_curve(run.labels[mask], run.scores[mask])
    precision, recall = precision[-2::-1], recall[-2::-1]  # the point at no pair left out
    rises = np.diff(recall, prepend=0.0) > 0
    return recall[rises], precision[rises]


def _panel(axes: "Axes", subset: Subset, scored: list[ScoredRun], names: list[str]) -> bool:
    """Draw one subset's curves; say whether some leave the frame."""
    tops, wholes = [], []
    for run, name, colour in zip(scored, names, LINE_COLOURS, strict=False):
        recall, precision = curve(run, subset)
        x, y = np.append(0.0, recall), np.append(precision[0], precision)
        axes.plot(x, y, drawstyle="steps-pre", color=colour, label=name, linewidth=0.9)
        tops.append(precision[recall >= _FEW_PAIRS].max())
        wholes.append(precision.max())
    labels = scored[0].labels[scored[0].split.mask(subset)]
    axes.axhline(float(labels.mean()), **DASHED)
    top = min(1.02, 1.1 * max(tops))
    axes.set_xlim(0, 1)
    axes.set_ylim(0, top)
    axes.set_title(spaced(subset))
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.yaxis.set_major_locator(few_ticks())
    return max(wholes) > top


def _with_mean(method: str, means: pd.DataFrame, subsets: list[Subset]) -> str:
    """Return a method's name with its mean and standard error on each subset."""
    texts = []
    for subset in subsets:
        cell = means.loc[(means["method"] == method) & (means["subset"] == subset)]
        if cell.empty:
            texts.append("-")
            continue
        mean, error = cell["mean"].iloc[0], cell["standard_error"].iloc[0]
        texts.append(f"{mean:.3f}" + ("" if np.isnan(error) else f" ± {error:.3f}"))
    return f"{method}  {' | '.join(texts)}"


@styled
def training_curves(
    rows: pd.DataFrame,
    *,
    width: float = WIDTHS["page"],
    run_key: str | None = None,
    dataset: str | None = None,
) -> "Figure":
    """Draw loss and validation score over epochs, a panel each for every trained method.

    A thin line is a run, the thick one their mean over the epochs that all of them have.

    Parameters
    ----------
    rows
        Tidy rows; read is ``history.csv`` of at most ten runs of at most six methods.
    width
        Of the figure, inches.
    run_key, dataset
        One run only; or the dataset, by default the one with most methods.

    Raises
    ------
    InputError
        If no run was trained in epochs.
    """
    runs = choose.ordered(labelled(rows).drop_duplicates("folder"))
    runs = runs.loc[~runs["model"].isin(CONTROLS)]
    if run_key is not None:
        runs = choose.one_run(runs, run_key)
    runs = choose.of_dataset(runs, dataset)
    histories, note = _trained(runs)
    if not histories:
        raise InputError(
            "no run has a history.csv with epochs; "
            "python -m grn_exp model=infosem_bc data=mesc makes one"
        )
    drawn = [
        (
            method,
            column,
            [pd.Series(table[column]).dropna() for table in tables if column in table],
        )
        for method, tables in histories.items()
        for column in _columns(tables)
    ]
    figure, panels = grid(width, len(drawn), height=1.2, extra=0.4)
    for axes, (method, column, lines) in zip(panels, drawn, strict=True):
        last = max(table.index.to_numpy(np.int64).max() for table in histories[method])
        _training_panel(axes, panel_title(method, width), column, lines, last=last)
    of = f"{runs['dataset'].iloc[0]}; thin: up to {_MOST_RUNS} runs; thick: mean"
    if run_key is not None:
        of = f"{runs['dataset'].iloc[0]}, run {run_key}"
    caption(figure, "epoch", [of, note])
    return figure


def _trained(runs: pd.DataFrame) -> tuple[dict[str, list[pd.DataFrame]], str]:
    """Return the first methods' histories, and whether there are more methods."""
    histories: dict[str, list[pd.DataFrame]] = {}
    n_more = 0
    for method, part in runs.groupby("method"):
        first = _read_history(Path(part["folder"].iloc[0]))
        if first.empty:
            continue
        if len(histories) == _MOST_TRAINED:
            n_more += 1
            continue
        others = [_read_history(Path(name)) for name in part["folder"].iloc[1:_MOST_RUNS]]
        histories[str(method)] = [first, *(table for table in others if len(table))]
    n = _MOST_TRAINED + n_more
    return histories, f"{_MOST_TRAINED} of {n} trained methods" if n_more else ""


def _read_history(folder: Path) -> pd.DataFrame:
    """Return loss and validation score by epoch; empty for a method without epochs."""
    path = folder / "history.csv"
    try:
        table = pd.read_csv(path, index_col="epoch")
    except FileNotFoundError as error:
        raise missing_file(path) from error
    except ValueError as error:
        raise InputError(f"{path} is broken; run again with force=true") from error
    kept = [name for name in table if name == "train/loss" or str(name).startswith("val/")]
    return table.loc[:, kept].dropna(how="all").astype("float64") if kept else table.iloc[:0]


def _columns(tables: list[pd.DataFrame]) -> list[str]:
    """Return the loss and the first validation score that a method's histories have."""
    names = tables[0].dropna(axis="columns", how="all").columns.tolist()
    validated = sorted(name for name in names if name.startswith("val/"))
    return [name for name in names if name == "train/loss"] + validated[:1]


def _training_panel(
    axes: "Axes", title: str, column: str, lines: list[pd.Series], *, last: int
) -> None:
    colour = LINE_COLOURS[0] if column == "train/loss" else LINE_COLOURS[1]
    for line in lines:
        look = {"color": colour, "linewidth": 0.5, "alpha": 0.6, "markersize": 3}
        marker = "o" if len(line) == 1 else ""  # a single epoch makes no line
        axes.plot(line.index.to_numpy(), line.to_numpy(), marker=marker, **look)
    if len(lines) > 1:
        shared = pd.concat(lines, axis=1, join="inner")
        mean = shared.to_numpy().mean(axis=1)
        axes.plot(shared.index.to_numpy(), mean, color=colour, linewidth=1.4)
    axes.set_title(title)
    axes.set_xlim(-0.02 * last, 1.02 * max(last, 1))
    label = "training loss" if column == "train/loss" else column.replace("val/", "validation ")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(whole_ticks())
    axes.yaxis.set_major_locator(few_ticks())


def whole_ticks() -> Any:  # noqa: ANN401 - matplotlib's own
    """Return a locator for epochs."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4, integer=True)
