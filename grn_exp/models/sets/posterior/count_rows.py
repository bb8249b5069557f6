"""From counts to rows of a regression with independent noise.

Per segment of cells (consecutive in time, or of one type), a gene's concentrations have covariance
``mu K`` with ``K = exp(-time apart)`` (or 1 on the diagonal alone), and counts tell them with an
error of variance ``tau d`` where ``d`` is a profile over the cells that all genes share. In the
basis that makes both diagonal, rows are independent, of variance ``mu lambda + tau``.
"""

import dataclasses

import numpy as np

from grn_exp.models.sets.posterior.count_cells import CountCells
from grn_exp.models.sets.posterior.labelled_cells import Floats, Integers
from grn_exp.models.sets.posterior.rows import Rows
from grn_exp.models.sets.posterior.time_order import Segment

_LEAST_RELIABILITY = 1e-3
_MOST_WEIGHT = 4.0  # a gene's cells count up to four times as the shared profile has it
# without time: a target follows half of its regulators' fluctuations; of the variance of what it
# follows, the regulator at that moment leaves a quarter open (an Ornstein-Uhlenbeck process)
_DAMPING, _LEFT_OPEN = 0.5, 0.25


@dataclasses.dataclass(frozen=True, eq=False)
class CountRows:
    """Rows, and how well the responses in them are known.

    Attributes
    ----------
    rows
        ``y``, ``one``, ``v`` as in :class:`Rows`; ``f`` is what the regulator's own counts say.
    f_variance
        Variance of the responses, shape ``(n_rows, n_genes)``.
    """

    rows: Rows
    f_variance: Floats

    @classmethod
    def joined(cls, parts: list["CountRows"]) -> "CountRows":
        """Put rows one below the other."""
        rows = joined_rows([each.rows for each in parts])
        return cls(rows, np.concatenate([each.f_variance for each in parts]))


def joined_rows(parts: list[Rows]) -> Rows:
    """Put rows one below the other."""
    return Rows(
        y=np.concatenate([each.y for each in parts]),
        f=np.concatenate([each.f for each in parts]),
        one=np.concatenate([each.one for each in parts]),
        v=np.concatenate([each.v for each in parts]),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Basis:
    """A segment's independent rows.

    Attributes
    ----------
    map
        From cells to rows, shape ``(n_cells, n_cells)``.
    spread
        lambda, shape ``(n_cells, 1)``.
    deviations
        Observations of ``x - mu`` by row, shape ``(n_cells, n_genes)``.
    mu, tau
        Every gene's mean and error, shape ``(n_genes,)``.
    """

    map: Floats
    spread: Floats
    deviations: Floats
    mu: Floats
    tau: Floats

    @classmethod
    def of(cls, cells: CountCells, segment: Segment, *, in_time: bool) -> "Basis":
        """Diagonalise what concentrations and errors of a segment's cells have in common."""
        order, times = segment
        apart = np.abs(times[:, None] - times)
        covariance = np.exp(-apart) if in_time else np.eye(len(order))
        mu = cells.means[int(cells.types[order[0]])]
        y, tau, profile = _observations(cells, order, mu)
        root = 1 / np.sqrt(profile)
        values, vectors = np.linalg.eigh(root[:, None] * covariance * root)
        to_rows = vectors.T * root
        return cls(to_rows, np.maximum(values, 0)[:, None], to_rows @ y, mu, tau)

    @property
    def one(self) -> Floats:
        """The rows of a constant 1, shape ``(n_cells,)``."""
        return self.map.sum(axis=1)

    def rows(self, followed: Floats) -> Rows:
        """Return the regression's rows, given what targets follow in each cell."""
        return Rows(
            y=self.deviations + self.one[:, None] * self.mu,
            f=self.map @ followed,
            one=self.one,
            v=self.spread * self.mu + self.tau,
        )


def count_rows(cells: CountCells, segment: Segment, *, in_time: bool) -> CountRows:
    """Return one row for each cell of a segment.

    Parameters
    ----------
    cells
        All cells.
    segment
        Cells of one type; its times count with ``in_time``.
    in_time
        Do the cells follow each other in time.
    """
    basis = Basis.of(cells, segment, in_time=in_time)
    mu, half = basis.mu, cells.means.mean(axis=0)
    # what the regulator's own counts say about it, cell by cell
    told = basis.spread * mu / (basis.spread * mu + basis.tau)
    own = np.maximum(mu + np.linalg.solve(basis.map, told * basis.deviations), 0)
    response = own**2 / (half**2 + own**2 + 1e-12)
    slope = 2 * mu * half**2 / (mu**2 + half**2) ** 2
    if in_time:
        followed, left_open = followed_in_time(response, segment.times), 0.0
        apart = np.abs(segment.times[:, None] - segment.times)
        lagged = (basis.map @ ((1 + apart) * np.exp(-apart) / 2) * basis.map).sum(axis=1)
    else:
        mean = response.mean(axis=0)
        followed, left_open = mean + _DAMPING * (response - mean), _LEFT_OPEN
        lagged = _DAMPING**2 * basis.spread[:, 0]
    lagged = np.maximum(lagged, 1e-6)[:, None]
    variance = slope**2 * mu * (lagged * (1 - told) + left_open * basis.spread)
    number = int(cells.types[segment.cells[0]])
    variance += _mean_response_variance(cells, number, half) * basis.one[:, None] ** 2
    return CountRows(basis.rows(followed), variance)


def _observations(cells: CountCells, order: Integers, mu: Floats) -> tuple[Floats, Floats, Floats]:
    """Return observations of ``x - mu``, their error's variance, and its profile over the cells.

    A count's expected deviation is the deviation times its reliability on average; divided by it,
    it is an unbiased observation. What differs between a gene's own profile and the shared one is
    taken up by weights.
    """
    deviation, reliability = cells.deviations(order)
    reliability = np.maximum(reliability, _LEAST_RELIABILITY)
    profile = (1 / reliability).mean(axis=1)
    profile /= np.exp(np.log(profile).mean())
    y, error = deviation / reliability, mu * (1 - reliability) / reliability
    tau = 1 / (profile[:, None] / error).mean(axis=0)
    y = y * np.minimum(tau * profile[:, None] / error, _MOST_WEIGHT)
    return y - (y / profile[:, None]).sum(axis=0) / (1 / profile).sum(), tau, profile


def _mean_response_variance(cells: CountCells, number: int, half: Floats) -> Floats:
    """Return the variance of every gene's response to its type's mean, which is uncertain."""
    grid, weight = cells.table.mean**2, cells.mean_posterior[number]
    response = grid / (half[:, None] ** 2 + grid)
    mean = (weight * response).sum(axis=1)
    return np.maximum((weight * response**2).sum(axis=1) - mean**2, 0)


def followed_in_time(response: Floats, times: Floats) -> Floats:
    """Return what follows a response with decay 1: the solution of ``z' = h - z`` at the times.

    ``h`` is linear between the cells, ``z`` starts at its mean.

    Parameters
    ----------
    response
        h, shape ``(n_cells, n_genes)``.
    times
        Ascending, shape ``(n_cells,)``.
    """
    out = np.empty_like(response)
    out[0] = response.mean(axis=0)
    for row in range(1, len(times)):
        step = max(float(times[row] - times[row - 1]), 1e-6)
        kept = np.exp(-step)
        last = 1 - (1 - kept) / step if step > 1e-4 else step / 2
        before = (1 - kept) - last
        out[row] = kept * out[row - 1] + before * response[row - 1] + last * response[row]
    return out
