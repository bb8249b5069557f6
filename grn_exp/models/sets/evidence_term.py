"""The evidence of sets from expression as a term of a neural score."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from grn_exp.core.sets import Positions, SetView
from grn_exp.models.sets.linear_evidence import LinearEvidence
from grn_exp.models.sets.posterior.hill_curve import Response
from grn_exp.models.sets.posterior.set_evidence import SetEvidence

_N_REFERENCE = 256

Evaluate = Callable[[Tensor], Tensor]


class EvidenceTerm(nn.Module):
    """``a * e(S, t)`` with a learnt ``a`` and a standardised evidence ``e``.

    ``e`` is the evidence less its mean over 256 random sets of that size from the target's pool,
    over their standard deviation: the same for every target whatever its noise, and for both
    kinds of evidence.

    Parameters
    ----------
    kind
        ``linear``: the squared multiple correlation of the target with the set (log scale).
        ``posterior``: the log evidence of :class:`SetEvidence`.
    response
        Of ``posterior``, as in :meth:`SetEvidence.fit`.
    start
        ``a`` before training.
    seed
        As in :meth:`SetEvidence.fit`.
    """

    def __init__(
        self,
        view: SetView,
        *,
        kind: Literal["linear", "posterior"],
        start: float,
        response: Response = "fitted",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(float(start)))
        self._view = view
        self._evidence = (
            LinearEvidence(view)
            if kind == "linear"
            else SetEvidence.fit(view, response=response, seed=seed)
        )
        self._of_train: dict[int, tuple[Evaluate, Tensor]] = {}

    def of_pool(self, target: str, pool: Positions) -> Evaluate:
        """Return ``a * e`` of sets of a pool's members, positions ``(n, R)`` to ``(n,)``.

        ``a`` is taken as it is now.
        """
        evaluate = self._standardised(target, pool, len(pool))
        factor = float(self.weight.detach())
        return lambda sets: (factor * evaluate(sets)).to(self.weight.dtype)

    def of_train(self, rows: Tensor, sets: Tensor) -> Tensor:
        """Return ``a * e`` of sets of training targets, shape ``(b, n)``, on the device of ``a``.

        Parameters
        ----------
        rows
            Positions in the view's training sets, shape ``(b,)``.
        sets
            Positions in its regulators, shape ``(b, n, R)``; in the target's pool or true set.
        """
        found: list[Tensor] = []
        for row, of_target in zip(rows.tolist(), sets, strict=True):
            if row not in self._of_train:
                self._of_train[row] = self._prepare(row)
            evaluate, place = self._of_train[row]
            found.append(evaluate(place[of_target]))
        return self.weight * torch.stack(found).to(self.weight)

    def _prepare(self, row: int) -> tuple[Evaluate, Tensor]:
        """Return the evidence for a training target, and where in it each regulator is."""
        view = self._view
        if view.pools is None:
            raise RuntimeError("the evidence of a score was given a view without pools")
        train = view.train
        (pool,) = view.pools.of(train.targets.take([row]))
        # retrieval may have left true regulators out of the pool
        everyone = np.concatenate([pool, np.setdiff1d(train.members[row], pool)])
        place = torch.full((len(view.regulators),), -1, dtype=torch.int64)
        place[torch.as_tensor(everyone)] = torch.arange(len(everyone))
        return self._standardised(train.targets.symbols[row], everyone, len(pool)), place

    def _standardised(self, target: str, pool: Positions, n_reference: int) -> Evaluate:
        """Return ``e``; its reference are sets of the first ``n_reference`` of the pool."""
        evaluate = self._evidence.for_pool(target, pool)
        scales: dict[int, tuple[float, float]] = {}

        def standardised(sets: Tensor) -> Tensor:
            size = sets.shape[1]
            if size not in scales:
                reference = evaluate(_random_sets(max(n_reference, size), size)).double()
                spread = float(reference.std(correction=0))
                scales[size] = float(reference.mean()), max(spread, 1e-6)
            mean, spread = scales[size]
            return (evaluate(sets).double() - mean) / spread

        return standardised


def _random_sets(n_pool: int, size: int) -> Tensor:
    """Draw the reference sets, always the same, as positions in a pool; ``(256, size)``."""
    rng = np.random.default_rng([n_pool, size])
    order = np.argsort(rng.random((_N_REFERENCE, n_pool)), axis=1)[:, :size]
    return torch.from_numpy(np.ascontiguousarray(order, dtype=np.int64))
