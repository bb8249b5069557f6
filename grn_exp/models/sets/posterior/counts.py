"""The law of a count given a gene's concentration, and what counts say about concentrations.

A cell takes ``s x`` molecules of a gene with concentration ``x`` on average, where ``s`` is its
library size. Low ones are lost more often (SERGIO's dropout), the others counted::

    p = 1 / (1 + exp(-a (log(1 + s x) - m))),   n ~ p Poisson(s x) + (1 - p) [0]

Within a cell type ``x`` fluctuates around its mean ``mu`` with a variance ``mu``: this sets the
unit of concentrations. Steepness ``a``, midpoint ``m`` and the libraries' scale are fitted to the
counts. The law depends on a cell by s and on a gene by mu only, so it is tabulated.
"""

import dataclasses

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln

from grn_exp.models.sets.posterior.labelled_cells import Floats, Integers, cells_by_type

_MOST = 200  # larger counts are read as this one
_LIBRARIES = (2e-3, 20.0)
_MEANS = (0.05, 100.0)
_LARGEST = 250.0  # concentration

# values over the smallest of their cell may be off a whole number by this, and one more per 1e5
_TOLERANCE = 0.01
_MULTIPLES = range(1, 51)
_FIRST_LOOK = 20  # cells that tell at once that values are no counts

_N_FITTED_ON = 150  # genes, evenly by their level
_START = (np.log(0.3), 0.5, 4.0)
_FIT_STEPS = 60
_FIT_ROUNDS = 2


def counts_of(raw: Floats) -> Floats | None:
    """Return the whole numbers that the values of each cell are multiples of, None if not so.

    Counts stay what they are; counts over their cell's total become counts again, up to a
    divisor that all counts of a cell have in common.

    Parameters
    ----------
    raw
        Values without a logarithm, shape ``(n_cells, n_genes)``.
    """
    if len(raw) > _FIRST_LOOK and counts_of(raw[:_FIRST_LOOK]) is None:
        return None
    smallest = np.where(raw > 0, raw, np.inf).min(axis=1)
    if not (raw == 0).any() or not np.isfinite(smallest).any():
        return None
    ratio = raw / np.where(np.isfinite(smallest), smallest, 1.0)[:, None]
    counts = np.full(raw.shape, np.nan)
    for multiple in _MULTIPLES:  # the smallest count of a cell may be more than 1
        left = np.flatnonzero(np.isnan(counts[:, 0]))
        tried = ratio[left] * multiple
        whole = np.rint(tried)
        fits = (np.abs(tried - whole) <= _TOLERANCE + 1e-5 * tried).all(axis=1)
        counts[left[fits]] = whole[fits]
    return None if np.isnan(counts).any() else counts


@dataclasses.dataclass(frozen=True)
class CountLaw:
    """What turns concentrations into counts.

    Attributes
    ----------
    scale
        Geometric mean of the cells' library sizes.
    midpoint
        m, the ``log(1 + s x)`` that is lost half the time.
    steepness
        a.
    """

    scale: float
    midpoint: float
    steepness: float


