"""Semrau et al.'s mouse ESCs with McCalla et al.'s ChIP network: a real matrix of genome size."""

from pathlib import Path

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.network import Network
from grn_exp.data.edges.base import EdgeDataModule
from grn_exp.priors.uninformative import RandomPrior
from grn_exp.storage import store

_MATRIX, _NETWORK = "expression/semrau.tsv.gz", "mESC/chipunion.txt"


class Semrau(EdgeDataModule):
    """10,243 genes, 384 cells, 49 regulators; the files are read from ``GRN_EXP_DATA``."""

    usual_prior = RandomPrior  # type: ignore[assignment]

    def load(self) -> tuple[Expression, Network]:
        """Read both."""
        table = read_matrix()
        genes = GeneIndex(table.index)
        values = np.ascontiguousarray(table.to_numpy(np.float32).T)
        expression = Expression(values=values, genes=genes, transform="log", source=_MATRIX)
        edges = pd.read_csv(_folder() / _NETWORK, sep="\t", header=None, dtype=str)
        network = Network.from_names(genes, list(edges[0]), list(edges[1]), source=_NETWORK)
        return expression, network


def read_matrix() -> pd.DataFrame:
    """Return genes x cells, in the order of the genes' symbols.

    Raises
    ------
    InputError
        If the file is not here.
    """
    return pd.read_csv(_folder() / _MATRIX, sep="\t", index_col=0).sort_index()


def _folder() -> Path:
    folder = store.data_dir()
    if folder is None or not (folder / "mccalla" / _MATRIX).is_file():
        raise InputError(f"no mccalla/{_MATRIX} in the folder that GRN_EXP_DATA names")
    return folder / "mccalla"
