"""McCalla et al.'s genome-wide benchmark: embryonic stem cells, binding and perturbation."""

from typing import Any, Literal

import numpy as np

from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.network import Network
from grn_exp.core.ranges import require_in
from grn_exp.data.benchmark import FromFiles
from grn_exp.data.cells.preprocess import choose_genes
from grn_exp.data.edges.base import EdgeDataModule
from grn_exp.data.readers import read_known_expression
from grn_exp.priors.uninformative import RandomPrior
from grn_exp.storage import store
from grn_exp.storage.edge_lists import read_pairs

Dataset = Literal["semrau", "chen", "liu"]
NetworkKind = Literal["chip", "perturbation", "chip_and_perturbation", "literature"]

CELLS: dict[Dataset, str] = {"semrau": "mESC", "chen": "hESC", "liu": "hESC"}
_FILES: dict[NetworkKind, str] = {
    "chip": "chipunion",
    "perturbation": "KDUnion",
    "chip_and_perturbation": "chipunion_KDUnion_intersect",
    "literature": "lit",
}
_HUMAN_CHIP = "escapechip"  # the union's other part, ENCODE's, is not distributed for hESC


class McCallaFiles(FromFiles):
    """The files of one of McCalla et al.'s datasets: a matrix of log2(count + 1), a network.

    Only regulators that the matrix has are regulators, and edges to genes that it lacks are left
    out and counted. The networks have no header; a third column is not read.

    Parameters
    ----------
    dataset
        ``semrau``: mouse embryonic stem cells, 10,243 genes x 384 cells; ``chen`` (8,595 x 385)
        and ``liu`` (23,153 x 72): human ones.
    network
        ``chip``: who binds near a gene; ``perturbation``: whose knock-down or overexpression
        changes it; ``chip_and_perturbation``: edges of both; ``literature``: a few hundred curated
        ones. Human perturbations and literature are the mouse's, by orthologs.
    min_cells
        A gene that fewer cells express is left out; 0 keeps all genes.
    variable_genes
        How many of the most variable genes to use (scanpy's ``highly_variable_genes``), beside
        the network's regulators; None for all.
    options
        As in the class that says what is done with them.

    References
    ----------
    - McCalla et al., Identifying strengths and weaknesses of methods for computational network
      inference from single-cell RNA-seq data, G3 2023.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        network: NetworkKind = "chip",
        min_cells: int = 0,
        variable_genes: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        require_in("[0, inf)", "data", min_cells=min_cells)
        if variable_genes is not None:
            require_in("[1, inf)", "data", variable_genes=variable_genes)
        self.dataset: Dataset = dataset
        self.network: NetworkKind = network
        self.min_cells = min_cells
        self.variable_genes = variable_genes

    @property
    def keys(self) -> list[str]:
        """Registry keys of the files that this choice needs."""
        return [expression_key(self.dataset), network_key(self.dataset, self.network)]

    def load(self) -> tuple[Expression, Network]:
        """Read both files, and take the genes that are asked for."""
        expression_file, network_file = self.keys
        expression = read_known_expression(expression_file)
        pairs = read_pairs(store.fetch(network_file))
        network = Network.from_names(expression.genes, *pairs, source=network_file)
        if self.min_cells == 0 and self.variable_genes is None:
            return expression, network
        expression = self._filtered(expression, network.regulators)
        return expression, Network.from_names(expression.genes, *pairs, source=network_file)

    def _filtered(self, expression: Expression, regulators: GeneIndex) -> Expression:
        from anndata import AnnData

        # scanpy takes the logarithms to be natural ones, and these are to base 2
        cells = AnnData(expression.values * np.float32(np.log(2)))
        cells.var_names = list(expression.genes)
        kept, _ = choose_genes(
            cells,
            n_genes=self.variable_genes,
            min_cells=self.min_cells,
            kept=set(regulators),
            source=expression.source,
        )
        return expression.take_genes(expression.genes.take(np.flatnonzero(kept)))


class McCallaDataModule(McCallaFiles, EdgeDataModule):
    """One of McCalla et al.'s matrices with one of its networks.

    Parameters
    ----------
    dataset, network, min_cells, variable_genes
        As in :class:`McCallaFiles`.
    splitter, prior, genes, split_seed
        As in :class:`EdgeDataModule`.
    """

    usual_prior = RandomPrior


def expression_key(dataset: Dataset) -> str:
    """Registry key of a dataset's expression matrix."""
    return f"mccalla/expression/{dataset}.tsv.gz"


def network_key(dataset: Dataset, network: NetworkKind) -> str:
    """Registry key of a network."""
    cells = CELLS[dataset]
    human_chip = cells == "hESC" and network == "chip"
    return f"mccalla/{cells}/{_HUMAN_CHIP if human_chip else _FILES[network]}.txt"
