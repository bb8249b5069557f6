"""One run's network: a heat map of its strongest part, and the edges around a gene."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError, close_matches
from grn_exp.report.bias_run import ScoredRun
from grn_exp.report.figures import choose
from grn_exp.report.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    SMALL_FONT_SIZE,
    VERMILION,
    WIDTHS,
    caption,
    headline,
    is_narrow,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HUB_EDGES = 100  # the gene that most of the best edges touch is shown by default
_MOST_EDGES = 60
# of an edge: colour, line style, name
_KINDS = {
    "train": (BLUE, "-", "known, in training"),
    "held_out": (GREEN, "-", "known, held out"),
    "other": (VERMILION, (0, (3, 1.5)), "not in the network"),
}


@dataclasses.dataclass(frozen=True)
class Neighbour:
    """A gene beside another one, on the side of its regulators or of its targets."""

    symbol: str
    rank: int
    kind: str
    x: float
    y: float


@styled
def heat_map(
    rows: pd.DataFrame,
    *,
    width: float = WIDTHS["page"],
    run_key: str | None = None,
    dataset: str | None = None,
) -> "Figure":
    """Draw how high a run ranks the pairs of its strongest regulators and targets.

    A colour is the share of all pairs that score at least as high, on a logarithmic scale: the
    score's own scale differs from method to method. A white dot is an edge of the network.

    Parameters
    ----------
    rows
        Tidy rows; read are the scores of one run.
    width
        Of the figure, inches: 12 regulators and 20 targets fit into a column.
    run_key, dataset
        By default the best method's run on the first split of the dataset with most methods.

    Raises
    ------
    InputError
        If there is no such run.
    """
    from matplotlib.colors import LogNorm

    run = choose.best_run(choose.judged_pairs(rows), run_key=run_key, dataset=dataset)
    scored = choose.read_scored(run)
    n_rows, n_columns = (12, 20) if is_narrow(width) else (24, 50)
    shares = 100 * _ranks(scored, ties="max") / np.isfinite(_values(scored)).sum()
    chosen = _strongest(shares, n_rows, n_columns)
    regulators = scored.split.regulators.array[chosen[0]]
    targets = scored.split.genes.array[chosen[1]]
    part = shares[np.ix_(*chosen)]
    figure = new_figure(width, 1.3 + 0.115 * len(regulators))
    axes = figure.subplots()
    axes.set_facecolor(GREY)  # a gene with itself
    shown = np.ma.masked_invalid(part)
    norm = LogNorm(float(shown.min()), 100.0)
    image = axes.imshow(shown, cmap="cividis_r", norm=norm, aspect="auto", interpolation="none")
    known = np.argwhere(scored.labels[np.ix_(*chosen)] & ~np.isnan(part))
    axes.scatter(known[:, 1], known[:, 0], s=4, color="white", edgecolors=BLACK, linewidths=0.3)
    axes.set_xticks(range(len(targets)), targets.tolist(), rotation=90)
    axes.set_yticks(range(len(regulators)), regulators.tolist())
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("target")
    axes.set_ylabel("regulator")
    bar = figure.colorbar(image, ax=axes, pad=0.02, aspect=15)
    bar.set_label("pairs that score\nat least as high (%)", fontsize=SMALL_FONT_SIZE)
    bar.ax.tick_params(labelsize=SMALL_FONT_SIZE)
    title = f"{run['method']}, {run['dataset']}, split {run['split_seed']}"
    figure.suptitle(headline(title, width))
    caption(figure, "dots: edges of the network; grey: a gene with itself", axis=False)
    return figure


def _values(run: ScoredRun) -> NDArray[np.float64]:
    """Return the scores, NaN for a gene with itself."""
    values = run.scores.astype(np.float64)
    own = run.split.genes.positions(run.split.regulators)
    values[np.arange(len(values)), own] = np.nan
    return values


def _ranks(run: ScoredRun, *, ties: str) -> NDArray[np.float64]:
    """Return each pair's place among all, 1 is best; NaN for a gene with itself."""
    from scipy.stats import rankdata

    values = _values(run)
    return rankdata(-values, method=ties, axis=None, nan_policy="omit").reshape(values.shape)


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


