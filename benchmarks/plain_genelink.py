"""GENELink written out: every gene attends to every gene, under a mask, head by head.

The reference that the model is measured against. It shares no code with the model but its
starting weights.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from grn_exp.models.edges.genelink import Channel, GENELink
from grn_exp.nn.graph_attention import GraphAttention

_MASKED = -9e15


class PlainGENELink:
    """GENELink with the weights, data and settings of a given model.

    Parameters
    ----------
    model
        Where they are copied from.
    attention_dropout, channel_dropout
        Shares that are zeroed.
    """

    def __init__(
        self, model: GENELink, *, attention_dropout: float, channel_dropout: float
    ) -> None:
        view = model.view
        genes = view.expression.values.T.astype(np.float64)
        genes = genes - genes.mean(axis=1, keepdims=True)
        spread = genes.std(axis=1, keepdims=True)
        scaled = np.divide(genes, spread, out=np.zeros_like(genes), where=spread > 0)
        self.features = torch.from_numpy(scaled.astype(np.float32))
        self.mask = torch.zeros(len(genes), len(genes), dtype=torch.bool)
        positions = view.regulator_positions
        labels = view.known_labels()
        for row, gene in zip(*np.nonzero(labels == 1), strict=True):
            self.mask[positions[row], gene] = self.mask[gene, positions[row]] = True
        rows, targets = np.nonzero(labels >= 0)
        self.pairs = torch.from_numpy(np.stack([positions[rows], targets], axis=1))
        self.labels = torch.from_numpy(labels[rows, targets].astype(np.float32))
        self.slope = model.first.slope
        self.attention_dropout = attention_dropout
        self.channel_dropout = channel_dropout
        self.layers = [_heads_of(layer) for layer in (model.first, model.second)]
        self.regulator_channel = _linear_of(model.regulator_channel)
        self.target_channel = _linear_of(model.target_channel)

    def parameters(self) -> list[nn.Parameter]:
        """Return all weights."""
        heads = [weight for layer in self.layers for head in layer for weight in head]
        channels = (self.regulator_channel, self.target_channel)
        linear = [p for channel in channels for layer in channel for p in layer.parameters()]
        return heads + linear

    def loss(self, batch: Tensor) -> Tensor:
        """Return the cross-entropy of a batch of training pairs."""
        probabilities = torch.sigmoid(self.logits(self.pairs[batch]))
        return functional.binary_cross_entropy(probabilities, self.labels[batch])

    def logits(self, pairs: Tensor) -> Tensor:
        """Return the logits of pairs of genes, shape ``(b, 2)`` to ``(b,)``."""
        first, second = self.layers
        x = functional.elu(torch.cat([self._head(self.features, *head) for head in first], dim=1))
        x = torch.stack([self._head(x, *head) for head in second]).mean(dim=0)
        regulators = self._channel(x, self.regulator_channel)
        targets = self._channel(x, self.target_channel)
        return (regulators[pairs[:, 0]] * targets[pairs[:, 1]]).sum(dim=1)

    def _head(self, x: Tensor, weight: Tensor, own: Tensor, other: Tensor, bias: Tensor) -> Tensor:
        h = x @ weight
        scores = functional.leaky_relu((h @ own)[:, None] + (h @ other)[None], self.slope)
        scores = torch.where(self.mask, scores, torch.full_like(scores, _MASKED))
        attention = functional.dropout(torch.softmax(scores, dim=1), self.attention_dropout)
        passed = functional.leaky_relu(attention @ h, self.slope)
        return functional.normalize(passed, dim=1) + bias

    def _channel(self, x: Tensor, layers: list[nn.Linear]) -> Tensor:
        first, second = layers
        hidden = functional.dropout(functional.leaky_relu(first(x)), self.channel_dropout)
        return functional.leaky_relu(second(hidden))


def _heads_of(layer: GraphAttention) -> list[list[nn.Parameter]]:
    """Return weight, both halves of the attention vector and bias of each head."""
    weights = layer.weight.detach().chunk(layer.n_heads, dim=1)
    heads = []
    for weight, attention, bias in zip(weights, layer.attention, layer.bias, strict=True):
        parts = (weight, attention[:, 0], attention[:, 1], bias[0])
        heads.append([nn.Parameter(part.detach().clone()) for part in parts])
    return heads


def _linear_of(channel: Channel) -> list[nn.Linear]:
    copied = []
    for layer in (channel.first, channel.second):
        copied.append(nn.Linear(layer.in_features, layer.out_features))
        copied[-1].load_state_dict(layer.state_dict())
    return copied
