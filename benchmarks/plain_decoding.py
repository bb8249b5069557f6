"""Exact decoding written out: torch's encoder applied to every set of a batch.

The reference that the fast form is measured and tested against.
"""

import torch
from torch import Tensor, nn

from grn_exp.nn.set_transformer import SetTransformer


class PlainSetScore:
    """psi_set with the weights of a given Set Transformer.

    Parameters
    ----------
    model
        Where the weights are copied from.
    z_target, z_pool
        Embeddings of the target, ``(d,)``, and of the pool, ``(M, d)``.
    """

    def __init__(self, model: SetTransformer, z_target: Tensor, z_pool: Tensor) -> None:
        layers = model.encoder_layers()
        attention, width = layers[0].self_attn, layers[0].linear1.out_features
        layer = nn.TransformerEncoderLayer(
            attention.embed_dim,
            attention.num_heads,
            width,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, len(layers), enable_nested_tensor=False)
        for copy, original in zip(self.encoder.layers, layers, strict=True):
            copy.load_state_dict(original.state_dict())
        self.encoder.eval()
        self.head = model.head.weight[0].detach()
        self.cls = model.cls(z_target).detach()
        self.z_pool = z_pool

    @torch.inference_mode()
    def __call__(self, sets: Tensor) -> Tensor:
        """Score sets: ``(n, R)`` to ``(n,)``."""
        cls = self.cls.expand(len(sets), 1, -1)
        return self.encoder(torch.cat([cls, self.z_pool[sets]], dim=1))[:, 0] @ self.head
