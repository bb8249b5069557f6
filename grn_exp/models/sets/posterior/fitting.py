"""Learn the evidence's few parameters from the training sets."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from grn_exp.models.sets.posterior.activity import Activities, KnownEffects
from grn_exp.models.sets.posterior.evidence import (
    MAX_SIGNED,
    EffectPrior,
    HillEvidence,
    PoolEvidence,
)
from grn_exp.models.sets.posterior.labelled_cells import (
    Floats,
    Integers,
    LabelledCells,
    Members,
    softmax,
)
from grn_exp.models.sets.posterior.prior import NewSets
from grn_exp.models.sets.posterior.rows import (
    Cells,
    Rows,
    StaticScales,
    path_rows,
    static_rows,
)
from grn_exp.models.sets.posterior.search import likely_sets
from grn_exp.models.sets.posterior.time_order import Segment

_ROUNDS = 2  # directions depend on the effects' prior, which depends on the directions
# tuning without time order
_N_TUNED_ON = 80
_N_RIVALS = 60
_GRID: dict[str, tuple[float, ...]] = {
    "n_within": (0.25, 0.5, 1.0, 2.0, 4.0),
    "n_between": (0.25, 0.5, 1.0, 2.0, 4.0),
    "damping": (0.7, 0.85, 1.0, 1.2, 1.4),
}

# before tuning; an activity needs no damping
ACTIVITY_SCALES = StaticScales(damping=1.0)


def fit_path(cells: Cells, data: LabelledCells, segments: list[Segment]) -> HillEvidence:
    """Fit directions of time, effects and dispersion where the order of the cells is known."""
    evidence = HillEvidence(path_rows(cells, segments), first_effects(data), dispersion=1.0)
    for _ in range(_ROUNDS):
        segments = [_directed(each, cells, data, evidence) for each in segments]
        evidence = dataclasses.replace(evidence, rows=path_rows(cells, segments))
        effects, factor = moments(evidence, data)
        evidence = dataclasses.replace(
            evidence, effects=effects, dispersion=evidence.dispersion * factor
        )
    return evidence


def fit_static(cells: Cells, data: LabelledCells) -> HillEvidence:
    """Fit the effects where no order is known; scales as they are before tuning."""
    return with_effects(static_rows(cells, StaticScales()), data)


def with_effects(rows: Rows, data: LabelledCells) -> HillEvidence:
    """Fit the effects, and nothing else, to some rows."""
    evidence = HillEvidence(rows, first_effects(data), dispersion=1.0)
    for _ in range(_ROUNDS):
        evidence = dataclasses.replace(evidence, effects=moments(evidence, data)[0])
    return evidence


def with_activities(
    evidence: HillEvidence, cells: Cells, data: LabelledCells
) -> tuple[HillEvidence, Activities]:
    """Fit the activities within types, then the effects anew; scales as before tuning."""
    known = _known_effects(evidence, data)
    activities = Activities.of(cells.raw, cells.response, cells.types, known)
    rows = static_rows(cells, ACTIVITY_SCALES, activities)
    evidence = dataclasses.replace(evidence, rows=rows)
    return dataclasses.replace(evidence, effects=moments(evidence, data)[0]), activities


def tune_static(
    evidence: HillEvidence,
    cells: Cells,
    data: LabelledCells,
    new_sets: NewSets,
    *,
    activities: Activities | None,
    pools: NDArray[np.bool_],
    seed: int,
) -> tuple[HillEvidence, StaticScales]:
    """Choose the scales without time order by a coordinate search.

    What counts is the mean log posterior of the true sets of some training targets against the
    likeliest other sets, under gene frequencies.

    Parameters
    ----------
    evidence, cells, data
        What was fitted to what.
    new_sets
        Gives the gene frequencies.
    activities
        What responses within types are taken from; None for the regulators themselves.
    pools
        The candidates for each target, shape ``(n_genes, n_genes)``.
    seed
        Of the choice of targets.
    """
    chosen = np.random.default_rng(seed).permutation(len(data.targets))[:_N_TUNED_ON]
    cases: list[tuple[int, Integers]] = []
    for row in chosen:
        target, true = int(data.targets[row]), data.sets[row]
        genes = np.flatnonzero(pools[target])
        others = search_sets(evidence, new_sets, target, genes, len(true))[:_N_RIVALS]
        others = others[(others != true).any(axis=1)]
        cases.append((target, np.concatenate([[true], others])))

    def with_scales(scales: StaticScales) -> HillEvidence:
        return dataclasses.replace(evidence, rows=static_rows(cells, scales, activities))

    scales = StaticScales() if activities is None else ACTIVITY_SCALES
    for name, factors in [*_GRID.items(), *_GRID.items()]:
        tried = [
            dataclasses.replace(scales, **{name: getattr(scales, name) * factor})
            for factor in factors
        ]
        values = [_mean_log_posterior(with_scales(each), new_sets, cases) for each in tried]
        scales = tried[int(np.argmax(values))]
    return with_scales(scales), scales


def search_sets(
    evidence: HillEvidence, new_sets: NewSets, target: int, genes: Integers, size: int
) -> Integers:
    """Return the likeliest sets of ``genes`` as new sets, best first; shape ``(n, size)``."""
    pool = evidence.pool(target, genes)
    found = likely_sets(pool, size, new_sets.log_frequency[genes])
    score = pool(found) + new_sets.log_prob(genes[found])
    return genes[found][np.argsort(-score, kind="stable")]


def _mean_log_posterior(
    evidence: HillEvidence, new_sets: NewSets, cases: list[tuple[int, Integers]]
) -> float:
    total = 0.0
    for target, sets in cases:
        score = evidence.of_sets(target, sets) + new_sets.log_frequency[sets].sum(axis=1)
        total += score[0] - np.logaddexp.reduce(score)
    return total / len(cases)


def first_effects(data: LabelledCells) -> EffectPrior:
    """Two regulators at half their strength each make up a target's level."""
    level = data.raw.mean(axis=0)[data.targets].mean()
    mean_size = np.mean([len(each) for each in data.sets])
    guess = max(float(2 * level / mean_size), 1e-6)
    return EffectPrior(mean=guess, sd=guess)


