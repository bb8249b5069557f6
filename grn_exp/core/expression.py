"""Expression matrices: cells are rows."""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex, stripped

if TYPE_CHECKING:
    from anndata import AnnData

Transform = Literal["counts", "log", "log1p", "zscore", "zscore_nonzero", "clean"]


@dataclasses.dataclass(frozen=True, eq=False)
class Expression:
    """A cells x genes matrix that knows its genes and its scale.

    Attributes
    ----------
    values
        Shape ``(n_cells, n_genes)``, float32, finite.
    genes
        One symbol per column.
    transform
        The scale of ``values``; ``counts``, ``log``, ``log1p`` and ``clean`` cannot be negative.
    source
        Where the values come from, for messages.

    Raises
    ------
    InputError
        On a wrong shape, fewer than 2 cells, a NaN or infinite value, or a negative value
        on a scale that cannot be negative.
    """

    values: NDArray[np.float32]
    genes: GeneIndex
    transform: Transform
    source: str = "expression matrix"

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.genes):
            raise InputError(
                f"{self.source}: shape {self.values.shape} does not fit {len(self.genes)} genes; "
                "cells are rows, genes are columns"
            )
        if self.values.dtype != np.float32:
            raise InputError(f"{self.source}: dtype {self.values.dtype}, expected float32")
        if self.n_cells < 2:
            raise InputError(
                f"{self.source}: {self.n_cells} cell(s); inference needs at least 2 cells"
            )
        ends = (self.values.min(), self.values.max()) if self.values.size else (0, 0)
        if not np.isfinite(ends).all():  # unlike a mask, the ends take no memory
            bad = ~np.isfinite(self.values)
            cell, gene = np.argwhere(bad)[0]
            raise InputError(
                f"{self.source}: value {self.values[cell, gene]} for gene "
                f"{self.genes.symbols[gene]!r} in cell {cell} ({int(bad.sum())} such values); "
                "drop the gene or fill it in"
            )
        if not self.transform.startswith("zscore") and ends[0] < 0:
            cell, gene = np.argwhere(self.values < 0)[0]
            raise InputError(
                f"{self.source}: negative value {self.values[cell, gene]:g} for gene "
                f"{self.genes.symbols[gene]!r} in cell {cell}, but values on the {self.transform} "
                "scale cannot be negative; give log-normalised values"
            )

    @property
    def n_cells(self) -> int:
        """Number of cells (rows)."""
        return self.values.shape[0]

    @property
    def n_genes(self) -> int:
        """Number of genes (columns)."""
        return self.values.shape[1]

    def take_genes(self, genes: GeneIndex) -> "Expression":
        """Return the columns of ``genes``, in that order."""
        if genes == self.genes:
            return self
        columns = self.genes.positions(genes)
        return dataclasses.replace(
            self, values=np.ascontiguousarray(self.values[:, columns]), genes=genes
        )

    def take_cells(self, cells: NDArray[np.int64]) -> "Expression":
        """Return the rows at ``cells``."""
        return dataclasses.replace(self, values=np.ascontiguousarray(self.values[cells]))

    def to_anndata(self) -> "AnnData":
        """Return an AnnData whose ``uns['transform']`` and ``uns['source']`` hold the rest."""
        import pandas as pd
        from anndata import AnnData

        cells = pd.DataFrame(index=pd.Index([str(c) for c in range(self.n_cells)]))
        genes = pd.DataFrame(index=pd.Index(self.genes.symbols))
        uns = {"transform": self.transform, "source": self.source}
        return AnnData(X=self.values, obs=cells, var=genes, uns=uns)

    @classmethod
    def from_anndata(cls, adata: "AnnData", *, transform: Transform, source: str) -> "Expression":
        """Read ``adata.X`` (dense or sparse) with ``adata.var_names`` as symbols.

        Raises
        ------
        InputError
            If there is no X, it holds no numbers, or the values or symbols are refused.
        """
        values: Any = adata.X
        if values is None:
            raise InputError(f"{source}: the AnnData has no X; store the matrix there")
        dense = values.toarray() if hasattr(values, "toarray") else np.asarray(values)
        if not (np.issubdtype(dense.dtype, np.integer) or np.issubdtype(dense.dtype, np.floating)):
            raise InputError(f"{source}: X is of type {dense.dtype}; give numbers")
        with np.errstate(over="ignore"):  # too large for float32: infinite, and refused below
            dense = np.ascontiguousarray(dense, dtype=np.float32)
        return cls(
            values=dense,
            genes=GeneIndex(stripped(adata.var_names, name=source), name=source),
            transform=transform,
            source=source,
        )
