"""Evidence of all training sets at once, for any response curve.

The formula is that of :mod:`~grn_exp.models.sets.posterior.evidence`, on the rows without time
order: the means of the cell types and the differences within them. What a curve changes are sums
over cells of the responses of known regulators, which serve all targets.
"""

import dataclasses
import itertools
from typing import NamedTuple

import numpy as np

from grn_exp.models.sets.posterior.evidence import EffectPrior
from grn_exp.models.sets.posterior.fitting import first_effects
from grn_exp.models.sets.posterior.labelled_cells import (
    Floats,
    Integers,
    LabelledCells,
    cells_by_type,
    means_by_type,
)
from grn_exp.models.sets.posterior.rows import StaticScales, least_level

MAX_MEMBERS = 6  # 64 sign patterns
_ROUNDS = 2  # the best signs depend on the effects' law, which depends on the signs


class _Sums(NamedTuple):
    """``f' W f``, ``f' W one``, ``f' W y``, ``one' W one``, ``one' W y`` of sets of one size.

    Shapes ``(n, R, R)``, ``(n, R)``, ``(n, R)``, ``(n,)``, ``(n,)``.
    """

    hh: Floats
    h1: Floats
    hy: Floats
    n: Floats
    y1: Floats

    def signed(self) -> tuple[Floats, Floats]:
        """Return ``g' W g`` and ``g' W y`` for all sign patterns; the first axis is theirs."""
        size = self.h1.shape[1]
        repressed = np.array(list(itertools.product((0.0, 1.0), repeat=size)))[:, None]
        sign = 1 - 2 * repressed
        r_i, r_j, s_i, s_j = (
            repressed[..., :, None],
            repressed[..., None, :],
            sign[..., :, None],
            sign[..., None, :],
        )
        gram = s_i * s_j * self.hh + r_i * r_j * self.n[:, None, None]
        gram = gram + r_i * s_j * self.h1[:, None, :] + s_i * r_j * self.h1[:, :, None]
        return gram, repressed * self.y1[:, None] + sign * self.hy


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingEvidence:
    """Sums over the cells that no curve changes.

    Attributes
    ----------
    regulators
        The genes of the training sets, ascending.
    raw, mean
        Their concentrations ``(n_cells, n_regulators)`` and means.
    types
        Cells of each type.
    y
        The training targets' concentrations, ``(n_cells, n_train)``.
    groups
        By size of the set: rows of the training targets ``(n,)`` and where their regulators are
        ``(n, R)``.
    weight
        Of a row of each type, ``1 / level``; ``(n_types, n_train)``.
    first
        Law of the effects to start from.
    """

    regulators: Integers
    raw: Floats
    mean: Floats
    types: list[Integers]
    y: Floats
    groups: list[tuple[Integers, Integers]]
    weight: Floats
    first: EffectPrior

    @classmethod
    def of(cls, data: LabelledCells, types: Integers) -> "TrainingEvidence":
        """Read the training sets of up to ``MAX_MEMBERS``; ``types`` of each cell."""
        small = [row for row, each in enumerate(data.sets) if len(each) <= MAX_MEMBERS]
        regulators = np.unique(np.concatenate([data.sets[row] for row in small]))
        by_size: dict[int, list[int]] = {}
        for row in small:
            by_size.setdefault(len(data.sets[row]), []).append(row)
        y = data.raw[:, data.targets]
        least = least_level(data.raw.mean(axis=0))[data.targets]
        level = np.maximum(means_by_type(y, types), least)
        return cls(
            regulators=regulators,
            raw=data.raw[:, regulators],
            mean=data.raw[:, regulators].mean(axis=0),
            types=cells_by_type(types),
            y=y,
            groups=[
                (np.array(rows), np.searchsorted(regulators, [data.sets[row] for row in rows]))
                for _, rows in sorted(by_size.items())
            ],
            weight=1 / level,
            first=first_effects(data),
        )

    def responses(self, factor: float, exponent: float) -> Floats:
        """Return h of the regulators with ``H = 2^factor mean``; ``(n_cells, n_regulators)``."""
        power = (self.raw / np.maximum(self.mean, 1e-12)) ** exponent
        return power / (2.0 ** (factor * exponent) + power)

    def total(self, factor: float, exponent: float) -> tuple[float, EffectPrior]:
        """Return the log evidence of all training sets, and the effects' law fitted to them."""
        products = self._products(self.responses(factor, exponent))
        signed = [self._sums(products, *group).signed() for group in self.groups]
        effects = self.first
        for _ in range(_ROUNDS):
            effects = _effects_law(signed, effects)
        return sum(float(_log_evidence(*each, effects).sum()) for each in signed), effects

    def by_deviation(self, factor: float, exponent: float, deviations: Floats) -> Floats:
        """Return what each regulator's own H changes, the others at the common one.

        Shape ``(n_regulators, n_deviations)``: the log evidence of its targets' sets.

        Parameters
        ----------
        factor, exponent
            As in :meth:`responses`.
        deviations
            Added to ``factor``.
        """
        base = self.responses(factor, exponent)
        products = self._products(base)
        _, effects = self.total(factor, exponent)
        plain = [self._sums(products, *group) for group in self.groups]
        out = np.zeros((len(self.regulators), len(deviations)))
        for column, deviation in enumerate(deviations):
            own = self.responses(factor + float(deviation), exponent)
            changed = self._products(own, base)
            for (rows, places), sums in zip(self.groups, plain, strict=True):
                new = self._sums(changed, rows, places)
                square = self._squares(own, rows, places)
                for i in range(places.shape[1]):
                    hh, h1, hy = sums.hh.copy(), sums.h1.copy(), sums.hy.copy()
                    hh[:, i, :] = hh[:, :, i] = new.hh[:, i, :]
                    hh[:, i, i] = square[:, i]
                    h1[:, i], hy[:, i] = new.h1[:, i], new.hy[:, i]
                    value = _log_evidence(*_Sums(hh, h1, hy, sums.n, sums.y1).signed(), effects)
                    np.add.at(out[:, column], places[:, i], value)
        return out

    def _products(self, one: Floats, other: Floats | None = None) -> "_Products":
        other = one if other is None else other
        scales = StaticScales()
        hh: list[Floats] = []
        hy: list[Floats] = []
        h1: list[Floats] = []
        y1: list[Floats] = []
        for cells in self.types:
            mean_one, mean_other = one[cells].mean(axis=0), other[cells].mean(axis=0)
            mean_y = self.y[cells].mean(axis=0)
            centred = (one[cells] - mean_one) * (scales.damping * scales.n_within / len(cells))
            within = centred.T @ (other[cells] - mean_other) * scales.damping
            hh.append(within + scales.n_between * np.outer(mean_one, mean_other))
            hy.append(centred.T @ self.y[cells] + scales.n_between * np.outer(mean_one, mean_y))
            h1.append(scales.n_between * mean_one)
            y1.append(scales.n_between * mean_y)
        return _Products(np.stack(hh), np.stack(h1), np.stack(hy), np.stack(y1))

    def _sums(self, products: "_Products", rows: Integers, places: Integers) -> _Sums:
        w = self.weight[:, rows]
        pairs = products.hh[:, places[:, :, None], places[:, None, :]]
        return _Sums(
            hh=np.einsum("kt,ktij->tij", w, pairs),
            h1=np.einsum("kt,kti->ti", w, products.h1[:, places]),
            hy=np.einsum("kt,kti->ti", w, products.hy[:, places, rows[:, None]]),
            n=StaticScales().n_between * w.sum(axis=0),
            y1=(w * products.y1[:, rows]).sum(axis=0),
        )

    def _squares(self, one: Floats, rows: Integers, places: Integers) -> Floats:
        """Return the diagonal of ``f' W f``, shape ``(n, R)``."""
        scales = StaticScales()
        squares = np.stack(
            [
                scales.n_between * one[cells].mean(axis=0) ** 2
                + scales.n_within * scales.damping**2 * one[cells].var(axis=0)
                for cells in self.types
            ]
        )
        return np.einsum("kt,kti->ti", self.weight[:, rows], squares[:, places])


