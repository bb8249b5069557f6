"""Accuracy regulator by regulator."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.splits import Subset
from grn_exp.metrics.ranking import average_precision
from grn_exp.report.bias.run import ScoredRun
from grn_exp.report.figures import choose, style
from grn_exp.report.figures.choose import Named
from grn_exp.runs.methods import colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_METHODS = 10


@style.styled
def regulator_precision(
    rows: pd.DataFrame, *, width: float = style.PAGE, run_key: Named = None, dataset: Named = None
) -> "Figure":
    """Draw the average precision within each regulator, on seen and on unseen genes.

    A dot is a regulator with positive and negative pairs, the black line goes from the lower to
    the upper quartile, the diamond is the mean, ``ap_per_regulator``; the dashed line is the mean
    share of positives. One split.
    """
    rows, note = choose.best_runs(rows, _MOST_METHODS, run_key=run_key, dataset=dataset)
    runs = choose.first_split(rows)
    scored = choose.read_scored(runs)
    subsets: list[Subset] = [
        subset for subset in style.SUBSETS if len(_regulators(scored[0], subset))
    ]
    if not subsets:
        raise InputError(
            f"{scored[0].folder}: no regulator has positive and negative test pairs; take "
            "another split or a larger network"
        )
    names = [style.wrapped(name, style.letters(0.35 * width)) for name in runs["method"]]
    n_lines = max(name.count("\n") + 1 for name in names)
    figure = style.new_figure(
        width, style.line_height(6.5 + max(1.8, n_lines + 0.4) * max(2, len(scored)))
    )
    panels = figure.subplots(1, len(subsets), sharey=True, sharex=True, squeeze=False)[0]
    for axes, subset in zip(panels, subsets, strict=True):
        _panel(axes, scored, subset)
    style.share_axis(panels[0].xaxis)
    panels[0].set_yticks(range(len(runs)), names)
    panels[0].invert_yaxis()
    of = choose.split_of(runs.iloc[0])
    marks = "dot: regulator; diamond: mean; line: quartiles; dashed: random"
    style.caption(figure, "average precision of a regulator's pairs", [of, marks, note])
    return figure


def _regulators(run: ScoredRun, subset: Subset) -> NDArray[np.int64]:
    mask = run.split.mask(subset)
    positive, negative = (mask & run.labels).any(axis=1), (mask & ~run.labels).any(axis=1)
    return np.flatnonzero(positive & negative)


def _panel(axes: "Axes", scored: list[ScoredRun], subset: Subset) -> None:
    rows, mask = _regulators(scored[0], subset), scored[0].split.mask(subset)
    for place, run in enumerate(scored):
        values = np.array(
            [average_precision(run.scores[r, mask[r]], run.labels[r, mask[r]]) for r in rows]
        )
        # spread by a rule, so that the same runs give the same figure
        offsets = 0.32 * (np.modf(np.arange(len(values)) * 0.618)[0] * 2 - 1)
        shade = colour(run.name["model"])
        axes.scatter(values, place + offsets, s=7, color=shade, alpha=0.6, linewidths=0)
        axes.plot(
            np.quantile(values, [0.25, 0.75]), [place, place], color=style.BLACK, linewidth=1.2
        )
        axes.plot(
            values.mean(), place, "D", color="white", markeredgecolor=style.BLACK, markersize=4
        )
    shares = (mask & scored[0].labels)[rows].sum(axis=1) / mask[rows].sum(axis=1)
    axes.axvline(float(shares.mean()), **style.DASHED)
    axes.set_title(f"{style.SUBSETS[subset]}\n{len(rows)} regulators")
