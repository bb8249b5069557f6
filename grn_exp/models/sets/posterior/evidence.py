"""Log evidence of regulator sets: a regression on signed responses, its effects integrated out.

For a set S with signs and effects ``b ~ N(m 1, s^2 I)``, up to a constant of the target::

    log e = c' A^-1 c / 2 - log|A| / 2 - R log s - R m^2 / (2 s^2)
    A = f_S' W f_S + I / s^2,   c = f_S' W y + m / s^2 1,   W = 1 / (phi v)

The evidence of a set is the mean of e over all sign patterns of its members.
"""

import dataclasses
from typing import cast

import numpy as np

from grn_exp.models.sets.posterior.labelled_cells import Floats, Integers, LabelledCells
from grn_exp.models.sets.posterior.rows import Rows

# sets up to this size are averaged over all sign patterns (32), larger ones take each member's
# sign from a regression
MAX_SIGNED = 5
_CHUNK = 2048  # sets at a time: their numbers stay in the processor's cache


@dataclasses.dataclass(frozen=True)
class EffectPrior:
    """Law of an effect ``b``, whatever its sign: normal with ``mean`` and ``sd``."""

    mean: float
    sd: float

    @classmethod
    def of_fitted(cls, effects: Floats, errors: Floats) -> "EffectPrior":
        """Return the law of fitted effects less their errors' variances, both ``(n,)``."""
        known = errors <= np.quantile(errors, 0.5)  # the well determined half
        mean = max(float(effects[known].mean()), 1e-6)
        spread = float(effects[known].var() - errors[known].mean())
        return cls(mean, float(np.sqrt(max(spread, (0.2 * mean) ** 2))))

    @property
    def precision(self) -> float:
        """``1 / s^2``."""
        return 1 / self.sd**2

    @property
    def pull(self) -> float:
        """``m / s^2``."""
        return self.mean / self.sd**2

    @property
    def cost(self) -> float:
        """``log s + m^2 / (2 s^2)``, what each member takes from the log evidence."""
        return float(np.log(self.sd) + 0.5 * (self.mean / self.sd) ** 2)


@dataclasses.dataclass(frozen=True, eq=False)
class PoolEvidence:
    """Evidence of sets of a pool's members for one target, from weighted sums over the rows.

    All sets are worked out together by an LDL' factorisation written over the members of a set.
    Each step is an operation on all sets and on those sign patterns that it depends on.

    Attributes
    ----------
    hh
        ``f' W f``, shape ``(n_pool, n_pool)``.
    h1, hy
        ``f' W one`` and ``f' W y``, shape ``(n_pool,)``.
    n, y1
        ``one' W one`` and ``one' W y``.
    effects
        The effects' prior.
    """

    hh: Floats
    h1: Floats
    hy: Floats
    n: float
    y1: float
    effects: EffectPrior

    def __call__(self, sets: Integers) -> Floats:
        """Return the log evidence of sets, positions in the pool ``(n, R)``; shape ``(n,)``."""
        parts: list[Floats] = []
        for start in range(0, len(sets), _CHUNK):
            values = self.by_signs(sets[start : start + _CHUNK])
            values = values.reshape(-1, values.shape[-1])
            highest = values.max(axis=0)
            mean = np.exp(values - highest).mean(axis=0)
            parts.append(highest + np.log(mean))
        return np.concatenate(parts) if parts else np.zeros(0)

    def by_signs(self, sets: Integers) -> Floats:
        """Return the log evidence of sets ``(n, R)`` for each sign pattern.

        Shape ``(2, ..., 2, n)`` with an axis for each member, 1 for a repressor; ``(n,)``, that
        of one pattern, for sets of more than ``MAX_SIGNED``.
        """
        size = sets.shape[1]
        if size > MAX_SIGNED:
            repressed = self.marginal_signs(sets)
            return self._log_evidence(sets, [repressed[:, i] for i in range(size)])
        both = np.array([0.0, 1.0])
        shapes = [[2 if axis == i else 1 for axis in range(size)] + [1] for i in range(size)]
        return self._log_evidence(sets, [both.reshape(shape) for shape in shapes])

    def _log_evidence(self, sets: Integers, repressed: list[Floats]) -> Floats:
        """Evaluate the module's formula; ``repressed[i]``: 1 where member i is a repressor."""
        effects, size = self.effects, sets.shape[1]
        columns = np.ascontiguousarray(sets.T)
        lower: list[list[Floats]] = []  # unit lower triangular factor, row by row
        pivots: list[Floats] = []
        shifts: list[Floats] = []  # the factor's inverse times c
        quadratic = np.zeros(())
        determinant = np.ones(())
        for i in range(size):
            pivot = self._product(columns, repressed, i, i) + effects.precision
            with_target = self.hy[columns[i]]
            with_target = with_target + repressed[i] * (self.y1 - 2 * with_target)  # g_i' W y
            shift = with_target + effects.pull
            products: list[Floats] = []
            factors: list[Floats] = []
            for j in range(i):
                entry = self._product(columns, repressed, i, j)
                for k in range(j):
                    entry = entry - products[k] * lower[j][k]
                factor = entry / pivots[j]
                products.append(entry)
                factors.append(factor)
                pivot = pivot - factor * entry
                shift = shift - factor * shifts[j]
            # A - I / s^2 is never below 0, so a smaller pivot is a rounding error
            pivot = np.maximum(pivot, effects.precision)
            lower.append(factors)
            pivots.append(pivot)
            shifts.append(shift)
            quadratic = quadratic + shift * shift / pivot
            determinant = determinant * pivot
        return cast("Floats", 0.5 * (quadratic - np.log(determinant)) - size * effects.cost)

    def _product(self, columns: Integers, repressed: list[Floats], i: int, j: int) -> Floats:
        """``g_i' W g_j`` of two members, where g is h or 1 - h."""
        hh, h_i, h_j = self.hh[columns[i], columns[j]], self.h1[columns[i]], self.h1[columns[j]]
        if i == j:
            return hh + repressed[i] * (self.n - 2 * h_i)
        upper = hh + repressed[i] * (h_j - 2 * hh)
        return upper + repressed[j] * (
            h_i - 2 * hh + repressed[i] * (self.n - 2 * (h_i + h_j - 2 * hh))
        )

    def marginal_signs(self, sets: Integers) -> Floats:
        """Return 1 for every member with a negative slope in its set's regression.

        The regression has an intercept. Shape ``(n, R)``.
        """
        size = sets.shape[1]
        n = max(self.n, 1e-12)
        h1 = self.h1[sets]
        products = self.hh[sets[:, :, None], sets[:, None, :]] + 1e-6 * np.eye(size)
        products = products - h1[:, :, None] * h1[:, None, :] / n
        with_target = self.hy[sets] - h1 * self.y1 / n
        slopes = np.linalg.solve(products, with_target[..., None])[..., 0]
        return (slopes < 0).astype(np.float64)

    def signed(self) -> tuple[Floats, Floats]:
        """Return ``g' W g`` and ``g' W y`` of all responses h, then of all 1 - h."""
        mixed = self.h1[:, None] - self.hh
        both = self.n - self.h1[:, None] - self.h1 + self.hh
        gram = np.block([[self.hh, mixed], [mixed.T, both]])
        return gram, np.concatenate([self.hy, self.y1 - self.hy])


