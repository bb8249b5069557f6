"""The figures of the InfoSEM paper from tidy rows. No pyplot: nothing is left open."""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.metrics.titles import title
from grn_exp.report.tables import CONTROLS, labelled, per_split, summarise
from grn_exp.storage.atomic import write_with

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTHS = {"column": 3.3, "page": 7.0}  # inches
# Okabe and Ito (2008): told apart by colour-blind readers
BLUE, ORANGE, GREEN, SKY, VERMILION, PURPLE, YELLOW, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#56B4E9",
    "#D55E00",
    "#CC79A7",
    "#F0E442",
    "#000000",
)
_SUBSETS = {"test_seen": BLUE, "test_unseen": ORANGE}
_PRIOR_COLOURS = (BLUE, GREEN, SKY, PURPLE, VERMILION, YELLOW)
_REFERENCE_COLOUR = "#999999"
_STYLE: dict[Any, Any] = {
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "pdf.fonttype": 42,  # text that can be edited
}


def seen_against_unseen(rows: pd.DataFrame, *, width: float = WIDTHS["page"]) -> "Figure":
    """Draw each method's AUPRC on seen and on unseen genes (InfoSEM figure 3a).

    A line of panels per dataset: left the unseen pairs of seen genes, right the pairs of unseen
    genes. Error bars are standard errors over splits; the dashed line is a random ranking, the
    mean share of positives. A method with fewer splits than the others says so.

    Parameters
    ----------
    rows
        Tidy rows; the controls ``random`` and ``oracle`` get no bars.
    width
        Of the figure, inches.

    Raises
    ------
    InputError
        If no dataset has ``ap`` on both subsets.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = _average_precision(rows, tuple(_SUBSETS))
    summary = summarise(rows)
    summary = summary.loc[~summary["model"].isin(CONTROLS)]
    subsets = {name: set(part["subset"]) for name, part in summary.groupby("dataset")}
    datasets = [name for name, found in subsets.items() if found == set(_SUBSETS)]
    if not datasets:
        raise InputError("no dataset has ap on test_seen and test_unseen; nothing to draw")
    with mpl.rc_context(_STYLE):
        names = _with_few_splits(summary).map(lambda n: _wrapped(n, 24 if width < 5 else 40))
        summary = summary.assign(method=names)
        slot = 0.06 + 0.1 * max(name.count("\n") + 1 for name in names)  # inches of a bar
        counts = [summary.loc[summary["dataset"] == name, "method"].nunique() for name in datasets]
        figure = Figure(figsize=(width, 0.35 + sum(slot * n + 0.32 for n in counts)))
        figure.set_layout_engine("constrained")
        panels = figure.subplots(
            len(datasets),
            2,
            squeeze=False,
            sharey="row",
            sharex="row",
            gridspec_kw={"height_ratios": [slot * n + 0.32 for n in counts]},
        )
        random = _random_level(rows)
        for dataset, line in zip(datasets, panels, strict=True):
            ends = summary["mean"] + summary["standard_error"].fillna(0.0)
            line[0].set_xlim(0.0, 1.05 * ends[summary["dataset"] == dataset].max())
            for axes, (subset, colour) in zip(line, _SUBSETS.items(), strict=True):
                here = (summary["dataset"] == dataset) & (summary["subset"] == subset)
                _method_bars(axes, summary.loc[here], colour)
                axes.axvline(random[dataset, subset], color=BLACK, linestyle="--", linewidth=0.8)
                axes.set_title(f"{dataset}, {subset.replace('_', ' ')}", loc="left")
        figure.supxlabel(f"{title('ap')}; dashed: random", fontsize=_STYLE["axes.labelsize"])
    return figure


def _with_few_splits(summary: pd.DataFrame) -> pd.Series:
    """Return the methods' names, with the number of splits where it is not the dataset's most."""
    most = summary.groupby("dataset")["n_splits"].max().to_dict()
    names = [
        row["method"]
        if row["n_splits"] == most[row["dataset"]]
        else f"{row['method']} (n={row['n_splits']})"
        for row in summary.to_dict("records")
    ]
    return pd.Series(names, index=summary.index, dtype="str")


def _method_bars(axes: "Axes", summary: pd.DataFrame, colour: str) -> None:
    """Draw a bar per method, the first one on top."""
    axes.barh(
        list(summary["method"]),
        summary["mean"].to_numpy(),
        xerr=summary["standard_error"].fillna(0.0).to_numpy(),
        color=colour,
        height=0.7,
        error_kw={"linewidth": 0.8, "capsize": 1.5, "capthick": 0.8},
    )
    if not axes.yaxis_inverted():
        axes.invert_yaxis()
    axes.xaxis.set_major_locator(_few_ticks())


def _few_ticks() -> Any:  # noqa: ANN401 - matplotlib's own
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4, steps=[1, 2, 5, 10])


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
    import matplotlib as mpl
    from matplotlib.figure import Figure

    splits = _splits_by_embedding(_average_precision(rows, (subset,)), model, reference)
    names = sorted(splits["method"].unique(), key=lambda name: (name == reference, name))
    if names in ([], [reference]):
        raise InputError(f"no run of {model} has ap on {subset}; nothing to draw")
    if len(names) > len(_PRIOR_COLOURS) + 1:
        raise InputError(f"{len(names)} embeddings; {len(_PRIOR_COLOURS)} can be told apart")
    datasets = splits["dataset"].unique().tolist()
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, 2.1 if width < 5 else 2.4))
        figure.set_layout_engine("constrained")
        axes = figure.subplots()
        for number, name in enumerate(names):
            colour = _REFERENCE_COLOUR if name == reference else _PRIOR_COLOURS[number]
            offset = (number - (len(names) - 1) / 2) * 0.8 / len(names)
            of_bar = splits.loc[splits["method"] == name]
            parts = [of_bar.loc[of_bar["dataset"] == dataset] for dataset in datasets]
            label = f"{reference} (no embedding)" if name == reference else f"{model} {name}"
            places = np.arange(len(datasets)) + offset
            _prior_bars(axes, parts, places, 0.8 / len(names), colour=colour, label=label)
        random = splits.groupby("dataset")["prevalence"].mean()
        for number, dataset in enumerate(datasets):
            level = random[dataset]
            dashes = {"color": BLACK, "linestyle": "--", "linewidth": 0.8}
            label = "random" if number == 0 else None
            axes.plot([number - 0.45, number + 0.45], [level, level], label=label, **dashes)
        _finish(axes, datasets, subset)
        figure.legend(
            loc="outside upper center",
            ncols=2 if width < 5 else 4,
            frameon=False,
            handlelength=1.2,
        )
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
    axes.set_xticks(range(len(datasets)), [_wrapped(name, 14) for name in datasets])
    axes.set_xlim(-0.5, len(datasets) - 0.5)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel(f"{title('ap')}\n{subset.replace('_', ' ')}")
    axes.tick_params(axis="x", length=0)


def _wrapped(name: str, width: int) -> str:
    return "\n".join(textwrap.wrap(name, width)) or name


def _average_precision(rows: pd.DataFrame, subsets: Sequence[str]) -> pd.DataFrame:
    return rows.loc[(rows["metric"] == "ap") & rows["subset"].isin(list(subsets))]


def _random_level(rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Return the mean share of positives over splits: what a random ranking's AUPRC is about."""
    splits = per_split(rows).drop_duplicates(["dataset", "subset", "split_seed"])
    means = splits.groupby(["dataset", "subset"])["prevalence"].mean()
    return {(str(key[0]), str(key[1])): float(value) for key, value in means.items()}  # type: ignore[index]


FIGURES: dict[str, Callable[..., "Figure"]] = {
    "seen_against_unseen": seen_against_unseen,
    "embeddings_compared": embeddings_compared,
}


def save(figure: "Figure", path: Path) -> tuple[Path, Path]:
    """Write a figure as PNG (200 dots per inch) and PDF.

    Parameters
    ----------
    path
        Without ending.

    Returns
    -------
    tuple of Path
        The two files.
    """
    import matplotlib as mpl

    paths = path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.pdf")
    with mpl.rc_context(_STYLE):
        write_with(paths[0], lambda file: figure.savefig(file, format="png", dpi=200))
        no_date = {"CreationDate": None}  # the same figure is the same file
        write_with(paths[1], lambda file: figure.savefig(file, format="pdf", metadata=no_date))
    return paths
