"""Set Transformer: one number for a target and a set of regulators.

Source: Residual HOS2, section 4.3: ``psi_set(S, t) = w^T Enc([u_cls(t), z_r1, ..., z_rR])_cls``
with ``u_cls(t) = W_cls z_t + b_cls``.
"""

import torch
from torch import Tensor, nn

from grn_exp.core.errors import InputError
from grn_exp.nn.set_transformer_pool import PoolScore


class SetTransformer(nn.Module):
    """Self-attention over a target-conditioned [CLS] token and the members of a set.

    The encoder is ``nn.TransformerEncoderLayer(norm_first=True, activation="gelu")``, layer
    after layer, without positions and without a last norm. The paper names neither the place of
    the norms nor the activation; norms before each part train without warm-up.

    Parameters
    ----------
    dim
        d, the width of embeddings and tokens.
    n_heads
        Attention heads; they divide ``dim``.
    n_layers
        L.
    ff_width
        Hidden units of each layer's feed-forward part.
    dropout
        Of attention weights, hidden units and what each part adds; in training only.
    zero_head
        Start with ``w = 0``, so the score of every set is 0 until something is learnt.

    Raises
    ------
    InputError
        If the heads do not divide the width.
    """

    def __init__(
        self,
        dim: int = 128,
        n_heads: int = 4,
        n_layers: int = 2,
        ff_width: int = 256,
        dropout: float = 0.1,
        *,
        zero_head: bool = True,
    ) -> None:
        super().__init__()
        if dim % n_heads:
            raise InputError(
                f"n_heads={n_heads} does not divide the width dim={dim}; give one that does"
            )
        self.cls = nn.Linear(dim, dim)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                dim,
                n_heads,
                ff_width,
                dropout,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(n_layers)
        )
        self.head = nn.Linear(dim, 1, bias=False)
        if zero_head:
            nn.init.zeros_(self.head.weight)

    def encoder_layers(self) -> list[nn.TransformerEncoderLayer]:
        """Return the layers, first to last."""
        return [layer for layer in self.layers if isinstance(layer, nn.TransformerEncoderLayer)]

    def forward(self, z_targets: Tensor, z_sets: Tensor) -> Tensor:
        """Score sets of one size.

        Parameters
        ----------
        z_targets
            Embeddings of targets, shape ``(b, d)``.
        z_sets
            Embeddings of the members of n sets for each, shape ``(b, n, R, d)``.

        Returns
        -------
        Tensor
            Shape ``(b, n)``.
        """
        n_targets, n_sets, _, dim = z_sets.shape
        cls = self.cls(z_targets)[:, None, None].expand(-1, n_sets, -1, -1)
        tokens = torch.cat([cls, z_sets], dim=2).reshape(n_targets * n_sets, -1, dim)
        *inner, last = self.encoder_layers()
        for layer in inner:
            tokens = layer(tokens)
        return self.head(_cls_row(last, tokens)).reshape(n_targets, n_sets)

    def pool_score(self, z_target: Tensor, z_pool: Tensor) -> PoolScore:
        """Prepare to score many sets of one pool for one target, fast and without gradients.

        Equal to :meth:`forward` in evaluation mode, whatever mode this module is in.

        Parameters
        ----------
        z_target
            Shape ``(d,)``.
        z_pool
            Embeddings of the pool's candidates, shape ``(M, d)``.

        Returns
        -------
        PoolScore
            Scores ``(n, R)`` positions in the pool as ``(n,)``. It keeps the weights as they are
            now.
        """
        with torch.inference_mode():
            tokens = torch.cat([self.cls(z_target)[None], z_pool])
            return PoolScore(self.encoder_layers(), self.head.weight[0], tokens)


def _cls_row(layer: nn.TransformerEncoderLayer, tokens: Tensor) -> Tensor:
    """Return the first row of a layer's output, shape ``(n, d)``; the others are not computed."""
    normed = layer.norm1(tokens)
    attended, _ = layer.self_attn(normed[:, :1], normed, normed, need_weights=False)
    x = tokens[:, 0] + layer.dropout1(attended[:, 0])
    hidden = layer.dropout(nn.functional.gelu(layer.linear1(layer.norm2(x))))
    return x + layer.dropout2(layer.linear2(hidden))
