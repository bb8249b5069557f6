"""Curves of runs: precision over recall, and training."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.splits import Subset
from grn_exp.metrics.titles import title
from grn_exp.report.bias.run import ScoredRun, read_table
from grn_exp.report.figures import choose, style
from grn_exp.report.figures.choose import Named
from grn_exp.report.tables import CONTROLS
from grn_exp.runs.methods import colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STEPS = np.linspace(0, 1, 101)  # of recall
_MOST_TRAINED = 6
_MOST_RUNS = 10  # of a method
_LOSS = "train/loss"


@style.styled
def pr_curves(
    rows: pd.DataFrame, *, width: float = style.PAGE, run_key: Named = None, dataset: Named = None
) -> "Figure":
    """Draw precision over recall, on seen and on unseen genes.

    A curve is the mean over splits, as steps whose area is the mean average precision, which the
    legend has with its standard error. The dashed line is the share of positives, a random
    ranking.
    """
    runs, note = choose.best_runs(rows, style.MOST_LINES, run_key=run_key, dataset=dataset)
    runs = runs.drop_duplicates(["method", "split_seed"])
    scored = {
        str(method): choose.read_scored(part)
        for method, part in runs.groupby("method", sort=False)
    }
    everything = [run for found in scored.values() for run in found]
    subsets: list[Subset] = [
        s for s in style.SUBSETS if any(run.has_both_classes(s) for run in everything)
    ]
    if not subsets:
        folder = everything[0].folder
        raise InputError(f"{folder}: no test pairs of both classes; take another split")
    figure = style.new_figure(width, 2.0 + style.line_height(len(scored) + 3))
    panels = figure.subplots(1, len(subsets), squeeze=False, sharex=True, sharey=True)[0]
    areas = [
        _mean_curves(axes, subset, scored, style.looks(runs))
        for axes, subset in zip(panels, subsets, strict=True)
    ]
    style.share_axis(panels[0].xaxis)
    panels[0].set_ylim(bottom=0)
    panels[0].yaxis.set_major_locator(style.few_ticks())
    panels[0].set_ylabel("precision")
    n = runs["split_seed"].nunique()
    of = f"{runs['dataset'].iloc[0]}, " + ("mean over splits" if n > 1 else "one split")
    style.caption(figure, "recall", [of, "dashed: random", note])
    texts = [f"{method}  {' | '.join(area[method] for area in areas)}" for method in scored]
    which = " | ".join(style.SUBSETS[subset] for subset in subsets)
    heading = f"AUPRC: {which}" + " (± standard error)" * (n > 1)
    style.legend(figure, dict(zip(texts, panels[0].lines, strict=False)), title=heading)
    return figure


def _mean_curves(
    axes: "Axes", subset: Subset, scored: dict[str, list[ScoredRun]], looks: dict[str, Any]
) -> dict[str, str]:
    """Draw each method's mean over splits; return its area, and the area's standard error."""
    areas, shares = {}, {}
    for method, runs in scored.items():
        judged = [run for run in runs if run.has_both_classes(subset)]
        shares |= {run.split.seed: run.labels[run.split.mask(subset)].mean() for run in judged}
        found: Any = pd.DataFrame([curve(run, subset) for run in judged])
        mean, of_run = found.mean().to_numpy(), found.mean(axis=1)
        x, y = (_STEPS, np.append(mean[0], mean)) if judged else ([], [])
        axes.plot(x, y, drawstyle="steps-pre", **looks[method])
        error = f" ± {of_run.sem():.3f}" if len(judged) > 1 else ""
        areas[method] = f"{of_run.mean():.3f}{error}" if judged else "-"
    axes.axhline(float(np.mean(list(shares.values()))), **style.DASHED)
    axes.set_title(style.SUBSETS[subset])
    return areas


def curve(run: ScoredRun, subset: Subset) -> NDArray[np.float64]:
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


@style.styled
def training_curves(
    rows: pd.DataFrame, *, width: float = style.PAGE, run_key: Named = None, dataset: Named = None
) -> "Figure":
    """Draw loss and validation score over epochs, a line of panels for every trained method.

    A thin line is a run, the thick one their mean over the epochs that all of them have.
    """
    runs = choose.ordered(rows).drop_duplicates("folder")
    runs = runs.loc[~runs["model"].isin(CONTROLS)]
    runs = choose.one_dataset(runs, run_key=run_key, dataset=dataset)
    histories, note = _trained(runs)
    if not histories:
        raise InputError(
            "no run has a history.csv with epochs; "
            "python -m grn_exp model=infosem_bc data=mesc makes one"
        )
    measured = {str(name) for tables in histories.values() for name in tables[0]} - {_LOSS}
    columns = [_LOSS, *sorted(measured)[:1]]  # no score where nothing was validated
    n_panels = len(histories) * len(columns)
    n_columns = 2 if len(columns) == 2 or style.is_narrow(width) else min(3, n_panels)
    n_lines = -(-n_panels // n_columns)
    figure = style.new_figure(width, 1.1 * n_lines + style.line_height(3))
    panels = figure.subplots(n_lines, n_columns, squeeze=False).ravel()
    for axes in panels[3::2] if len(columns) == 2 else []:  # scores are to be compared
        axes.sharey(panels[1])
    models = dict(runs[["method", "model"]].drop_duplicates().itertuples(index=False))
    drawn = [(method, column) for method in histories for column in columns]
    for axes, (method, column) in zip(panels, drawn, strict=False):
        _training_panel(axes, column, histories[method], colour(models[method]))
        score = title(column.removeprefix("val/")).partition(" (")[0]
        measure = "loss" if column == _LOSS else score
        name = style.wrapped(f"{method}: {measure}", style.letters(0.85 * width / n_columns))
        axes.set_title(name, loc="left")
    for axes in panels:
        if not axes.lines:
            axes.remove()
    which = f"thin: runs (at most {_MOST_RUNS}); thick: their mean"
    which = which if run_key is None else f"run {run_key}"
    of = "" if len(columns) == 1 else "scores are of the validation set"
    style.caption(figure, "epoch", [str(runs["dataset"].iloc[0]), which, of, note])
    return figure


def _trained(runs: pd.DataFrame) -> tuple[dict[str, list[pd.DataFrame]], str]:
    """Return the first methods' histories, and whether there are more methods."""
    histories: dict[str, list[pd.DataFrame]] = {}
    n_trained = 0
    for method, part in runs.groupby("method", sort=False):
        first, *others = (Path(name) for name in part["folder"].iloc[:_MOST_RUNS])
        if (table := _read_history(first)).empty:
            continue
        n_trained += 1
        if n_trained <= _MOST_TRAINED:
            more = map(_read_history, others)
            histories[str(method)] = [table, *(other for other in more if len(other))]
    few = n_trained > _MOST_TRAINED
    return histories, f"{_MOST_TRAINED} of {n_trained} trained methods" if few else ""


