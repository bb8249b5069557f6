"""What can be fetched, what the BEELINE datasets hold and what the InfoSEM paper says they do."""

import dataclasses
import typing
from collections.abc import Iterator

from grn_exp.core.errors import InputError, close_matches
from grn_exp.data.edges import mccalla
from grn_exp.data.edges.beeline import (
    Dataset,
    GeneSet,
    expression_key,
    load_expression,
    network_key,
    networks,
)
from grn_exp.data.readers import read_network
from grn_exp.data.sets.sergio import Dataset as SergioNetwork
from grn_exp.data.sets.sergio import network_keys
from grn_exp.storage import store

GENE_SETS: tuple[GeneSet, ...] = typing.get_args(GeneSet)
_WITH_PUBLISHED = "_published"  # ends a name that asks for the authors' simulations too


@dataclasses.dataclass(frozen=True)
class Counts:
    """Size of a benchmark, counted as the InfoSEM paper's tables B.1 and B.2 count.

    Positive and negative links are those among regulators x all genes of the matrix.
    """

    n_genes: int
    n_cells: int
    n_positive: int
    n_negative: int
    mean_regulator_degree: float


# the paper's numbers, after it dropped genes without a text embedding
PUBLISHED: dict[tuple[str, str], Counts] = {
    ("hESC", "cell_type_specific"): Counts(844, 758, 4404, 23448, 133.5),
    ("hHEP", "cell_type_specific"): Counts(908, 425, 9684, 17556, 322.8),
    ("mDC", "cell_type_specific"): Counts(1216, 383, 1129, 24407, 53.8),
    ("mESC", "cell_type_specific"): Counts(1353, 421, 40083, 78981, 455.5),
    ("hESC", "non_specific"): Counts(844, 758, 3318, 229626, 12.0),
    ("hHEP", "non_specific"): Counts(908, 425, 4033, 279263, 12.9),
    ("mDC", "non_specific"): Counts(1216, 383, 3694, 300306, 14.8),
    ("mESC", "non_specific"): Counts(1353, 421, 7705, 678266, 15.2),
}


def datasets() -> dict[str, str]:
    """Return the datasets by the name that ``data=`` takes."""
    return {name.lower().replace("-", "_"): name for name in typing.get_args(Dataset)}


def sergio_networks() -> dict[str, str]:
    """Return SERGIO's networks by the name that ``data=`` takes."""
    return {f"sergio_{name.lower()}": name for name in typing.get_args(SergioNetwork)}


def mccalla_keys() -> dict[str, list[str]]:
    """Return the registry keys of McCalla et al.'s datasets, expression first, by ``data=``."""
    kinds = typing.get_args(mccalla.NetworkKind)
    return {
        name: [mccalla.expression_key(name), *(mccalla.network_key(name, kind) for kind in kinds)]
        for name in typing.get_args(mccalla.Dataset)
    }


def keys_named(choice: str) -> list[str]:
    """Return the registry keys of what ``fetch`` calls ``choice``.

    A BEELINE dataset is all its gene sets and the BioBERT vectors, a SERGIO network the two files
    that cells are simulated from, one of McCalla et al.'s its matrix and its networks;
    ``sergio_ds3_published`` adds its authors' simulations, some
    50 MB each. ``all`` is every dataset, without those.

    Raises
    ------
    InputError
        If there is no such name.
    """
    names, sergio, whole = datasets(), sergio_networks(), mccalla_keys()
    if choice == "all":
        found = [key for name in (*names, *sergio, *whole) for key in keys_named(name)]
        return list(dict.fromkeys(found))
    if choice in names:
        biobert = [key for key in store.registry() if key.startswith("biobert/")]
        return biobert + [key for each in GENE_SETS for key in keys(names[choice], each)]
    if choice in whole:
        return whole[choice]
    network = sergio.get(choice.removesuffix(_WITH_PUBLISHED))
    if network is None:
        known = [*names, *sergio, *whole, *(name + _WITH_PUBLISHED for name in sergio), "all"]
        raise InputError(
            f"no dataset {choice!r}; {close_matches(choice, known)}choose from {', '.join(known)}"
        )
    published = published_keys(network) if choice.endswith(_WITH_PUBLISHED) else []
    return [*network_keys(network), *published]


def published_keys(network: str) -> list[str]:
    """Return the registry keys of the authors' simulations of a SERGIO network."""
    return [key for key in store.registry() if key.startswith(f"sergio/{network}/simulated_")]


def keys(dataset: str, gene_set: str) -> Iterator[str]:
    """Yield the registry keys of one dataset and gene set, expression first."""
    yield expression_key(dataset, gene_set)
    for network in networks(dataset):
        yield network_key(dataset, gene_set, network)


def count(dataset: str, gene_set: str, network: str) -> Counts | None:
    """Count a benchmark; None where a file of it is not here."""
    needed = (expression_key(dataset, gene_set), network_key(dataset, gene_set, network))
    if any(store.locate(key) is None for key in needed):
        return None
    expression = load_expression(dataset, gene_set)
    edges = read_network(store.fetch(needed[1]), expression.genes)
    n_regulators = len(edges.regulators)
    return Counts(
        n_genes=expression.n_genes,
        n_cells=expression.n_cells,
        n_positive=len(edges),
        n_negative=n_regulators * expression.n_genes - len(edges),
        mean_regulator_degree=len(edges) / n_regulators,
    )
