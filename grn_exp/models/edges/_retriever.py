"""What the two retrievers share: batches of targets, one encoding a step, the loss, scoring."""

import abc
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from grn_exp.core.errors import InputError
from grn_exp.core.ranges import require_in
from grn_exp.core.scores import EdgeScores
from grn_exp.core.views import UNKNOWN, Items, TrainView
from grn_exp.models.gradient import GradientModel
from grn_exp.models.optimisers import Optimizer
from grn_exp.nn.dropout import predicting
from grn_exp.nn.gene_encoder import GeneEncoder, gene_features

# numbers of the largest array that scoring makes at a time
_CHUNK_NUMBERS = 2**23
# torch draws noise in a tenth of the time where a matrix is laid out row by row, but draws other
# noise: matrices with fewer numbers (SERGIO DS3 has 3.2 million) keep their layout and results
_LARGE = 3_500_000


class Retriever(GradientModel):
    """Ranks all candidate regulators of a target (Residual HOS2, appendix C).

    An item is a gene with known pairs as a target. The loss of a batch is eq. 10 over its known
    pairs: cross-entropy with weight ``positive_weight`` on edges, a gene with itself left out.
    It is divided by what the batch would hold if all targets had the mean number of known pairs,
    so that each pair counts the same in every batch and the loss is a mean over pairs.

    A subclass names the features of genes (:meth:`encode`) and of pairs (:meth:`logits`). The
    genes are encoded once a step.

    Parameters
    ----------
    positive_weight
        w of eq. 10.
    noise
        Standard deviation of the Gaussian noise on the z-scores in training.
    dropout
        Share of hidden units that are zeroed in training.
    learning_rate
        Of all weights.
    embedding_dim
        Length of a gene's embedding.
    encoder_width, encoder_depth
        Units and number of the encoder's hidden layers.
    batch_size, optimizer, scheduler, seed
        As in :class:`GradientModel`; batches are targets.

    Raises
    ------
    InputError
        If no pair is known.

    Notes
    -----
    Assumes that a target's expression over the cells shows its regulators, in a way that other
    targets share. Reads expression and training labels. A step encodes all genes, ``n_genes
    n_cells w`` operations.
    """

    reads_labels: ClassVar[bool] = True
    needs_negatives: ClassVar[bool] = True
    batches_of: ClassVar[Items] = "targets"
    features: Tensor
    regulator_positions: Tensor
    targets: Tensor
    labels: Tensor

    def __init__(
        self,
        *,
        positive_weight: float,
        noise: float = 0.01,
        dropout: float = 0.2,
        learning_rate: float = 2e-4,
        embedding_dim: int = 128,
        encoder_width: int = 512,
        encoder_depth: int = 1,
        batch_size: int = 16,
        optimizer: Optimizer = {
            "_target_": "torch.optim.AdamW",
            "_partial_": True,
            "weight_decay": 1e-3,
        },
        **options: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, optimizer=optimizer, **options)
        require_in(
            "(0, inf)",
            positive_weight=positive_weight,
            learning_rate=learning_rate,
            embedding_dim=embedding_dim,
            encoder_width=encoder_width,
            encoder_depth=encoder_depth,
        )
        require_in("[0, inf)", noise=noise)
        require_in("[0, 1)", dropout=dropout)

    def build(self, view: TrainView) -> None:
        """Lay the targets' labels out, and make the encoder."""
        labels = view.known_labels()
        targets = view.labelled_targets()
        if len(targets) == 0:
            raise InputError("no pair of different genes has a training label to learn from")
        of_targets = np.ascontiguousarray(labels[:, targets].T)
        self.pairs_per_target = float((of_targets != UNKNOWN).sum() / len(targets))
        features = gene_features(view.expression)
        if features.numel() > _LARGE:
            features = features.contiguous()
        self.hold(features=features, targets=targets, labels=of_targets)
        self.hold(regulator_positions=view.regulator_positions)
        self.encoder = GeneEncoder(
            view.expression.n_cells,
            hidden_width=self.options.encoder_width,
            dim=self.options.embedding_dim,
            depth=self.options.encoder_depth,
            dropout=self.options.dropout,
        )

    @property
    @abc.abstractmethod
    def numbers_per_target(self) -> int:
        """Size of the largest array that :meth:`logits` makes for one target."""

    @abc.abstractmethod
    def encode(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return what scoring needs of all genes.

        Parameters
        ----------
        features
            Shape ``(n_genes, n_cells)``.
        """

    @abc.abstractmethod
    def logits(self, encoded: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        """Return the scores of all candidates for some targets, shape ``(b, n_regulators)``.

        A gene's entry for itself means nothing.

        Parameters
        ----------
        encoded
            Of :meth:`encode`.
        targets
            Positions of genes, shape ``(b,)``.
        """

    def loss(self, batch: Tensor) -> dict[str, Tensor]:
        """Return the weighted cross-entropy (eq. 10) of a batch of training targets."""
        features = self.features
        if self.training and self.options.noise > 0:
            features = torch.randn_like(features).mul_(self.options.noise).add_(features)
        logits = self.logits(self.encode(features), self.targets[batch])
        labels = self.labels[batch]
        total = functional.binary_cross_entropy_with_logits(
            logits,
            (labels == 1).to(logits.dtype),
            weight=(labels != UNKNOWN).to(logits.dtype),
            pos_weight=logits.new_tensor(self.options.positive_weight),
            reduction="sum",
        )
        return {"total": total / (len(batch) * self.pairs_per_target)}

    def predict(self) -> EdgeScores:
        """Return the logits; the pair of a gene with itself lies below all others (eq. 8)."""
        genes = torch.arange(len(self.features), device=self.features.device)
        chunk_size = max(_CHUNK_NUMBERS // self.numbers_per_target, 1)
        with predicting(self):
            encoded = self.encode(self.features)
            chunks = [self.logits(encoded, chunk) for chunk in genes.split(chunk_size)]
        logits = torch.cat(chunks).T
        itself = self.regulator_positions[:, None] == genes
        lowest = logits.masked_fill(itself, float("inf")).min()
        return self.as_scores(logits.masked_fill(itself, float(lowest) - 1))
