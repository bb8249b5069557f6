"""What the classifiers of pairs share: batches of labelled pairs, cross-entropy, scoring."""

import abc
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from grn_exp.core.errors import InputError
from grn_exp.core.ranges import require_in
from grn_exp.core.scores import EdgeScores
from grn_exp.core.views import Items, TrainView
from grn_exp.models.gradient import GradientModel
from grn_exp.models.optimisers import Optimizer
from grn_exp.nn.dropout import predicting


class PairClassifier(GradientModel):
    """Tells training edges from training pairs without an edge; an item is one such pair.

    The loss is the mean binary cross-entropy of a batch, whatever the share of edges. Scores are
    probabilities.

    Parameters
    ----------
    learning_rate, learning_rate_decay
        Of all weights, and its factor a batch.
    batch_size, optimizer, scheduler, seed
        As in :class:`GradientModel`; batches are pairs.

    Raises
    ------
    InputError
        If the training labels are all alike.
    """

    reads_labels: ClassVar[bool] = True
    needs_negatives: ClassVar[bool] = True
    batches_of: ClassVar[Items] = "pairs"
    decay_interval: ClassVar[Literal["epoch", "step"]] = "step"
    regulator_positions: Tensor
    pair_rows: Tensor
    pair_genes: Tensor
    pair_labels: Tensor

    def __init__(
        self,
        *,
        learning_rate: float,
        learning_rate_decay: float,
        optimizer: Optimizer = {"_target_": "torch.optim.Adam", "_partial_": True},
        **options: Any,
    ) -> None:
        super().__init__(optimizer=optimizer, **options)
        require_in(
            "(0, inf)", learning_rate=learning_rate, learning_rate_decay=learning_rate_decay
        )

    def build(self, view: TrainView) -> None:
        """Lay the training pairs out."""
        rows, genes = view.pairs()
        of_pairs = view.known_labels()[rows, genes]
        n_edges = int((of_pairs == 1).sum())
        if n_edges in (0, len(of_pairs)):
            raise InputError(
                f"{n_edges} of {len(of_pairs)} training pairs of different genes are edges; a "
                "classifier needs both kinds: take another split.seed or data.network"
            )
        self.hold(regulator_positions=view.regulator_positions, pair_rows=rows, pair_genes=genes)
        self.hold(pair_labels=of_pairs.astype(np.float32))

    @abc.abstractmethod
    def pair_logits(self, rows: Tensor, genes: Tensor) -> Tensor:
        """Return the logits of some pairs.

        Parameters
        ----------
        rows, genes
            Positions among the regulators and among the genes, both of the shape ``(b,)``.
        """

    @abc.abstractmethod
    def all_logits(self) -> Tensor:
        """Return the logits of all pairs, shape ``(n_regulators, n_genes)``."""

    def loss(self, batch: Tensor) -> dict[str, Tensor]:
        """Return the cross-entropy of a batch of training pairs."""
        logits = self.pair_logits(self.pair_rows[batch], self.pair_genes[batch])
        labels = self.pair_labels[batch]
        return {"total": functional.binary_cross_entropy_with_logits(logits, labels)}

    def predict(self) -> EdgeScores:
        """Return the probabilities of all pairs, without dropout."""
        with predicting(self):
            return self.as_scores(torch.sigmoid(self.all_logits().float()))
