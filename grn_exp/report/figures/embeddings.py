"""InfoSEM-B with different embeddings beside each other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.metrics.titles import title
from grn_exp.report.figures import choose
from grn_exp.report.figures.style import (
    BLACK,
    BLUE,
    DASHED,
    GREEN,
    GREY,
    PURPLE,
    SKY,
    VERMILION,
    WIDTHS,
    YELLOW,
    caption,
    is_narrow,
    legend_above,
    new_figure,
    spaced,
    styled,
    wrapped,
)
from grn_exp.report.tables import labelled, per_split

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PRIOR_COLOURS = (BLUE, GREEN, SKY, PURPLE, VERMILION, YELLOW)
_MOST_DATASETS = 6


@styled
def embeddings_compared(
    rows: pd.DataFrame,
    *,
    width: float = WIDTHS["page"],
    subset: str = "test_unseen",
    model: str = "infosem_b",
    reference: str = "deepsem",
) -> "Figure":
    """Draw InfoSEM-B's AUPRC with different embeddings (InfoSEM figure 4).

    A bar is the mean over splits, its error bar the standard deviation over model seeds within a
    split, a point one split; the dashed line is a random ranking.

    Parameters
    ----------
    rows
        Tidy rows.
    width
        Of the figure, inches.
    subset
        Pairs that are judged.
    model, reference
        The method with embeddings, and one without that stands beside it.

    Raises
    ------
    InputError
        If the method was not run.
    """
    found = choose.of_metric(rows, "ap", (subset,))
    splits = _splits_by_embedding(found, model, reference)
    names = sorted(splits["method"].unique(), key=lambda name: (name == reference, name))
    if names in ([], [reference]):
        raise InputError(
            f"no run of {model} has ap on {subset}; "
            "python -m grn_exp -m experiment=infosem_figure4 makes such runs"
        )
    if len(names) > len(_PRIOR_COLOURS) + 1:
        raise InputError(f"{len(names)} embeddings; {len(_PRIOR_COLOURS)} can be told apart")
    splits, few_datasets = choose.most_datasets(splits, _MOST_DATASETS)
    datasets = splits["dataset"].drop_duplicates().tolist()
    figure = new_figure(width, 2.3 if is_narrow(width) else 2.5)
    axes = figure.subplots()
    for number, name in enumerate(names):
        colour = GREY if name == reference else _PRIOR_COLOURS[number]
        offset = (number - (len(names) - 1) / 2) * 0.8 / len(names)
        of_bar = splits.loc[splits["method"] == name]
        parts = [of_bar.loc[of_bar["dataset"] == dataset] for dataset in datasets]
        label = f"{reference} (no embedding)" if name == reference else f"{model} {name}"
        places = np.arange(len(datasets)) + offset
        _prior_bars(axes, parts, places, 0.8 / len(names), colour=colour, label=label)
    random = splits.groupby("dataset")["prevalence"].mean()
    for number, dataset in enumerate(datasets):
        level = random[dataset]
        label = "random ranking" if number == 0 else None
        axes.plot([number - 0.45, number + 0.45], [level, level], label=label, **DASHED)
    letters = max(8, int(13 * width / len(datasets)))
    _finish(axes, [wrapped(name, letters) for name in datasets], subset)
    spread = "bar: mean of the splits (points); error bar: s.d. over model seeds within a split"
    caption(figure, spread, [few_datasets], axis=False)
    legend_above(figure, axes, n_columns=2 if is_narrow(width) else 4)
    return figure


def _splits_by_embedding(rows: pd.DataFrame, model: str, reference: str) -> pd.DataFrame:
    """Return :func:`per_split` with the embedding, or the reference, as the method's name."""
    found = labelled(rows.loc[rows["model"].isin((model, reference))])
    found = found.loc[found["ensemble"] == found["ensemble"].min()]
    for name, part in found.groupby("model"):
        if part["method_variant"].nunique() > 1:
            settings = ", ".join(sorted(part["method_variant"].unique()))
            raise InputError(f"{name} was run with several settings ({settings}); draw one")
    # a reference that reads no embedding is the same run under every prior
    bars = found["prior"].where(found["model"] == model, reference)
    found = found.assign(method=bars, prior=bars)
    same = ["method", "dataset", "subset", "split_seed", "seed"]
    return per_split(found.drop_duplicates(same))


def _prior_bars(
    axes: "Axes",
    parts: Sequence[pd.DataFrame],
    places: NDArray[Any],
    width: float,
    *,
    colour: str,
    label: str,
) -> None:
    """Draw one embedding's bar, its seed spread and, beside that, its splits at each dataset."""
    means = np.array([part["value"].mean() for part in parts])
    variances = [part["seed_variance"].to_numpy(dtype=np.float64) for part in parts]
    spreads = np.sqrt(
        [v[np.isfinite(v)].mean() if np.isfinite(v).any() else np.nan for v in variances]
    )
    known = np.isfinite(spreads)
    axes.bar(places, means, width * 0.92, zorder=1, color=colour, label=label)
    error = {"fmt": "none", "ecolor": BLACK, "elinewidth": 0.8, "capsize": 1.5, "zorder": 3}
    axes.errorbar(places[known] - 0.25 * width, means[known], yerr=spreads[known], **error)
    for place, part in zip(places, parts, strict=True):
        values = part["value"].to_numpy(dtype=np.float64)
        axes.scatter(
            place + np.linspace(0.0, 0.35, len(values)) * width,
            values,
            s=3,
            color="white",
            edgecolors=BLACK,
            linewidths=0.4,
            zorder=2,
        )


def _finish(axes: "Axes", datasets: Sequence[str], subset: str) -> None:
    axes.set_xticks(range(len(datasets)), datasets)
    axes.set_xlim(-0.5, len(datasets) - 0.5)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel(f"{title('ap')}\n{spaced(subset)}")
    axes.tick_params(axis="x", length=0)