@dataclasses.dataclass(frozen=True, eq=False)
class HillEvidence:
    """Evidence of sets of any genes, for any target.

    Attributes
    ----------
    rows
        Of the regression.
    effects
        The effects' prior.
    dispersion
        phi.
    """

    rows: Rows
    effects: EffectPrior
    dispersion: float

    def pool(self, target: int, genes: Integers) -> PoolEvidence:
        """Prepare sets of ``genes`` for a target."""
        rows = self.rows
        weight = 1 / (rows.v[:, target] * self.dispersion)
        responses = rows.responses(target, genes)
        weighted = responses * weight[:, None]
        ones = weight * rows.one
        return PoolEvidence(
            hh=weighted.T @ responses,
            h1=weighted.T @ rows.one,
            hy=weighted.T @ rows.y[:, target],
            n=float(ones @ rows.one),
            y1=float(ones @ rows.y[:, target]),
            effects=self.effects,
        )

    def of_sets(self, target: int, sets: Integers) -> Floats:
        """Return the log evidence of sets of genes ``(n, R)``; shape ``(n,)``."""
        genes, places = np.unique(sets, return_inverse=True)
        return self.pool(target, genes)(places.reshape(sets.shape))

    def of_training_sets(self, data: LabelledCells) -> float:
        """Return the log evidence of all training sets together."""
        pairs = zip(data.targets.tolist(), data.sets, strict=True)
        return sum(float(self.of_sets(target, np.array([each]))[0]) for target, each in pairs)

    def single_regulators(self) -> Floats:
        """Return the log likelihood ratio of every gene as the only regulator of every other.

        Shape ``(n_genes, n_genes)``, targets in rows; a line with an intercept, no prior. Minus
        infinity for a gene and itself.
        """
        rows, one = self.rows, self.rows.one[:, None]
        w = 1 / (rows.v * self.dispersion)
        oo = np.maximum((w * one * one).sum(axis=0), 1e-9)[:, None]
        of, oy = (w * one).T @ rows.f, (w * one * rows.y).sum(axis=0)[:, None]
        ff = np.maximum(w.T @ rows.f**2 - of**2 / oo, 1e-9)
        ratio = ((w * rows.y).T @ rows.f - of * oy / oo) ** 2 / ff / 2
        np.fill_diagonal(ratio, -np.inf)
        return ratio
