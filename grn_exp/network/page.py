"""A run's network as one page for a browser, which needs no network and no other file."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from grn_exp.network.export import as_graph
from grn_exp.network.picture import KNOWN, SIGNS, width_note, widths
from grn_exp.network.view import layout

_PARTS = Path(__file__).parent / "page_parts"
_LIBRARY = "cytoscape-3.35.0.min.js"  # https://js.cytoscape.org, MIT
_HEADS = {1: "triangle", -1: "tee", 0: "triangle"}
_SPACE = 80  # of a gene, on the page


def page(edges: pd.DataFrame, *, title: str, asked_for: Collection[str] = ()) -> str:
    """Return the page: genes can be moved, sought and clicked.

    Parameters
    ----------
    edges
        Those that are drawn, best first.
    asked_for
        Genes that stand out.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PARTS), autoescape=True, undefined=jinja2.StrictUndefined
    )
    graph = as_graph(edges.assign(width=1 + 4 * widths(edges), place=range(1, len(edges) + 1)))
    side = 0.5 * _SPACE * len(graph) ** 0.5
    nodes: list[dict[str, Any]] = []
    for gene, place in layout(graph).items():
        data = {
            "id": gene,
            "shape": "rectangle" if graph.nodes[gene]["regulator"] else "ellipse",
            "asked": gene in asked_for,
        }
        position = {"x": side * float(place[0]), "y": -side * float(place[1])}
        nodes.append({"data": data, "position": position})
    lines: list[dict[str, Any]] = []
    for source, target, known in graph.edges(data=True):
        look = {"colour": SIGNS[known["sign"]][1], "head": _HEADS[known["sign"]], "halo": KNOWN}
        lines.append({"data": {"source": source, "target": target, **known, **look}})
    signs = [(SIGNS[sign][0], SIGNS[sign][1]) for sign in SIGNS if (edges["sign"] == sign).any()]
    return environment.get_template("network.html").render(
        title=title,
        nodes=nodes,
        edges=lines,
        signs=signs,
        known=KNOWN if (edges["known"] == 1).any() else None,
        width=width_note(edges),
        library=(_PARTS / _LIBRARY).read_text(encoding="utf-8"),
        script=(_PARTS / "network.js").read_text(encoding="utf-8"),
    )
