"""SERGIO's technical noise: from concentrations to counts as a sequencer would report them.

Source: Dibaeinia & Sinha, "SERGIO: a single-cell expression simulator guided by gene regulatory
networks", Cell Systems 2020. Every step takes a cells x genes matrix and returns a new one.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError

# NumPy's Poisson sampler refuses rates near the largest int64.
_LARGEST_RATE = 1e18


@dataclasses.dataclass(frozen=True)
class TechnicalNoise:
    """SERGIO's four steps of technical noise with their parameters.

    The defaults are those of SERGIO's demonstration, which has 100 genes: a cell has about 100
    counts. For more genes raise ``library_mean``; it is the logarithm of the counts per cell.

    Attributes
    ----------
    outlier_prob
        Share of the genes that are outliers, 0..1.
    outlier_mean, outlier_scale
        Mean and standard deviation of the logarithm of an outlier gene's factor.
    library_mean, library_scale
        Mean and standard deviation of the logarithm of a cell's total.
    dropout_shape
        Steepness of the logistic curve of the chance to be kept.
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
        _check_range("outlier_prob", self.outlier_prob, 0, 1)
        _check_range("outlier_mean", self.outlier_mean, -np.inf, np.inf)
        _check_range("outlier_scale", self.outlier_scale, 0, np.inf)
        _check_range("library_mean", self.library_mean, -np.inf, np.inf)
        _check_range("library_scale", self.library_scale, 0, np.inf)
        _check_range("dropout_shape", self.dropout_shape, 0, np.inf)
        _check_range("dropout_percentile", self.dropout_percentile, 0, 100)

    def apply(
        self, expression: NDArray[np.floating], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return counts: outlier genes, library size, dropout, Poisson, in this order.

        Parameters
        ----------
        expression
            Concentrations, shape ``(n_cells, n_genes)``, finite and not negative.
        rng
            Source of all random numbers.

        Returns
        -------
        numpy.ndarray
            Counts, shape ``(n_cells, n_genes)``, int64.

        Raises
        ------
        InputError
            On a wrong shape, a negative value or one that is not finite.
        """
        with_outliers = add_outlier_genes(
            expression,
            rng,
            outlier_prob=self.outlier_prob,
            mean=self.outlier_mean,
            scale=self.outlier_scale,
        )
        scaled = scale_library_size(
            with_outliers, rng, mean=self.library_mean, scale=self.library_scale
        )
        kept = drop_out(scaled, rng, shape=self.dropout_shape, percentile=self.dropout_percentile)
        return to_umi_counts(kept, rng)


def add_outlier_genes(
    expression: NDArray[np.floating],
    rng: np.random.Generator,
    *,
    outlier_prob: float,
    mean: float,
    scale: float,
) -> NDArray[np.float64]:
    """Multiply each gene, with probability ``outlier_prob``, by a log-normal factor.

    Parameters
    ----------
    expression
        Shape ``(n_cells, n_genes)``, finite and not negative.
    rng
        Source of the random numbers.
    outlier_prob
        Probability that a gene is an outlier, 0..1.
    mean, scale
        Mean and standard deviation of the factor's logarithm.

    Raises
    ------
    InputError
        On an unusable matrix or a parameter out of range.
    """
    values = _checked(expression)
    _check_range("outlier_prob", outlier_prob, 0, 1)
    _check_range("mean", mean, -np.inf, np.inf)
    _check_range("scale", scale, 0, np.inf)
    is_outlier = rng.random(values.shape[1]) < outlier_prob
    factor = np.ones(values.shape[1])
    factor[is_outlier] = rng.lognormal(mean, scale, size=int(is_outlier.sum()))
    return values * factor


def scale_library_size(
    expression: NDArray[np.floating],
    rng: np.random.Generator,
    *,
    mean: float,
    scale: float,
) -> NDArray[np.float64]:
    """Scale each cell to a total drawn from a log-normal distribution.

    A cell without any expression stays as it is.

    Parameters
    ----------
    expression
        Shape ``(n_cells, n_genes)``, finite and not negative.
    rng
        Source of the random numbers.
    mean, scale
        Mean and standard deviation of the logarithm of a cell's total.

    Raises
    ------
    InputError
        On an unusable matrix or a parameter out of range.
    """
    values = _checked(expression)
    _check_range("mean", mean, -np.inf, np.inf)
    _check_range("scale", scale, 0, np.inf)
    library_size = rng.lognormal(mean, scale, size=len(values))
    total = values.sum(axis=1)
    factor = np.divide(library_size, total, out=np.ones_like(total), where=total > 0)
    return values * factor[:, None]


def drop_out(
    expression: NDArray[np.floating],
    rng: np.random.Generator,
    *,
    shape: float,
    percentile: float,
) -> NDArray[np.float64]:
    """Set values to 0, low ones more often.

    A value ``x`` is kept with probability ``1 / (1 + exp(-shape (log(x + 1) - m)))``, where ``m``
    is the given percentile of ``log(x + 1)`` over the whole matrix.

    Parameters
    ----------
    expression
        Shape ``(n_cells, n_genes)``, finite and not negative.
    rng
        Source of the random numbers.
    shape
        Steepness of the logistic curve, 0 or more.
    percentile
        Percentile of the log-expression with an even chance, 0..100.

    Raises
    ------
    InputError
        On an unusable matrix or a parameter out of range.
    """
    values = _checked(expression)
    _check_range("shape", shape, 0, np.inf)
    _check_range("percentile", percentile, 0, 100)
    log_values = np.log1p(values)
    midpoint = np.percentile(log_values, percentile)
    # tanh is the logistic function without an exponential that could overflow
    keep_probability = 0.5 * (1 + np.tanh(0.5 * shape * (log_values - midpoint)))
    return np.where(rng.random(values.shape) < keep_probability, values, 0.0)


def to_umi_counts(expression: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw each count from a Poisson distribution with the given mean.

    Parameters
    ----------
    expression
        Shape ``(n_cells, n_genes)``, finite and not negative.
    rng
        Source of the random numbers.

    Raises
    ------
    InputError
        On an unusable matrix or a value too large to count.
    """
    values = _checked(expression)
    if (values > _LARGEST_RATE).any():
        raise InputError(
            f"expression {values.max():g} is too large to draw counts from; give a smaller "
            "mean or scale of the outlier genes or the library size"
        )
    return rng.poisson(values).astype(np.int64)


def _checked(expression: NDArray[np.floating]) -> NDArray[np.float64]:
    values = np.asarray(expression, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise InputError(
            f"expression of shape {values.shape}; give a matrix with cells as rows and genes as "
            "columns, at least one of each"
        )
    wrong = ~np.isfinite(values) | (values < 0)
    if wrong.any():
        cell, gene = np.argwhere(wrong)[0]
        raise InputError(
            f"expression {values[cell, gene]:g} in cell {cell}, gene {gene} ({int(wrong.sum())} "
            "such values); technical noise needs concentrations or counts of 0 or more, not "
            "log-ratios or z-scores"
        )
    return values


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not (np.isfinite(value) and low <= value <= high):
        if np.isfinite(high):
            allowed = f"a number from {low:g} to {high:g}"
        elif np.isfinite(low):
            allowed = f"a number of {low:g} or more"
        else:
            allowed = "a finite number"
        raise InputError(f"{name}={value}; give {allowed}")
