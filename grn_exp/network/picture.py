"""Drawings of a run's network, for print."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.network.export import as_graph
from grn_exp.network.view import layout
from grn_exp.report.figures import style

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.figure import Figure

# of an edge by its sign: name, colour, head
SIGNS = {
    1: ("activates", style.BLUE, "-|>"),
    -1: ("represses", style.VERMILION, "-["),
    0: ("sign not known", style.GREY, "-|>"),
}
KNOWN = style.OKABE_ITO[-1]  # yellow, behind the edge
MOST_BARS = 15
_GAP = 5.0  # from the middle of a gene to its name, points
# where a name may stand beside its gene
_SIDES = np.array([(x, y) for y in (1, 0, -1) for x in (1, 0, -1) if x or y], np.float64)
_SIDES /= np.linalg.norm(_SIDES, axis=1, keepdims=True)


def widths(edges: pd.DataFrame) -> NDArray[np.float64]:
    """Return how wide edges are drawn, 0 to 1: their stability, or without one their rank."""
    if width_note(edges) == "stability":
        return edges["stability"].to_numpy(np.float64)
    return 1 - (edges["rank"].rank().to_numpy(np.float64) - 1) / len(edges)


def width_note(edges: pd.DataFrame) -> str:
    """Return what an edge's width means."""
    return "stability" if bool(edges["stability"].notna().all()) else "rank"


@style.styled
def network(
    edges: pd.DataFrame, *, title: str, asked_for: Collection[str] = (), width: float = style.PAGE
) -> "Figure":
    """Draw edges as a graph: regulators are squares, targets are circles.

    Parameters
    ----------
    asked_for
        Genes that stand out.
    width
        Of the figure at least, inches; many genes need more.
    """
    graph = as_graph(edges.assign(width=widths(edges)))
    places = layout(graph)
    side = float(np.clip(0.8 * np.sqrt(len(graph)), width, 2.2 * style.PAGE))
    figure = style.new_figure(side, side + 0.6)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set(xlim=(-1.12, 1.12), ylim=(-1.08, 1.08))
    style.legend(figure, _handles(graph), title=style.wrapped(title, style.letters(0.9 * side)))
    style.caption(figure, "", [f"{len(edges)} edges; wider: higher {width_note(edges)}"])
    figure.draw_without_rendering()  # labels are placed by the size that axes get
    _draw_edges(graph, places, axes)
    _draw_genes(graph, places, axes, asked_for)
    _write_names(graph, places, axes, asked_for)
    return figure


def _draw_edges(graph: "nx.DiGraph", places: dict[str, Any], axes: Any) -> None:  # noqa: ANN401
    import networkx as nx
    from matplotlib.patches import ArrowStyle

    def draw(edges: list[Any], extra: float, **look: Any) -> None:  # noqa: ANN401
        nx.draw_networkx_edges(
            graph, places, edgelist=[(a, b) for a, b, _ in edges], ax=axes, node_size=90,
            width=[extra + 0.4 + 1.8 * edge["width"] for _, _, edge in edges], arrows=True,
            connectionstyle="arc3,rad=0.06", **look,
        )  # fmt: skip

    every = list(graph.edges(data=True))
    known = [edge for edge in every if edge[2].get("known") == 1]
    if known:
        draw(known, 3.5, edge_color=KNOWN, arrowstyle="-")
    for sign, (_, colour, head) in SIGNS.items():
        edges = [edge for edge in every if edge[2]["sign"] == sign]
        shape = ArrowStyle(head, widthB=0.35, lengthB=0.0) if head == "-[" else head
        if edges:
            draw(edges, 0.0, edge_color=colour, arrowstyle=shape, arrowsize=8, alpha=0.85)


def _draw_genes(
    graph: "nx.DiGraph", places: dict[str, Any], axes: Any, asked_for: Collection[str]  # noqa: ANN401
) -> None:  # fmt: skip
    for regulator, marker in ((False, "o"), (True, "s")):
        genes = [gene for gene, is_one in graph.nodes("regulator") if is_one == regulator]
        points = np.array([places[gene] for gene in genes]).reshape(-1, 2)
        colours = [style.BLACK if gene in asked_for else "white" for gene in genes]
        axes.scatter(*points.T, s=45, c=colours, marker=marker, edgecolors=style.BLACK,
                     linewidths=0.9, zorder=4)  # fmt: skip


