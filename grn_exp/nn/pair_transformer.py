"""A transformer layer over pairs of tokens, where many pairs share a token."""

import torch
from torch import Tensor, nn

from grn_exp.nn.dropout import Dropout


class PairLayer(nn.Module):
    """``nn.TransformerEncoderLayer`` (norms last, ReLU) for sequences of two tokens.

    Queries, keys and values are computed once for a token, however many pairs it is in. Two
    attention weights that sum to 1 are a logistic function of the difference of their scores, so
    a token's output is ``v_2 + sigmoid(q (k_1 - k_2)) (v_1 - v_2)``.

    Parameters
    ----------
    dim
        Width of a token.
    n_heads
        Heads; they divide ``dim``.
    ff_width
        Units of the feed-forward part.
    dropout
        Of attention weights, hidden units and what each part adds; in training only.
    """

    def __init__(self, dim: int, *, n_heads: int, ff_width: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.projection = nn.Linear(dim, 3 * dim)
        self.output = nn.Linear(dim, dim)
        self.hidden = nn.Linear(dim, ff_width)
        self.feed_forward = nn.Linear(ff_width, dim)
        self.attention_norm = nn.LayerNorm(dim)
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)
        nn.init.xavier_uniform_(self.projection.weight)
        for layer in (self.projection, self.output):
            nn.init.zeros_(layer.bias)

    def project(self, tokens: Tensor) -> Tensor:
        """Return queries, keys and values: ``(..., dim)`` to ``(..., 3, dim)``."""
        return self.projection(tokens).unflatten(-1, (3, -1))

    def forward(self, pairs: Tensor, projected: Tensor) -> Tensor:
        """Return the next layer's tokens.

        Parameters
        ----------
        pairs
            Shape ``(b, 2, dim)``.
        projected
            Of :meth:`project`, shape ``(b, 2, 3, dim)``.

        Returns
        -------
        Tensor
            Shape ``(b, 2, dim)``.
        """
        attended = self.output(self._attend(projected))
        pairs = self.attention_norm(pairs + self.dropout(attended))
        hidden = self.dropout(torch.relu(self.hidden(pairs)))
        return self.feed_forward_norm(pairs + self.dropout(self.feed_forward(hidden)))

    def _attend(self, projected: Tensor) -> Tensor:
        """Mix the two tokens' values, shape ``(b, 2, dim)``."""
        queries, keys, values = projected.unflatten(-1, (self.n_heads, -1)).unbind(dim=2)
        scale = queries.shape[-1] ** -0.5
        difference = (keys[:, :1] - keys[:, 1:]) * scale
        logits = (queries * difference).sum(dim=-1, keepdim=True)
        if not self.training or self.dropout.rate == 0:
            step = values[:, :1] - values[:, 1:]
            return (values[:, 1:] + torch.sigmoid(logits) * step).flatten(2)
        weights = self.dropout(torch.sigmoid(torch.cat([logits, -logits], dim=-1)))
        first, second = weights.split(1, dim=-1)
        return (first * values[:, :1] + second * values[:, 1:]).flatten(2)
