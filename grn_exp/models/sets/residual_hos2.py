"""Residual HOS2: a set is worth the sum of its members plus what only the set as a whole shows."""

import dataclasses
from typing import Any, Literal

from torch import Tensor, nn

from grn_exp.core.errors import InputError
from grn_exp.core.ranges import require_in
from grn_exp.core.sets import Positions
from grn_exp.core.views import TrainView
from grn_exp.decode.base import PooledScore
from grn_exp.models.sets.evidence_term import EvidenceTerm
from grn_exp.models.sets.pairs2 import PairScoring, sum_of_pairs
from grn_exp.models.sets.posterior.hill_curve import Response
from grn_exp.nn.set_transformer import SetTransformer

EvidenceKind = Literal["none", "linear", "posterior"]


class SetScoring(PairScoring):
    """Base of the set scorers with a set transformer ``psi(S, t)`` (section 4.3).

    Parameters
    ----------
    n_heads, n_layers, ff_width, layer_dropout
        Of ``psi``. Two layers chose no better on validation targets and decode in several times
        the time.
    warm_start_epochs
        The first epochs, which train PairS2; 0 for a cold start.
    options
        As in :class:`PairScoring`.
    """

    set_transformer: SetTransformer

    def __init__(
        self,
        *,
        n_heads: int = 4,
        n_layers: int = 1,
        ff_width: int = 256,
        layer_dropout: float = 0.1,
        warm_start_epochs: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        require_in("(0, inf)", n_heads=n_heads, n_layers=n_layers, ff_width=ff_width)
        require_in("[0, 1)", layer_dropout=layer_dropout)
        require_in("[0, inf)", warm_start_epochs=warm_start_epochs)
        self.warming_up = False

    def check(self, max_epochs: int | None) -> None:
        """Refuse a training that ends before the transformer's own part of it begins."""
        super().check(max_epochs)
        n_warm = self.options.warm_start_epochs
        if (max_epochs or 0) <= n_warm:
            raise InputError(
                f"trainer.max_epochs={max_epochs}: model.warm_start_epochs={n_warm} of them train "
                "PairS2, which leaves none; give more"
            )

    def begin_epoch(self, epoch: int) -> None:
        """Choose whether this epoch trains PairS2."""
        super().begin_epoch(epoch)
        self.warming_up = epoch < self.options.warm_start_epochs
        set_trainable(self.set_transformer, not self.warming_up)

    def make_set_transformer(self, *, zero_head: bool) -> SetTransformer:
        """Return ``psi``, untrained; with ``zero_head`` it starts at zero."""
        return SetTransformer(
            dim=self.encoder.dim,
            n_heads=self.options.n_heads,
            n_layers=self.options.n_layers,
            ff_width=self.options.ff_width,
            dropout=self.options.layer_dropout,
            zero_head=zero_head,
        )


def set_trainable(module: nn.Module, trainable: bool) -> None:  # noqa: FBT001
    """Say whether a training changes a network."""
    for parameter in module.parameters():
        parameter.requires_grad_(trainable)


class ResidualHOS2(SetScoring):
    """Residual HOS2 (section 4.3).

    ``Score(S, t) = sum over r in S of phi(r, t) + psi(S, t)``: ``phi`` as PairS2's, ``psi`` a set
    transformer with a target-conditioned [CLS] token, whose last layer starts at zero.

    With a warm start (not in the paper) the first epochs are a training of PairS2 of that length,
    number for number. Then ``psi`` and the evidence join in, and the curriculum of negatives
    starts anew.

    Parameters
    ----------
    evidence
        Not in the paper. ``linear`` and ``posterior`` add ``a * e(S, t)`` to the score, with a
        learnt number ``a`` (:class:`EvidenceTerm`); ``none`` adds nothing.
    evidence_response
        With ``posterior``: as ``response`` of :class:`SetPosterior`.
    evidence_start
        ``a`` before training.
    evidence_rate
        Learning rate of ``a``, which has further to go than a weight.
    options
        As in :class:`SetScoring`.
    """

    def __init__(
        self,
        *,
        evidence: EvidenceKind = "none",
        evidence_response: Response = "fitted",
        evidence_start: float = 1.0,
        evidence_rate: float = 0.02,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        require_in("[0, inf)", evidence_rate=evidence_rate)
        self.evidence_kind = evidence

    def build(self, view: TrainView) -> None:
        """Add both scorers, and the evidence."""
        super().build(view)
        self.pair_scorer = self.make_pair_scorer()
        self.set_transformer = self.make_set_transformer(zero_head=True)
        kind: Any = self.evidence_kind
        self.evidence = (
            None
            if kind == "none"
            else EvidenceTerm(
                self.view,
                kind=kind,
                start=self.options.evidence_start,
                response=self.options.evidence_response,
                seed=self.seed,
            )
        )

    def curriculum(self, epoch: int) -> tuple[int, int]:
        """Go through the curriculum of negatives in PairS2's epochs, and in those after them."""
        n_warm = self.options.warm_start_epochs
        if epoch < n_warm:
            return epoch, n_warm
        return epoch - n_warm, (self.trainer.max_epochs or 1) - n_warm

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All parameters at one rate, but for the weight of the evidence."""
        (group,) = super().parameter_groups()
        if self.evidence is None:
            return [group]
        weight = self.evidence.weight
        group["params"] = [each for each in group["params"] if each is not weight]
        return [group, {"params": [weight], "lr": self.options.evidence_rate, "weight_decay": 0.0}]

    def loss(self, batch: Tensor) -> dict[str, Tensor]:
        """Return the margin-ranking loss, and the weight of the evidence to follow it by."""
        parts = super().loss(batch)
        if self.evidence is not None:
            parts["evidence_weight"] = self.evidence.weight.detach().clone()
        return parts

    def example_scores(self, rows: Tensor, sets: Tensor) -> Tensor:
        """Add the evidence to the scores of training targets' sets."""
        scores = super().example_scores(rows, sets)
        if self.evidence is None or self.warming_up:
            return scores
        return scores + self.evidence.of_train(rows, sets)

    def score_sets(self, targets: Tensor, sets: Tensor) -> Tensor:
        """Add the correction to the sum over pairs, once it is trained."""
        pairs = sum_of_pairs(self.pair_scorer, targets, sets)
        return pairs if self.warming_up else pairs + self.set_transformer(targets, sets)

    def set_score(self, target: str, pool: Positions) -> PooledScore:
        """Add the evidence to the score of sets of a pool's members."""
        score = super().set_score(target, pool)
        psi = score.residual
        if self.evidence is None or psi is None:
            return score
        evidence = self.evidence.of_pool(target, pool)

        def residual(sets: Tensor) -> Tensor:
            correction = psi(sets)
            return correction + evidence(sets).to(correction)

        return dataclasses.replace(score, residual=residual)

    def pool_score(self, target: Tensor, pool: Tensor) -> PooledScore:
        """Evaluate ``phi`` once for each candidate, and prepare ``psi`` for the pool."""
        return PooledScore(
            len(pool),
            additive=self.pair_scorer(pool, target[None])[0],
            residual=self.set_transformer.pool_score(target, pool),
        )
