"""Curves of runs: precision over recall, and training."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.splits import Subset
from grn_exp.report.bias_run import ScoredRun
from grn_exp.report.figures import choose
from grn_exp.report.figures.style import (
    DASHED,
    MOST_LINES,
    SUBSETS,
    WIDTHS,
    caption,
    few_ticks,
    is_narrow,
    legend_above,
    letters,
    line_height,
    looks,
    new_figure,
    share_axis,
    short_title,
    styled,
    wrapped,
)
from grn_exp.report.names import colour
from grn_exp.report.tables import CONTROLS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STEPS = np.linspace(0, 1, 101)  # of recall
_MOST_TRAINED = 6
_MOST_RUNS = 10  # of a method
_LOSS = "train/loss"

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

    A curve is the mean over splits, as steps whose area is the mean average precision, which the
    legend has with its standard error. The dashed line is the share of positives, a random
    ranking.

    Parameters
    ----------
    rows
        Tidy rows; read are the scores of one run of each method and split.
    width
        Of the figure, inches.
    run_key, dataset
        One run only; or the dataset, by default the one with most methods.

    Raises
    ------
    InputError
        If there is no such run.
    """
    runs, note = choose.best_runs(rows, MOST_LINES, run_key=run_key, dataset=dataset)
    runs = runs.drop_duplicates(["method", "split_seed"]).sort_values("method", kind="stable")
    scored = {
        method: [choose.read_scored(run) for _, run in part.iterrows()]
        for method, part in runs.groupby("method")
    }
    everything = [run for found in scored.values() for run in found]
    subsets = [s for s in SUBSETS if any(run.has_both_classes(s) for run in everything)]
    if not subsets:
        folder = everything[0].folder
        raise InputError(f"{folder}: no test pairs of both classes; take another split")
    figure = new_figure(width, 2.0 + line_height(len(scored) + 3))
    panels = figure.subplots(1, len(subsets), squeeze=False, sharex=True, sharey=True)[0]
    areas: dict[str, list[str]] = {str(method): [] for method in scored}
    look = looks(runs)
    for axes, subset in zip(panels, subsets, strict=True):
        for method, found in scored.items():
            judged = [run for run in found if run.has_both_classes(subset)]
            steps = np.array([curve(run, subset) for run in judged]).reshape(-1, len(_STEPS) - 1)
            areas[str(method)].append(_mean_and_error(steps.mean(axis=1)))
            y = np.append(steps.mean(axis=0)[:1], steps.mean(axis=0))
            axes.plot(_STEPS, y, drawstyle="steps-pre", label=method, **look[str(method)])
        axes.axhline(_random_level(everything, subset), **DASHED)
        axes.set_title(SUBSETS[subset])
    share_axis(panels[0].xaxis)
    panels[0].set_ylim(bottom=0)
    panels[0].yaxis.set_major_locator(few_ticks())
    panels[0].set_ylabel("precision")
    for line in panels[0].lines[: len(scored)]:
        line.set_label(f"{line.get_label()}  {' | '.join(areas[str(line.get_label())])}")
    n = runs["split_seed"].nunique()
    of = f"{runs['dataset'].iloc[0]}, " + ("mean over splits" if n > 1 else "one split")
    caption(figure, "recall", [of, "dashed: random", note])
    which = " | ".join(SUBSETS[subset] for subset in subsets)
    legend_above(figure, panels[:1], title=f"AUPRC: {which}" + " (± standard error)" * (n > 1))
    return figure


def curve(run: ScoredRun, subset: Subset) -> Numbers:
    """Return the mean precision in each hundredth of the recall; their mean is the AUPRC.

    The average precision is the area below precisions that hold from one recall to the next. The
    area below each hundredth is kept, so the precision of a handful of pairs makes no spike.
    """
    from sklearn.metrics import precision_recall_curve

    mask = run.split.mask(subset)
    precision, recall, _ = precision_recall_curve(run.labels[mask], run.scores[mask])
    precision, recall = precision[::-1], recall[::-1]  # of no pair first
    area = np.append(0.0, np.cumsum(np.diff(recall) * precision[1:]))
    return np.diff(np.interp(_STEPS, recall, area)) / np.diff(_STEPS)


def _mean_and_error(values: Numbers) -> str:
    if not len(values):
        return "-"
    error = f" ± {values.std(ddof=1) / len(values) ** 0.5:.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{error}"


