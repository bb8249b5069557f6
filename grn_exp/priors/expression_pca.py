"""A control: gene embeddings made from the expression matrix alone."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.views import GeneEmbedding


@dataclasses.dataclass(frozen=True)
class ExpressionPcaPrior:
    """The genes' loadings on the first principal components of the expression matrix.

    Genes are points described by cells. Every gene is z-scored over all cells, on the scale that
    the benchmark shows; entry ``[gene, c]`` is the Pearson correlation of the gene with the
    scores of component ``c``, so the inner product of two genes' vectors is their correlation
    as far as ``n_components`` components hold it. A gene that does not vary gets zeros. No label
    is read: what this prior adds to a model is what any low-dimensional summary of expression
    adds.

    Parameters
    ----------
    n_components
        Length of a vector.
    """

    n_components: int = 50

    def embed(self, expression: Expression) -> GeneEmbedding:
        """Return the loadings, shape ``(n_genes, n_components)``.

        Raises
        ------
        InputError
            If there are fewer cells or genes than components.
        """
        n_cells, n_genes = expression.values.shape
        most = min(n_cells, n_genes)
        if not 1 <= self.n_components <= most:
            raise InputError(
                f"prior.n_components={self.n_components}: {n_cells} cells and {n_genes} genes "
                f"have {most} components at most; give a number from 1 to {most}"
            )
        values = expression.values.astype(np.float64)
        centred = values - values.mean(axis=0)
        varies = np.ptp(values, axis=0) > 0
        zscored = np.where(varies, centred / np.where(varies, centred.std(axis=0), 1.0), 0.0)
        loadings = _loadings(zscored, self.n_components)
        loadings[~varies] = 0.0  # but for rounding they are
        # the sign of a component is arbitrary: its largest loading is positive
        largest = np.abs(loadings).argmax(axis=0)
        signs = np.sign(loadings[largest, np.arange(self.n_components)])
        return GeneEmbedding(
            genes=expression.genes,
            values=(loadings * signs).astype(np.float32),
            known=np.ones(n_genes, dtype=np.bool_),
            source=f"expression PCA (n_components={self.n_components})",
        )


def _loadings(zscored: NDArray[np.float64], n_components: int) -> NDArray[np.float64]:
    """Return the correlations of genes and components, the strongest component first.

    From the eigenvectors of genes x genes or of cells x cells, whichever is smaller.
    """
    from scipy.linalg import eigh

    n_cells, n_genes = zscored.shape
    by_gene = n_genes <= n_cells
    product = zscored.T @ zscored if by_gene else zscored @ zscored.T
    last = len(product) - 1
    variances, axes = eigh(product / n_cells, subset_by_index=(last - n_components + 1, last))
    strongest_first = axes[:, ::-1]
    if by_gene:
        return strongest_first * np.sqrt(variances[::-1].clip(min=0.0))
    return zscored.T @ strongest_first / np.sqrt(n_cells)
