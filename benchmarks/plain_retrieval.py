"""The context-attention retriever written out: eq. 7's features are made for every pair.

The reference that the model is measured against. It uses torch's own layers and shares no code
with the model but its starting weights.
"""

import torch
from torch import Tensor, nn

from grn_exp.models.edges.context_attention import ContextAttentionRetriever


class PlainContextAttention:
    """The retriever with the starting weights, data and settings of a given model.

    Parameters
    ----------
    model
        Where they are copied from.
    dropout
        Share of hidden units that are zeroed.
    """

    def __init__(self, model: ContextAttentionRetriever, *, dropout: float) -> None:
        self.features = model.features.clone()
        self.regulators = model.regulator_positions.clone()
        self.targets = model.targets.clone()
        self.labels = model.labels.clone()
        self.noise = model.options.noise
        self.positive_weight = torch.tensor(model.options.positive_weight)
        self.n_heads = model.attention.n_heads
        self.encoder = nn.Sequential()
        for layer in model.encoder.layers:
            if isinstance(layer, nn.Linear):
                self.encoder.append(_copy(layer))
            elif isinstance(layer, nn.GELU):
                self.encoder.append(nn.Sequential(nn.GELU(), nn.Dropout(dropout)))
        attention = model.attention
        self.query, self.key, self.value = (
            _copy(layer) for layer in (attention.query, attention.key, attention.value)
        )
        first, output = model.scorer.first, model.scorer.rest[-1]
        assert isinstance(output, nn.Linear)
        self.scorer = nn.Sequential(_copy(first), nn.GELU(), nn.Dropout(dropout), _copy(output))

    def parameters(self) -> list[nn.Parameter]:
        """Return all weights."""
        modules = (self.encoder, self.query, self.key, self.value, self.scorer)
        return [parameter for module in modules for parameter in module.parameters()]

    def loss(self, batch: Tensor) -> Tensor:
        """Return eq. 10 of a batch of training targets, all of whose pairs are known but one."""
        features = self.features
        if self.noise > 0:
            features = features + self.noise * torch.randn_like(features)
        hidden = self.encoder(features)
        z = hidden / hidden.norm(dim=1, keepdim=True)
        logits = self._logits(z, self.targets[batch])
        labels = self.labels[batch]
        loss = nn.functional.binary_cross_entropy_with_logits(
            logits, (labels == 1).float(), pos_weight=self.positive_weight, reduction="none"
        )
        return (loss * (labels >= 0)).sum() / (labels >= 0).sum()

    def _logits(self, z: Tensor, targets: Tensor) -> Tensor:
        """Return eq. 8's logits, shape ``(b, n_regulators)``."""
        z_t, z_r = z[targets], z[self.regulators]
        c_t = self._contexts(z_t, z)
        b, n, dim = len(z_t), len(z_r), z.shape[1]
        z_r = z_r[None].expand(b, n, dim)
        z_t = z_t[:, None].expand(b, n, dim)
        c_t = c_t[:, None].expand(b, n, dim)
        r_t, r_c = z_r * z_t, z_r * c_t
        dots = torch.stack([r_t.sum(dim=-1), r_c.sum(dim=-1)], dim=-1)
        phi = torch.cat([z_r, z_t, c_t, r_t, r_c, z_t * c_t, dots], dim=-1)
        return self.scorer(phi).squeeze(-1)

    def _contexts(self, z_t: Tensor, z: Tensor) -> Tensor:
        """Return eq. 6's contexts, shape ``(b, d)``."""
        d_h = z.shape[1] // self.n_heads
        queries, keys, values = self.query(z_t), self.key(z), self.value(z)
        contexts = []
        for q, k, v in zip(
            queries.split(d_h, 1), keys.split(d_h, 1), values.split(d_h, 1), strict=True
        ):
            contexts.append(torch.softmax(q @ k.T / d_h**0.5, dim=1) @ v)
        return torch.cat(contexts, dim=1)


def _copy(layer: nn.Linear) -> nn.Linear:
    copied = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
    copied.load_state_dict(layer.state_dict())
    return copied