def _read_history(folder: Path) -> pd.DataFrame:
    """Return loss and validation scores by epoch; empty for a method without epochs."""
    table: Any = read_table(folder / "history.csv", ["epoch"]).set_index("epoch")
    kept = [name for name in table if name == _LOSS or str(name).startswith("val/")]
    return table[kept].dropna(how="all").dropna(axis="columns", how="all").astype("float64")


def _training_panel(axes: "Axes", column: str, tables: list[pd.DataFrame], shade: str) -> None:
    """Draw a column of a method's histories; nothing where they lack it."""
    lines: list[Any] = [table[column].dropna() for table in tables if column in table]
    if not lines:
        return
    for line in lines:
        marker = "o" if len(line) == 1 else ""  # a single epoch makes no line
        look: dict[str, Any] = {"color": shade, "marker": marker, "markersize": 3}
        thin: dict[str, Any] = {"linewidth": 0.5, "alpha": 0.6} if len(lines) > 1 else {}
        axes.plot(line.index.to_numpy(), line.to_numpy(), **look, **thin)
    if len(lines) > 1:
        mean: Any = pd.concat(lines, axis=1, join="inner").mean(axis=1)
        axes.plot(mean.index.to_numpy(), mean.to_numpy(), color=shade, linewidth=1.6)
    last = max(int(table.index.to_numpy().max()) for table in tables)
    axes.set_xlim(-0.02 * last, 1.02 * max(last, 1))
    axes.xaxis.set_major_locator(style.few_ticks(whole=True))
    axes.yaxis.set_major_locator(style.few_ticks())
