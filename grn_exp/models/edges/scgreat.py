"""scGREAT (Wang et al. 2024): a transformer on the two genes of a pair and their text vectors."""

import contextlib
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from grn_exp.core.errors import InputError
from grn_exp.core.ranges import require_in
from grn_exp.core.views import TrainView
from grn_exp.models.edges._pair_classifier import PairClassifier
from grn_exp.nn.dropout import Dropout
from grn_exp.nn.gene_encoder import gene_features
from grn_exp.nn.pair_transformer import PairLayer

# pairs that are scored at a time: their arrays stay in the processor's cache
_CHUNK = 512


class PairHead(nn.Module):
    """Perceptron on two tokens, whose first layer, averaged in groups, skips to its third.

    Parameters
    ----------
    n_inputs
        Width of both tokens together.
    widths
        Of the three hidden layers; the third divides the first.
    dropout
        Share of hidden units that are zeroed in training.
    """

    def __init__(self, n_inputs: int, *, widths: tuple[int, int, int], dropout: float) -> None:
        super().__init__()
        first, second, third = widths
        self.first = nn.Linear(n_inputs, first)
        self.second = nn.Linear(first, second)
        self.third = nn.Linear(second, third)
        self.last = nn.Linear(third, 1)
        self.activation = nn.PReLU()
        self.dropout = Dropout(dropout)

    def forward(self, pairs: Tensor) -> Tensor:
        """Return logits: ``(b, n_inputs)`` to ``(b,)``."""
        first = self.activation(self.dropout(self.first(pairs)))
        pooled = first.unflatten(1, (self.third.out_features, -1)).mean(dim=2)
        second = self.activation(self.dropout(self.second(first)))
        third = self.activation(self.dropout(self.third(second) + pooled))
        return self.last(third).squeeze(1)


