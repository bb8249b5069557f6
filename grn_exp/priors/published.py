"""BioBERT vectors of gene symbols, as scGREAT published them."""

import dataclasses

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.views import GeneEmbedding
from grn_exp.priors.base import fill_missing
from grn_exp.storage.store import fetch


@dataclasses.dataclass(frozen=True)
class PublishedBioBertPrior:
    """768 numbers for each gene: BioBERT read on the bare symbol (scGREAT, Wang et al. 2024).

    Two files, one for the genes of hESC TFs+500 and one for mESC TFs+500, are joined by upper
    case symbol. They cover these two gene sets fully, others in part.
    """

    def embed(self, expression: Expression) -> GeneEmbedding:
        """Return the vectors, shape ``(n_genes, 768)``.

        Raises
        ------
        InputError
            If the files cannot be downloaded, do not fit each other, or name none of the genes.
        """
        vectors: dict[str, np.ndarray] = {}
        for name in ("hESC500", "mESC500"):
            values = np.load(fetch(f"biobert/{name}/biovect768.npy"), allow_pickle=False)
            symbols = pd.read_csv(fetch(f"biobert/{name}/Target.csv"), dtype={"Gene": str})["Gene"]
            values = values[1:]  # the first vector is that of the header word "Gene"
            if len(values) != len(symbols):
                raise InputError(
                    f"biobert/{name}: {len(values)} vectors for {len(symbols)} symbols; "
                    "delete both files and fetch them again"
                )
            for symbol, vector in zip(symbols, values.astype(np.float32), strict=True):
                vectors.setdefault(symbol.upper(), vector)
        upper = {s: vectors[s.upper()] for s in expression.genes if s.upper() in vectors}
        return fill_missing(upper, expression.genes, source="BioBERT vectors of scGREAT")
