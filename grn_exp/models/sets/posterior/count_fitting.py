"""Fit the evidence to counts: directions of time, and responses by way of known targets.

A regulator's own counts tell little, its training targets' together much more. With signs and
effects of the training sets as they are likeliest, each row is a linear model of the regulators'
responses, whose prior is what their own counts say; responses and effects are fitted in turn.
"""

import dataclasses

import numpy as np
from scipy import sparse

from grn_exp.models.sets.posterior.count_cells import CountCells
from grn_exp.models.sets.posterior.count_rows import CountRows, count_rows
from grn_exp.models.sets.posterior.evidence import MAX_SIGNED, EffectPrior, HillEvidence
from grn_exp.models.sets.posterior.fitting import first_effects, moments
from grn_exp.models.sets.posterior.labelled_cells import Floats, Integers, LabelledCells, softmax
from grn_exp.models.sets.posterior.rows import Rows
from grn_exp.models.sets.posterior.time_order import Segment

_ROUNDS = 4
_LEAST_CHANCE = 0.01  # of a sign pattern, below which it is left out
_BLOCK = 40_000_000  # numbers in the matrices that are inverted at a time


def fit_counts(
    cells: CountCells, data: LabelledCells, segments: list[Segment], *, in_time: bool
) -> HillEvidence:
    """Fit responses and effects to counts and training sets.

    Parameters
    ----------
    cells
        What counts say.
    data
        The training sets.
    segments
        Cells that go together; those in none are left out.
    in_time
        Do they follow each other in time.
    """
    data = dataclasses.replace(data, raw=cells.means)  # the unit of concentrations
    effects = first_effects(data)
    parts: list[CountRows] = []
    for segment in segments:
        either = [count_rows(cells, segment, in_time=in_time)]
        if in_time:
            either.append(count_rows(cells, segment.reversed(), in_time=True))
        scores = [_explained(each, data, effects) for each in either] if in_time else [0.0]
        parts.append(either[int(np.argmax(scores))])
    return fit_to_targets(CountRows.joined(parts), data, effects)


def _explained(part: CountRows, data: LabelledCells, effects: EffectPrior) -> float:
    """Return the log evidence of all training sets in some rows."""
    evidence = HillEvidence(_with_doubt(part, data, effects), effects, dispersion=1.0)
    return evidence.of_training_sets(data)


def _with_doubt(part: CountRows, data: LabelledCells, effects: EffectPrior) -> Rows:
    """Add to the targets' variances what the doubt about their regulators' responses adds."""
    rows, second = _for_anyone(part, data, effects), effects.mean**2 + effects.sd**2
    for target, members in zip(data.targets.tolist(), data.sets, strict=True):
        own = part.f_variance[:, list(members)].sum(axis=1)
        rows.v[:, target] = part.rows.v[:, target] + second * own
    return rows


def fit_to_targets(part: CountRows, data: LabelledCells, effects: EffectPrior) -> HillEvidence:
    """Fit responses and effects in turn; effects as they are before."""
    own, known = part, np.unique(np.concatenate(data.sets))
    for _ in range(_ROUNDS):
        evidence = HillEvidence(_with_doubt(part, data, effects), effects, dispersion=1.0)
        effects = moments(evidence, data)[0]
        evidence = dataclasses.replace(evidence, effects=effects)
        part = responses_by_targets(own, data, evidence, known)
    evidence = HillEvidence(_for_anyone(part, data, effects), effects, dispersion=1.0)
    effects, dispersion = moments(evidence, data)
    return dataclasses.replace(evidence, effects=effects, dispersion=dispersion)


def _for_anyone(part: CountRows, data: LabelledCells, effects: EffectPrior) -> Rows:
    """Add the same doubt for all targets: a training target's own set is not to be known."""
    known, second = np.unique(np.concatenate(data.sets)), effects.mean**2 + effects.sd**2
    size = float(np.mean([len(each) for each in data.sets]))
    doubt = second * size * part.f_variance[:, known].mean(axis=1)
    return dataclasses.replace(part.rows, v=part.rows.v + doubt[:, None])