class _Products(NamedTuple):
    """Sums over the cells of each type; ``hh`` is ``(n_types, n_regulators, n_regulators)``."""

    hh: Floats
    h1: Floats
    hy: Floats
    y1: Floats


def _log_evidence(gram: Floats, rhs: Floats, effects: EffectPrior) -> Floats:
    """Return the log evidence of each set, its signs averaged over; shape ``(n,)``."""
    values = _by_pattern(gram, rhs, effects)
    return np.logaddexp.reduce(values, axis=0) - np.log(len(values))


def _by_pattern(gram: Floats, rhs: Floats, effects: EffectPrior) -> Floats:
    size = rhs.shape[-1]
    a = gram + effects.precision * np.eye(size)
    c = rhs + effects.pull
    quadratic = (c * np.linalg.solve(a, c[..., None])[..., 0]).sum(axis=-1)
    return 0.5 * (quadratic - np.linalg.slogdet(a)[1]) - size * effects.cost


def _effects_law(signed: list[tuple[Floats, Floats]], effects: EffectPrior) -> EffectPrior:
    """Return the law of the effects under each set's best signs, less their errors."""
    fitted: list[Floats] = []
    errors: list[Floats] = []
    for gram, rhs in signed:
        best = _by_pattern(gram, rhs, effects).argmax(axis=0)
        chosen = np.arange(len(best))
        ridge = 1e-3 * effects.precision * np.eye(rhs.shape[-1])
        inverse = np.linalg.inv(gram[best, chosen] + ridge)
        fitted.append(np.einsum("nij,nj->ni", inverse, rhs[best, chosen]).ravel())
        errors.append(np.einsum("nii->ni", inverse).ravel())
    return EffectPrior.of_fitted(np.concatenate(fitted), np.concatenate(errors))
