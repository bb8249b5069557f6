"""Time GRNBoost2 on scikit-learn and as arboreto's core does it, where that package is installed.

Its wheel brings a package ``tests`` that hides ours: use an environment other than the tests'.
"""

import dataclasses
import importlib
import statistics
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import seconds_since
from benchmarks.sem import training_view
from grn_exp.core.errors import InputError
from grn_exp.models.edges.grnboost2 import GRNBoost2

_SEED = 0


@dataclasses.dataclass(frozen=True)
class BoostingTimes:
    """Medians over targets, and how far the forms agree.

    Attributes
    ----------
    plain, fast
        CPU seconds a target.
    difference
        The largest between importances of the two.
    """

    plain: float
    fast: float
    difference: float


def measure(dataset: str = "mDC", *, n_targets: int = 20) -> BoostingTimes:
    """Boost some genes of a dataset in turns.

    Raises
    ------
    InputError
        If arboreto or the data is missing.
    """
    try:
        core: Any = importlib.import_module("arboreto.core")
    except ImportError as error:
        raise InputError(f"{error}; pip install arboreto 'dask[dataframe]' distributed") from error
    view = training_view(dataset)
    model = GRNBoost2(seed=_SEED, backend="sklearn").attach(view)
    names, symbols = list(view.regulators), list(view.genes)
    inputs = np.asfortranarray(view.expression.values[:, view.regulator_positions])
    targets = np.setdiff1d(np.arange(len(view.genes)), view.regulator_positions)[:n_targets]
    seconds: dict[str, list[float]] = {"plain": [], "fast": []}
    differences = []
    for gene in targets:
        values = view.expression.values[:, gene].astype(np.float64)
        start = time.process_time()
        links = core.infer_partial_network(
            "GBM", core.SGBM_KWARGS, inputs, names, symbols[gene], values, seed=_SEED
        )
        seconds["plain"].append(seconds_since(start))
        start = time.process_time()
        ours = model.importances(inputs, values)
        seconds["fast"].append(seconds_since(start))
        theirs = _by_name(links, names)
        differences.append(float(np.abs(ours - theirs).max()))
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    return BoostingTimes(**medians, difference=max(differences))


def _by_name(links: Any, names: list[str]) -> NDArray[np.float64]:  # noqa: ANN401 - a data frame
    return links.set_index("TF")["importance"].reindex(names).fillna(0.0).to_numpy()