def responses_by_targets(
    own: CountRows, data: LabelledCells, evidence: HillEvidence, known: Integers
) -> CountRows:
    """Return the posterior of the known regulators' responses, row by row.

    Prior: what their own counts say. Likelihood: the training targets, with their effects'
    second moments, so that doubtful effects count less.
    """
    rows, n = own.rows, len(known)
    products, linear, constant = _effect_moments(data, evidence, known)
    weight = 1 / rows.v[:, data.targets]
    shift = (weight * rows.y[:, data.targets]) @ linear
    shift -= rows.one[:, None] * (weight @ constant)
    prior = 1 / np.maximum(own.f_variance[:, known], 1e-9)
    shift += prior * rows.f[:, known]
    f, variance = rows.f.copy(), own.f_variance.copy()
    block = max(1, _BLOCK // n**2)
    diagonal = np.arange(n)
    for start in range(0, len(rows.one), block):
        some = slice(start, start + block)
        precision = np.asarray(weight[some] @ products).reshape(-1, n, n)
        precision[:, diagonal, diagonal] += prior[some]
        inverse = np.linalg.inv(precision)
        f[some, known] = (inverse @ shift[some, :, None])[..., 0]
        variance[some, known] = inverse[:, diagonal, diagonal]
    return CountRows(dataclasses.replace(rows, f=f), variance)


def _effect_moments(
    data: LabelledCells, evidence: HillEvidence, known: Integers
) -> tuple[sparse.csr_array, Floats, Floats]:
    """Return the moments of the training sets' signed effects ``c`` (negative: a repressor).

    Returns
    -------
    products
        ``E[c c']`` of each target, shape ``(n_train, n_known^2)``.
    linear
        ``E[c]``, shape ``(n_train, n_known)``.
    constant
        ``E[c times the sum of the repressors' |c|]``, same shape: a repressor's response is
        ``one - f``.
    """
    n = len(known)
    linear, constant = np.zeros((len(data.targets), n)), np.zeros((len(data.targets), n))
    values: list[Floats] = []
    places: list[tuple[Integers, Integers]] = []
    for row, (target, members) in enumerate(zip(data.targets.tolist(), data.sets, strict=True)):
        place, size = np.searchsorted(known, members), len(members)
        pool, everyone = evidence.pool(target, np.array(members)), np.arange(size)[None]
        if size <= MAX_SIGNED:
            each = pool.by_signs(everyone)[..., 0]
            patterns, chances = np.array(list(np.ndindex(each.shape))), softmax(each.ravel())
        else:
            patterns, chances = pool.marginal_signs(everyone).astype(np.int64), np.ones(1)
        gram, rhs = pool.signed()
        product = np.zeros((size, size))
        used = chances >= _LEAST_CHANCE
        for pattern, chance in zip(
            patterns[used], chances[used] / chances[used].sum(), strict=True
        ):
            chosen = np.arange(size) + size * pattern
            a = gram[np.ix_(chosen, chosen)] + np.eye(size) * evidence.effects.precision
            covariance = np.linalg.inv(a)
            b = covariance @ (rhs[chosen] + evidence.effects.pull)
            sign, second = 1 - 2 * pattern, np.outer(b, b) + covariance
            product += chance * np.outer(sign, sign) * second
            linear[row, place] += chance * sign * b
            constant[row, place] += chance * sign * (second @ pattern)
        values.append(product.ravel())
        column = (place[:, None] * n + place).ravel()
        places.append((np.full(len(column), row), column))
    row_of, column_of = (np.concatenate(each) for each in zip(*places, strict=True))
    shape = (len(data.targets), n * n)
    return sparse.csr_array((np.concatenate(values), (row_of, column_of)), shape), linear, constant
