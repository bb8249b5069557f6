"""Figures 3b and 3c of InfoSEM, drawn from the tables of ``bias``; one column wide."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.report.bias import ImbalanceCorrelation
from grn_exp.report.figures import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, WIDTHS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = WIDTHS["column"]
# yellow is too pale for lines
_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, "#000000")
_FONT_SIZE = 7
_BINS = [step / 20 for step in range(21)]


def imbalance_figure(correlation: ImbalanceCorrelation, *, title: str = "") -> "Figure":
    """Draw figure 3b: imbalance over coefficient, its histogram on the right.

    A dot is a regulator; Spearman's rank correlation and the number of regulators stand above.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    table = correlation.table
    figure = Figure(figsize=(_WIDTH, 2.4), layout="constrained")
    scatter, histogram = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
    scatter.scatter(
        table["coefficient"], table["imbalance"], s=12, color=_COLOURS[0], alpha=0.6, linewidths=0
    )
    scatter.set_xlabel("one-hot LR coefficient", fontsize=_FONT_SIZE)
    scatter.set_ylabel("class imbalance\n(share of positives in training)", fontsize=_FONT_SIZE)
    scatter.set_ylim(-0.03, 1.03)
    histogram.hist(table["imbalance"], bins=_BINS, orientation="horizontal", color=_COLOURS[0])
    histogram.set_xlabel("regulators", fontsize=_FONT_SIZE)
    histogram.xaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    for axes in (scatter, histogram):
        _tidy(axes)
    p_value = max(correlation.p_value, 1e-4)
    sign = "<" if p_value > correlation.p_value else "="
    text = (
        f"Spearman {correlation.spearman:.2f} (p {sign} {p_value:.1g}), {correlation.n} regulators"
    )
    figure.suptitle(f"{title}\n{text}" if title else text, fontsize=_FONT_SIZE)
    return figure


def probability_figure(
    table: pd.DataFrame, *, title: str = "", names: Sequence[str] | None = None
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
    from matplotlib.figure import Figure

    models = list(dict.fromkeys(table["model"]))
    regulators = list(dict.fromkeys(table["regulator"]))
    names = models if names is None else list(names)
    if not 0 < len(models) <= len(_COLOURS) or len(names) != len(models):
        raise InputError(
            f"figure of predicted probabilities: {len(models)} methods, {len(names)} names; "
            f"give 1 to {len(_COLOURS)} methods and a name for each"
        )
    figure = Figure(figsize=(_WIDTH, 2.1), layout="constrained")
    panels = figure.subplots(1, len(regulators), sharex=True, squeeze=False)[0]
    for axes, regulator in zip(panels, regulators, strict=True):
        pairs = table.loc[table["regulator"] == regulator]
        for model, name, colour in zip(models, names, _COLOURS, strict=False):
            values = pairs.loc[pairs["model"] == model, "probability"].to_numpy(np.float64)
            _distribution(axes, values, name, colour)
        axes.set_title(f"{regulator}\nimbalance {_imbalance(pairs)}", fontsize=_FONT_SIZE)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        _tidy(axes)
    figure.supxlabel("predicted probability", fontsize=_FONT_SIZE)
    panels[0].set_ylabel("density of pairs", fontsize=_FONT_SIZE)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=min(3, len(labels)),
        fontsize=_FONT_SIZE,
        frameon=False,
        title=title or None,
        title_fontsize=_FONT_SIZE,
    )
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


def _tidy(axes: "Axes") -> None:
    axes.tick_params(labelsize=_FONT_SIZE, length=2)
    axes.spines[["top", "right"]].set_visible(False)