class SCGREAT(PairClassifier):
    """Two tokens a pair through transformer layers, then a perceptron.

    A gene's token is its expression (z-scores over the cells, two linear layers, a leaky
    rectifier), plus its frozen embedding, plus a learnt vector for its place in the pair, as
    regulator or as target. Feed-forward width 2048 and dropout 0.1 of the layers are torch's
    defaults, which the published code leaves as they are. The gradient's length is cut at
    ``gradient_clip`` as there, and the rate's steps of 0.999 every ten batches are one of
    0.9999 a batch here.

    Tokens, and the first layer's queries, keys and values, are computed once for a gene in a
    batch, however many of its pairs it has, and once at prediction.

    Parameters
    ----------
    dim
        Width of a token; an embedding of another width goes through a linear layer.
    expression_width
        Units between expression and token.
    n_layers, n_heads, ff_width, layer_dropout
        Of the transformer.
    head_widths, head_dropout
        Of the perceptron.
    gradient_clip
        Largest length of the gradient.
    mixed_precision
        Compute in bfloat16 where that is safe, on a GPU only. On a processor that has bfloat16
        the Trainer's ``precision="bf16-mixed"`` does so, in about two thirds of the time, and
        with ``batch_size=256`` in a quarter (docs/results.md).
    learning_rate, learning_rate_decay, batch_size, optimizer, scheduler, seed
        As in :class:`PairClassifier`.

    Raises
    ------
    InputError
        If the training labels are all alike.

    Notes
    -----
    Assumes that an edge shows in the two genes' texts and expression together. Reads expression, a
    gene embedding and training labels. A pair costs about 12 ``dim^2`` operations a layer: 13
    minutes a run on mDC with the published settings (docs/results.md).

    References
    ----------
    - Wang et al. (2024), scGREAT: transformer-based deep-language model for gene regulatory
      network inference from single-cell transcriptomics, iScience 27.
      doi:10.1016/j.isci.2024.109352
    """

    reads_embedding: ClassVar[bool] = True
    features: Tensor
    embedding: Tensor

    def __init__(
        self,
        *,
        dim: int = 768,
        expression_width: int = 512,
        n_layers: int = 2,
        n_heads: int = 4,
        ff_width: int = 2048,
        layer_dropout: float = 0.1,
        head_widths: tuple[int, int, int] = (1024, 512, 256),
        head_dropout: float = 0.2,
        gradient_clip: float = 0.1,
        mixed_precision: bool = True,
        learning_rate: float = 1e-5,
        learning_rate_decay: float = 0.9999,
        batch_size: int = 32,
        **options: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            learning_rate_decay=learning_rate_decay,
            batch_size=batch_size,
            **options,
        )
        require_in(
            "(0, inf)",
            dim=dim,
            expression_width=expression_width,
            n_layers=n_layers,
            n_heads=n_heads,
            ff_width=ff_width,
            gradient_clip=gradient_clip,
        )
        require_in("[0, 1)", layer_dropout=layer_dropout, head_dropout=head_dropout)
        if dim % n_heads:
            raise InputError(f"model.n_heads={n_heads}: give a divisor of model.dim={dim}")
        if len(head_widths) != 3 or min(head_widths) < 1 or head_widths[0] % head_widths[2]:
            raise InputError(
                f"model.head_widths={list(head_widths)}: give three whole numbers from 1 on, the "
                "third a divisor of the first"
            )

    def build(self, view: TrainView) -> None:
        """Make the layers; an embedding of another width than ``dim`` gets one of its own."""
        super().build(view)
        if view.embedding is None:
            raise RuntimeError("the view has no embedding although the model reads it")
        own = self.options
        self.hold(features=gene_features(view.expression), embedding=view.embedding.values)
        width, dim = view.embedding.width, own.dim
        self.from_embedding = nn.Identity() if width == dim else nn.Linear(width, dim)
        self.from_expression = nn.Sequential(
            nn.Linear(view.expression.n_cells, own.expression_width),
            nn.Linear(own.expression_width, dim),
            nn.LeakyReLU(),
        )
        self.place = nn.Parameter(torch.randn(2, dim))
        self.layers = nn.ModuleList(
            PairLayer(dim, n_heads=own.n_heads, ff_width=own.ff_width, dropout=own.layer_dropout)
            for _ in range(own.n_layers)
        )
        widths = tuple(own.head_widths)
        self.head = PairHead(2 * dim, widths=widths, dropout=own.head_dropout)

    def tokens(self, genes: Tensor, places: Tensor) -> Tensor:
        """Return the tokens of genes as regulators (place 0) or targets (1), ``(n, dim)``."""
        embedded = self.from_embedding(self.embedding[genes])
        return self.from_expression(self.features[genes]) + embedded + self.place[places]

    def pair_logits(self, rows: Tensor, genes: Tensor) -> Tensor:
        """Return the logits of some pairs; each gene's token is made once."""
        n_genes = len(self.features)
        both = torch.stack([self.regulator_positions[rows], genes + n_genes], dim=1)
        distinct, index = torch.unique(both, return_inverse=True)
        with self._precision():
            tokens = self.tokens(distinct % n_genes, distinct // n_genes)
            return self._logits(tokens, self._layers()[0].project(tokens), index)

    def all_logits(self) -> Tensor:
        """Return the logits of all pairs, chunk by chunk."""
        n_regulators, n_genes = len(self.regulator_positions), len(self.features)
        genes = torch.arange(n_genes, device=self.features.device)
        tokens_of = torch.cat([self.regulator_positions, genes])
        places = (torch.arange(len(tokens_of), device=genes.device) >= n_regulators).long()
        pairs = torch.cartesian_prod(genes[:n_regulators], genes + n_regulators)
        with self._precision():
            tokens = self.tokens(tokens_of, places)
            projected = self._layers()[0].project(tokens)
            chunks = [self._logits(tokens, projected, index) for index in pairs.split(_CHUNK)]
        return torch.cat(chunks).view(n_regulators, n_genes)

    def _layers(self) -> list[PairLayer]:
        return [layer for layer in self.layers if isinstance(layer, PairLayer)]

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        on_gpu = self.features.device.type == "cuda"
        return torch.autocast(
            "cuda", torch.bfloat16, enabled=on_gpu and self.options.mixed_precision
        )

    def _logits(self, tokens: Tensor, projected: Tensor, index: Tensor) -> Tensor:
        """Return the logits of pairs, ``index``, of tokens that the first layer has projected."""
        first, *others = self._layers()
        flat = index.flatten()
        pairs = _rows(tokens, flat).unflatten(0, index.shape)
        pairs = first(pairs, _rows(projected, flat).unflatten(0, index.shape))
        for layer in others:
            pairs = layer(pairs, layer.project(pairs))
        return self.head(pairs.flatten(1)).float()

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Cut the gradient's length, as the Trainer says or else at ``gradient_clip``."""
        value = self.options.gradient_clip if gradient_clip_val is None else gradient_clip_val
        super().configure_gradient_clipping(optimizer, value, gradient_clip_algorithm or "norm")


def _rows(matrix: Tensor, index: Tensor) -> Tensor:
    """Return rows; as an embedding, whose gradient costs less than that of an index."""
    return functional.embedding(index, matrix.flatten(1)).unflatten(1, matrix.shape[1:])
