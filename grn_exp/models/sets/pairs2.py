"""PairS2: a set is worth the sum of its members."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from grn_exp.core.errors import InputError
from grn_exp.core.ranges import require_in
from grn_exp.core.sets import Positions
from grn_exp.core.views import TrainView
from grn_exp.decode.base import PooledScore
from grn_exp.models.sets.neural import NeuralSelector
from grn_exp.nn.dropout import predicting
from grn_exp.nn.pair_scorer import FactoredPairScorer


class PairScoring(NeuralSelector):
    """Base of the set scorers with a pair scorer ``phi(r, t)``, which :meth:`build` makes.

    An MLP over ``[z_r; z_t; z_r * z_t; <z_r, z_t>]`` (Residual HOS2, section 4.3).

    Parameters
    ----------
    scorer_width, scorer_depth, scorer_dropout
        Hidden layers of ``phi``.
    options
        As in :class:`NeuralSelector`.
    """

    def __init__(
        self,
        *,
        scorer_width: int = 128,
        scorer_depth: int = 1,
        scorer_dropout: float = 0.2,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        require_in("(0, inf)", scorer_width=scorer_width, scorer_depth=scorer_depth)
        require_in("[0, 1)", scorer_dropout=scorer_dropout)

    def make_pair_scorer(self) -> FactoredPairScorer:
        """Return ``phi``, untrained."""
        return FactoredPairScorer(
            dim=self.encoder.dim,
            hidden_width=self.options.scorer_width,
            n_hidden=self.options.scorer_depth,
            dropout=self.options.scorer_dropout,
        )

    def ranked_pools(self, rows: Tensor) -> list[Positions]:
        """Return training targets' pools as ``confusers`` ranks them.

        ``phi`` ranks as it predicts, without dropout: the same members are confusers whatever a
        step draws, and nothing is drawn for it.
        """
        pools = super().ranked_pools(rows)
        if self.options.confusers == "retriever":
            return pools
        # in full precision: autocast would keep weights that were cast here without a gradient
        with predicting(self), torch.autocast(self.device.type, enabled=False):
            scores = self.pair_scores(rows, pools)
        return [
            pool[np.argsort(-score.float().cpu().numpy(), kind="stable")]
            for pool, score in zip(pools, scores, strict=True)
        ]

    def pair_scores(self, rows: Tensor, members: Sequence[Positions]) -> list[Tensor]:
        """Return ``phi`` of training targets, at ``rows``, with the members of a list for each."""
        scorer: Any = self.pair_scorer
        everyone = self._regulator_genes[np.concatenate(members)]
        targets, regulators = self.embed(self._target_genes[rows], everyone)
        pairs = zip(targets, regulators.split([len(each) for each in members]), strict=True)
        return [scorer(each, target[None])[0] for target, each in pairs]


class PairS2(PairScoring):
    """PairS2 (Residual HOS2, section 4.3).

    ``Score(S, t) = sum over r in S of phi(r, t)``.

    Parameters
    ----------
    loss
        The paper gives none. ``ranking``: that of Residual HOS2, on the same negatives. ``bce``:
        cross-entropy of the edges from the members of the pool, and from true regulators that
        retrieval left out of it; no negative sets are drawn.
    positive_weight
        Weight of true edges in ``bce``, and of it alone; None for 1, which has not been compared
        with others.
    options
        As in :class:`PairScoring`.

    Raises
    ------
    InputError
        If the weight is not above 0, or is given for another loss; if ``bce``, which has no near
        misses, is given confusers.
    """

    decomposable: ClassVar[bool] = True

    def __init__(
        self,
        *,
        loss: Literal["ranking", "bce"] = "ranking",
        positive_weight: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._is_ranked = loss == "ranking"
        for name, usual in (("confusers", "score"), ("n_confusers", None)):
            given = options.get(name, usual)
            if not self._is_ranked and given != usual:
                raise InputError(
                    f"model.{name}={given}: model.loss=bce draws no sets that it could matter to; "
                    "drop one of the two"
                )
        if positive_weight is not None:
            require_in("(0, inf)", positive_weight=positive_weight)
            if self._is_ranked:
                raise InputError(
                    f"model.positive_weight={positive_weight:g}: only model.loss=bce has weights; "
                    "give that too, or leave the weight out"
                )

    def build(self, view: TrainView) -> None:
        """Add the pair scorer."""
        super().build(view)
        self.pair_scorer = self.make_pair_scorer()

    def loss(self, batch: Tensor) -> dict[str, Tensor]:
        """Return the loss of a batch of training targets, their mean."""
        if self._is_ranked:
            return super().loss(batch)
        rows = batch.cpu()
        true = [self.view.train.members[row] for row in rows.tolist()]
        pools = [self._train_pools[row] for row in rows.tolist()]
        members = [
            np.concatenate([pool, np.setdiff1d(each, pool)])
            for pool, each in zip(pools, true, strict=True)
        ]
        total = torch.zeros((), device=self.features.device)
        for phi, each, wanted in zip(self.pair_scores(rows, members), members, true, strict=True):
            labels = torch.as_tensor(np.isin(each, wanted)).to(phi)
            weight = phi.new_tensor(self.options.positive_weight or 1.0)
            total = total + F.binary_cross_entropy_with_logits(phi, labels, pos_weight=weight)
        return {"total": total / len(batch)}

    def score_sets(self, targets: Tensor, sets: Tensor) -> Tensor:
        """Sum ``phi`` over each set."""
        return sum_of_pairs(self.pair_scorer, targets, sets)

    def pool_score(self, target: Tensor, pool: Tensor) -> PooledScore:
        """Evaluate ``phi`` once for each candidate."""
        return PooledScore(len(pool), additive=self.pair_scorer(pool, target[None])[0])


class DeepPairS2(PairS2):
    """Deep PairS2 (Residual HOS2, appendix F): more layers, about Residual HOS2's size.

    Parameters
    ----------
    encoder_depth, scorer_width, scorer_depth, options
        As in :class:`PairS2`.
    """

    def __init__(
        self,
        *,
        encoder_depth: int = 2,
        scorer_width: int = 256,
        scorer_depth: int = 4,
        **options: Any,
    ) -> None:
        super().__init__(
            encoder_depth=encoder_depth,
            scorer_width=scorer_width,
            scorer_depth=scorer_depth,
            **options,
        )


def sum_of_pairs(scorer: FactoredPairScorer, targets: Tensor, sets: Tensor) -> Tensor:
    """Sum ``phi`` over sets ``(n_targets, n_sets, R, dim)``; shape ``(n_targets, n_sets)``."""
    pairs = scorer.forward_own(sets.flatten(1, 2), targets)
    return pairs.unflatten(1, (sets.shape[1], sets.shape[2])).sum(dim=2)
