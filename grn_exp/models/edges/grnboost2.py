"""GRNBoost2 (Moerman et al. 2019), on rustscenic or scikit-learn."""

import dataclasses
import importlib.metadata
import os
import time
import warnings
from collections.abc import Iterator
from multiprocessing.pool import ThreadPool
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from grn_exp.core import extras
from grn_exp.core.progress import track
from grn_exp.core.ranges import require_in
from grn_exp.core.views import TrainView
from grn_exp.models.edges._tree_ensemble import TreeEnsemble

_OF_ESTIMATOR = ("learning_rate", "n_estimators", "max_features", "subsample")
# rustscenic fits the regulators again in each batch: this much of the work may be that
_SHARE_FITTED_AGAIN = 0.1
# and this much where a batch takes minutes, all of which a fit that is cut off would do again
_SHARE_OF_LARGE = 0.3
_LARGE = 10**7  # pairs
_TIMED = 64  # regulators, as which rustscenic is timed
_MOST_BATCHES = 20


class GRNBoost2(TreeEnsemble):
    """Gradient boosting of every gene on the regulators, stopped early by its own rule.

    Trees are added until the mean out-of-bag improvement of the last ``window`` trees falls
    below 0. Importance = scikit-learn's normalised importance times the number of trees, so a
    gene that the regulators explain counts more than one that stops at once. The rule and the
    defaults are arboreto's.

    Parameters
    ----------
    backend
        ``sklearn`` gives arboreto's importances. ``rustscenic`` does the same in Rust, fifteen
        times faster, with other draws and splits between at most 255 bins of a regulator's
        values. Neither depends on the number of threads.
    learning_rate, n_estimators, max_features, subsample
        As scikit-learn's ``GradientBoostingRegressor``; ``n_estimators`` is the most, and the
        cells outside ``subsample`` say when to stop.
    window
        Trees that the rule averages over.

    References
    ----------
    - Moerman et al. (2019), GRNBoost2 and Arboreto: efficient and scalable inference of gene
      regulatory networks, Bioinformatics 35. doi:10.1093/bioinformatics/bty916
    """

    def __init__(
        self,
        *,
        backend: Literal["rustscenic", "sklearn"] = "rustscenic",
        learning_rate: float = 0.01,
        n_estimators: int = 5000,
        max_features: float = 0.1,
        subsample: float = 0.9,
        window: int = 25,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        require_in(
            "(0, inf)", learning_rate=learning_rate, n_estimators=n_estimators, window=window
        )
        require_in("(0, 1]", max_features=max_features)
        require_in("(0, 1)", subsample=subsample)

    def build(self, view: TrainView) -> None:
        """Check that the backend is there: it has no wheel for every platform."""
        if self.options.backend == "rustscenic":
            wanted_by = "model.backend=rustscenic (model.backend=sklearn does without)"
            extras.load("rustscenic.grn", wanted_by, "rustscenic")

    def facts(self) -> dict[str, Any]:
        """Return the backend's version, where it is not scikit-learn."""
        if self.options.backend == "sklearn":
            return super().facts()
        return {**super().facts(), "rustscenic": importlib.metadata.version("rustscenic")}

    def score(self, view: TrainView) -> np.ndarray:
        """Boost every gene that varies."""
        if self.options.backend == "sklearn":
            return super().score(view)
        # read once a process, at its first call
        os.environ.setdefault("RAYON_NUM_THREADS", str(torch.get_num_threads()))
        varying = np.ptp(view.expression.values, axis=0) > 0
        kept = self.kept(view)
        batches = [
            columns
            for columns in _batches(varying, view.regulator_positions)
            if not kept.done[columns].all()
        ]
        # a thread of its own: a signal that comes meanwhile is heard at once
        with ThreadPool(1) as pool:
            found = pool.imap(lambda columns: self._rust_edges(view, columns), batches)
            results: Any = track(found, title=type(self).__name__, total=len(batches))
            for columns, edges in zip(batches, results, strict=True):
                scores = np.zeros(kept.scores.shape, dtype=np.float32)
                rows = view.regulators.positions(edges["TF"])
                scores[rows, view.genes.positions(edges["target"])] = edges["importance"]
                kept.add(columns, scores[:, columns])
        return np.where(varying, kept.scores, 0)  # a constant regulator was fitted too

    def seconds(self) -> float:
        """Return about how long a fit takes, by a few genes.

        On rustscenic these are regulators, which it always fits too; a tree tries so many more as
        there are more.
        """
        if self.options.backend == "sklearn":
            return super().seconds()
        os.environ.setdefault("RAYON_NUM_THREADS", str(torch.get_num_threads()))
        view = self.view
        few = view.regulator_positions[:_TIMED]
        some = dataclasses.replace(view, regulators=view.genes.take(few))
        self._rust_edges(some, few[:1])  # what only a first call does
        start = time.perf_counter()
        self._rust_edges(some, few)
        each = (time.perf_counter() - start) / len(few)
        n_varying = int((np.ptp(view.expression.values, axis=0) > 0).sum())
        return each * n_varying * len(view.regulators) / len(few)

    def _rust_edges(self, view: TrainView, columns: NDArray[np.int64]) -> Any:
        from rustscenic import grn

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of few cells, and of what looks like counts
            return grn.infer(
                (view.expression.values[:, columns], view.genes.array[columns]),
                list(view.regulators),
                **{name: self.options[name] for name in _OF_ESTIMATOR},
                early_stop_window=self.options.window,
                seed=self.seed,
                verbose=False,
            )

    def importances(
        self, regulators: NDArray[np.float32], target: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Boost one gene."""
        from sklearn.ensemble import GradientBoostingRegressor

        own = {name: value for name, value in self.options.items() if name in _OF_ESTIMATOR}
        estimator = GradientBoostingRegressor(**own, random_state=self.seed)
        estimator.fit(regulators, target, monitor=self._has_stopped)
        return np.asarray(estimator.feature_importances_) * len(estimator.estimators_)

    def _has_stopped(self, tree: int, estimator: Any, fitted: object) -> bool:
        if tree < self.options.window - 1:
            return False
        return bool(
            estimator.oob_improvement_[tree - self.options.window + 1 : tree + 1].mean() < 0
        )


def _batches(
    varying: NDArray[np.bool_], regulators: NDArray[np.int64]
) -> Iterator[NDArray[np.int64]]:
    """Yield the columns of each call: the regulators and a part of the other genes."""
    others = np.setdiff1d(np.flatnonzero(varying), regulators)
    large = len(others) * len(regulators) > _LARGE
    share = _SHARE_OF_LARGE if large else _SHARE_FITTED_AGAIN
    most = 1 + int(share * len(others) / max(len(regulators), 1))
    for part in np.array_split(others, min(most, _MOST_BATCHES)):
        yield np.union1d(regulators, part)
