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
    VERMILION,
    WIDTHS,
    caption,
    is_narrow,
    legend,
    letters,
    line_height,
    new_figure,
    small_font,
    styled,
    wrapped,
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
    n_rows, n_columns = (12, 20) if is_narrow(width) else (20, 28)
    shares = 100 * _ranks(scored) / np.isfinite(_values(scored)).sum()
    chosen = _strongest(shares, n_rows, n_columns)
    regulators = scored.split.regulators.array[chosen[0]]
    targets = scored.split.genes.array[chosen[1]]
    part = np.ma.masked_invalid(shares[np.ix_(*chosen)])
    figure = new_figure(width, 1.6 + line_height(1.05 * len(regulators)))
    axes = figure.subplots()
    axes.set_facecolor(GREY)  # a gene with itself
    norm = LogNorm(float(part.min()), 100.0)
    image = axes.imshow(part, cmap="cividis_r", norm=norm, aspect="auto", interpolation="none")
    known = np.argwhere(scored.labels[np.ix_(*chosen)] & ~part.mask)
    axes.scatter(known[:, 1], known[:, 0], s=6, color="white", edgecolors=BLACK, linewidths=0.4)
    axes.set_xticks(range(len(targets)), targets.tolist(), rotation=90)
    axes.set_yticks(range(len(regulators)), regulators.tolist())
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="target", ylabel="regulator")
    bar = figure.colorbar(image, ax=axes, pad=0.02, aspect=15)
    bar.ax.yaxis.set_major_formatter("{x:g}")
    bar.set_label("pairs that score as high (%)", fontsize=small_font())
    figure.suptitle(wrapped(_title(run), letters(0.9 * width)))
    caption(figure, "dots: edges of the network; grey: a gene with itself", axis=False)
    return figure


def _title(run: pd.Series) -> str:
    return f"{run['method']}, {run['dataset']}, split {run['split_seed']}"


def _values(run: ScoredRun) -> NDArray[np.float64]:
    """Return the scores, NaN for a gene with itself."""
    values = run.scores.astype(np.float64)
    own = run.split.genes.positions(run.split.regulators)
    values[np.arange(len(values)), own] = np.nan
    return values


def _ranks(run: ScoredRun) -> NDArray[np.float64]:
    """Return how many pairs score at least as high as each; NaN for a gene with itself."""
    from scipy.stats import rankdata

    values = _values(run)
    return rankdata(-values, method="max", axis=None, nan_policy="omit").reshape(values.shape)


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
    gene = _hub(edges) if gene is None else gene
    around = edges.loc[(edges["regulator"] == gene) | (edges["target"] == gene)]
    if around.empty:
        known = sorted(set(edges["regulator"]) | set(edges["target"]))
        raise InputError(
            f"--gene {gene}: {close_matches(gene, known)}{run['dataset']} has no gene of this name"
        )
    shown = around.iloc[:n_edges]
    left = place_neighbours(shown.loc[shown["target"] == gene], "regulator", side=-1)
    right = place_neighbours(shown.loc[shown["regulator"] == gene], "target", side=1)
    figure = new_figure(width, line_height(8 + 1.1 * max(len(left), len(right), 6)))
    axes = figure.subplots()
    for neighbour in left + right:
        _arrow(axes, neighbour, len(shown), shown["rank"].tolist())
    _finish(axes, gene, left=bool(left), right=bool(right))
    lines = {
        name: axes.plot([], [], color=shade, linestyle=style)[0]
        for shade, style, name in _KINDS.values()
    }
    legend(figure, lines, title=wrapped(f"{gene}: {_title(run)}", letters(0.9 * width)))
    ranks = f"ranks {shown['rank'].iloc[0]:,} to {shown['rank'].iloc[-1]:,} of {len(edges):,}"
    both = {item.symbol for item in left} & {item.symbol for item in right}
    label = f"{len(shown)} best of {len(around):,} pairs of {gene} ({ranks}); thicker: higher rank"
    notes = [f"on both sides: {', '.join(sorted(both))}" if both else ""]
    caption(figure, label, notes, axis=False)
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
    shrink = {"shrinkA": 20 if is_target else 2, "shrinkB": 2 if is_target else 20}
    look = {"arrowstyle": "-|>", "mutation_scale": 6, "linewidth": 1.8 - 1.3 * place, **shrink}
    axes.annotate("", end, start, arrowprops={**look, "color": colour, "linestyle": style})
    axes.plot(*here, "o", color=colour, markersize=2.5)
    axes.annotate(
        neighbour.symbol,
        here,
        xytext=(3 if is_target else -3, 0),
        textcoords="offset points",
        ha="left" if is_target else "right",
        va="center",
        fontsize=small_font(),
    )


def _finish(axes: "Axes", gene: str, *, left: bool, right: bool) -> None:
    """Write the gene in the middle, and what is on its sides; a side without genes has no room."""
    box = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": BLACK, "linewidth": 0.8}
    axes.text(0, 0, gene, ha="center", va="center", bbox=box, zorder=5, weight="bold")
    low, high = -1.45 if left else -0.4, 1.45 if right else 0.4
    axes.set(xlim=(low, high), ylim=(-1.12, 1.25))
    axes.set_axis_off()
    if left:
        axes.text(low, 1.25, "regulators", ha="left", va="top", style="italic")
    if right:
        axes.text(high, 1.25, "targets", ha="right", va="top", style="italic")
