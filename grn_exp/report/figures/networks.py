"""One run's network: a heat map of its strongest part, and the edges around a gene."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError, close_matches
from grn_exp.report.bias.run import ScoredRun
from grn_exp.report.figures import choose, style
from grn_exp.report.figures.choose import Named

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HUB_EDGES = 100  # the gene that most of the best edges touch is shown by default
_MOST_EDGES = 20
# of an edge: colour, line style, name
_KINDS = {
    "train": (style.BLUE, "-", "known, in training"),
    "held_out": (style.GREEN, "-", "known, held out"),
    "other": (style.VERMILION, (0, (3, 1.5)), "not in the network"),
}


@style.styled
def heat_map(
    rows: pd.DataFrame, *, width: float = style.PAGE, run_key: Named = None, dataset: Named = None
) -> "Figure":
    """Draw how high a run ranks the pairs of its strongest regulators and targets.

    A colour is the share of all pairs that score at least as high, on a logarithmic scale: the
    score's own scale differs from method to method. A white dot is an edge of the network.
    """
    from matplotlib.colors import LogNorm
    from scipy.stats import rankdata

    title, scored = choose.best_run(rows, run_key=run_key, dataset=dataset)
    n_rows, n_columns = (12, 20) if style.is_narrow(width) else (20, 28)
    values = _values(scored)
    ranks = rankdata(-values, method="max", axis=None, nan_policy="omit").reshape(values.shape)
    shares = 100 * ranks / np.isfinite(values).sum()
    chosen = _strongest(shares, n_rows, n_columns)
    regulators = scored.split.regulators.array[chosen[0]]
    targets = scored.split.genes.array[chosen[1]]
    part = np.ma.masked_invalid(shares[np.ix_(*chosen)])
    figure = style.new_figure(width, 1.6 + style.line_height(1.05 * len(regulators)))
    axes = figure.subplots()
    axes.set_facecolor(style.GREY)  # a gene with itself
    norm = LogNorm(float(part.min()), 100.0)
    image = axes.imshow(part, cmap="cividis_r", norm=norm, aspect="auto", interpolation="none")
    known = np.argwhere(scored.labels[np.ix_(*chosen)] & ~part.mask)
    axes.scatter(
        known[:, 1], known[:, 0], s=6, color="white", edgecolors=style.BLACK, linewidths=0.4
    )
    axes.set_xticks(range(len(targets)), targets.tolist(), rotation=90)
    axes.set_yticks(range(len(regulators)), regulators.tolist())
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="target", ylabel="regulator")
    bar = figure.colorbar(image, ax=axes, pad=0.02, aspect=15)
    bar.ax.yaxis.set_major_formatter("{x:g}")
    bar.set_label("pairs that score as high (%)", fontsize=style.small_font())
    figure.suptitle(style.wrapped(title, style.letters(0.9 * width)))
    style.caption(figure, "", ["dots: edges of the network; grey: a gene with itself"])
    return figure


def _values(run: ScoredRun) -> NDArray[np.float64]:
    """Return the scores, NaN for a gene with itself."""
    values = run.scores.astype(np.float64)
    own = run.split.genes.positions(run.split.regulators)
    values[np.arange(len(values)), own] = np.nan
    return values


def _strongest(
    shares: NDArray[np.float64], n_rows: int, n_columns: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows with the best pairs, best first, and columns that are best for one of them.

    A row counts by its mean logarithmic rank over as many of its best pairs as there are columns
    for each row. The rows choose their best columns in turn, those of one row beside each other.
    """
    logs = np.log(np.nan_to_num(shares, nan=np.inf))
    n_rows, n_columns = min(n_rows, logs.shape[0]), min(n_columns, logs.shape[1])
    best = np.sort(logs, axis=1)[:, : -(-n_columns // n_rows)]
    rows = np.argsort(best.mean(axis=1), kind="stable")[:n_rows]
    wishes = [iter(np.argsort(logs[row], kind="stable").tolist()) for row in rows]
    owner: dict[int, int] = {}
    for turn in range(n_columns):
        place = turn % n_rows
        column = next(wish for wish in wishes[place] if wish not in owner)
        owner[column] = place
    columns = np.array(sorted(owner, key=lambda column: owner[column]))
    return rows, columns


@style.styled
def network_view(
    rows: pd.DataFrame,
    *,
    width: float = style.PAGE,
    run_key: Named = None,
    dataset: Named = None,
    gene: Named = None,
) -> "Figure":
    """Draw a run's best edges around a gene: its regulators on the left, its targets on the right.

    Thicker is higher in rank. Colours tell known edges of training, known edges that were held
    out, and pairs that the network does not have. ``gene`` is by default the one that most of the
    run's 100 best edges touch.
    """
    name, scored = choose.best_run(rows, run_key=run_key, dataset=dataset)
    edges = _ranked_edges(scored)
    if gene is None:  # of several, the first by symbol
        best = edges.iloc[:_HUB_EDGES]
        counts = pd.concat([best["regulator"], best["target"]]).value_counts()
        gene = str(counts.sort_index().idxmax())
    around = edges.loc[(edges["regulator"] == gene) | (edges["target"] == gene)]
    if around.empty:
        known = sorted(set(edges["regulator"]) | set(edges["target"]))
        raise InputError(
            f"--gene {gene}: {close_matches(gene, known)}{name} has no gene of this name"
        )
    shown = around.iloc[:_MOST_EDGES]
    shown = shown.assign(width=np.linspace(1.8, 0.5, len(shown)))
    left = shown.loc[shown["target"] == gene].rename(columns={"regulator": "symbol"})
    right = shown.loc[shown["regulator"] == gene].rename(columns={"target": "symbol"})
    figure = style.new_figure(width, style.line_height(8 + 1.1 * max(len(left), len(right), 6)))
    axes = figure.subplots()
    _half(axes, left, side=-1)
    _half(axes, right, side=1)
    box = {"boxstyle": "round,pad=0.3", "facecolor": "white", "linewidth": 0.8}
    axes.text(0, 0, gene, ha="center", va="center", bbox=box, zorder=5, weight="bold")
    axes.set(xlim=(-1.45 if len(left) else -0.4, 1.45 if len(right) else 0.4), ylim=(-1.12, 1.25))
    axes.set_axis_off()
    lines = {
        name: axes.plot([], [], color=shade, linestyle=line)[0]
        for shade, line, name in _KINDS.values()
    }
    title = style.wrapped(f"{gene}: {name}", style.letters(0.9 * width))
    style.legend(figure, lines, title=title)
    ranks = f"ranks {shown['rank'].iloc[0]:,} to {shown['rank'].iloc[-1]:,} of {len(edges):,}"
    label = f"{len(shown)} best of {len(around):,} pairs of {gene} ({ranks}); thicker: higher rank"
    both = ", ".join(sorted(set(left["symbol"]) & set(right["symbol"])))
    style.caption(figure, "", [label, f"on both sides: {both}" if both else ""])
    return figure


def _ranked_edges(run: ScoredRun) -> pd.DataFrame:
    """Return all pairs, best first: regulator, target, rank and what is known of them.

    Ties are in the order of the symbols.
    """
    values = _values(run)
    rows, columns = np.nonzero(np.isfinite(values))
    kind = np.where(run.labels, np.where(run.split.train, "train", "held_out"), "other")
    table = pd.DataFrame(
        {
            "regulator": run.split.regulators.array[rows],
            "target": run.split.genes.array[columns],
            "kind": kind[rows, columns],
            "score": values[rows, columns],
        }
    )
    keys = ["score", "regulator", "target"]
    table = table.sort_values(keys, ascending=[False, True, True], ignore_index=True)
    return table.assign(rank=np.arange(1, len(table) + 1))


def _half(axes: "Axes", edges: pd.DataFrame, *, side: int) -> None:
    """Draw genes on a half ellipse around the gene in the middle, the best edge at half height.

    Lines are equally far apart, so that names of genes do not lie on each other. ``side`` is -1
    for regulators, on the left, and 1 for targets.
    """
    n = len(edges)
    middle = (n - 1) / 2
    shrink = {"shrinkA": 20, "shrinkB": 2} if side > 0 else {"shrinkA": 2, "shrinkB": 20}
    look = {"arrowstyle": "-|>", "mutation_scale": 6, **shrink}
    lines = sorted(range(n), key=lambda line: (abs(line - middle), line))
    for edge, line in zip(edges.to_dict("records"), lines, strict=True):
        y = (middle - line) / max(middle, 1)
        here = (side * (0.55 + 0.45 * np.sqrt(1 - 0.9 * y * y)), y)
        start, end = ((0.0, 0.0), here)[::side]
        shade, dashes, _ = _KINDS[edge["kind"]]
        own = {"color": shade, "linestyle": dashes, "linewidth": edge["width"]}
        axes.annotate("", end, start, arrowprops={**look, **own})
        axes.plot(*here, "o", color=shade, markersize=2.5)
        text: dict[str, Any] = {"ha": "left" if side > 0 else "right", "va": "center"}
        outside: dict[str, Any] = {"xytext": (3 * side, 0), "textcoords": "offset points"}
        axes.annotate(edge["symbol"], here, **outside, **text, fontsize=style.small_font())
    if n:
        ha = "right" if side > 0 else "left"
        role = "targets" if side > 0 else "regulators"
        axes.text(1.45 * side, 1.25, role, ha=ha, va="top", style="italic")
