"""Residual HOS2: a set is worth the sum of its members plus what only the set as a whole shows."""

from typing import Any, Literal, Protocol, get_args

from torch import Tensor

from grn_exp.core.errors import InputError
from grn_exp.core.sets import Positions, SetView
from grn_exp.decode.base import Decoder, PooledScore, SetScore
from grn_exp.models.sets.evidence_term import EvidenceTerm
from grn_exp.models.sets.neural import EncoderFactory, NeuralSelector, RankingTraining
from grn_exp.models.sets.pairs2 import PairScorerFactory, sum_of_pairs
from grn_exp.nn.set_transformer import SetTransformer

EvidenceKind = Literal["none", "linear", "posterior"]


class SetTransformerFactory(Protocol):
    """A :class:`SetTransformer` with its widths fixed."""

    def __call__(self, *, dim: int, zero_head: bool) -> SetTransformer:
        """Make the transformer for embeddings of that width."""
        ...


class ResidualHOS2(NeuralSelector):
    """Residual HOS2 (section 4.3).

    ``Score(S, t) = sum over r in S of phi(r, t) + psi(S, t)``: ``phi`` as PairS2's, ``psi`` a set
    transformer with a target-conditioned [CLS] token, whose last layer starts at zero.

    Parameters
    ----------
    view, decoder, encoder, training
        As :class:`NeuralSelector`.
    pair_scorer, set_transformer
        Make ``phi`` and ``psi``.
    evidence
        Not in the paper. ``linear`` and ``posterior`` add ``a * e(S, t)`` to the score, with a
        learnt number ``a`` (:class:`EvidenceTerm`); ``none`` adds nothing.
    evidence_start
        ``a`` before training.
    evidence_rate
        Learning rate of ``a``, which has further to go than a weight.

    Raises
    ------
    InputError
        If there is no such evidence, or its rate is below 0.
    """

    def __init__(
        self,
        view: SetView,
        *,
        decoder: Decoder,
        encoder: EncoderFactory,
        pair_scorer: PairScorerFactory,
        set_transformer: SetTransformerFactory,
        training: RankingTraining,
        evidence: EvidenceKind = "none",
        evidence_start: float = 1.0,
        evidence_rate: float = 0.02,
    ) -> None:
        super().__init__(view, decoder=decoder, encoder=encoder, training=training)
        self.pair_scorer = pair_scorer(dim=self.encoder.dim)
        self.set_transformer = set_transformer(dim=self.encoder.dim, zero_head=True)
        if evidence not in get_args(EvidenceKind):
            known = ", ".join(get_args(EvidenceKind))
            raise InputError(f"model.evidence={evidence}: choose from {known}")
        if evidence_rate < 0:
            raise InputError(f"model.evidence_rate={evidence_rate}: give 0 or more")
        self.evidence = (
            None if evidence == "none" else EvidenceTerm(view, kind=evidence, start=evidence_start)
        )
        self.evidence_rate = evidence_rate

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All parameters at one rate, but for the weight of the evidence."""
        if self.evidence is None:
            return super().parameter_groups()
        weight = self.evidence.weight
        others = [each for each in self.parameters() if each is not weight]
        return [
            {"params": others, "lr": self.training_options.learning_rate},
            {"params": [weight], "lr": self.evidence_rate, "weight_decay": 0.0},
        ]

    def loss(self, batch: Tensor) -> dict[str, Tensor]:
        """Return the margin-ranking loss, and the weight of the evidence to follow it by."""
        parts = super().loss(batch)
        if self.evidence is not None:
            parts["evidence_weight"] = self.evidence.weight.detach().clone()
        return parts

    def example_scores(self, rows: Tensor, sets: Tensor) -> Tensor:
        """Add the evidence to the scores of training targets' sets."""
        scores = super().example_scores(rows, sets)
        return scores if self.evidence is None else scores + self.evidence.of_train(rows, sets)

    def score_sets(self, targets: Tensor, sets: Tensor) -> Tensor:
        """Add the correction to the sum over pairs."""
        return sum_of_pairs(self.pair_scorer, targets, sets) + self.set_transformer(targets, sets)

    def set_score(self, target: str, pool: Positions) -> SetScore:
        """Add the evidence to the score of sets of a pool's members."""
        score = super().set_score(target, pool)
        if self.evidence is None or not isinstance(score, PooledScore):
            return score
        evidence = self.evidence.of_pool(target, pool)
        psi = score.residual

        def residual(sets: Tensor) -> Tensor:
            own = evidence(sets)
            if psi is None:
                return own
            correction = psi(sets)
            return correction + own.to(correction)

        return PooledScore(len(pool), additive=score.additive, residual=residual)

    def pool_score(self, target: Tensor, pool: Tensor) -> SetScore:
        """Evaluate ``phi`` once for each candidate, and prepare ``psi`` for the pool."""
        return PooledScore(
            len(pool),
            additive=self.pair_scorer(pool, target[None])[0],
            residual=self.set_transformer.pool_score(target, pool),
        )
