"""InfoSEM-B with different embeddings beside each other."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.report.figures import choose, style
from grn_exp.report.names import colour, display_name
from grn_exp.report.tables import labelled, per_split

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_DATASETS = 6


@style.styled
def embeddings_compared(
    rows: pd.DataFrame,
    *,
    width: float = style.WIDTHS["page"],
    subset: str = "test_unseen",
    model: str = "infosem_b",
    reference: str = "deepsem",
) -> "Figure":
    """Draw InfoSEM-B's AUPRC with different embeddings (InfoSEM figure 4).

    A bar is the mean over splits, its error bar the standard error, a point one split (the mean
    over model seeds); the dashed line is a random ranking.
    """
    splits = _splits_by_embedding(choose.of_metric(rows, "ap", (subset,)), model, reference)
    priors = sorted(splits.loc[splits["model"] == model, "method"].unique())
    if len(priors) < 2:
        raise InputError(
            f"no run of {model} has ap on {subset} with two embeddings; "
            "python -m grn_exp -m experiment=infosem_figure4 makes such runs"
        )
    free = [shade for shade in style.OKABE_ITO if shade != colour(reference)]
    if len(priors) > len(free):
        raise InputError(f"{len(priors)} embeddings; {len(free)} can be told apart")
    splits, few_datasets = choose.most_datasets(splits, _MOST_DATASETS)
    shades = dict(zip(priors, free, strict=False))
    if reference in set(splits["model"]):
        shades[_without(reference)] = colour(reference)
    figure = style.new_figure(width, 1.9 + style.line_height(5))
    axes = figure.subplots()
    values: Any = (
        splits.groupby(["method", "dataset"])["value"].agg(["mean", "sem", list]).unstack()
    )
    datasets = values["mean"].columns
    bar = 0.8 / len(shades)
    error: dict[str, Any] = {
        "fmt": "none",
        "ecolor": style.BLACK,
        "elinewidth": 0.8,
        "capsize": 1.5,
    }
    dot: dict[str, Any] = {
        "s": 5,
        "color": "white",
        "edgecolors": style.BLACK,
        "linewidths": 0.4,
        "zorder": 3,
    }
    for number, (name, shade) in enumerate(shades.items()):
        of_bar = values.loc[name]
        places = np.arange(len(datasets)) + (number - (len(shades) - 1) / 2) * bar
        axes.bar(places, of_bar["mean"], 0.92 * bar, color=shade, label=name)
        axes.errorbar(places - 0.25 * bar, of_bar["mean"], of_bar["sem"], **error)
        for place, points in zip(places, map(np.atleast_1d, of_bar["list"]), strict=True):
            axes.scatter(place + np.linspace(0.0, 0.35, len(points)) * bar, points, **dot)
    levels = splits.groupby("dataset")["prevalence"].mean().to_numpy()
    ends = np.arange(len(datasets)) + np.array([[-0.45], [0.45]])
    lines = axes.plot(ends, np.stack([levels, levels]), **style.DASHED)
    lines[0].set_label(style.RANDOM)
    room = style.letters(0.8 * width / len(datasets))
    names = [style.wrapped(choose.setting_text(name), room) for name in datasets]
    axes.set_xticks(range(len(datasets)), names)
    axes.set_xlim(-0.5, len(datasets) - 0.5)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel(f"{style.short_title('ap')}\n{style.genes(subset)}")
    axes.yaxis.set_major_locator(style.few_ticks())
    axes.tick_params(axis="x", length=0)
    text = "bar, error bar: mean and standard error of the splits (points)"
    style.caption(figure, text, [few_datasets], axis=False)
    style.legend_above(figure, [axes], title=f"{display_name(model)} with embedding")
    return figure


def _without(reference: str) -> str:
    return f"{display_name(reference)} (no embedding)"


def _splits_by_embedding(rows: pd.DataFrame, model: str, reference: str) -> pd.DataFrame:
    """Return :func:`per_split` with the embedding, or the reference, as the method's name.

    Only the datasets with most embeddings are kept; elsewhere a group of bars would be empty.
    """
    found = labelled(rows.loc[rows["model"].isin((model, reference))])
    found = found.loc[found["ensemble"] == found["ensemble"].min()]
    for name, part in found.groupby("model"):
        if part["method_variant"].nunique() > 1:
            settings = ", ".join(sorted(part["method_variant"].unique()))
            raise InputError(f"{name} was run with several settings ({settings}); draw one")
    # a reference that reads no embedding is the same run under every prior
    priors = found["prior"].map(choose.setting_text)
    bars = priors.where(found["model"] == model, _without(reference))
    found = found.assign(method=bars, prior=bars)
    splits = per_split(
        found.drop_duplicates(["method", "dataset", "subset", "split_seed", "seed"])
    )
    n_priors = splits["method"].where(splits["model"] == model)
    n_priors = n_priors.groupby(splits["dataset"]).transform("nunique")
    return splits.loc[n_priors == n_priors.max()]
