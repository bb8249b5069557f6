"""SERGIO's technical noise: from concentrations to counts as a sequencer would report them.

Source: Dibaeinia & Sinha, "SERGIO: a single-cell expression simulator guided by gene regulatory
networks", Cell Systems 2020.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError

# NumPy's Poisson sampler refuses rates near the largest int64.
_LARGEST_RATE = 1e18
_RANGES = {
    "outlier_prob": (0, 1),
    "outlier_mean": (-np.inf, np.inf),
    "outlier_scale": (0, np.inf),
    "library_mean": (-np.inf, np.inf),
    "library_scale": (0, np.inf),
    "dropout_shape": (0, np.inf),
    "dropout_percentile": (0, 100),
}

Matrix = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class TechnicalNoise:
    """SERGIO's four steps of technical noise with their parameters.

    The defaults are those of SERGIO's demonstration, which has 100 genes: a cell has about 100
    counts. For more genes raise ``library_mean``; it is the logarithm of the counts per cell.

    Each step takes a matrix of shape ``(n_cells, n_genes)``, finite and not negative, and the
    source of its random numbers, and returns a new matrix.

    Attributes
    ----------
    outlier_prob
        Share of the genes that are outliers, 0..1.
    outlier_mean, outlier_scale
        Mean and standard deviation of the logarithm of an outlier gene's factor.
    library_mean, library_scale
        Mean and standard deviation of the logarithm of a cell's total.
    dropout_shape
        Steepness of the logistic curve of the chance to be kept, 0 or more.
    dropout_percentile
        Percentile (0..100) of all log-expression values at which that chance is one half.

    Raises
    ------
    InputError
        If a parameter is out of range.
    """

    outlier_prob: float = 0.01
    outlier_mean: float = 0.8
    outlier_scale: float = 1.0
    library_mean: float = 4.6
    library_scale: float = 0.4
    dropout_shape: float = 6.5
    dropout_percentile: float = 82.0

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not (np.isfinite(value) and low <= value <= high):
                raise InputError(f"{name}={value}; give a finite number from {low} to {high}")

    def apply(
        self, expression: NDArray[np.floating], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return counts, int64: outlier genes, library size, dropout, Poisson, in this order.

        Raises
        ------
        InputError
            On a value that is too large to count.
        """
        values = self.add_outlier_genes(expression.astype(np.float64), rng)
        values = self.drop_out(self.scale_library_size(values, rng), rng)
        if (values > _LARGEST_RATE).any():
            raise InputError(
                f"expression {values.max():g} is too large to draw counts from; give a smaller "
                "mean or scale of the outlier genes or the library size"
            )
        return rng.poisson(values).astype(np.int64)

    def add_outlier_genes(self, values: Matrix, rng: np.random.Generator) -> Matrix:
        """Multiply each gene, with probability ``outlier_prob``, by a log-normal factor."""
        is_outlier = rng.random(values.shape[1]) < self.outlier_prob
        factor = np.ones(values.shape[1])
        factor[is_outlier] = rng.lognormal(
            self.outlier_mean, self.outlier_scale, size=int(is_outlier.sum())
        )
        return values * factor

    def scale_library_size(self, values: Matrix, rng: np.random.Generator) -> Matrix:
        """Scale each cell to a log-normal total; a cell without any expression stays as it is."""
        library_size = rng.lognormal(self.library_mean, self.library_scale, size=len(values))
        total = values.sum(axis=1)
        factor = np.divide(library_size, total, out=np.ones_like(total), where=total > 0)
        return values * factor[:, None]

    def drop_out(self, values: Matrix, rng: np.random.Generator) -> Matrix:
        """Set values to 0, low ones more often.

        A value ``x`` is kept with probability ``1 / (1 + exp(-shape (log(x + 1) - m)))``, where
        ``m`` is the given percentile of ``log(x + 1)`` over the whole matrix.
        """
        log_values = np.log1p(values)
        above = log_values - np.percentile(log_values, self.dropout_percentile)
        # tanh is the logistic function without an exponential that could overflow
        keep_probability = 0.5 * (1 + np.tanh(0.5 * self.dropout_shape * above))
        return np.where(rng.random(values.shape) < keep_probability, values, 0.0)
