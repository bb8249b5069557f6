"""InfoSEM-B with different embeddings beside each other."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.report.figures import choose, style
from grn_exp.report.tables import per_split
from grn_exp.runs.methods import colour, display_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_DATASETS = 6
_MODEL, _REFERENCE = "infosem_b", "deepsem"
_WITHOUT = f"{display_name(_REFERENCE)} (no embedding)"
_ERROR: dict[str, Any] = {"fmt": "none", "ecolor": style.BLACK, "elinewidth": 0.8, "capsize": 1.5}
_DOT: dict[str, Any] = {
    "s": 5, "color": "white", "edgecolors": style.BLACK, "linewidths": 0.4, "zorder": 3
}  # fmt: skip


@style.styled
def embeddings_compared(rows: pd.DataFrame, *, width: float = style.PAGE) -> "Figure":
    """Draw InfoSEM-B's AUPRC with different embeddings (InfoSEM figure 4).

    A bar is the mean over splits, its error bar the standard error, a point one split (the mean
    over model seeds); the dashed line is a random ranking. The best embedding stands first.
    """
    splits = _splits_by_embedding(choose.of_metric(rows, "ap", ("test_unseen",)))
    of_model = splits.loc[splits["model"] == _MODEL]
    priors = of_model.groupby("method")["value"].mean().sort_values(ascending=False).index
    if len(priors) < 2:
        raise InputError(
            f"no run of {_MODEL} has ap on test_unseen with two embeddings; "
            "python -m grn_exp -m experiment=infosem_figure4 makes such runs"
        )
    free = [shade for shade in style.OKABE_ITO if shade != colour(_REFERENCE)]
    if len(priors) > len(free):
        raise InputError(f"{len(priors)} embeddings; only {len(free)} can be told apart")
    splits, few_datasets = choose.most_datasets(splits, _MOST_DATASETS)
    shades = dict(zip(priors, free, strict=False))
    if _REFERENCE in set(splits["model"]):
        shades[_WITHOUT] = colour(_REFERENCE)
    figure = style.new_figure(width, 1.9 + style.line_height(5))
    axes = figure.subplots()
    _bars(axes, splits, shades)
    datasets = sorted(splits["dataset"].unique())
    room = style.letters(0.8 * width / len(datasets))
    axes.set_xticks(range(len(datasets)), [style.wrapped(name, room) for name in datasets])
    axes.set_xlim(-0.5, len(datasets) - 0.5)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel(style.AUPRC_UNSEEN)
    axes.yaxis.set_major_locator(style.few_ticks())
    axes.tick_params(axis="x", length=0)
    text = "bar, error bar: mean and standard error of the splits (points)"
    style.caption(figure, "", [text, few_datasets])
    style.legend_above(figure, [axes], title=f"{display_name(_MODEL)} with embedding")
    return figure


def _bars(axes: "Axes", splits: pd.DataFrame, shades: dict[str, str]) -> None:
    """Draw a group of bars for each dataset, and the level of a random ranking."""
    groups = splits.groupby(["method", "dataset"])["value"]
    values: Any = groups.agg(["mean", "sem", list]).unstack()
    bar = 0.8 / len(shades)
    for number, (name, shade) in enumerate(shades.items()):
        of_bar = values.loc[name]
        places = np.arange(len(of_bar["mean"])) + (number - (len(shades) - 1) / 2) * bar
        axes.bar(places, of_bar["mean"], 0.92 * bar, color=shade, label=name)
        axes.errorbar(places - 0.25 * bar, of_bar["mean"], of_bar["sem"], **_ERROR)
        for place, points in zip(places, map(np.atleast_1d, of_bar["list"]), strict=True):
            axes.scatter(place + np.linspace(0.0, 0.35, len(points)) * bar, points, **_DOT)
    levels = splits.groupby("dataset")["prevalence"].mean().to_numpy()
    ends = np.arange(len(levels)) + np.array([[-0.45], [0.45]])
    lines = axes.plot(ends, np.stack([levels, levels]), **style.DASHED)
    lines[0].set_label(style.RANDOM)


def _splits_by_embedding(rows: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`per_split` with the embedding, or the reference, as the method's name.

    Only the datasets with most embeddings are kept; elsewhere a group of bars would be empty.
    """
    found = rows.loc[rows["model"].isin((_MODEL, _REFERENCE))]
    found = found.loc[found["ensemble"] == found["ensemble"].min()]
    for name, part in found.groupby("model"):
        if part["method_variant"].nunique() > 1:
            settings = ", ".join(text or "default" for text in part["method_variant"].unique())
            raise InputError(f"{name} was run with several settings ({settings}); draw one")
    # a reference that reads no embedding is the same run under every prior
    priors = found["prior"].map(choose.setting_text)
    bars = priors.where(found["model"] == _MODEL, _WITHOUT)
    found = found.assign(method=bars, prior=bars)
    splits = per_split(
        found.drop_duplicates(["method", "dataset", "subset", "split_seed", "seed"])
    )
    n_priors = splits["method"].where(splits["model"] == _MODEL)
    n_priors = n_priors.groupby(splits["dataset"]).transform("nunique")
    return splits.loc[n_priors == n_priors.max()]
