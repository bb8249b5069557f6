"""What counts say of cells: their types, library sizes, each gene's mean in a type, an order."""

import dataclasses
from typing import Any, cast

import numpy as np

from grn_exp.models.sets.posterior.counts import CountLaw, CountTable, fit_law
from grn_exp.models.sets.posterior.labelled_cells import Floats, Integers, cells_by_type
from grn_exp.models.sets.posterior.time_order import Segment, silhouette, time_segments

# all numbers below were set on simulations of SERGIO DS3 with seeds 1 and 2
_N_DEPTHS = 20  # cells are compared with those of about the same total
_N_COARSE_DEPTHS = 6
_TYPE_ROUNDS = 10
_MAX_TYPES, _FEWEST_OF_TYPE = 15, 10
_SILHOUETTE_CELLS = 3000
_NEARLY = 0.97  # of the best silhouette
_N_COMPONENTS = 20
_PSEUDOCOUNT = 2.0
_FEWEST_CELLS = 30  # of a type, for an order in time
# directions in which the cells of a trajectory differ; those of a mixture of types are fewer
_FEWEST_COMPONENTS = 10
_TIME_FACTORS = np.geomspace(0.5, 4, 40)


@dataclasses.dataclass(frozen=True, eq=False)
class CountCells:
    """Cells with counts, by type.

    Attributes
    ----------
    counts
        Shape ``(n_cells, n_genes)``.
    types, libraries
        Of the cells, shape ``(n_cells,)``.
    law, table
        The law of the counts.
    mean_posterior
        Of each gene's mean in each type, on the table's grid: ``(n_types, n_genes, n_means)``.
    means
        Their expectations, shape ``(n_types, n_genes)``; the unit is the table's.
    """

    counts: Floats
    types: Integers
    libraries: Floats
    law: CountLaw
    table: CountTable
    mean_posterior: Floats
    means: Floats

    @classmethod
    def of(cls, counts: Floats) -> "CountCells":
        """Find types, fit the law, estimate the means."""
        types = count_types(counts)
        law, libraries = fit_law(counts, types)
        return cls.of_types(counts, types, law, libraries)

    @classmethod
    def of_types(
        cls, counts: Floats, types: Integers, law: CountLaw, libraries: Floats
    ) -> "CountCells":
        """Estimate the means of the genes in given types."""
        table = CountTable(law)
        posterior = np.stack(
            [
                table.mean_posterior(counts[cells], libraries[cells])
                for cells in cells_by_type(types)
            ]
        )
        return cls(counts, types, libraries, law, table, posterior, posterior @ table.mean)

    def deviations(self, cells: Integers) -> tuple[Floats, Floats]:
        """Return what counts say about ``x - mu`` of cells of one type, and how reliably.

        Their expectation given the count, and the share of its variance that the count tells;
        both of shape ``(n_cells, n_genes)``.
        """
        table = self.table
        library = table.of_libraries(self.libraries[cells])
        mean = table.of_means(self.means[self.types[cells[0]]])
        count = np.minimum(self.counts[cells], table.deviation.shape[2] - 1).astype(np.int64)
        deviation = table.deviation[library[:, None], mean, count]
        return deviation - deviation.mean(axis=0), table.reliability[library][:, mean]

    def ordered_in_time(self) -> tuple[list[Segment], bool]:
        """Look for trajectories in every type; as in :mod:`time_order`, from denoised likeness."""
        segments: list[Segment] = []
        n_long = 0
        for number, cells in enumerate(cells_by_type(self.types)):
            if len(cells) < _FEWEST_CELLS:
                continue
            deviation, reliability = self.deviations(cells)
            likeness = (deviation / self.means[number]) @ deviation.T
            expected = reliability @ reliability.T
            distances = _denoised_distances(likeness, expected)
            if distances is None:
                continue
            for segment in time_segments(distances):
                if len(segment.cells) >= _FEWEST_CELLS:
                    n_long += len(segment.cells)
                own = np.ix_(segment.cells, segment.cells)
                times = segment.times * _time_factor(segment.times, likeness[own], expected[own])
                segments.append(Segment(cells[segment.cells], times))
        return segments, n_long > 0.5 * len(self.types)

    def segments_by_type(self) -> list[Segment]:
        """Return the cells of each type, in no order."""
        return [Segment(cells, np.zeros(len(cells))) for cells in cells_by_type(self.types)]


