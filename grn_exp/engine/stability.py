"""How much of a network is there whichever half of the cells is looked at."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from grn_exp.core.scores import EdgeScores
from grn_exp.runs.folder import STABILITY, RunFolder
from grn_exp.storage.atomic import write_npz

_TOP_SHARE = 100  # an edge is among the top ones if it is in the best hundredth of all pairs
_FEWEST_TOP = 100


@dataclasses.dataclass(frozen=True, eq=False)
class Stability:
    """What the fits to half-samples of the cells agree on.

    Stability selection (Meinshausen & Buhlmann 2010) on complementary pairs of halves (Shah &
    Samworth 2013).

    Attributes
    ----------
    share
        Shape ``(n_regulators, n_genes)``, float32: share of the fits that have the edge among
        their ``n_top`` best; a gene with itself NaN.
    rank_mean, rank_sd
        Same shape: mean and standard deviation (ddof 1) over the fits of the edge's rank, as a
        share of all pairs, 0 best.
    n_top, n_fits
        How many edges count as top ones, and how many fits there are.
    """

    share: NDArray[np.float32]
    rank_mean: NDArray[np.float32]
    rank_sd: NDArray[np.float32]
    n_top: int
    n_fits: int

    def write(self, folder: RunFolder, scores: EdgeScores) -> None:
        """Write ``stability.npz``."""
        arrays = {name: getattr(self, name) for name in ("share", "rank_mean", "rank_sd")}
        genes = {"regulators": scores.regulators.array, "genes": scores.genes.array}
        write_npz(folder / STABILITY, {**genes, **arrays})


def stability_of(fits: Iterable[EdgeScores], scores: EdgeScores) -> Stability:
    """Count how the fits rank each edge of ``scores``.

    Ties share the worst of their ranks, so that a method which cannot tell edges apart has no
    stable ones.
    """
    valid = ~scores.self_pairs()
    n_pairs = int(valid.sum())
    n_top = min(max(n_pairs // _TOP_SHARE, _FEWEST_TOP), max(n_pairs // 2, 1))
    hits, total, squares = (np.zeros(n_pairs) for _ in range(3))
    n_fits = 0
    for fit in fits:
        values = fit.align(scores.regulators, scores.genes)[valid]
        ranks = rankdata(-values, method="max")
        hits += ranks <= n_top
        shares = (ranks - 1) / n_pairs
        total += shares
        squares += shares**2
        n_fits += 1
    mean = total / n_fits
    variance = np.maximum(squares / n_fits - mean**2, 0) * n_fits / max(n_fits - 1, 1)
    return Stability(
        *(_spread_out(each, valid) for each in (hits / n_fits, mean, np.sqrt(variance))),
        n_top=n_top,
        n_fits=n_fits,
    )


def _spread_out(values: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    full = np.full(valid.shape, np.nan, dtype=np.float32)
    full[valid] = values
    return full