def _write_names(
    graph: "nx.DiGraph", places: dict[str, Any], axes: Any, asked_for: Collection[str]  # noqa: ANN401
) -> None:  # fmt: skip
    """Put each name beside its gene where it covers least, else where it has no neighbours."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.0, foreground="white")]
    dots = axes.figure.dpi / 72
    points = {gene: axes.transData.transform(place) for gene, place in places.items()}
    marks = np.array(list(points.values()))
    taken = np.hstack([marks - _GAP * dots, marks + _GAP * dots])  # left, bottom, right, top
    for gene in sorted(graph, key=lambda each: (-graph.degree(each), each)):
        look = {"weight": "bold"} if gene in asked_for else {}
        text = axes.annotate(gene, places[gene], (0, 0), textcoords="offset points", ha="center",
                             va="center", fontsize=style.small_font(), zorder=5,
                             path_effects=halo, **look)  # fmt: skip
        size = np.array(text.get_window_extent().size)
        shifts = _SIDES * _GAP * dots + np.sign(_SIDES.round(3)) * size / 2
        centres = points[gene] + shifts
        boxes = np.hstack([centres - size / 2, centres + size / 2])
        near = np.mean([points[each] for each in (*graph.pred[gene], *graph.succ[gene])], axis=0)
        away = (points[gene] - near) / max(float(np.linalg.norm(points[gene] - near)), 1e-9)
        covered = _overlaps(boxes, taken) / size.prod()
        best = int(np.argmin(covered - 0.1 * _SIDES @ away))
        text.set_position(shifts[best] / dots)
        taken = np.vstack([taken, boxes[best]])


def _overlaps(boxes: NDArray[np.float64], taken: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return which area of each box is taken."""
    low = np.maximum(boxes[:, None, :2], taken[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], taken[None, :, 2:])
    return np.maximum(high - low, 0).prod(axis=2).sum(axis=1)


def _handles(graph: "nx.DiGraph") -> dict[str, Any]:
    """Return the marks of a legend by their names, those that occur."""
    from matplotlib.lines import Line2D

    signs = {sign for *_, sign in graph.edges(data="sign")}
    found: dict[str, Any] = {
        name: Line2D([], [], color=colour, linewidth=1.8)
        for sign, (name, colour, _) in SIGNS.items()
        if sign in signs
    }
    if any(known == 1 for *_, known in graph.edges(data="known")):
        found["known edge"] = Line2D([], [], color=KNOWN, linewidth=5)
    look: dict[str, Any] = {"color": "white", "markeredgecolor": style.BLACK, "linestyle": ""}
    found["regulator"] = Line2D([], [], marker="s", **look)
    found["target"] = Line2D([], [], marker="o", **look)
    return found


@style.styled
def degrees(edges: pd.DataFrame, *, title: str, width: float = 1.4 * style.PAGE) -> "Figure":
    """Draw the regulators with most targets, the genes with most regulators."""
    counts = [edges[column].value_counts() for column in ("source", "target")]
    n_bars = min(MOST_BARS, max(map(len, counts)))
    figure = style.new_figure(width, 1.2 + style.line_height(1.3 * n_bars))
    for axes, count, label in zip(
        figure.subplots(1, 2), counts, ("targets of a regulator", "regulators of a gene"),
        strict=True,
    ):  # fmt: skip
        best = count.sort_index().sort_values(ascending=False, kind="stable").head(MOST_BARS)
        axes.barh(range(len(best)), best, color=style.BLUE, height=0.7)
        axes.set_yticks(range(len(best)), best.index, fontsize=style.small_font())
        axes.set_ylim(n_bars - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(style.few_ticks(whole=True))
        axes.set_xlabel(label)
    figure.suptitle(style.wrapped(title, style.letters(0.9 * width)))
    spread = [f"{len(c):,} {name} (median {c.median():g})" for c, name in
              zip(counts, ("regulators", "targets"), strict=True)]  # fmt: skip
    style.caption(figure, "", [f"{len(edges):,} edges", *spread])
    return figure


@style.styled
def pair(
    regulator: NDArray[np.float32],
    target: NDArray[np.float32],
    *,
    names: tuple[str, str],
    title: str,
    notes: Sequence[str] = (),
    width: float = style.PAGE,
) -> "Figure":
    """Draw two genes' values cell by cell, and the target's mean over cells alike in the other."""
    figure = style.new_figure(width, 0.85 * width)
    axes = figure.subplots()
    points, counts = np.unique(np.stack([regulator, target], axis=1), axis=0, return_counts=True)
    look = {"color": style.BLUE, "alpha": 0.5, "linewidths": 0}
    axes.scatter(*points.T, s=8 * np.sqrt(counts), label="cells", **look)
    seen = regulator[regulator > regulator.min()]
    edges = np.unique(np.quantile(seen if len(seen) else regulator, np.linspace(0, 1, 11)))
    # the first group: where the regulator was not seen
    groups = np.digitize(regulator, edges[: max(len(edges) - 1, 1)])
    means = pd.DataFrame({"x": regulator, "y": target}).groupby(groups).mean()
    axes.plot(means["x"], means["y"], "o-", color=style.VERMILION, markersize=4, label="mean")
    axes.set(xlabel=f"{names[0]} (regulator)", ylabel=f"{names[1]} (target)")
    style.legend_above(figure, [axes], title=style.wrapped(title, style.letters(0.9 * width)))
    style.caption(figure, "", [f"{len(regulator):,} cells (larger: more in one place)", *notes])
    return figure
