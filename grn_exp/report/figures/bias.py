"""Where supervised accuracy comes from: figures 3b and 3c of InfoSEM, one column wide."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.report import bias
from grn_exp.report.figures import choose
from grn_exp.report.figures.style import (
    BLUE,
    LINE_COLOURS,
    WIDTHS,
    headline,
    legend_above,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = [step / 20 for step in range(21)]
# that learn labels, those of the paper's figure first
_SUPERVISED = ("one_hot_lr", "scgreat", "genelink", "matcomp")
_MOST_METHODS = 3


def class_imbalance(
    rows: pd.DataFrame,
    *,
    width: float = WIDTHS["column"],
    run_key: str | None = None,
    dataset: str | None = None,
) -> "Figure":
    """Draw the regulators' class imbalance over their one-hot coefficients (InfoSEM figure 3b).

    Parameters
    ----------
    rows
        Tidy rows; read is ``coefficients.csv`` of one run of ``one_hot_lr``.
    width
        Of the figure, inches.
    run_key, dataset
        Which run; by default that of the dataset with most methods, on its first split.

    Raises
    ------
    InputError
        If there is no such run.
    """
    found = choose.of_metric(rows, "ap")
    found = found.loc[found["model"] == "one_hot_lr"]
    if found.empty:
        raise InputError(
            "no run of one_hot_lr; python -m grn_exp model=one_hot_lr data=hesc makes one"
        )
    if run_key is not None:
        run = choose.one_run(found, run_key).iloc[0]
    else:
        run = choose.first_split(choose.of_dataset(found, dataset)).iloc[0]
    correlation = bias.imbalance_against_coefficient(Path(run["folder"]))
    title = f"{run['dataset']}, split {run['split_seed']}"
    return imbalance_figure(correlation, title=title, width=width)


def predicted_probabilities(
    rows: pd.DataFrame,
    *,
    width: float = WIDTHS["column"],
    run_key: str | None = None,
    dataset: str | None = None,
) -> "Figure":
    """Draw what methods predict for two regulators' unseen pairs (InfoSEM figure 3c).

    The regulators are those of highest and of lowest imbalance in training; the methods those
    that learn labels, at most three, on one split.

    Parameters
    ----------
    rows
        Tidy rows; read are the scores of the runs that are drawn.
    width
        Of the figure, inches.
    run_key, dataset
        One run only; or the dataset, by default the one with most such methods.

    Raises
    ------
    InputError
        If there are no such runs.
    """
    found = choose.of_metric(rows, "ap")
    if run_key is not None:
        found = choose.one_run(found, run_key)
    else:
        found = found.loc[found["model"].isin(_SUPERVISED)]
    if found.empty:
        raise InputError(f"no run of {', '.join(_SUPERVISED)}; {choose.TABLE_2} makes them")
    runs = choose.first_split(choose.of_dataset(found, dataset))
    rank = {name: place for place, name in enumerate(_SUPERVISED)}
    runs = runs.sort_values("model", key=lambda names: names.map(rank), kind="stable")
    runs = runs.iloc[:_MOST_METHODS]
    scored = [choose.read_scored(run) for _, run in runs.iterrows()]
    chosen = bias.extreme_regulators(scored[0])
    parts = [
        bias.predicted_probabilities(
            run, chosen, as_probability="clip" if model == "matcomp" else None
        ).assign(model=method)
        for run, model, method in zip(scored, runs["model"], runs["method"], strict=True)
    ]
    title = f"{runs['dataset'].iloc[0]}, split {runs['split_seed'].iloc[0]}, unseen pairs"
    return probability_figure(pd.concat(parts, ignore_index=True), title=title, width=width)


@styled
def imbalance_figure(
    correlation: bias.ImbalanceCorrelation, *, title: str = "", width: float = WIDTHS["column"]
) -> "Figure":
    """Draw figure 3b: imbalance over coefficient, its histogram on the right.

    A dot is a regulator; Spearman's rank correlation and the number of regulators stand above.
    """
    from matplotlib.ticker import MaxNLocator

    table = correlation.table
    figure = new_figure(width, 2.4)
    scatter, histogram = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
    scatter.scatter(
        table["coefficient"], table["imbalance"], s=12, color=BLUE, alpha=0.6, linewidths=0
    )
    scatter.set_xlabel("one-hot LR coefficient\n(log-odds)")
    scatter.set_ylabel("class imbalance\n(share of positives in training)")
    scatter.set_ylim(-0.03, 1.03)
    histogram.hist(table["imbalance"], bins=_BINS, orientation="horizontal", color=BLUE)
    histogram.set_xlabel("regulators\n(count)")
    histogram.xaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    p_value = max(correlation.p_value, 1e-4)
    sign = "<" if p_value > correlation.p_value else "="
    text = (
        f"Spearman {correlation.spearman:.2f} (p {sign} {p_value:.1g}), {correlation.n} regulators"
    )
    figure.suptitle(f"{headline(title, width)}\n{text}" if title else text)
    return figure


@styled
def probability_figure(
    table: pd.DataFrame,
    *,
    title: str = "",
    names: Sequence[str] | None = None,
    width: float = WIDTHS["column"],
) -> "Figure":
    """Draw figure 3c: what methods predict for the pairs of a few regulators.

    A panel for each regulator with its training imbalance above; in it a histogram and a kernel
    density for each method (:func:`density`).

    Parameters
    ----------
    table
        Of :func:`~grn_exp.report.bias.predicted_probabilities`, of two or three regulators (more
        do not fit into a column), of one run or of several below
        each other; runs of one method are drawn as one.
    names
        Names of the methods in the legend, in the order in which ``table`` has them.

    Raises
    ------
    InputError
        If the table is empty, there are more methods than colours, or other than one name each.
    """
    models = list(dict.fromkeys(table["model"]))
    regulators = list(dict.fromkeys(table["regulator"]))
    names = models if names is None else list(names)
    if not 0 < len(models) <= len(LINE_COLOURS) or len(names) != len(models):
        raise InputError(
            f"figure of predicted probabilities: {len(models)} methods, {len(names)} names; "
            f"give 1 to {len(LINE_COLOURS)} methods and a name for each"
        )
    figure = new_figure(width, 2.2)
    panels = figure.subplots(1, len(regulators), sharex=True, squeeze=False)[0]
    for axes, regulator in zip(panels, regulators, strict=True):
        pairs = table.loc[table["regulator"] == regulator]
        for model, name, colour in zip(models, names, LINE_COLOURS, strict=False):
            values = pairs.loc[pairs["model"] == model, "probability"].to_numpy(np.float64)
            _distribution(axes, values, name, colour)
        axes.set_title(f"{regulator}\nimbalance {_imbalance(pairs)}")
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    figure.supxlabel("predicted probability", fontsize="medium")
    panels[0].set_ylabel("density of pairs")
    legend_above(figure, panels[0], n_columns=3, title=headline(title, width) if title else "")
    return figure


def density(values: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the kernel density of values in [0, 1], which integrates to 1 over [0, 1].

    Gaussian, reflected at both ends; Scott's bandwidth, but at least half a bin of the histogram,
    or a method that predicts nearly one value would dwarf the others.

    Parameters
    ----------
    values, grid
        Shape ``(n,)`` and ``(n_grid,)``; the result is over ``grid``.
    """
    scott = float(np.std(values)) * len(values) ** -0.2
    width = max(scott, _BINS[1] / 2)
    reflected = np.concatenate([values, -values, 2 - values])
    kernels = np.exp(-0.5 * np.square((grid[:, None] - reflected) / width))
    return kernels.sum(axis=1) / (len(values) * width * np.sqrt(2 * np.pi))


def _distribution(axes: "Axes", values: NDArray[np.float64], name: str, colour: str) -> None:
    axes.hist(values, bins=_BINS, density=True, color=colour, alpha=0.35)
    grid = np.linspace(0, 1, 401)
    axes.plot(grid, density(values, grid), color=colour, linewidth=1.2, label=name)


def _imbalance(pairs: pd.DataFrame) -> str:
    """Return a regulator's imbalance in training, or the range of it over several splits."""
    low, high = pairs["imbalance"].min(), pairs["imbalance"].max()
    if np.isnan(low):
        return "unknown"
    return f"{low:.2g}" if high - low < 0.005 else f"{low:.2g} to {high:.2g}"
