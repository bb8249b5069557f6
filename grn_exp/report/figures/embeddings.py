"""InfoSEM-B with different embeddings beside each other."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.report.figures import choose
from grn_exp.report.figures.style import (
    BLACK,
    BLUE,
    DASHED,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    WIDTHS,
    YELLOW,
    caption,
    few_ticks,
    genes,
    legend_above,
    letters,
    line_height,
    new_figure,
    short_title,
    styled,
    wrapped,
)
from grn_exp.report.names import colour, display_name
from grn_exp.report.tables import labelled, per_split

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = (BLUE, GREEN, SKY, PURPLE, VERMILION, ORANGE, YELLOW)
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

    A bar is the mean over splits, its error bar the standard error, a point one split (the mean
    over model seeds); the dashed line is a random ranking.

    Parameters
    ----------
    rows
        Tidy rows; drawn are the datasets on which the method was run with most embeddings.
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
    splits = _splits_by_embedding(choose.of_metric(rows, "ap", (subset,)), model, reference)
    priors = sorted(splits.loc[splits["model"] == model, "method"].unique())
    if len(priors) < 2:
        raise InputError(
            f"no run of {model} has ap on {subset} with two embeddings; "
            "python -m grn_exp -m experiment=infosem_figure4 makes such runs"
        )
    free = [shade for shade in _COLOURS if shade != colour(reference)]
    if len(priors) > len(free):
        raise InputError(f"{len(priors)} embeddings; {len(free)} can be told apart")
    splits, few_datasets = choose.most_datasets(splits, _MOST_DATASETS)
    shades = dict(zip(priors, free, strict=False))
    if reference in set(splits["model"]):
        shades[f"{display_name(reference)} (no embedding)"] = colour(reference)
    datasets = splits["dataset"].drop_duplicates().tolist()
    figure = new_figure(width, 1.9 + line_height(5))
    axes = figure.subplots()
    for number, (name, shade) in enumerate(shades.items()):
        of_bar = splits.loc[splits["method"] == name]
        parts = [of_bar.loc[of_bar["dataset"] == dataset, "value"] for dataset in datasets]
        offset = (number - (len(shades) - 1) / 2) * 0.8 / len(shades)
        places = np.arange(len(datasets)) + offset
        _bars(axes, parts, places, 0.8 / len(shades), shade=shade, label=name)
    random = splits.groupby("dataset")["prevalence"].mean()
    for place, dataset in enumerate(datasets):
        label = "random ranking" if place == 0 else None
        axes.plot([place - 0.45, place + 0.45], [random[dataset]] * 2, label=label, **DASHED)
    room = letters(0.8 * width / len(datasets))
    names = [wrapped(choose.setting_text(name), room) for name in datasets]
    axes.set_xticks(range(len(datasets)), names)
    axes.set_xlim(-0.5, len(datasets) - 0.5)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel(f"{short_title('ap')}\n{genes(subset)}")
    axes.yaxis.set_major_locator(few_ticks())
    axes.tick_params(axis="x", length=0)
    caption(figure, "bar, error bar: mean and standard error of the splits (points)",
            [few_datasets], axis=False)  # fmt: skip
    legend_above(figure, [axes], title=f"{display_name(model)} with embedding")
    return figure


def _splits_by_embedding(rows: pd.DataFrame, model: str, reference: str) -> pd.DataFrame:
    """Return :func:`per_split` with the embedding, or the reference, as the method's name.

    Left are the datasets with most embeddings: of others a run of another figure is known.
    """
    found = labelled(rows.loc[rows["model"].isin((model, reference))])
    found = found.loc[found["ensemble"] == found["ensemble"].min()]
    for name, part in found.groupby("model"):
        if part["method_variant"].nunique() > 1:
            settings = ", ".join(sorted(part["method_variant"].unique()))
            raise InputError(f"{name} was run with several settings ({settings}); draw one")
    # a reference that reads no embedding is the same run under every prior
    no_prior = f"{display_name(reference)} (no embedding)"
    bars = found["prior"].map(choose.setting_text).where(found["model"] == model, no_prior)
    found = found.assign(method=bars, prior=bars)
    splits = per_split(
        found.drop_duplicates(["method", "dataset", "subset", "split_seed", "seed"])
    )
    n_priors = splits["method"].where(splits["model"] == model)
    n_priors = n_priors.groupby(splits["dataset"]).transform("nunique")
    return splits.loc[n_priors == n_priors.max()]


def _bars(
    axes: "Axes",
    parts: list[pd.Series],
    places: NDArray[np.float64],
    width: float,
    *,
    shade: str,
    label: str,
) -> None:
    """Draw an embedding's bar on each dataset, its standard error and, beside that, its splits."""
    means = [part.mean() for part in parts]
    axes.bar(places, means, width * 0.92, color=shade, label=label)
    error = {"fmt": "none", "ecolor": BLACK, "elinewidth": 0.8, "capsize": 1.5}
    axes.errorbar(places - 0.25 * width, means, [part.sem() for part in parts], **error)
    for place, part in zip(places, parts, strict=True):
        across = place + np.linspace(0.0, 0.35, len(part)) * width
        look = {"color": "white", "edgecolors": BLACK, "linewidths": 0.4, "zorder": 3}
        axes.scatter(across, part.to_numpy(), s=5, **look)
