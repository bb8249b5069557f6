"""What drives targets within a cell type: activities of regulators, seen through known targets.

A target follows its regulator's response h with a delay, ``dF = (h - F) dtau``, and what matters
is F. The regulator's present concentration says little of it, as it is noisy and late; the known
targets of a regulator say more. F of all known regulators is estimated from both: one Gaussian
per cell, all differences from means of the cell's type::

    F_r ~ N(d h_r, d (1 - d) var h_r)
    x_u = sum over r in S_u of b_ur F_r + N(0, phi level_u)

``d`` is the share of h that F still follows, and ``var F = cov(F, h)`` at a steady state gives
the variance. Nothing is said here of the sizes of delays or of noise: d and phi are fitted.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from grn_exp.models.sets.posterior.labelled_cells import (
    Floats,
    Integers,
    cells_by_type,
    means_by_type,
)


@dataclasses.dataclass(frozen=True, eq=False)
class KnownEffects:
    """Signed effects of the training sets.

    Attributes
    ----------
    targets
        Shape ``(n_train,)``, ascending.
    regulators
        All that occur, ascending, shape ``(n_regulators,)``.
    effects
        Zero for a gene outside the set, negative for a repressor; ``(n_train, n_regulators)``.
    """

    targets: Integers
    regulators: Integers
    effects: Floats


@dataclasses.dataclass(frozen=True, eq=False)
class Activities:
    """F less its mean over the cell's type, of every gene.

    Attributes
    ----------
    values
        Posterior means; genes that regulate no training target have ``d (h - mean h)``. Shape
        ``(n_cells, n_genes)``.
    following, noise
        d and phi.
    """

    values: Floats
    following: float
    noise: float
    _rows: NDArray[np.int64]  # each gene's row among the training targets, -1 for none
    _columns: NDArray[np.int64]  # each gene's column among the regulators, -1 for none
    _types: Integers
    _pull: Floats  # what a target's expression adds to a regulator: by type, target, regulator
    _surprise: Floats  # times this, by cell and target

    @classmethod
    def of(
        cls, raw: Floats, response: Floats, types: Integers, known: KnownEffects
    ) -> "Activities":
        """Fit d and phi, and estimate the activities.

        Parameters
        ----------
        raw, response
            x and h, shape ``(n_cells, n_genes)``.
        types
            Type of each cell, shape ``(n_cells,)``.
        known
            Effects of the training sets.
        """
        h = response - means_by_type(response, types)[types]
        level = means_by_type(raw, types)[:, known.targets]
        level = np.maximum(level, 0.01 * level.mean(axis=0) + 0.001 * level.mean() + 1e-9)
        x = raw[:, known.targets]
        x = x - means_by_type(x, types)[types]
        drive = h[:, known.regulators] @ known.effects.T
        following, noise = _following(x, drive, level[types])
        values = following * h
        pull = np.zeros((len(level), *known.effects.shape))
        surprise = np.zeros_like(x)
        for number, cells in enumerate(cells_by_type(types)):
            prior = following * h[np.ix_(cells, known.regulators)]
            variance = following * (1 - following) * h[np.ix_(cells, known.regulators)].var(axis=0)
            weight = 1 / (noise * level[number])
            weighted = known.effects * weight[:, None]
            precision = weighted.T @ known.effects + np.diag(1 / (variance + 1e-12))
            pull[number] = np.linalg.solve(precision, known.effects.T).T
            mean = prior + ((x[cells] - prior @ known.effects.T) * weight) @ pull[number]
            values[np.ix_(cells, known.regulators)] = mean
            leverage = (pull[number] * weighted).sum(axis=1)
            left = (x[cells] - mean @ known.effects.T) * weight
            surprise[cells] = left / np.maximum(1 - leverage, 1e-3)
        n_genes = raw.shape[1]
        return cls(
            values=values,
            following=following,
            noise=noise,
            _rows=_places(known.targets, n_genes),
            _columns=_places(known.regulators, n_genes),
            _types=types,
            _pull=pull,
            _surprise=surprise,
        )

    def own(self, target: int, genes: Integers) -> Floats | None:
        """Return what a training target's own expression adds to the activities of ``genes``.

        Without it they are what they would be if the target had not been known. Shape
        ``(n_cells, n)``; None for a target that was not known.
        """
        row = self._rows[target]
        if row < 0:
            return None
        columns = self._columns[genes]
        pull = np.where(columns < 0, 0.0, self._pull[:, row, columns])
        return self._surprise[:, row, None] * pull[self._types]


def _following(x: Floats, drive: Floats, level: Floats) -> tuple[float, float]:
    """Return d and phi: the slope of targets on their drive, and what is left over the level."""
    with_target = float((x * drive / level).sum())
    of_drive = float((drive**2 / level).sum())
    following = float(np.clip(with_target / max(of_drive, 1e-12), 0.1, 0.9))
    # the part of F that h does not give is no noise: var F = d var h
    left = float((x**2 / level).sum()) - following * of_drive
    return following, float(np.clip(left / x.size, 0.2, 5))


def _places(chosen: Integers, n_genes: int) -> NDArray[np.int64]:
    places = np.full(n_genes, -1, dtype=np.int64)
    places[chosen] = np.arange(len(chosen))
    return places
