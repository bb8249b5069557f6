"""Prior of a target's regulator set, learnt from the training sets.

``p(S) = rho n_S / n + (1 - rho) new(S)``: with probability ``rho`` a target has a set that was
seen before (``n_S / n`` is the share of the training targets of that size with exactly S), else
a new one (:class:`NewSets`).
"""

import dataclasses
from collections import Counter
from math import comb, lgamma

import numpy as np
from numpy.typing import NDArray

from grn_exp.models.sets.posterior.labelled_cells import (
    Floats,
    Integers,
    LabelledCells,
    Members,
    safe_log,
    softmax,
)

# genes that were never seen as regulators: set on simulations of SERGIO DS3 with seeds 1 to 3
_PROPENSITY_ROUNDS = 3
_PROPENSITY_FLOOR = 0.1
_PROPENSITY_POWER = 1.2
_WEIGHT_ROUNDS = 50


def regulator_propensity(single_regulators: Floats, is_candidate: NDArray[np.bool_]) -> Floats:
    """Return how often a gene is the best single regulator of the others, without labels.

    The result has shape ``(n_genes,)``, sums to 1; 0 for a gene that is not a candidate.

    Expectation maximisation of a mixture: each gene has one regulator, drawn from frequencies q.

    Parameters
    ----------
    single_regulators
        Log likelihood of every regulator (columns) of every target (rows).
    is_candidate
        The genes that can be regulators.
    """
    able = is_candidate.astype(np.float64)
    frequency = able / able.sum()
    count = frequency
    for _ in range(_PROPENSITY_ROUNDS):
        with np.errstate(divide="ignore"):
            count = softmax(single_regulators + np.log(frequency)).sum(axis=0)
        frequency = (count + _PROPENSITY_FLOOR) * able
        frequency = frequency / frequency.sum()
    weight = (count + _PROPENSITY_FLOOR) ** _PROPENSITY_POWER * able
    return weight / weight.sum()


class NewSets:
    """Law of a regulator set that was not seen before, from the distinct training sets.

    A mixture over j = 0 .. R: keep j members of a training set, which is drawn evenly from those
    of j members or more, and draw the other R - j from gene frequencies q. ``q(r)`` goes by the
    number of distinct sets with r, less a discount whose mass goes to genes that were never seen
    as regulators, in proportion to ``unseen``. The mixture's weights are fitted to the training
    sets, left out one at a time.

    Parameters
    ----------
    distinct
        The distinct training sets, of any size.
    unseen
        Weight of every gene as a regulator that was not seen yet, shape ``(n_genes,)``.

    Attributes
    ----------
    is_member
        Shape ``(n_sets, n_genes)``.
    log_frequency
        ``log q``, shape ``(n_genes,)``.
    weights
        Of the mixture, by size R: shape ``(R + 1,)``.
    """

    def __init__(self, distinct: list[Members], unseen: Floats) -> None:
        self.is_member = np.zeros((len(distinct), len(unseen)), dtype=np.bool_)
        for row, members in enumerate(distinct):
            self.is_member[row, list(members)] = True
        self.size = self.is_member.sum(axis=1)
        self.unseen = unseen
        count = self.is_member.sum(axis=0)
        # Good and Turing: the number seen once estimates what was not seen
        self.unseen_mass = ((count == 1).sum() + 1) / (count.sum() + 2)
        self.log_frequency = self._log_frequency(count.astype(np.float64))
        self.weights = {int(r): self._fit_weights(int(r), distinct) for r in np.unique(self.size)}

    def _log_frequency(self, count: Floats) -> Floats:
        known = count > 0
        discount = min(self.unseen_mass * count.sum() / max(known.sum(), 1), 0.9)
        weight = np.where(known, count - np.minimum(discount, 0.9 * count), 0.0)
        new = np.where(known, 0.0, self.unseen)
        if new.sum() > 0:
            weight = weight + (count.sum() - weight.sum()) * new / new.sum()
        return safe_log(weight / max(weight.sum(), 1e-300))

    def _by_kept(
        self, sets: Integers, from_rows: NDArray[np.bool_], log_frequency: Floats
    ) -> Floats:
        """Return the log likelihood of each set for each j; shape ``(n, R + 1)``."""
        size, sizes = sets.shape[1], self.size[from_rows]
        inside = self.is_member[from_rows][:, sets]
        overlap = inside.sum(axis=2)
        drawn = np.where(inside, 0.0, log_frequency[sets]).sum(axis=2)
        out = np.full((len(sets), size + 1), -np.inf)
        out[:, 0] = log_frequency[sets].sum(axis=1) + lgamma(size + 1)
        for j in range(1, size + 1):
            # all of a set of this very size would be that set again
            able = (sizes >= j) & ~((j == size) & (sizes == size))
            if able.any():
                ways = np.log([comb(int(n), j) if n >= j else 1 for n in sizes])[:, None]
                hit = (overlap == j) & able[:, None]
                value = np.where(hit, drawn - ways + lgamma(size - j + 1), -np.inf)
                out[:, j] = np.logaddexp.reduce(value, axis=0) - np.log(able.sum())
        return out

    def _fit_weights(self, size: int, distinct: list[Members]) -> Floats:
        rows = np.flatnonzero(self.size == size)
        count = self.is_member.sum(axis=0).astype(np.float64)
        everyone = np.arange(len(distinct))
        likelihood = np.concatenate(
            [
                self._by_kept(
                    np.array([distinct[row]]),
                    everyone != row,
                    self._log_frequency(count - self.is_member[row]),
                )
                for row in rows
            ]
        )
        weights = np.full(size + 1, 1 / (size + 1))
        for _ in range(_WEIGHT_ROUNDS):
            share = softmax(likelihood + np.log(weights)).sum(axis=0) + 0.5
            weights = share / share.sum()
        return weights

    def log_prob(self, sets: Integers) -> Floats:
        """Return the log probability of ``sets`` ``(n, R)`` as new sets; shape ``(n,)``.

        Draws that repeat a gene or give a set that was seen are not redistributed, so that the
        probabilities of all sets sum to somewhat less than 1.
        """
        size = sets.shape[1]
        weights = self.weights.get(size, np.full(size + 1, 1 / (size + 1)))
        parts = self._by_kept(sets, np.ones(len(self.size), dtype=np.bool_), self.log_frequency)
        return np.logaddexp.reduce(parts + np.log(weights), axis=1)


