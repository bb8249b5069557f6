"""BEELINE's seven single-cell datasets with their reference networks."""

import typing
from typing import Any, Literal

import numpy as np

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.network import Network
from grn_exp.core.ranges import require_in
from grn_exp.data.benchmark import FromFiles, own_file
from grn_exp.data.edges.base import EdgeDataModule
from grn_exp.data.readers import read_expression, read_known_expression, read_network
from grn_exp.priors.published import PublishedBioBertPrior
from grn_exp.storage import store

Dataset = Literal["hESC", "hHEP", "mDC", "mESC", "mHSC-E", "mHSC-GM", "mHSC-L"]
GeneSet = Literal["tfs500", "tfs1000"]
NetworkKind = Literal["cell_type_specific", "non_specific", "string", "lofgof"]


class BeelineFiles(FromFiles):
    """The files of one BEELINE dataset, or the user's in their place.

    Parameters
    ----------
    dataset, gene_set, network
        Which files; ``lofgof`` exists for mESC only.
    expression
        A matrix of the user's, log-normalised, in place of the dataset's (csv, csv.gz, h5ad).
    options
        As in the class that says what is done with them.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        gene_set: GeneSet = "tfs500",
        network: NetworkKind = "cell_type_specific",
        expression: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if network not in networks(dataset):
            raise InputError(
                f"data.network={network}: {dataset} has no such network (only mESC has lofgof); "
                f"choose from {', '.join(networks(dataset))}"
            )
        self.dataset = dataset
        self.gene_set = gene_set
        self.network = network
        self.expression_path = own_file(expression)

    @property
    def keys(self) -> list[str]:
        """Registry keys of the files that this choice needs."""
        keys = []
        if self.expression_path is None:
            keys.append(expression_key(self.dataset, self.gene_set))
        if self.network_path is None:
            keys.append(network_key(self.dataset, self.gene_set, self.network))
        return keys

    def load(self) -> tuple[Expression, Network]:
        """Read matrix and network; both are checked."""
        if self.expression_path is None:
            expression = load_expression(self.dataset, self.gene_set)
        else:
            expression = read_expression(self.expression_path)
        path = self.network_path or store.fetch(self.keys[-1])
        return expression, read_network(path, expression.genes)


class BeelineDataModule(BeelineFiles, EdgeDataModule):
    """Expression (log scale) and a reference network of one BEELINE dataset.

    Pratapa et al. 2020, in the distribution with 500 or 1,000 highly variable genes beside the
    transcription factors that GENELink and the InfoSEM paper use.

    Parameters
    ----------
    dataset, gene_set, network, expression
        As in :class:`BeelineFiles`.
    cell_fraction
        Share of the cells to use, drawn with ``cell_seed`` (InfoSEM figure 6).
    splitter, prior, genes, split_seed
        As in :class:`EdgeDataModule`.
    """

    usual_prior = PublishedBioBertPrior

    def __init__(
        self,
        dataset: Dataset,
        *,
        cell_fraction: float = 1.0,
        cell_seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(dataset, **options)
        require_in("(0, 1]", "data", cell_fraction=cell_fraction)
        require_in("[0, inf)", "data", cell_seed=cell_seed)
        self.cell_fraction = cell_fraction
        self.cell_seed = cell_seed

    def load(self) -> tuple[Expression, Network]:
        """Read matrix and network, and take the share of the cells."""
        expression, network = super().load()
        if self.cell_fraction == 1:
            return expression, network
        n_cells = round(self.cell_fraction * expression.n_cells)
        if n_cells < 2:
            raise InputError(
                f"data.cell_fraction={self.cell_fraction}: leaves {n_cells} of "
                f"{expression.n_cells} cells; inference needs at least 2, give a larger share"
            )
        rng = np.random.default_rng([self.cell_seed, 0xCE11])
        cells = np.sort(rng.permutation(expression.n_cells)[:n_cells])
        return expression.take_cells(cells), network


def expression_key(dataset: str, gene_set: str) -> str:
    """Registry key of a dataset's expression matrix."""
    return f"beeline/{dataset}/{gene_set}/ExpressionData.csv.gz"


def networks(dataset: str) -> list[str]:
    """Return the kinds of reference network that a dataset has."""
    return [n for n in typing.get_args(NetworkKind) if n != "lofgof" or dataset == "mESC"]


def network_key(dataset: str, gene_set: str, network: str) -> str:
    """Registry key of a reference network."""
    ending = "csv" if network == "lofgof" else "csv.gz"
    return f"beeline/{dataset}/{gene_set}/{network}/network.{ending}"


def load_expression(dataset: str, gene_set: str) -> Expression:
    """Read a dataset's matrix."""
    return read_known_expression(expression_key(dataset, gene_set))
