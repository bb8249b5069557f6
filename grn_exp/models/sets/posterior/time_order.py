"""Which cells follow each other in time, from expression alone.

Where a simulation samples its cells from one trajectory of each cell type, two cells that are
close in time have like concentrations in *all* genes. With many genes the time between them can
be read off: each gene is an Ornstein-Uhlenbeck process (fluctuations die out at the decay rate),
so its semivariogram over its variance is ``D = 1 - exp(-time)``, time in units of 1 / decay.
"""

import warnings
from typing import Any, NamedTuple, cast

import numpy as np
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree, shortest_path

from grn_exp.models.sets.posterior.labelled_cells import Floats, Integers, cells_by_type

# the numbers below were set on simulations of SERGIO DS3 with seeds 1 to 3

# longest step between two neighbours, in units of 1 / decay; at .75 false neighbours appear
MAX_STEP = 0.6
# times up to this are trusted when cells are put on a line
_SHORT = 0.5
# fewer cells in a row are not taken as a trajectory
_LONG_SEGMENT = 30
# steps of a trajectory add up (1); distances among cells that are merely alike do not (.5)
_LEAST_ADDITIVITY = 0.75
_LARGEST_TIME_SHARE = 0.02  # of the correlation, below which time cannot be estimated
_N_COMPONENTS = 20
_MAX_TYPES = 15
_LEAST_SILHOUETTE = 0.1
_SILHOUETTE_CELLS = 1000


class Segment(NamedTuple):
    """Consecutive cells of one type: their numbers in time order, and their times from 0 on."""

    cells: Integers
    times: Floats

    def reversed(self) -> "Segment":
        """Return the same cells with time running the other way."""
        return Segment(self.cells[::-1], self.times[-1] - self.times[::-1])


def cell_distances(raw: Floats) -> Floats:
    """Return the time between all cells of one type, whichever came first.

    The result has shape ``(n_cells, n_cells)``, units of 1 / decay, at most 3.9.

    ``-log(1 - D)``, where D is the mean over the genes of ``(y_i - y_j)^2 / (2 var y)`` with
    ``y = sqrt(x)``, whose noise does not grow with the level.

    Parameters
    ----------
    raw
        Concentrations, shape ``(n_cells, n_genes)``.
    """
    scaled = np.sqrt(raw)
    scaled -= scaled.mean(axis=0)
    scaled /= np.sqrt(np.mean(scaled**2)) + 1e-12
    products = scaled @ scaled.T / scaled.shape[1]
    squares = np.diag(products)
    ratio = np.maximum((squares[:, None] + squares - 2 * products) / 2, 0)
    times = -np.log(np.clip(1 - ratio, _LARGEST_TIME_SHARE, 1))
    times = np.maximum(times, 1e-6)  # a graph's zero is "no link"
    np.fill_diagonal(times, 0)
    return times


def time_segments(distances: Floats) -> list[Segment]:
    """Return stretches of consecutive cells of one type; the direction of time is arbitrary.

    The minimum spanning tree of the cells is cut at steps over ``MAX_STEP``. Each piece of three
    cells or more is put on a line by classical scaling of the path lengths, then by weighted
    least squares of its short distances.

    Parameters
    ----------
    distances
        As :func:`cell_distances`.
    """
    tree = minimum_spanning_tree(distances).toarray()
    tree = np.maximum(tree, tree.T)
    tree[tree > MAX_STEP] = 0
    links = np.maximum(np.where(distances < _SHORT, distances, 0), tree)
    n_pieces, piece = connected_components(links)
    segments: list[Segment] = []
    for number in range(n_pieces):
        cells = np.flatnonzero(piece == number)
        if len(cells) >= 3:
            times = _coordinates_on_line(links[np.ix_(cells, cells)])
            order = np.argsort(times, kind="stable")
            segments.append(Segment(cells[order], times[order]))
    return segments


def _coordinates_on_line(links: Floats) -> Floats:
    """Return coordinates whose differences fit the links (0: none) of a connected graph."""
    squared = shortest_path(links, directed=False) ** 2
    squared -= squared.mean(axis=0)
    squared -= squared.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(-squared / 2)
    line = vectors[:, -1] * np.sqrt(max(float(values[-1]), 0.0))
    # the error of a time grows with it
    weight = (links > 0) / (0.02 + 0.05 * links) ** 2
    laplacian = np.diag(weight.sum(axis=1) + 1e-9) - weight + 1e-6
    for _ in range(10):  # the signs of the differences may change on the way
        wanted = weight * np.sign(line[:, None] - line) * links
        line = np.linalg.solve(laplacian, wanted.sum(axis=1))
    return line - line.min()


def ordered_in_time(raw: Floats, types: Integers) -> tuple[list[Segment], bool]:
    """Look for trajectories in every cell type.

    They count as found if most cells are in long stretches in which times add up: the time of
    two steps is the sum of the two. Cells that are merely alike, such as those of a type that
    was not separated from another, are all equally far from each other.

    Parameters
    ----------
    raw
        Concentrations, shape ``(n_cells, n_genes)``.
    types
        Type of each cell, shape ``(n_cells,)``, 0, 1, ...

    Returns
    -------
    segments : list of Segment
        Of all types.
    found : bool
        Can they be relied on.
    """
    segments: list[Segment] = []
    n_long = 0
    for cells in cells_by_type(types):
        distances = cell_distances(raw[cells])
        for segment in time_segments(distances):
            long = len(segment.cells) >= _LONG_SEGMENT
            if long and _additivity(distances, segment.cells) >= _LEAST_ADDITIVITY:
                n_long += len(segment.cells)
            segments.append(Segment(cells[segment.cells], segment.times))
    return segments, n_long > 0.5 * len(raw)


def _additivity(distances: Floats, order: Integers) -> float:
    """Return the time over two steps as a share of the sum of the two, over the whole stretch."""
    one, two = distances[order[:-1], order[1:]], distances[order[:-2], order[2:]]
    return float(two.sum() / (one[:-1] + one[1:]).sum())


def cluster_cells(raw: Floats) -> Integers:
    """Estimate cell types: k-means of the leading principal components, k by the silhouette.

    The result has shape ``(n_cells,)``; all 0 where no division is clear.

    Parameters
    ----------
    raw
        Concentrations, shape ``(n_cells, n_genes)``.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.exceptions import ConvergenceWarning

    n_components = min(_N_COMPONENTS, *raw.shape)
    scores = PCA(n_components, svd_solver="randomized", random_state=0).fit_transform(np.sqrt(raw))
    best, best_value = np.zeros(len(raw), dtype=np.int64), _LEAST_SILHOUETTE
    for n_types in range(2, min(_MAX_TYPES, len(raw) - 1) + 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # too few different cells
            label = KMeans(n_types, n_init=cast("Any", 4), random_state=0).fit_predict(scores)
        n_found = len(np.unique(label))
        if n_found != n_types:
            break
        value = silhouette(scores, label, n_cells=_SILHOUETTE_CELLS)
        if value > best_value:
            best, best_value = label.astype(np.int64), value
    return best


def silhouette(scores: Floats, types: Integers, *, n_cells: int) -> float:
    """Return the mean silhouette of up to ``n_cells`` cells, -1 where there is one type only."""
    from sklearn.metrics import silhouette_score

    if not 1 < len(np.unique(types)) < len(types):
        return -1.0
    shown = min(n_cells, len(types))
    try:
        return float(silhouette_score(scores, types, sample_size=shown, random_state=0))
    except ValueError:  # the sample shows one type only
        return -1.0
