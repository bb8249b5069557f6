"""scGREAT written out: a token for each place of each pair, torch's own transformer.

The reference that the model is measured against. It shares no code with the model but its
starting weights.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from grn_exp.models.edges.scgreat import SCGREAT
from grn_exp.nn.pair_transformer import PairLayer


class PlainSCGREAT(nn.Module):
    """scGREAT with the weights and data of a given model.

    Parameters
    ----------
    model
        Where they are copied from.
    layer_dropout, head_dropout
        Shares that are zeroed.
    """

    def __init__(self, model: SCGREAT, *, layer_dropout: float, head_dropout: float) -> None:
        super().__init__()
        self.features = model.features.clone()
        self.vectors = model.embedding.clone()
        regulators = model.regulator_positions[model.pair_rows]
        self.pairs = torch.stack([regulators, model.pair_genes], dim=1)
        self.labels = model.pair_labels.clone()
        first, second = (model.from_expression[i] for i in range(2))
        assert isinstance(first, nn.Linear)
        assert isinstance(second, nn.Linear)
        self.expression = nn.ModuleList([_copy(first), _copy(second)])
        self.width = (
            _copy(model.from_embedding) if isinstance(model.from_embedding, nn.Linear) else None
        )
        self.position = nn.Embedding.from_pretrained(model.place.detach().clone(), freeze=False)
        layers = [layer for layer in model.layers if isinstance(layer, PairLayer)]
        dim, ff_width = model.place.shape[1], layers[0].hidden.out_features
        layer = nn.TransformerEncoderLayer(
            dim, layers[0].n_heads, ff_width, layer_dropout, batch_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, len(layers))
        for own, other in zip(self.encoder.layers, layers, strict=True):
            own.load_state_dict(_state_of(other))
        head = model.head
        self.head = nn.ModuleList(map(_copy, (head.first, head.second, head.third, head.last)))
        self.activation = nn.PReLU()
        self.activation.load_state_dict(head.activation.state_dict())
        self.pool = nn.AvgPool1d(head.first.out_features // head.third.out_features)
        self.dropout = nn.Dropout(head_dropout)

    def loss(self, batch: Tensor) -> Tensor:
        """Return the cross-entropy of a batch of training pairs."""
        probabilities = torch.sigmoid(self(self.pairs[batch]))
        return functional.binary_cross_entropy(probabilities, self.labels[batch])

    def forward(self, pairs: Tensor) -> Tensor:
        """Return the logits of pairs of genes, shape ``(b, 2)`` to ``(b,)``."""
        first, second = self.expression
        expression = functional.leaky_relu(second(first(self.features[pairs])))
        vectors = self.vectors[pairs]
        if self.width is not None:
            vectors = self.width(vectors)
        places = torch.tensor([[0, 1]]).expand(len(pairs), 2)
        x = self.encoder(expression + vectors + self.position(places)).flatten(1)
        first, second, third, last = self.head
        x = self.activation(self.dropout(first(x)))
        pooled = self.pool(x[:, None])[:, 0]
        x = self.activation(self.dropout(second(x)))
        x = self.activation(self.dropout(third(x) + pooled))
        return last(x)[:, 0]


def _copy(layer: nn.Linear) -> nn.Linear:
    copied = nn.Linear(layer.in_features, layer.out_features)
    copied.load_state_dict(layer.state_dict())
    return copied


def _state_of(layer: PairLayer) -> dict[str, Tensor]:
    """Return a layer's weights under the names of torch's."""
    state = {
        "self_attn.in_proj_weight": layer.projection.weight,
        "self_attn.in_proj_bias": layer.projection.bias,
    }
    for name, part in (
        ("self_attn.out_proj", layer.output),
        ("linear1", layer.hidden),
        ("linear2", layer.feed_forward),
        ("norm1", layer.attention_norm),
        ("norm2", layer.feed_forward_norm),
    ):
        state |= {f"{name}.{key}": value for key, value in part.state_dict().items()}
    return state
