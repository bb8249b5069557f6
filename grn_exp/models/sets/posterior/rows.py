"""From cells to rows of a regression with independent noise.

A chemical Langevin equation, as SERGIO's, time in units of 1 / decay and ``b_r = |K_r| / decay``::

    dx_t = (sum over r in S of b_r g_r(x_r) - x_t) dtau + noise,   var x_t ~ phi * level of x_t
    g_r = h_r (activator) or 1 - h_r (repressor),   h_r = x_r^n / (H_r^n + x_r^n)

with H and n as in :mod:`~grn_exp.models.sets.posterior.hill_curve`. Every choice of rows is a
linear map of the cells: ``y`` of the concentrations, ``f`` of the responses ``h``, ``one`` of a
constant 1. Then ``y_t = sum over r of b_r f_r + noise`` without an intercept, of variance
``phi * v_t``.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy import sparse

from grn_exp.models.sets.posterior.activity import Activities
from grn_exp.models.sets.posterior.hill_curve import HillCurve
from grn_exp.models.sets.posterior.labelled_cells import Floats, Integers, means_by_type
from grn_exp.models.sets.posterior.time_order import Segment


@dataclasses.dataclass(frozen=True, eq=False)
class Cells:
    """Cells by type, with their responses.

    Attributes
    ----------
    raw, response
        x and h, shape ``(n_cells, n_genes)``.
    types
        Shape ``(n_cells,)``, 0, 1, ...
    type_means
        Means of x, shape ``(n_types, n_genes)``.
    least_level
        What a level is taken for at least, shape ``(n_genes,)``: no row of a gene that is off
        counts without bound.
    """

    raw: Floats
    response: Floats
    types: Integers
    type_means: Floats
    least_level: Floats

    @classmethod
    def of(cls, raw: Floats, types: Integers, curve: HillCurve) -> "Cells":
        """Compute responses and means of concentrations ``(n_cells, n_genes)``."""
        return cls(
            raw=raw,
            response=curve.of(raw),
            types=types,
            type_means=means_by_type(raw, types),
            least_level=least_level(raw.mean(axis=0)),
        )


def least_level(mean: Floats) -> Floats:
    """Return what levels are taken for at least, given the genes' means; ``(n_genes,)``."""
    return 0.01 * mean + 0.001 * mean.mean() + 1e-9


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """Rows of the regression.

    Attributes
    ----------
    y, f, v
        Values, responses and noise variances over phi of every gene, ``(n_rows, n_genes)``.
    one
        The constant's part, shape ``(n_rows,)``; the response of a repressor is ``one - f``.
    own
        What a target's own values add to ``f`` of genes; None: nothing.
    """

    y: Floats
    f: Floats
    one: Floats
    v: Floats
    own: Callable[[int, Integers], Floats | None] | None = None

    def responses(self, target: int, genes: Integers) -> Floats:
        """Return ``f`` of genes as it is without the target's own values."""
        responses = self.f[:, genes]
        own = None if self.own is None else self.own(target, genes)
        return responses if own is None else responses - own


@dataclasses.dataclass
class StaticScales:
    """How much weight cells have where time is not known; learnt from the training sets.

    Attributes
    ----------
    n_between
        What a type's mean counts for, in independent cells.
    n_within
        What all differences within a type together count for.
    damping
        By how much a response within a type is weaker than at a steady state: a target only
        begins to follow its regulators' fluctuations.
    """

    n_between: float = 18.0
    n_within: float = 36.0
    damping: float = 0.5


def path_rows(cells: Cells, segments: list[Segment]) -> Rows:
    """Return one row for every step from a cell to the next in time.

    Over a step of length delta, ``a = exp(-delta)``, the equation's exact solution gives
    ``y = (x' - a x) / sqrt(1 - a^2)`` and ``f = sqrt((1 - a) / (1 + a))`` times the mean of h over
    the step, weighted by ``exp(-time left)``, h being linear between the two cells.
    """
    first = np.concatenate([segment.cells[:-1] for segment in segments])
    last = np.concatenate([segment.cells[1:] for segment in segments])
    delta = np.maximum(np.concatenate([np.diff(segment.times) for segment in segments]), 1e-3)
    a = np.exp(-delta)
    one = np.sqrt((1 - a) / (1 + a))
    end_weight = (delta - (1 - a)) / (delta * (1 - a))
    noise = np.sqrt(1 - a * a)
    row = np.arange(len(first))
    place = (np.concatenate([row, row]), np.concatenate([last, first]))
    shape = (len(row), len(cells.raw))
    of_values = sparse.csr_array((np.concatenate([1 / noise, -a / noise]), place), shape=shape)
    weights = np.concatenate([one * end_weight, one * (1 - end_weight)])
    of_responses = sparse.csr_array((weights, place), shape=shape)
    # half the cell's own level, half its type's: the level of one cell is noisy
    level = (cells.raw[first] + cells.type_means[cells.types[first]]) / 2
    return Rows(
        y=np.asarray(of_values @ cells.raw),
        f=np.asarray(of_responses @ cells.response),
        one=one,
        v=np.maximum(level, cells.least_level),
    )


def static_rows(cells: Cells, scales: StaticScales, activities: Activities | None = None) -> Rows:
    """Return one row for every type's mean and one for every cell less its type's mean.

    The former are scaled by ``sqrt(n_between)``, the latter by ``sqrt(n_within / n_cells of the
    type)`` with a response of ``damping (h - mean h)`` and no constant; with ``activities`` these
    stand in for ``h - mean h``.
    """
    types = cells.types
    response_means = means_by_type(cells.response, types)
    count = np.bincount(types)
    between = np.full((len(count), 1), np.sqrt(scales.n_between))
    within = np.sqrt(scales.n_within / count)[types][:, None]
    level = np.maximum(cells.type_means, cells.least_level)
    values = (cells.raw - cells.type_means[types]) * within
    differences = activities.values if activities else cells.response - response_means[types]
    responses = differences * within * scales.damping

    def own(target: int, genes: Integers) -> Floats | None:
        part = activities.own(target, genes) if activities else None
        if part is None:
            return None
        nothing = np.zeros((len(count), len(genes)))
        return np.concatenate([nothing, part * within * scales.damping])

    return Rows(
        y=np.concatenate([cells.type_means * between, values]),
        f=np.concatenate([response_means * between, responses]),
        one=np.concatenate([between[:, 0], np.zeros(len(types))]),
        v=np.concatenate([level, level[types]]),
        own=own if activities else None,
    )
