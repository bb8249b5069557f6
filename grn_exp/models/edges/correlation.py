"""Co-expression: how a regulator and a target vary together over the cells."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.memory import Sizes
from grn_exp.core.views import TrainView
from grn_exp.models.closed_form import EdgeScorer

_AT_A_TIME = 2**22  # values that are float64 at a time: a copy of the whole matrix may not fit


class Correlation(EdgeScorer):
    """Absolute correlation of regulator and target over the cells.

    A gene that is the same in all cells correlates with none; a gene with itself scores 0.
    Symmetric: says nothing of a direction.

    Parameters
    ----------
    kind
        ``pearson``; ``spearman``: Pearson's of the ranks, ties sharing their mean rank;
        ``partial``: Pearson's given all other genes, from the inverse of a covariance matrix
        that is shrunk to the identity as far as the data ask for (Ledoit and Wolf 2004;
        Schaefer and Strimmer 2005 for networks), so that it exists with fewer cells than genes.

    Raises
    ------
    InputError
        For ``partial``, if fewer than two genes vary, or if the cells give a covariance without
        an inverse (two cells, for example).

    Notes
    -----
    Assumes that a regulator and its target vary together, in a straight line (``pearson``) or
    monotonically (``spearman``). Reads expression alone. Costs ``R n_genes n_cells``
    operations; ``partial`` inverts a matrix, ``n_genes^3``.

    References
    ----------
    - Ledoit and Wolf (2004), Journal of Multivariate Analysis 88.
      doi:10.1016/S0047-259X(03)00096-4
    - Schäfer and Strimmer (2005), Statistical Applications in Genetics and Molecular Biology 4.
      doi:10.2202/1544-6115.1175
    """

    draws: ClassVar[bool] = False

    def __init__(
        self,
        *,
        kind: Literal["pearson", "spearman", "partial"] = "pearson",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.kind = kind

    def memory(self, sizes: Sizes) -> int:
        """Return about how many bytes a fit takes beside the expression matrix."""
        if self.kind != "partial":
            return super().memory(sizes)
        return 6 * sizes.matrix + 10 * sizes._replace(n_regulators=sizes.n_genes).pairs

    def score(self, view: TrainView) -> np.ndarray:
        """Correlate."""
        positions = view.regulator_positions
        if self.kind == "partial":
            scores = partial_correlations(view.expression)[positions]
        else:
            values = view.expression.values
            if self.kind == "spearman":
                values = ranks_over_cells(values)
            scores = correlations(values, positions)
        scores[np.arange(len(positions)), positions] = 0
        return np.abs(scores)


def correlations(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return Pearson's correlations of some genes with all genes.

    The result has shape ``(n, n_genes)``, float64, within [-1, 1]; 0 where a gene is constant.

    Parameters
    ----------
    values
        Cells x genes.
    positions
        Columns of the genes that are rows of the result, shape ``(n,)``.
    """
    result = np.zeros((len(positions), values.shape[1]))
    for cells in _unit_columns(values):
        result += cells[:, positions].T @ cells
    return np.clip(result, -1, 1, out=result)


def partial_correlations(expression: Expression) -> np.ndarray:
    """Return the correlation of each pair of genes given all other genes.

    The result is ``(n_genes, n_genes)``, float64, within [-1, 1]; 0 where a gene is constant.

    Raises
    ------
    InputError
        If fewer than two genes vary, or the cells give a covariance without an inverse.
    """
    from sklearn.covariance import ledoit_wolf

    standardised = np.concatenate(list(_unit_columns(expression.values)))
    standardised *= np.sqrt(expression.n_cells)
    varies = standardised.any(axis=0)
    if varies.sum() < 2:
        raise InputError(
            f"{expression.source}: {int(varies.sum())} of {len(varies)} genes vary over the "
            f"{expression.n_cells} cells; a correlation needs 2, check the matrix"
        )
    covariance, shrinkage = ledoit_wolf(standardised[:, varies], assume_centered=True)
    if shrinkage == 0 and np.linalg.matrix_rank(covariance) < varies.sum():
        raise InputError(
            f"{expression.source}: the {expression.n_cells} cells differ too little for partial "
            f"correlations of {int(varies.sum())} genes (their covariance is not shrunk, so it "
            "has no inverse); give more cells, or choose another model"
        )
    precision = np.linalg.inv(covariance)
    scale = np.sqrt(np.diag(precision))
    result = np.zeros((len(varies), len(varies)))
    result[np.ix_(varies, varies)] = np.clip(-precision / np.outer(scale, scale), -1, 1)
    np.fill_diagonal(result, varies)
    return result


def _unit_columns(values: np.ndarray) -> Iterator[np.ndarray]:
    """Yield genes with mean 0 and length 1 over all cells, some cells at a time.

    A gene that is constant is 0.
    """
    constant = np.ptp(values, axis=0) == 0  # the mean may be off by a rounding
    mean = values.mean(axis=0, dtype=np.float64)
    n = max(_AT_A_TIME // values.shape[1], 1)
    parts = [values[first : first + n] for first in range(0, len(values), n)]
    length = np.sqrt(sum(np.square(part - mean).sum(axis=0) for part in parts))
    length[constant] = np.inf
    for part in parts:
        yield (part - mean) / length


def ranks_over_cells(values: np.ndarray) -> np.ndarray:
    """Return each gene's ranks over the cells, which float32 holds exactly."""
    from scipy.stats import rankdata

    ranks = np.empty_like(values)
    n = max(_AT_A_TIME // len(values), 1)
    for first in range(0, values.shape[1], n):
        ranks[:, first : first + n] = rankdata(values[:, first : first + n], axis=0)
    return ranks
