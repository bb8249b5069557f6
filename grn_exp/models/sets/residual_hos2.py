"""Residual HOS2: a set is worth the sum of its members plus what only the set as a whole shows."""

from typing import Protocol

from torch import Tensor

from grn_exp.core.sets import SetView
from grn_exp.decode.base import Decoder, PooledScore, SetScore
from grn_exp.models.sets.neural import EncoderFactory, NeuralSelector, RankingTraining
from grn_exp.models.sets.pairs2 import PairScorerFactory, sum_of_pairs
from grn_exp.nn.set_transformer import SetTransformer


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
    ) -> None:
        super().__init__(view, decoder=decoder, encoder=encoder, training=training)
        self.pair_scorer = pair_scorer(dim=self.encoder.dim)
        self.set_transformer = set_transformer(dim=self.encoder.dim, zero_head=True)

    def score_sets(self, targets: Tensor, sets: Tensor) -> Tensor:
        """Add the correction to the sum over pairs."""
        return sum_of_pairs(self.pair_scorer, targets, sets) + self.set_transformer(targets, sets)

    def pool_score(self, target: Tensor, pool: Tensor) -> SetScore:
        """Evaluate ``phi`` once for each candidate, and prepare ``psi`` for the pool."""
        return PooledScore(
            len(pool),
            additive=self.pair_scorer(pool, target[None])[0],
            residual=self.set_transformer.pool_score(target, pool),
        )