def _random_level(runs: list[ScoredRun], subset: Subset) -> float:
    """Return the share of positives, a mean over splits."""
    shares = {run.split.seed: run.labels[run.split.mask(subset)].mean() for run in runs}
    return float(np.nanmean(list(shares.values())))


@styled
def training_curves(
    rows: pd.DataFrame,
    *,
    width: float = WIDTHS["page"],
    run_key: str | None = None,
    dataset: str | None = None,
) -> "Figure":
    """Draw loss and validation score over epochs, a line of panels for every trained method.

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
    runs = choose.ordered(rows).drop_duplicates("folder")
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
    columns = [_LOSS, *_scores(histories)]
    n_columns = 2 if len(columns) == 2 or is_narrow(width) else 3
    n_panels = len(histories) * len(columns)
    n_lines = -(-n_panels // n_columns)
    figure = new_figure(width, 1.1 * n_lines + line_height(3))
    panels = figure.subplots(n_lines, n_columns, squeeze=False).ravel()
    for axes in panels[3::2] if len(columns) == 2 else []:  # scores are to be compared
        axes.sharey(panels[1])
    models = dict(runs[["method", "model"]].drop_duplicates().itertuples(index=False))
    for number, (method, tables) in enumerate(histories.items()):
        for axes, column in zip(panels[number * len(columns) :], columns, strict=False):
            _training_panel(axes, column, tables, colour(models[method]))
            measure = "loss" if column == _LOSS else short_title(column.removeprefix("val/"))
            name = wrapped(f"{method}: {measure}", letters(0.85 * width / n_columns))
            axes.set_title(name, loc="left")
    for axes in panels:
        if not axes.lines:
            axes.remove()
    which = f"thin: runs (at most {_MOST_RUNS}); thick: their mean"
    which = which if run_key is None else f"run {run_key}"
    of = "" if len(columns) == 1 else "scores are of the validation set"
    caption(figure, "epoch", [str(runs["dataset"].iloc[0]), which, of, note])
    return figure


def _trained(runs: pd.DataFrame) -> tuple[dict[str, list[pd.DataFrame]], str]:
    """Return the first methods' histories, and whether there are more methods."""
    histories: dict[str, list[pd.DataFrame]] = {}
    for method, part in runs.groupby("method"):
        first, *others = (Path(name) for name in part["folder"].iloc[:_MOST_RUNS])
        if (table := _read_history(first)).empty:
            continue
        more = [_read_history(folder) for folder in others if len(histories) < _MOST_TRAINED]
        histories[str(method)] = [table, *(other for other in more if len(other))]
    shown = dict(list(histories.items())[:_MOST_TRAINED])
    few = len(shown) < len(histories)
    return shown, f"{_MOST_TRAINED} of {len(histories)} trained methods" if few else ""


def _read_history(folder: Path) -> pd.DataFrame:
    """Return loss and validation scores by epoch; empty for a method without epochs."""
    table = choose.read_table(folder / "history.csv", ["epoch"]).set_index("epoch")
    kept = [name for name in table if name == _LOSS or str(name).startswith("val/")]
    return table[kept].dropna(how="all").dropna(axis="columns", how="all").astype("float64")


def _scores(histories: dict[str, list[pd.DataFrame]]) -> list[str]:
    """Return the validation score that is drawn; none where nothing was validated."""
    names = {str(name) for tables in histories.values() for name in tables[0]} - {_LOSS}
    return sorted(names)[:1]


def _training_panel(axes: "Axes", column: str, tables: list[pd.DataFrame], shade: str) -> None:
    """Draw a column of a method's histories; nothing where they lack it."""
    lines = [table[column].dropna() for table in tables if column in table]
    if not lines:
        return
    for line in lines:
        marker = "o" if len(line) == 1 else ""  # a single epoch makes no line
        look = {"color": shade, "marker": marker, "markersize": 3}
        thin = {"linewidth": 0.5, "alpha": 0.6} if len(lines) > 1 else {}
        axes.plot(line.index.to_numpy(), line.to_numpy(), **look, **thin)
    if len(lines) > 1:
        mean = pd.concat(lines, axis=1, join="inner").mean(axis=1)
        axes.plot(mean.index.to_numpy(), mean.to_numpy(), color=shade, linewidth=1.6)
    last = max(int(table.index.max()) for table in tables)
    axes.set_xlim(-0.02 * last, 1.02 * max(last, 1))
    axes.xaxis.set_major_locator(few_ticks(whole=True))
    axes.yaxis.set_major_locator(few_ticks())
