"""A run's network in the forms that other tools read."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.network.runs import Matrix, NetworkRun
from grn_exp.runs.edges import STABLE, short_list
from grn_exp.storage.atomic import write_with

if TYPE_CHECKING:
    import anndata
    import networkx as nx

_INTERACTIONS = {-1: "represses", 0: "regulates", 1: "activates"}
_WHOLE = ("pyscenic", "h5ad")  # they take all edges and choose themselves


def chosen_edges(
    run: NetworkRun, *, top: int | None = None, stability: float | None = None
) -> pd.DataFrame:
    """Return a run's short list of edges.

    Raises
    ------
    InputError
        If no edge is stable enough, or a stability is asked for that was not computed.
    """
    if stability is not None and bool(run.edges["stability"].isna().all()):
        raise InputError(
            f"--stability {stability:g}: {run.folder.path} has no stability; run it with "
            "stability=20, or choose by --top"
        )
    edges = short_list(run.edges, top=top, stability=stability)
    if edges.empty:
        least = STABLE if stability is None else stability
        raise InputError(
            f"{run.folder.path}: no edge has a stability of {least:g}; the best has "
            f"{run.edges['stability'].max():g}, give a lower --stability"
        )
    return edges


def export(
    run: NetworkRun,
    path: Path,
    form: str,
    *,
    top: int | None = None,
    stability: float | None = None,
) -> str:
    """Write a run's network to a file; return what is in it.

    Parameters
    ----------
    form
        One of :data:`FORMS`.
    top, stability
        At most so many edges, of at least this stability. Without both, pySCENIC and AnnData get
        every edge, which they choose from; the others the short list.

    Raises
    ------
    InputError
        If the form cannot hold these edges, or none are left.
    """
    if form == "h5ad":
        if top is not None or stability is not None:
            raise InputError("--to h5ad holds every pair; leave --top and --stability away")
        adata = as_anndata(run)
        write_with(path, adata.write_h5ad)
        return f"{adata.n_obs:,} regulators x {adata.n_vars:,} genes"
    whole = form in _WHOLE and top is None and stability is None
    edges = run.edges if whole else chosen_edges(run, top=top, stability=stability)
    write_with(path, lambda file: _WRITERS[form](edges, file, run))
    return f"{len(edges):,} edges"


def as_graph(edges: pd.DataFrame) -> "nx.DiGraph":
    """Return edges as a graph; an attribute that is not known is left out."""
    import networkx as nx

    graph = nx.DiGraph()
    regulators = set(edges["source"])
    genes = dict.fromkeys([*edges["source"], *edges["target"]])
    graph.add_nodes_from((gene, {"regulator": gene in regulators}) for gene in genes)
    for edge in edges.to_dict("records"):
        source, target = edge.pop("source"), edge.pop("target")
        known = {str(name): value for name, value in edge.items() if pd.notna(value)}
        graph.add_edge(source, target, **known)
    return graph


def as_anndata(run: NetworkRun) -> "anndata.AnnData":
    """Return regulators x genes: scores, and what else is known of each pair in layers.

    A pair that the table of edges lacks has sign 0 and no correlation.
    """
    import anndata

    scores = run.scores
    layers: dict[str, NDArray[Any]] = {
        name: edge_matrix(run, name) for name in ("sign", "correlation", "stability")
    }
    layers["sign"] = np.nan_to_num(layers["sign"]).astype(np.int8)
    if run.stability is not None:  # of every pair
        layers["stability"] = run.stability.of("share", scores.regulators, scores.genes)
    elif np.isnan(layers["stability"]).all():
        del layers["stability"]
    return anndata.AnnData(
        X=scores.values,
        obs=pd.DataFrame(index=scores.regulators.array.astype(object)),
        var=pd.DataFrame(index=scores.genes.array.astype(object)),
        layers=layers,
        uns=dict(zip(("data", "model", "run_key"), run.names, strict=True)),
    )


def edge_matrix(run: NetworkRun, column: str) -> Matrix:
    """Return a column of the table of edges as regulators x genes, NaN where it has no edge."""
    regulators, genes = run.scores.regulators, run.scores.genes
    found = np.full((len(regulators), len(genes)), np.nan, np.float32)
    rows, columns = regulators.positions(run.edges["source"]), genes.positions(run.edges["target"])
    found[rows, columns] = run.edges[column]
    return found


def _write_pyscenic(edges: pd.DataFrame, path: Path, run: NetworkRun) -> None:
    del run
    table = edges[["source", "target", "score"]]
    table.columns = pd.Index(["TF", "target", "importance"])
    table.to_csv(path, index=False)


def _write_decoupler(edges: pd.DataFrame, path: Path, run: NetworkRun) -> None:
    above = int((run.edges["score"] > 0).sum())
    if (edges["score"] < 0).any():  # times a sign, a repressor would become an activator
        raise InputError(
            f"--to decoupler: scores of {run.folder.path} go below 0, so they are no weights; "
            f"--top {above} takes those above 0"
        )
    signed = edges.loc[edges["sign"] != 0]
    weights = signed["sign"] * signed["score"]
    table = signed.loc[:, ["source", "target"]].assign(weight=weights)
    table.to_csv(path, index=False)


def _write_graphml(edges: pd.DataFrame, path: Path, run: NetworkRun) -> None:
    import networkx as nx

    graph = as_graph(edges)
    graph.graph["name"] = run.title
    nx.write_graphml(graph, path)


def _write_sif(edges: pd.DataFrame, path: Path, run: NetworkRun) -> None:
    del run
    signs = [_INTERACTIONS[sign] for sign in edges["sign"]]
    table = pd.DataFrame({"s": edges["source"], "interaction": signs, "t": edges["target"]})
    table.to_csv(path, sep="\t", index=False, header=False)


def _write_gmt(edges: pd.DataFrame, path: Path, run: NetworkRun) -> None:
    targets = edges.groupby("source", sort=True)["target"]
    lines = ("\t".join([str(name), f"targets by {run.title}", *genes]) for name, genes in targets)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


_WRITERS: dict[str, Callable[[pd.DataFrame, Path, NetworkRun], None]] = {
    "pyscenic": _write_pyscenic,
    "decoupler": _write_decoupler,
    "graphml": _write_graphml,
    "sif": _write_sif,
    "gmt": _write_gmt,
}
# the endings of their files
FORMS = {
    "pyscenic": ".csv",
    "decoupler": ".csv",
    "graphml": ".graphml",
    "sif": ".sif",
    "gmt": ".gmt",
    "h5ad": ".h5ad",
}
