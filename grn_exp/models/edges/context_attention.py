"""The context-attention retriever (Residual HOS2, appendix C, equations 1 to 10)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grn_exp.core.errors import InputError
from grn_exp.core.ranges import require_in
from grn_exp.core.views import TrainView
from grn_exp.models.edges._retriever import Retriever
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
    n_heads
        H, heads of the attention.
    scorer_width
        Units of the scorer's hidden layer.
    scorer_gain
        How much longer than eq. 2's unit vectors the scorer takes embeddings and contexts to be;
        about the fourth root of their dimension, and at 1 it hardly outgrows frequencies.
    positive_weight, options
        As in :class:`Retriever`.

    Raises
    ------
    InputError
        If no pair is known.

    References
    ----------
    - Learning Residual Set Representations for Mechanistic Gene Regulation (Residual HOS2),
      appendices C and D.
    """

    def __init__(
        self,
        *,
        n_heads: int = 4,
        scorer_width: int = 256,
        scorer_gain: float = 3.4,
        positive_weight: float = 100.0,
        **options: Any,
    ) -> None:
        super().__init__(positive_weight=positive_weight, **options)
        require_in("(0, inf)", n_heads=n_heads, scorer_width=scorer_width, scorer_gain=scorer_gain)
        dim = self.options.embedding_dim
        if dim % n_heads:
            raise InputError(
                f"model.n_heads={n_heads}: give a divisor of model.embedding_dim={dim}"
            )

    def build(self, view: TrainView) -> None:
        """Add attention and scorer."""
        super().build(view)
        own = self.options
        self.attention = ContextAttention(own.embedding_dim, n_heads=own.n_heads)
        self.scorer = FactoredContextScorer(
            own.embedding_dim,
            hidden_width=own.scorer_width,
            dropout=own.dropout,
            gain=own.scorer_gain,
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
