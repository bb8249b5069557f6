"""Targets that are predicted together lend each other evidence.

Groups of targets have one regulator set. Where that set was never seen in training, one target
alone may not distinguish it from its neighbours, but a set that several targets find likely is
likely indeed. No label is read: the targets' posteriors make this prior over sets themselves.
"""

import numpy as np

from grn_exp.models.sets.posterior.labelled_cells import Floats, safe_log, softmax
from grn_exp.models.sets.posterior.prior import Rates

# set on simulations of SERGIO DS3 with seeds 1 to 3; the posteriors stand still by then
ROUNDS = 8


def shared_posterior(
    evidence: Floats, seen_share: Floats, new_log_prob: Floats, rates: Rates, rounds: int = ROUNDS
) -> Floats:
    """Return the posterior of each target's set, after rounds of sharing.

    The result has shape ``(n_targets, n_sets)``; rows sum to 1.

    The prior of S for target t is ``rho n_S / n`` for a set seen in training, else ``(1 - rho)
    [(1 - tau) new(S) + tau shared_t(S)]`` with ``shared_t(S) = (sum over the other targets of
    their posterior of S)^2 / (the same, not squared, summed over all new sets)``. Squared, the
    sum favours sets on which several targets agree over those that one is sure of.

    Parameters
    ----------
    evidence
        Log evidence, minus infinity for a set with the target in it; ``(n_targets, n_sets)``.
    seen_share
        ``n_S / n``, shape ``(n_sets,)``.
    new_log_prob
        ``log new(S)``, shape ``(n_sets,)``.
    rates
        rho and tau.
    rounds
        0: without sharing, and with tau 0.
    """
    seen = seen_share > 0
    as_seen = safe_log(rates.seen * seen_share)
    as_new = np.where(seen, -np.inf, np.log1p(-rates.seen) + new_log_prob)
    posterior = softmax(evidence + np.logaddexp(as_seen, as_new))
    for _ in range(rounds):
        mass = np.where(seen, 0.0, posterior)
        others = np.maximum(mass.sum(axis=0) - mass, 0) ** 2
        total = np.maximum(mass.sum() - mass.sum(axis=1, keepdims=True), 1e-9)
        lent = np.log1p(-rates.seen) + safe_log(rates.shared * others / total)
        lent = np.where(seen, -np.inf, lent)
        prior = np.logaddexp(as_seen, np.logaddexp(np.log1p(-rates.shared) + as_new, lent))
        posterior = softmax(evidence + prior)
    return posterior