@styled
def network_view(
    rows: pd.DataFrame,
    *,
    width: float = WIDTHS["page"],
    run_key: str | None = None,
    dataset: str | None = None,
    gene: str | None = None,
    n_edges: int = 20,
) -> "Figure":
    """Draw a run's best edges around a gene: its regulators on the left, its targets on the right.

    Thicker is higher in rank. Colours tell known edges of training, known edges that were held
    out, and pairs that the network does not have.

    Parameters
    ----------
    rows
        Tidy rows; read are the scores of one run.
    width
        Of the figure, inches.
    run_key, dataset
        By default the best method's run on the first split of the dataset with most methods.
    gene
        A symbol; by default the gene that most of the run's 100 best edges touch.
    n_edges
        How many, from 1 to 60.

    Raises
    ------
    InputError
        If there is no such run or gene.
    """
    if not 1 <= n_edges <= _MOST_EDGES:
        raise InputError(f"--n-edges {n_edges}: a view holds 1 to {_MOST_EDGES} edges")
    run = choose.best_run(choose.judged_pairs(rows), run_key=run_key, dataset=dataset)
    scored = choose.read_scored(run)
    edges = _ranked_edges(scored)
    if gene is None:
        gene = _hub(edges)
    around = edges.loc[(edges["regulator"] == gene) | (edges["target"] == gene)]
    if around.empty:
        known = sorted(set(edges["regulator"]) | set(edges["target"]))
        raise InputError(
            f"--gene {gene}: {close_matches(gene, known)}{run['dataset']} has no gene of this name"
        )
    shown = around.iloc[:n_edges]
    left, right = (
        place_neighbours(shown.loc[shown[end] == gene], other, side)
        for end, other, side in (("target", "regulator", -1), ("regulator", "target", 1))
    )
    n_lines = max(len(left), len(right), 4)
    figure = new_figure(width, 0.9 + 0.125 * n_lines)
    axes = figure.subplots()
    for neighbour in left + right:
        _arrow(axes, neighbour, len(shown), shown["rank"].tolist())
    _hub_label(axes, gene)
    title = f"{gene}: {run['method']}, {run['dataset']}, split {run['split_seed']}"
    _finish(axes, headline(title, width))
    ranks = f"ranks {shown['rank'].iloc[0]:,} to {shown['rank'].iloc[-1]:,} of {len(edges):,}"
    both = {item.symbol for item in left} & {item.symbol for item in right}
    caption(
        figure,
        f"{len(shown)} best of {len(around):,} pairs of {gene} ({ranks}); thicker: higher rank",
        [f"on both sides: {', '.join(sorted(both))}" if both else ""],
        axis=False,
    )
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


def _hub(edges: pd.DataFrame) -> str:
    """Return the gene that most of the best edges touch; of several, the first by symbol."""
    best = edges.iloc[:_HUB_EDGES]
    counts = pd.concat([best["regulator"], best["target"]]).value_counts()
    symbols = [str(symbol) for symbol, count in counts.items() if count == counts.max()]
    return min(symbols)


def place_neighbours(edges: pd.DataFrame, column: str, side: int) -> list[Neighbour]:
    """Put genes on a half ellipse around the origin, the best edge in the middle.

    Lines are equally far apart, so that names of genes do not lie on each other.

    Parameters
    ----------
    edges
        Best first, with ``rank`` and ``kind``.
    column
        Which end of the edges.
    side
        -1 for the left half, 1 for the right one.
    """
    n = len(edges)
    middle_out = sorted(range(n), key=lambda line: (abs(line - (n - 1) / 2), line))
    found = []
    for edge, line in zip(edges.to_dict("records"), middle_out, strict=True):
        y = ((n - 1) / 2 - line) / max((n - 1) / 2, 1)
        x = side * (0.55 + 0.45 * np.sqrt(1 - 0.9 * y * y))
        found.append(Neighbour(edge[column], edge["rank"], edge["kind"], float(x), float(y)))
    return found


def _arrow(axes: "Axes", neighbour: Neighbour, n: int, ranks: list[int]) -> None:
    """Draw a neighbour, its name on the outside, and the arrow from regulator to target."""
    is_target = neighbour.x > 0
    here, gene = (neighbour.x, neighbour.y), (0.0, 0.0)
    start, end = (gene, here) if is_target else (here, gene)
    colour, style, _ = _KINDS[neighbour.kind]
    place = ranks.index(neighbour.rank) / max(n - 1, 1)
    look = {"arrowstyle": "-|>", "mutation_scale": 5, "shrinkA": 2, "shrinkB": 2}
    if is_target:
        look["shrinkA"] = 14
    else:
        look["shrinkB"] = 14
    axes.annotate(
        "",
        end,
        start,
        arrowprops={
            **look,
            "color": colour,
            "linestyle": style,
            "linewidth": 1.8 - 1.3 * place,
        },
    )
    axes.plot(*here, "o", color=colour, markersize=2.5)
    axes.annotate(
        neighbour.symbol,
        here,
        xytext=(3 if is_target else -3, 0),
        textcoords="offset points",
        ha="left" if is_target else "right",
        va="center",
        fontsize=SMALL_FONT_SIZE,
    )


def _hub_label(axes: "Axes", gene: str) -> None:
    box = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": BLACK, "linewidth": 0.8}
    axes.text(0, 0, gene, ha="center", va="center", bbox=box, zorder=5, weight="bold")


def _finish(axes: "Axes", title: str) -> None:
    from matplotlib.lines import Line2D

    axes.set_xlim(-1.45, 1.45)
    axes.set_ylim(-1.12, 1.12)
    axes.set_axis_off()
    axes.text(-1.45, 1.1, "regulators", ha="left", va="top", style="italic")
    axes.text(1.45, 1.1, "targets", ha="right", va="top", style="italic")
    handles = [
        Line2D([], [], color=colour, linestyle=style, label=name)
        for colour, style, name in _KINDS.values()
    ]
    axes.figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=3,
        handlelength=1.6,
        columnspacing=1.0,
        title=title,
    )