def count_types(counts: Floats) -> Integers:
    """Estimate cell types of counts; shape ``(n_cells,)``, all 0 where no division is clear.

    Each count is compared with those of cells of about the same total, since totals differ more
    than types do. The direction of a cell's leading principal components is clustered into many
    types; then each cell goes to the type whose multinomial profile its counts are likeliest
    under, and types are given up one by one: the fewest with nearly the best silhouette are kept.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    depths = _by_total(counts, _N_DEPTHS)
    scaled, log_total = np.empty_like(counts), np.log1p(counts.sum(axis=1))
    for depth in range(int(depths.max()) + 1):
        own = depths == depth
        scaled[own] = counts[own] - counts[own].mean(axis=0)
        scaled[own] /= np.sqrt((scaled[own] ** 2).mean(axis=0) + 1e-3)
        log_total[own] -= log_total[own].mean()
        # totals differ among these cells, too
        length = max(float(log_total[own] @ log_total[own]), 1e-12)
        scaled[own] -= np.outer(log_total[own], log_total[own] @ scaled[own]) / length
    n_components = min(_N_COMPONENTS, *counts.shape)
    pca = PCA(n_components, svd_solver=cast("Any", "randomized"), random_state=0)
    scores = pca.fit_transform(scaled)
    # what noise of variance 1 reaches (Marchenko and Pastur), and somewhat more
    edge = 1.1 * (1 + np.sqrt(counts.shape[1] / len(counts))) ** 2
    scores = scores[:, pca.explained_variance_ > edge]
    scores /= np.linalg.norm(scores, axis=1, keepdims=True) + 1e-12
    n_types = min(_MAX_TYPES, len(counts) // _FEWEST_OF_TYPE)
    if n_types < 2 or scores.shape[1] == 0:
        return np.zeros(len(counts), dtype=np.int64)
    means = KMeans(n_types, n_init=cast("Any", 4), random_state=0)
    types = np.unique(means.fit_predict(scores), return_inverse=True)[1].astype(np.int64)
    tried: list[tuple[float, Integers]] = []
    # as many types as directions, and one more; half of the directions may be of time
    fewest = max(2, -(-scores.shape[1] // 2))
    while not tried or types.max() + 1 > fewest:
        types = _without_least(types, _type_likelihood(counts, types)) if tried else types
        types = _settled(counts, types)
        tried.append((silhouette(scores, types, n_cells=_SILHOUETTE_CELLS), types))
    best = max(value for value, _ in tried)
    return next(each for value, each in reversed(tried) if value >= _NEARLY * best)


def _settled(counts: Floats, types: Integers) -> Integers:
    """Move cells to their likeliest types until they stay; types may lose all their cells."""
    for _ in range(_TYPE_ROUNDS):
        moved = _type_likelihood(counts, types).argmax(axis=1)
        moved = np.unique(moved, return_inverse=True)[1].astype(np.int64)
        if (moved == types).all():
            break
        types = moved
    return types


def _without_least(types: Integers, likelihood: Floats) -> Integers:
    """Give the cells of the type whose loss costs the least likelihood to the other types."""
    cost = np.empty(likelihood.shape[1])
    others = np.empty(likelihood.shape[1], dtype=object)
    for number in range(len(cost)):
        rest = likelihood[types == number].copy()
        own = rest[:, number].copy()
        rest[:, number] = -np.inf
        cost[number] = (own - rest.max(axis=1)).sum()
        others[number] = rest.argmax(axis=1)
    least = int(cost.argmin())
    moved = types.copy()
    moved[types == least] = others[least]
    return np.unique(moved, return_inverse=True)[1].astype(np.int64)


def _by_total(counts: Floats, n: int) -> Integers:
    """Divide cells evenly by their totals."""
    group = np.empty(len(counts), dtype=np.int64)
    n = max(1, min(n, len(counts) // 10))
    group[np.argsort(counts.sum(axis=1), kind="stable")] = (
        np.arange(len(counts)) * n // len(counts)
    )
    return group


def _type_likelihood(counts: Floats, types: Integers) -> Floats:
    """Return the log likelihood of each cell under each type; ``(n_cells, n_types)``."""
    totals, depths = counts.sum(axis=1), _by_total(counts, _N_COARSE_DEPTHS)
    each_depth = range(int(depths.max()) + 1)
    base = np.stack([counts[depths == depth].sum(axis=0) + 0.5 for depth in each_depth])
    base /= base.sum(axis=1, keepdims=True)
    score = np.empty((len(counts), int(types.max()) + 1))
    for number in range(score.shape[1]):
        own = types == number
        total = np.array([totals[own & (depths == depth)].sum() for depth in each_depth])
        ratio = (counts[own].sum(axis=0) + _PSEUDOCOUNT) / (total @ base + _PSEUDOCOUNT)
        profile = base * ratio
        profile /= profile.sum(axis=1, keepdims=True)
        for depth in each_depth:
            score[depths == depth, number] = counts[depths == depth] @ np.log(profile[depth])
    return score


def _denoised_distances(likeness: Floats, expected: Floats) -> Floats | None:
    """Return the time between cells of one type, None where likeness is nothing but noise.

    As :func:`time_order.cell_distances`. Scaled by ``sqrt(expected)`` the noise of the likeness
    has variance 1, so its eigenvalues end at ``2 sqrt(n_cells)``; the components above are kept,
    shrunk by what noise adds to them (Benaych-Georges and Nadakuditi 2011).
    """
    root = np.sqrt(np.maximum(expected, 1e-12))
    scaled = likeness / root
    np.fill_diagonal(scaled, np.diag(root))  # a cell is like itself by its noise, too
    values, vectors = np.linalg.eigh(scaled)
    edge = 2.1 * np.sqrt(len(scaled))
    kept = values > edge
    if kept.sum() < _FEWEST_COMPONENTS:
        return None
    spike = (values[kept] + np.sqrt(values[kept] ** 2 - edge**2)) / 2
    weight = spike - edge**2 / (4 * spike)
    smooth = (vectors[:, kept] * weight) @ vectors[:, kept].T
    size = np.sqrt(np.maximum(np.diag(smooth), 1e-9))
    times = -np.log(np.clip(smooth / size[:, None] / size, 0.02, 1.0))
    times = np.maximum(times, 1e-4)  # a graph's zero is "no link"
    np.fill_diagonal(times, 0)
    return times


def _time_factor(times: Floats, likeness: Floats, expected: Floats) -> float:
    """Return by what times have to be multiplied, so that likeness dies out as ``exp(-time)``."""
    pairs = np.triu_indices(len(times), 1)
    apart = np.abs(times[:, None] - times)[pairs]
    root = np.sqrt(np.maximum(expected[pairs], 1e-12))
    scaled = likeness[pairs] / root
    errors = [((scaled - root * np.exp(-factor * apart)) ** 2).sum() for factor in _TIME_FACTORS]
    return float(_TIME_FACTORS[int(np.argmin(errors))])
