"""PairS2: a set is worth the sum of its members."""

from typing import ClassVar, Protocol

from torch import Tensor

from grn_exp.core.sets import SetView
from grn_exp.decode.base import Decoder, PooledScore, SetScore
from grn_exp.models.sets.neural import EncoderFactory, NeuralSelector, RankingTraining
from grn_exp.nn.pair_scorer import FactoredPairScorer


class PairScorerFactory(Protocol):
    """A :class:`FactoredPairScorer` with its widths fixed."""

    def __call__(self, dim: int) -> FactoredPairScorer:
        """Make the scorer for embeddings of that width."""
        ...


class PairS2(NeuralSelector):
    """PairS2 and Deep PairS2 (Residual HOS2, section 4.3).

    ``Score(S, t) = sum over r in S of phi(r, t)`` with ``phi`` an MLP over
    ``[z_r; z_t; z_r * z_t; <z_r, z_t>]``; the deep form has more layers in encoder and scorer.

    Parameters
    ----------
    view, decoder, encoder, training
        As :class:`NeuralSelector`.
    pair_scorer
        Makes ``phi``.
    """

    decomposable: ClassVar[bool] = True

    def __init__(
        self,
        view: SetView,
        *,
        decoder: Decoder,
        encoder: EncoderFactory,
        pair_scorer: PairScorerFactory,
        training: RankingTraining,
    ) -> None:
        super().__init__(view, decoder=decoder, encoder=encoder, training=training)
        self.pair_scorer = pair_scorer(dim=self.encoder.dim)

    def score_sets(self, targets: Tensor, sets: Tensor) -> Tensor:
        """Sum ``phi`` over each set."""
        return sum_of_pairs(self.pair_scorer, targets, sets)

    def pool_score(self, target: Tensor, pool: Tensor) -> SetScore:
        """Evaluate ``phi`` once for each candidate."""
        return PooledScore(len(pool), additive=self.pair_scorer(pool, target[None])[0])


def sum_of_pairs(scorer: FactoredPairScorer, targets: Tensor, sets: Tensor) -> Tensor:
    """Sum ``phi`` over sets ``(n_targets, n_sets, R, dim)``; shape ``(n_targets, n_sets)``."""
    pairs = scorer.forward_own(sets.flatten(1, 2), targets)
    return pairs.unflatten(1, (sets.shape[1], sets.shape[2])).sum(dim=2)