def _directed(
    segment: Segment, cells: Cells, data: LabelledCells, evidence: HillEvidence
) -> Segment:
    """Return a segment or its reverse, whichever explains the training targets better."""
    scores: list[float] = []
    for choice in (segment, segment.reversed()):
        rows = path_rows(cells, [choice])
        gain = dataclasses.replace(evidence, rows=rows).of_training_sets(data)
        # the values themselves differ between the two, so that their own size counts too
        own = rows.y[:, data.targets] ** 2 / rows.v[:, data.targets]
        size = own.sum() / evidence.dispersion
        scores.append(gain - 0.5 * float(size))
    return segment if scores[0] >= scores[1] else segment.reversed()


def moments(evidence: HillEvidence, data: LabelledCells) -> tuple[EffectPrior, float]:
    """Return the law of the fitted effects, less their errors, and the residuals' variance."""
    effects: list[Floats] = []
    errors: list[Floats] = []
    residual = n_free = 0.0
    for target, members in zip(data.targets.tolist(), data.sets, strict=True):
        fitted, error, explained = _fitted_effects(evidence, target, members)
        effects.append(fitted)
        errors.append(error)
        y, v = evidence.rows.y[:, target], evidence.rows.v[:, target]
        residual += float((y**2 / v).sum()) / evidence.dispersion - explained
        n_free += len(y) - len(members)
    law = EffectPrior.of_fitted(np.concatenate(effects), np.concatenate(errors))
    return law, float(np.clip(residual / max(n_free, 1.0), 0.2, 5))


def _fitted_effects(
    evidence: HillEvidence, target: int, members: Members
) -> tuple[Floats, Floats, float]:
    """Return a known set's effects under its best signs, their variances, what they explain."""
    size = len(members)
    pool = evidence.pool(target, np.array(members))
    everyone = np.arange(size)[None]
    if size <= MAX_SIGNED:
        values = pool.by_signs(everyone)[..., 0]
        repressed = np.array(np.unravel_index(int(values.argmax()), values.shape))
    else:
        repressed = pool.marginal_signs(everyone)[0].astype(np.int64)
    chosen = np.arange(size) + size * repressed
    gram, rhs = pool.signed()
    # hardly any shrinking: enough to solve where two responses are the same
    a = gram[np.ix_(chosen, chosen)] + 1e-3 * evidence.effects.precision * np.eye(size)
    fitted = np.asarray(np.linalg.solve(a, rhs[chosen]), dtype=np.float64)
    error = np.asarray(np.diag(np.linalg.inv(a)), dtype=np.float64)
    return fitted, error, float(rhs[chosen] @ fitted)


def _known_effects(evidence: HillEvidence, data: LabelledCells) -> KnownEffects:
    """Return the posterior means of the training sets' signed effects."""
    regulators = np.unique(np.concatenate(data.sets))
    effects = np.zeros((len(data.targets), len(regulators)))
    for row, (target, members) in enumerate(zip(data.targets.tolist(), data.sets, strict=True)):
        pool = evidence.pool(target, np.array(members))
        places = np.searchsorted(regulators, members)
        effects[row, places] = _signed_effects(pool, len(members))
    return KnownEffects(data.targets, regulators, effects)


def _signed_effects(pool: PoolEvidence, size: int) -> Floats:
    """Return the posterior means over effects and signs for all of a pool; ``(size,)``."""
    everyone = np.arange(size)[None]
    if size <= MAX_SIGNED:
        values = pool.by_signs(everyone)[..., 0]
        patterns = np.array(list(np.ndindex(values.shape)))
        weights = softmax(values.ravel())
    else:
        patterns, weights = pool.marginal_signs(everyone).astype(np.int64), np.ones(1)
    gram, rhs = pool.signed()
    chosen = np.arange(size) + size * patterns
    a = gram[chosen[:, :, None], chosen[:, None, :]] + pool.effects.precision * np.eye(size)
    effects = np.linalg.solve(a, (rhs[chosen] + pool.effects.pull)[..., None])[..., 0]
    return np.asarray(weights @ (effects * (1 - 2 * patterns)), dtype=np.float64)
