"""The posterior of every target's set: what expression says times what training sets say."""

from typing import Any

import numpy as np

from grn_exp.core.ranges import require_in
from grn_exp.core.sets import Positions, RegulatorSets
from grn_exp.models.closed_form import ClosedFormModel
from grn_exp.models.sets.base import SetSelector
from grn_exp.models.sets.posterior.fitting import search_sets
from grn_exp.models.sets.posterior.hill_curve import Response
from grn_exp.models.sets.posterior.labelled_cells import Floats, Integers, Members, safe_log
from grn_exp.models.sets.posterior.set_evidence import Activity, Noise, SetEvidence, Time
from grn_exp.models.sets.posterior.sharing import ROUNDS, shared_posterior


class SetPosterior(SetSelector, ClosedFormModel):
    """The most probable set, chosen from all candidates.

    ``log posterior(S, t) = log e(t | S) + log prior(S)`` up to a constant. The evidence ``e`` is
    that of a regression on signed Hill responses; where the cells of a type are samples of one
    trajectory, it is taken along the recovered time. The prior knows how often training sets
    recur, near variants of them, gene frequencies and, with ``share``, what the other targets
    that are predicted in the same run find likely (their expression, no label).

    Parameters
    ----------
    time
        ``path``: the cells of a type follow each other in time; ``static``: they do not;
        ``auto``: as expression tells. Only ``path`` is a match for simulations with correlated
        cells, and real snapshots have no such order.
    response
        ``fitted``: half response and exponent are fitted to the training sets
        (:func:`fitted_curve`). ``sergio``: the half response is the regulator's mean and the
        exponent 2, as SERGIO defines them; on SERGIO's own simulations that is knowing the answer.
    activity
        What drives targets within a cell type where the cells have no order in time. ``own``: the
        regulators' responses as they are. ``hidden``: activities that follow those with a delay
        and show in the known targets too (:class:`Activities`). ``auto``: ``hidden`` where the
        curve is fitted.
    noise
        ``clean``: expression is concentrations. ``technical``: it is counts, or counts over their
        cell's total. Their law (library size, loss of low values) and the cells' types and times
        are fitted (:class:`CountCells`), and the regulators' responses come from their known
        targets as well as from their own few counts; the curve is SERGIO's whatever ``response``
        is. ``auto``: ``technical`` where the values are multiples of whole numbers.
    share
        Do the targets that are predicted together share evidence.
    n_pool
        Candidates outside the training sets that each target's sets are searched in.
    n_sets
        Sets that each target contributes to those that all are compared on.

    Notes
    -----
    Assumed as in SERGIO's model under either ``response``: additive Hill responses, first-order
    decay at one rate for all genes, a noise variance that grows in proportion to the level (with
    counts it is as large as the level, which sets the unit). Fitted: the curve (not with counts),
    the effects, the dispersion of that noise, the delay. That
    half responses go with the regulators' means is where the fit starts from; how far they do is
    fitted too.
    Reads expression and training sets, no pools. A set costs ``2^R`` sign patterns and ``R^3``
    operations each; the search costs a beam of 200 sets over all candidates a target.

    References
    ----------
    - Dibaeinia and Sinha (2020), SERGIO: a single-cell expression simulator guided by gene
      regulatory networks, Cell Systems 11. doi:10.1016/j.cels.2020.08.003
    - Learning Residual Set Representations for Mechanistic Gene Regulation (Residual HOS2),
      section 3, for the task.
    """

    def __init__(
        self,
        *,
        time: Time = "auto",
        response: Response = "fitted",
        activity: Activity = "auto",
        noise: Noise = "auto",
        share: bool = True,
        n_pool: int = 60,
        n_sets: int = 15,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        require_in("[0, inf)", n_pool=n_pool)
        require_in("[1, inf)", n_sets=n_sets)

    def fit(self) -> None:
        """Learn evidence and prior."""
        self.evidence = SetEvidence.fit(
            self.view,
            time=self.options.time,
            response=self.options.response,
            activity=self.options.activity,
            noise=self.options.noise,
            n_pool=self.options.n_pool,
            seed=self.seed,
        )

    def facts(self) -> dict[str, Any]:
        """Return what was learnt, for the run's provenance."""
        evidence = self.evidence
        effects = evidence.hill.effects
        rates = evidence.prior.rates
        return {
            "time": evidence.time,
            **evidence.facts,
            "effect_mean": effects.mean,
            "effect_sd": effects.sd,
            "dispersion": evidence.hill.dispersion,
            "seen_rate": {str(size): each.seen for size, each in rates.items()},
            "shared_rate": {str(size): each.shared for size, each in rates.items()},
        }

    def predict(self) -> RegulatorSets:
        """Choose every query's most probable set; its score is its log posterior."""
        place = self.evidence.data.place
        genes = place[self.view.genes.positions(self.view.queries)]
        to_candidate = np.empty(len(place), dtype=np.int64)
        regulators = place[self.view.regulator_positions]
        to_candidate[regulators] = np.arange(len(regulators))
        members: list[Positions] = [np.empty(0, dtype=np.int64)] * len(genes)
        scores, seconds = np.zeros(len(genes)), np.full(len(genes), -np.inf)
        for size in np.unique(self.view.sizes).tolist():
            rows = np.flatnonzero(self.view.sizes == size)
            rows = rows[np.argsort(genes[rows])]
            sets, posterior = self.posterior(genes[rows], size)
            best = posterior.argmax(axis=1)
            for row, chosen in zip(rows, best, strict=True):
                members[row] = to_candidate[sets[chosen]]
            scores[rows] = safe_log(posterior.max(axis=1))
            if len(sets) > 1:
                seconds[rows] = safe_log(np.partition(posterior, -2, axis=1)[:, -2])
        return self.as_sets(members, scores.tolist(), second_scores=seconds.tolist())

    def posterior(self, targets: Integers, size: int) -> tuple[Integers, Floats]:
        """Compare targets of one set size on the union of what each finds likely.

        Parameters
        ----------
        targets
            Genes, by their place in the evidence's data; shape ``(n_targets,)``.
        size
            R.

        Returns
        -------
        sets : ndarray
            Genes, shape ``(n_sets, R)``.
        posterior : ndarray
            Shape ``(n_targets, n_sets)``.
        """
        fitted, prior = self.evidence, self.evidence.prior
        union: set[Members] = set(prior.counts.get(size, ()))
        for target in targets.tolist():
            genes = np.flatnonzero(fitted.pools[target])
            found = search_sets(fitted.hill, prior.new_sets, target, genes, size)
            union |= {tuple(each) for each in found[: self.options.n_sets].tolist()}
        sets = np.array(sorted(union), dtype=np.int64)
        evidence = np.full((len(targets), len(sets)), -np.inf)
        for row, target in enumerate(targets.tolist()):
            possible = ~(sets == target).any(axis=1)
            evidence[row, possible] = fitted.hill.of_sets(target, sets[possible])
        posterior = shared_posterior(
            evidence,
            prior.seen_share(sets),
            prior.new_sets.log_prob(sets),
            prior.rates_of(size),
            rounds=ROUNDS if self.options.share else 0,
        )
        return sets, posterior
