"""Where supervised accuracy comes from: figures 3b and 3c of InfoSEM, one column wide."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.report.bias import imbalance
from grn_exp.report.bias.run import ScoredRun
from grn_exp.report.figures import choose, style
from grn_exp.report.figures.choose import Named
from grn_exp.runs.methods import colour, display_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BINS = [step / 20 for step in range(21)]
# that learn labels, those of the paper's figure first
_SUPERVISED = ("one_hot_lr", "scgreat", "genelink", "matcomp")
_MOST_METHODS = 3


def class_imbalance(
    rows: pd.DataFrame,
    *,
    width: float = style.COLUMN,
    run_key: Named = None,
    dataset: Named = None,
) -> "Figure":
    """Draw the regulators' class imbalance over their one-hot coefficients (InfoSEM figure 3b)."""
    found = choose.of_metric(rows, "ap")
    found = found.loc[found["model"] == "one_hot_lr"]
    if found.empty:
        raise InputError(
            "no run of one_hot_lr; python -m grn_exp model=one_hot_lr data=hesc makes one"
        )
    found = choose.one_dataset(found, run_key=run_key, dataset=dataset)
    run = choose.first_split(found).iloc[0]
    return imbalance_figure(Path(run["folder"]), title=choose.split_of(run), width=width)


def predicted_probabilities(
    rows: pd.DataFrame,
    *,
    width: float = style.COLUMN,
    run_key: Named = None,
    dataset: Named = None,
) -> "Figure":
    """Draw what methods predict for two regulators' unseen pairs (InfoSEM figure 3c).

    The regulators are those of highest and of lowest imbalance in training; the methods those
    that learn labels, at most three, on one split.
    """
    found = choose.of_metric(rows, "ap")
    if run_key is None:
        found = found.loc[found["model"].isin(_SUPERVISED)]
    if found.empty:
        raise InputError(f"no run of {', '.join(_SUPERVISED)}; {choose.TABLE_2} makes them")
    runs = choose.first_split(choose.one_dataset(found, run_key=run_key, dataset=dataset))
    rank = {name: place for place, name in enumerate(_SUPERVISED)}
    runs = runs.sort_values("model", key=lambda names: names.map(rank), kind="stable")
    runs = runs.iloc[:_MOST_METHODS]
    title = f"{choose.split_of(runs.iloc[0])}, held-out pairs of seen genes"
    return probability_figure(choose.read_scored(runs), runs["method"], title=title, width=width)


@style.styled
def imbalance_figure(folder: Path, *, title: str = "", width: float = style.COLUMN) -> "Figure":
    """Draw figure 3b: imbalance over coefficient, its histogram on the right.

    A dot is a regulator; Spearman's rank correlation and the number of regulators stand above.

    Parameters
    ----------
    folder
        Of a run of the one-hot logistic regression.
    """
    from scipy.stats import spearmanr

    table, shade = imbalance.imbalance_and_coefficients(folder), colour("one_hot_lr")
    figure = style.new_figure(width, 1.6 + style.line_height(7))
    scatter, histogram = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
    look = {"color": shade, "alpha": 0.6, "linewidths": 0}
    scatter.scatter(table["coefficient"], table["imbalance"], s=12, **look)
    scatter.set_xlabel(f"{display_name('one_hot_lr')} coefficient\n(log-odds)")
    scatter.set_ylabel("class imbalance\n(share of positives in training)")
    histogram.hist(table["imbalance"], bins=_BINS, orientation="horizontal", color=shade)
    histogram.set_xlabel("regulators\n(count)")
    style.share_axis(scatter.yaxis)
    scatter.set_ylim(bottom=-0.03)
    for axes in (scatter, histogram):
        axes.xaxis.set_major_locator(style.few_ticks(whole=axes is histogram))
    found: Any = spearmanr(table["imbalance"], table["coefficient"])
    p_value = "p < 0.0001" if found.pvalue < 1e-4 else f"p = {found.pvalue:.1g}"
    text = f"Spearman {found.statistic:.2f} ({p_value}), {len(table)} regulators"
    lines = [style.wrapped(title, style.letters(width)), text]
    figure.suptitle("\n".join(filter(None, lines)))
    return figure


@style.styled
def probability_figure(
    runs: Sequence[ScoredRun],
    names: Iterable[str],
    *,
    title: str = "",
    width: float = style.COLUMN,
) -> "Figure":
    """Draw figure 3c: what methods predict for the pairs of two regulators of the first run.

    A line of panels for each method, a column for each regulator with its training imbalance
    above: which share of the pairs has a prediction in each twentieth.

    Parameters
    ----------
    runs
        Of one split.
    names
        Of each run's method; runs of one method are drawn as one.
    """
    regulators = imbalance.extreme_regulators(runs[0])
    table = pd.concat(
        [
            imbalance.predicted_probabilities(run, regulators).assign(method=name)
            for run, name in zip(runs, names, strict=True)
        ]
    )
    methods = table["method"].unique()
    figure = style.new_figure(width, 0.7 * len(methods) + style.line_height(7 + len(methods) / 2))
    handles = {}
    panels = figure.subplots(
        len(methods), len(regulators), sharex=True, sharey=True, squeeze=False
    )
    for method, line in zip(methods, panels, strict=True):
        for regulator, axes in zip(regulators, line, strict=True):
            pairs = table.loc[(table["regulator"] == regulator) & (table["method"] == method)]
            shares = np.full(len(pairs), 1 / len(pairs))
            shade = colour(pairs["model"].iloc[0])
            *_, bars = axes.hist(pairs["probability"], bins=_BINS, weights=shares, color=shade)
            handles[method] = bars[0]
    for regulator, axes in zip(regulators, panels[0], strict=True):
        imbalances = table.loc[table["regulator"] == regulator, "imbalance"]
        axes.set_title(f"{regulator}\nimbalance {imbalances.mean():.2g}")
    style.share_axis(panels[0, 0].xaxis)
    style.share_axis(panels[0, 0].yaxis)
    figure.supylabel("share of pairs", fontsize="medium")
    style.legend(figure, handles, title=style.wrapped(title, style.letters(width)))
    style.caption(figure, "predicted probability")
    return figure
