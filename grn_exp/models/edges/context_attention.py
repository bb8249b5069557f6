"""The context-attention retriever (Residual HOS2, appendix C, equations 1 to 10)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from grn_exp.core.errors import InputError
from grn_exp.core.views import TrainView
from grn_exp.models.base import OptimizerFactory
from grn_exp.models.edges._retriever import Retriever
from grn_exp.models.options import require_positive
from grn_exp.nn.gene_encoder import GeneEncoder
from grn_exp.nn.pair_scorer import FactoredContextScorer


class ContextAttention(nn.Module):
    """Multi-head attention of targets over all genes (eq. 3 to 6), without output projection.

    Parameters
    ----------
    dim
        d, length of an embedding and of a context.
    n_heads
        H; divides d.
    """

    def __init__(self, dim: int, *, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)

    def _heads(self, x: Tensor) -> Tensor:
        """Cut ``(n, d)`` into ``(H, n, d / H)``."""
        return x.view(len(x), self.n_heads, -1).transpose(0, 1)

    def keys_and_values(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``k_g`` and ``v_g`` of all genes, both of the shape ``(H, n_genes, d / H)``."""
        return self._heads(self.key(z)), self._heads(self.value(z))

    def forward(self, z_targets: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Return the contexts of targets: shape ``(b, d)`` to ``(b, d)``."""
        queries = self._heads(self.query(z_targets)) / keys.shape[-1] ** 0.5
        attention = torch.softmax(queries @ keys.transpose(1, 2), dim=-1)
        return (attention @ values).transpose(0, 1).flatten(1)


class ContextAttentionRetriever(Retriever):
    """Scores a pair by a perceptron on regulator, target and the target's context.

    Embeddings have length 1 (eq. 2); a target attends to all genes (eq. 3 to 6); the scorer
    reads eq. 7's features, which are never made (:mod:`grn_exp.nn.pair_scorer`).

    Parameters
    ----------
    embedding_dim
        d, length of an embedding.
    n_heads
        H, heads of the attention.
    encoder_width, encoder_depth
        Units and number of the encoder's hidden layers.
    scorer_width
        Units of the scorer's hidden layer.
    scorer_gain
        How much longer than eq. 2's unit vectors the scorer takes embeddings and contexts to be.
    view, positive_weight, noise, dropout, learning_rate, batch_size, optimizer
        As in :class:`Retriever`.

    Raises
    ------
    InputError
        If a number is out of range, or no pair is known.
    """

    def __init__(
        self,
        view: TrainView,
        *,
        embedding_dim: int,
        n_heads: int,
        encoder_width: int,
        encoder_depth: int,
        scorer_width: int,
        scorer_gain: float,
        positive_weight: float,
        noise: float,
        dropout: float,
        learning_rate: float,
        batch_size: int,
        optimizer: OptimizerFactory,
    ) -> None:
        super().__init__(
            view,
            positive_weight=positive_weight,
            noise=noise,
            dropout=dropout,
            learning_rate=learning_rate,
            batch_size=batch_size,
            optimizer=optimizer,
        )
        require_positive(
            embedding_dim=embedding_dim,
            n_heads=n_heads,
            encoder_width=encoder_width,
            encoder_depth=encoder_depth,
            scorer_width=scorer_width,
            scorer_gain=scorer_gain,
        )
        if embedding_dim % n_heads:
            raise InputError(
                f"model.n_heads={n_heads} does not divide model.embedding_dim={embedding_dim}; "
                "give a number that does"
            )
        self.encoder = GeneEncoder(
            view.expression.n_cells,
            hidden_width=encoder_width,
            dim=embedding_dim,
            depth=encoder_depth,
            dropout=dropout,
        )
        self.attention = ContextAttention(embedding_dim, n_heads=n_heads)
        self.scorer = FactoredContextScorer(
            embedding_dim, hidden_width=scorer_width, dropout=dropout, gain=scorer_gain
        )

    @property
    def numbers_per_target(self) -> int:
        """Attention weights of all heads, the map of the target, or its hidden units."""
        n_heads, dim = self.attention.n_heads, self.scorer.dim
        n_hidden = self.scorer.first.out_features
        n_regulators = len(self.view.regulators)
        return max(n_heads * len(self.view.genes), max(dim, n_regulators) * n_hidden)

    def encode(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return z of all genes, their keys and their values (eq. 1 to 3)."""
        z = functional.normalize(self.encoder(features), dim=1)
        return (z, *self.attention.keys_and_values(z))

    def logits(self, encoded: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        """Return eq. 8's logits, shape ``(b, n_regulators)``."""
        z, keys, values = encoded
        z_targets = z[targets]
        contexts = self.attention(z_targets, keys, values)
        return self.scorer(z[self.regulator_positions], z_targets, contexts)
