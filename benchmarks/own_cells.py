"""``python -m benchmarks.own_cells``: how many cells a network needs, and what a null can tell.

``cells``: two disjoint draws of n cells each of a BEELINE matrix, by |Pearson correlation|: the
share of the best hundredth of all pairs that both have, and the rank correlation of all scores.

``null``: networks that are known, because they are simulated. Each regulator's values are permuted
over the cells, the method runs again, and for each cut-off the share of edges that the null has
too is taken as the false discovery rate; beside it stands the true one.
"""

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from grn_exp.core.views import TrainView
from grn_exp.data.edges.beeline import BeelineDataModule
from grn_exp.data.edges.toy import ToyDataModule
from grn_exp.models.closed_form import EdgeScorer
from grn_exp.models.edges.correlation import Correlation
from grn_exp.models.edges.grnboost2 import GRNBoost2

_N_CELLS = (10, 20, 50, 100, 190)
_RATES = (0.05, 0.1, 0.2, 0.5)


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_cells", description=__doc__)
    parser.add_argument("--data", nargs="+", default=["hHEP", "mDC", "mESC"])
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args(given)
    console = Console(width=110)
    console.print(cells_needed(arguments.data, arguments.repeats))
    console.print(false_discoveries())


def cells_needed(datasets: Sequence[str], n_repeats: int) -> Table:
    """Compare the networks of disjoint draws of cells."""
    table = Table("data", "cells", "of the top, in both", "rank correlation")
    for name in datasets:
        data = BeelineDataModule(name)  # pyright: ignore[reportArgumentType]
        data.setup()
        view = data.view()
        for n in _N_CELLS:
            found = [_agreement(view, n, np.random.default_rng(i)) for i in range(n_repeats)]
            top, rank = np.mean(found, axis=0)
            table.add_row(name, str(n), f"{top:.2f}", f"{rank:.2f}")
    return table


def _agreement(view: TrainView, n: int, rng: np.random.Generator) -> tuple[float, float]:
    order = rng.permutation(view.expression.n_cells)
    first, second = (
        scores_of(Correlation(), _with_cells(view, np.sort(part)))
        for part in (order[:n], order[n : 2 * n])
    )
    n_top = first.size // 100
    top = [set(np.argsort(-values)[:n_top].tolist()) for values in (first, second)]
    return len(top[0] & top[1]) / n_top, float(np.asarray(spearmanr(first, second))[0])


def _with_cells(view: TrainView, cells: NDArray[np.int64]) -> TrainView:
    return dataclasses.replace(view, expression=view.expression.take_cells(cells))


def scores_of(
    method: EdgeScorer, view: TrainView, *, targets: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Return the scores of all pairs but self-pairs, or of all pairs with some targets."""
    method.attach(view)
    method.fit()
    scores: Any = method.prediction()
    if targets is not None:
        return scores.values[:, targets].ravel()
    return scores.values[~scores.self_pairs()]


def false_discoveries(n_nulls: int = 3) -> Table:
    """Compare the false discovery rate that a null estimates with the true one."""
    table = Table("data", "method", *(f"at {rate:.0%}" for rate in _RATES))
    table.title = "edges found at an estimated false discovery rate, and the true rate"
    for name, data in (
        ("toy", ToyDataModule(seed=5)),
        ("toy without technical noise", ToyDataModule(seed=6, noise="clean")),
    ):
        data.setup()
        view, labels = data.view(), data.truth.labels
        targets = np.ones(labels.shape[1], dtype=np.bool_)
        targets[view.regulator_positions] = False  # they are permuted too
        truth = labels[:, targets].ravel()
        for make in (Correlation, lambda: GRNBoost2(n_estimators=100)):
            real = scores_of(make(), view, targets=targets)
            nulls = [scores_of(make(), null, targets=targets) for null in _nulls(view, n_nulls)]
            table.add_row(name, type(make()).__name__, *_rates(real, nulls, truth))
    return table


def _nulls(view: TrainView, n: int) -> Iterator[TrainView]:
    rng = np.random.default_rng(0)
    for _ in range(n):
        values = view.expression.values.copy()
        for column in view.regulator_positions:
            values[:, column] = rng.permutation(values[:, column])
        expression = dataclasses.replace(view.expression, values=values)
        yield dataclasses.replace(view, expression=expression)


def _rates(
    real: NDArray[np.float32], nulls: Sequence[NDArray[np.float32]], truth: NDArray[np.bool_]
) -> Iterator[str]:
    order = np.argsort(-real)
    of_nulls = np.sort(np.concatenate(nulls))
    n_above = (len(of_nulls) - np.searchsorted(of_nulls, real[order])) / len(nulls)
    estimated = n_above / np.arange(1, len(order) + 1)
    estimated = np.minimum.accumulate(estimated[::-1])[::-1]
    for rate in _RATES:
        n = int((estimated <= rate).sum())
        yield f"{n}, true {1 - truth[order[:n]].mean():.0%}" if n else "none"


if __name__ == "__main__":
    main()