@dataclasses.dataclass(frozen=True)
class Rates:
    """How often sets come again.

    Attributes
    ----------
    seen
        rho: share of held-out training targets whose set occurs in the other folds.
    shared
        tau: share of the others whose set occurs twice or more in their own fold.
    """

    seen: float
    shared: float


def fold_rates(sets: list[Members], folds: Integers) -> Rates:
    """Count rho and tau over held-out folds, with less than one case added to either side."""
    seen = new = shared = 0
    for fold in np.unique(folds):
        others = {each for each, f in zip(sets, folds, strict=True) if f != fold}
        held_out = Counter(each for each, f in zip(sets, folds, strict=True) if f == fold)
        for members, count in held_out.items():
            if members in others:
                seen += count
            else:
                new += count
                shared += count * (count > 1)
    return Rates(seen=(seen + 0.02) / (seen + new + 0.04), shared=(shared + 0.5) / (new + 1))


@dataclasses.dataclass(frozen=True, eq=False)
class SetPrior:
    """Everything that the training sets say about a set before its target is looked at.

    Attributes
    ----------
    new_sets
        Law of new sets.
    counts
        By size: how many training targets have each set.
    rates
        By size.
    """

    new_sets: NewSets
    counts: dict[int, Counter[Members]]
    rates: dict[int, Rates]

    @classmethod
    def learn(cls, data: LabelledCells, unseen: Floats) -> "SetPrior":
        """Count the training sets; ``unseen`` as in :class:`NewSets`."""
        counts: dict[int, Counter[Members]] = {}
        rates: dict[int, Rates] = {}
        for size in sorted({len(each) for each in data.sets}):
            rows = [row for row, each in enumerate(data.sets) if len(each) == size]
            counts[size] = Counter(data.sets[row] for row in rows)
            rates[size] = fold_rates([data.sets[row] for row in rows], data.folds[rows])
        return cls(NewSets(sorted(set(data.sets)), unseen), counts, rates)

    def seen_share(self, sets: Integers) -> Floats:
        """Return ``n_S / n`` of sets of genes ``(n, R)``; shape ``(n,)``."""
        count = self.counts.get(sets.shape[1], Counter())
        shares = [count.get(tuple(each), 0) for each in sets.tolist()]
        return np.array(shares, dtype=np.float64) / max(sum(count.values()), 1)

    def rates_of(self, size: int) -> Rates:
        """Return rho and tau; of a size that no training set has, nothing was seen before."""
        return self.rates.get(size, Rates(seen=1e-300, shared=0.5))
