"""PureHOS2: a set transformer without any sum over members to lean on."""

from typing import Any, Literal

from torch import Tensor

from grn_exp.core.ranges import require_in
from grn_exp.core.views import TrainView
from grn_exp.decode.base import PooledScore
from grn_exp.models.sets.pairs2 import sum_of_pairs
from grn_exp.models.sets.residual_hos2 import SetScoring, set_trainable


class PureHOS2(SetScoring):
    """PureHOS2 (Residual HOS2, section 5.4 and appendix E): ``Score(S, t) = psi(S, t)``.

    With a warm start the first epochs train PairS2; its encoder is kept, its pair scorer is
    not used again, and the transformer is trained with the encoder first frozen, then free.

    Parameters
    ----------
    confusers
        As in :class:`NeuralSelector`; there is no pair score that could choose them.
    frozen_epochs
        Epochs after the warm start in which the encoder is frozen.
    options
        As in :class:`SetScoring`.
    """

    def __init__(
        self,
        *,
        confusers: Literal["retriever"] = "retriever",
        frozen_epochs: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(confusers=confusers, **options)
        require_in("[0, inf)", frozen_epochs=frozen_epochs)

    def build(self, view: TrainView) -> None:
        """Add the set transformer, and the pair scorer of the warm start."""
        super().build(view)
        self.set_transformer = self.make_set_transformer(zero_head=False)
        self.pair_scorer = self.make_pair_scorer() if self.options.warm_start_epochs else None

    def begin_epoch(self, epoch: int) -> None:
        """Choose what is trained in this epoch."""
        super().begin_epoch(epoch)
        n_own = epoch - self.options.warm_start_epochs
        if self.pair_scorer is not None:
            set_trainable(self.pair_scorer, self.warming_up)
        set_trainable(self.encoder, self.warming_up or n_own >= self.options.frozen_epochs)

    def score_sets(self, targets: Tensor, sets: Tensor) -> Tensor:
        """Score each set as a whole; by its pairs during the warm start."""
        if self.warming_up and self.pair_scorer is not None:
            return sum_of_pairs(self.pair_scorer, targets, sets)
        return self.set_transformer(targets, sets)

    def pool_score(self, target: Tensor, pool: Tensor) -> PooledScore:
        """Prepare ``psi`` for the pool."""
        return PooledScore(len(pool), residual=self.set_transformer.pool_score(target, pool))
