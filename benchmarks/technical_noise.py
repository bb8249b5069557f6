"""``python -m benchmarks.technical_noise``: what technical noise leaves of regulator sets.

The share of test targets whose set is found exactly by the posterior of sets, by what it is
handed besides training sets:

``counts``: what ``set_posterior`` has, counts alone.
``order``: the simulation's types, library sizes and times as well.
``regulators``: the regulators' concentrations too; only the targets are counts.
``type means``: every gene's mean concentration in each type and nothing else, without noise. A
method that averages cells of a type, however well, has no more than this.
"""

import argparse
import dataclasses
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from grn_exp.core.sets import SetView
from grn_exp.data.sets.sergio import SergioDataModule
from grn_exp.data.sets.splitting import TargetSplitter
from grn_exp.metrics.regulator_sets import SetRow
from grn_exp.models.sets.posterior.count_cells import CountCells
from grn_exp.models.sets.posterior.count_fitting import fit_counts
from grn_exp.models.sets.posterior.count_rows import Basis, followed_in_time, joined_rows
from grn_exp.models.sets.posterior.counts import counts_of
from grn_exp.models.sets.posterior.evidence import HillEvidence
from grn_exp.models.sets.posterior.fitting import with_effects
from grn_exp.models.sets.posterior.hill_curve import sergio_curve
from grn_exp.models.sets.posterior.labelled_cells import Floats, LabelledCells
from grn_exp.models.sets.posterior.rows import Cells, Rows, StaticScales, static_rows
from grn_exp.models.sets.posterior.set_evidence import N_POOL, SetEvidence
from grn_exp.models.sets.posterior.time_order import Segment
from grn_exp.models.sets.set_posterior import SetPosterior

_N_TYPES, _N_CELLS, _N_STATES = 9, 300, 15 * 300  # as simulated
_STEP = 0.8 * 0.01  # time between two states, in units of 1 / decay


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.technical_noise", description=__doc__
    )
    parser.add_argument("--kinds", nargs="+", default=["random", "unseen_set"])
    parser.add_argument("--splits", nargs="+", type=int, default=[42, 43, 44])
    parser.add_argument("--simulation", type=int, default=0)
    arguments = parser.parse_args(given)
    table = Table("split", "handed over", "R = 2", "R = 3", "R = 4")
    for kind in arguments.kinds:
        found: dict[str, list[list[float]]] = {}
        for seed in arguments.splits:
            for name, shares in bounds(arguments.simulation, kind, seed).items():
                found.setdefault(name, []).append(shares)
        for name, shares in found.items():
            table.add_row(kind, name, *(f"{share:.2f}" for share in np.mean(shares, axis=0)))
    Console(width=100).print(table)


def bounds(simulation: int, kind: str, seed: int) -> dict[str, list[float]]:
    """Return the share of exact matches by set size, for all that can be handed over."""
    benchmark = _benchmark("technical", simulation, kind, seed)
    view = benchmark.set_view(None)
    clean = _benchmark("clean", simulation, kind, seed).expression
    given = _Simulation(view, simulation, np.expm1(clean.values.astype(np.float64)))
    evidence = {
        "counts": SetEvidence.fit(view, noise="technical"),
        "order": given.with_order(),
        "regulators": given.with_regulators(),
        "type means": given.with_type_means(),
    }
    return {name: _shares(benchmark, view, each) for name, each in evidence.items()}


def _benchmark(noise: str, simulation: int, kind: str, seed: int) -> SergioDataModule:
    splitter = TargetSplitter(seed=seed, kind=kind)  # pyright: ignore[reportArgumentType]
    data = SergioDataModule("DS3", simulation=simulation, noise=noise, splitter=splitter)  # pyright: ignore[reportArgumentType]
    data.setup("fit")
    return data


def _shares(benchmark: SergioDataModule, view: SetView, evidence: SetEvidence) -> list[float]:
    model = SetPosterior()
    model.attach(view)
    model.evidence = evidence
    rows = benchmark.evaluate(model.predict(), ["test"])
    exact = [row for row in rows if isinstance(row, SetRow) and row.metric == "exact_match"]
    return [row.value for row in exact if row.set_size is not None]


class _Simulation:
    """What the simulation knows: types, library sizes, times, concentrations."""

    def __init__(self, view: SetView, simulation: int, raw: Floats) -> None:
        self.view, self.data = view, LabelledCells.from_view(view)
        genes = np.argsort(view.genes.array, kind="stable")
        values = np.expm1(view.expression.values[:, genes].astype(np.float64))
        self.raw = raw[:, genes]
        counts = counts_of(values)
        if counts is None:
            raise RuntimeError("the benchmark shows no counts")
        states = np.random.default_rng(simulation).integers(_N_STATES, size=_N_CELLS)
        order = np.argsort(states, kind="stable")
        times = states[order] * _STEP
        starts = range(0, _N_TYPES * _N_CELLS, _N_CELLS)
        self.types = np.repeat(np.arange(_N_TYPES), _N_CELLS)
        self.segments = [Segment(start + order, times - times[0]) for start in starts]
        found = CountCells.of(counts)
        self.cells = CountCells.of_types(counts, self.types, found.law, found.libraries)

    def with_order(self) -> SetEvidence:
        """Fit to counts of cells whose types and times are known."""
        return self._evidence(fit_counts(self.cells, self.data, self.segments, in_time=True))

    def with_regulators(self) -> SetEvidence:
        """Take the responses from concentrations."""
        response = sergio_curve(self.raw).of(self.raw)
        parts: list[Rows] = []
        for segment in self.segments:
            basis = Basis.of(self.cells, segment, in_time=True)
            followed = followed_in_time(response[segment.cells], segment.times)
            parts.append(basis.rows(followed))
        return self._fitted(joined_rows(parts), self.cells.means)

    def with_type_means(self) -> SetEvidence:
        """Take the types' means, of concentrations and responses."""
        cells = Cells.of(self.raw, self.types, sergio_curve(self.raw))
        rows = static_rows(cells, StaticScales())
        n = _N_TYPES  # the means' rows come first
        first = Rows(y=rows.y[:n], f=rows.f[:n], one=rows.one[:n], v=rows.v[:n])
        return self._fitted(first, self.raw)

    def _fitted(self, rows: Rows, raw: Floats) -> SetEvidence:
        return self._evidence(with_effects(rows, dataclasses.replace(self.data, raw=raw)))

    def _evidence(self, hill: HillEvidence) -> SetEvidence:
        return SetEvidence(self.view, self.data, hill, time="path", n_pool=N_POOL, facts={})


if __name__ == "__main__":
    main()