class CountTable:
    """A law on a grid of library sizes s and means mu.

    Attributes
    ----------
    library, mean
        The grids, shapes ``(n_libraries,)`` and ``(n_means,)``.
    log_likelihood
        Of a count, shape ``(n_libraries, n_means, 201)``.
    deviation
        Expected ``x - mu`` given a count, same shape.
    expected
        Expected count, shape ``(n_libraries, n_means)``.
    reliability
        Share of the variance of x that a count tells, same shape.
    """

    def __init__(
        self, law: CountLaw, *, n_libraries: int = 64, n_means: int = 90, n_x: int = 120
    ) -> None:
        self.library = np.geomspace(*_LIBRARIES, n_libraries)
        self.mean = np.geomspace(*_MEANS, n_means)
        x = np.geomspace(2e-3, _LARGEST, n_x)
        density = self.mean[:, None] * np.log(x) - x - gammaln(self.mean)[:, None]  # gamma
        weight = np.exp(density - density.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        centre = weight @ x
        rate = self.library[:, None] * x
        n = np.arange(_MOST + 1)
        kept = 0.5 * (1 + np.tanh(0.5 * law.steepness * (np.log1p(rate) - law.midpoint)))
        poisson = n * np.log(rate)[..., None] - rate[..., None] - gammaln(n + 1)
        chance = kept[..., None] * np.exp(poisson)
        chance[..., 0] += 1 - kept
        likelihood = np.maximum(weight @ chance, 1e-300)
        self.log_likelihood = np.log(likelihood)
        self.deviation = (weight * x) @ chance / likelihood - centre[:, None]
        self.expected = likelihood @ n
        variance = weight @ x**2 - centre**2
        self.reliability = np.maximum((likelihood * self.deviation**2).sum(axis=2), 1e-12)
        self.reliability /= variance

    def of_libraries(self, libraries: Floats) -> Integers:
        """Return the nearest places on the grid of library sizes."""
        return _nearest(self.library, libraries)

    def of_means(self, means: Floats) -> Integers:
        """Return the nearest places on the grid of means."""
        return _nearest(self.mean, means)

    def mean_posterior(self, counts: Floats, libraries: Floats) -> Floats:
        """Return the posterior of every gene's mean in cells of one type, on the grid.

        Even on a logarithmic scale before the counts are seen.

        Parameters
        ----------
        counts
            Shape ``(n_cells, n_genes)``.
        libraries
            Shape ``(n_cells,)``.

        Returns
        -------
        numpy.ndarray
            Shape ``(n_genes, n_means)``, rows sum to 1.
        """
        total = self.log_evidence(counts, libraries)
        weight = np.exp(total - total.max(axis=1, keepdims=True))
        return weight / weight.sum(axis=1, keepdims=True)

    def log_evidence(self, counts: Floats, libraries: Floats) -> Floats:
        """Return the log likelihood of every gene's counts, ``(n_genes, n_means)``."""
        counted = np.minimum(counts, _MOST).astype(np.int64)
        places = self.of_libraries(libraries)
        out = np.zeros((counts.shape[1], len(self.mean)))
        genes = np.arange(counts.shape[1])
        for place in np.unique(places):
            cells = counted[places == place]
            seen = np.zeros((len(genes), cells.max() + 1))
            np.add.at(seen, (np.broadcast_to(genes, cells.shape), cells), 1.0)
            out += seen @ self.log_likelihood[place, :, : seen.shape[1]].T
        return out

    def libraries_of(self, totals: Floats, means: Floats) -> Floats:
        """Return the library sizes at which cells are expected to have their total counts.

        Parameters
        ----------
        totals
            Shape ``(n_cells,)``.
        means
            Of every gene in the cells' type, shape ``(n_genes,)``.
        """
        expected = self.expected[:, self.of_means(means)].sum(axis=1)
        log_totals = np.log(np.maximum(totals, 1.0))
        return np.exp(np.interp(log_totals, np.log(expected), np.log(self.library)))


def _nearest(grid: Floats, values: Floats) -> Integers:
    step = np.log(grid[1] / grid[0])
    place = np.rint(np.log(np.maximum(values, grid[0]) / grid[0]) / step)
    return np.minimum(place, len(grid) - 1).astype(np.int64)


def fit_law(counts: Floats, types: Integers) -> tuple[CountLaw, Floats]:
    """Fit the law and the cells' library sizes by maximum likelihood.

    Library sizes are those at which a cell is expected to have its total, given the law; the law
    is fitted to some genes' counts given the library sizes, up to their scale.

    Parameters
    ----------
    counts
        Shape ``(n_cells, n_genes)``.
    types
        Of the cells, 0, 1, ...

    Returns
    -------
    law
        Fitted.
    libraries : ndarray
        Shape ``(n_cells,)``.
    """
    totals = counts.sum(axis=1)
    by_level = np.argsort(counts.mean(axis=0), kind="stable")
    some = by_level[np.unique(np.linspace(0, len(by_level) - 1, _N_FITTED_ON).astype(np.int64))]
    groups = cells_by_type(types)
    profile = np.sqrt(np.maximum(totals, 1.0))  # losses make totals steeper than libraries
    profile /= np.exp(np.log(profile).mean())
    point, libraries = np.array(_START), profile

    def loss(values: Floats) -> float:
        sizes = _law(values).scale * profile
        return -_best_likelihood(_law(values), counts[:, some], groups, sizes)

    for _ in range(_FIT_ROUNDS):
        found = minimize(
            loss,
            point,
            method="Nelder-Mead",
            options={
                "maxfev": _FIT_STEPS,
                "initial_simplex": point + np.vstack([np.zeros(3), np.diag([0.4, 0.4, 1.5])]),
            },
        )
        point = np.asarray(found.x)
        table = CountTable(_law(point))
        libraries = _law(point).scale * profile
        for cells in groups:
            posterior = table.mean_posterior(counts[cells], libraries[cells])
            libraries[cells] = table.libraries_of(totals[cells], posterior @ table.mean)
        profile = libraries / np.exp(np.log(libraries).mean())
    scale = float(np.exp(np.log(libraries).mean()))
    return dataclasses.replace(_law(point), scale=scale), libraries


def _best_likelihood(
    law: CountLaw, counts: Floats, groups: list[Integers], libraries: Floats
) -> float:
    """Return the log likelihood of counts by type under every gene's best mean."""
    table = CountTable(law, n_libraries=32, n_means=40, n_x=60)
    best = [table.log_evidence(counts[g], libraries[g]).max(axis=1) for g in groups]
    return float(sum(each.sum() for each in best))


def _law(point: Floats) -> CountLaw:
    return CountLaw(
        scale=float(np.exp(np.clip(point[0], -5, 2))),
        midpoint=float(np.clip(point[1], -6, 4)),
        steepness=float(np.clip(point[2], 0, 20)),
    )
