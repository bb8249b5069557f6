"""The part of a run's network that is drawn: which edges, and where their genes lie."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.construct import instantiate
from grn_exp.core.errors import InputError, close_matches
from grn_exp.core.expression import Expression
from grn_exp.network.export import chosen_edges
from grn_exp.network.runs import NetworkRun
from grn_exp.runs.files import UnreadableError, part

if TYPE_CHECKING:
    import networkx as nx

AROUND = 20  # edges of each gene that is asked for
BEST = 100  # edges where none is
MOST = 500  # that can be drawn


def edges_shown(
    run: NetworkRun,
    genes: Sequence[str] = (),
    *,
    top: int | None = None,
    stability: float | None = None,
) -> pd.DataFrame:
    """Return the best edges of each of ``genes``, or the best of all.

    Parameters
    ----------
    top
        At most so many edges, of each gene if there are genes.
    stability
        The least that an edge must have.

    Raises
    ------
    InputError
        If the run has no such gene, a gene has no such edge, or there are too many.
    """
    if not genes:
        shown = chosen_edges(run, top=top or BEST, stability=stability)
    else:
        edges = run.edges
        if stability is not None:
            edges = chosen_edges(run, top=len(edges), stability=stability)
        around = [_around(edges, gene).head(top or AROUND) for gene in genes]
        shown = pd.concat(around).drop_duplicates(["source", "target"]).sort_values("rank")
    if len(shown) > MOST:
        raise InputError(f"{len(shown):,} edges are too many to be told apart; --top {MOST}")
    return shown


def symbol_in(run: NetworkRun, gene: str, *, option: str = "--gene") -> str:
    """Return a gene as the run writes it, whatever the case that it was given in.

    Raises
    ------
    InputError
        If the run has no such gene.
    """
    symbols = sorted({*run.scores.genes, *run.scores.regulators})
    same = [each for each in symbols if each.casefold() == gene.casefold()]
    if gene in same or len(same) == 1:
        return gene if gene in same else same[0]
    by_upper = {each.upper(): each for each in symbols}
    near = close_matches(gene.upper(), by_upper)
    for upper, symbol in by_upper.items():
        near = near.replace(repr(upper), repr(symbol))
    raise InputError(f"{option} {gene}: {near}{run.title} has no gene of this name")


def _around(edges: pd.DataFrame, gene: str) -> pd.DataFrame:
    found = edges.loc[(edges["source"] == gene) | (edges["target"] == gene)]
    if found.empty:
        raise InputError(
            f"--gene {gene}: none of the {len(edges):,} edges that may be shown is one of this "
            "gene; a lower --stability, or a run of more edges, shows it"
        )
    return found


def cells_of(run: NetworkRun) -> Expression:
    """Return the cells that a run saw: its data are read anew, by their own class.

    Raises
    ------
    InputError
        If they are no longer where they were.
    """
    try:
        node = part(run.folder.config(), "data")
    except UnreadableError as error:
        raise InputError(f"{run.folder.path}: {error}") from error
    return instantiate(node, "data").expression


def told_of(run: NetworkRun, source: str, target: str) -> list[str]:
    """Return what a run knows of one edge; nothing of one that it does not list."""
    edges = run.edges
    found = edges.loc[(edges["source"] == source) & (edges["target"] == target)]
    forms = {"rank": ",d", "correlation": ".2f", "stability": ".2f"}
    known = found.loc[:, list(forms)].dropna(axis=1)
    return [f"{name} {value:{forms[name]}}" for name in known for value in known[name]]


def layout(graph: "nx.DiGraph") -> dict[str, NDArray[np.float64]]:
    """Return where genes lie, in a square from -1 to 1; the same graph lies in the same way."""
    import networkx as nx

    # no weights: strong edges would shrink
    places = nx.forceatlas2_layout(
        nx.Graph(graph.edges), max_iter=800, strong_gravity=True, gravity=0.5, scaling_ratio=2.0,
        distributed_action=True, seed=0,
    )  # fmt: skip
    points = np.array(list(places.values()), np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    extent = np.maximum(high - low, 1e-9)
    return dict(zip(places, (2 * points - low - high) / extent, strict=True))
