"""GENELink (Chen & Liu 2022): graph attention over the known edges, then a product of channels."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from grn_exp.core.errors import InputError
from grn_exp.core.ranges import require_in
from grn_exp.core.views import TrainView
from grn_exp.models.edges._pair_classifier import PairClassifier
from grn_exp.nn.dropout import Dropout
from grn_exp.nn.gene_encoder import gene_features
from grn_exp.nn.graph_attention import AttentionGraph, GraphAttention

# of torch's leaky rectifier; the attention has a slope of its own
_CHANNEL_SLOPE = 0.01
_GAIN = 2**0.5


class Channel(nn.Module):
    """What a gene is as a regulator, or as a target: two linear layers, each with a rectifier.

    Parameters
    ----------
    n_inputs, hidden_width, n_outputs
        Widths.
    dropout
        Share of the hidden units that are zeroed in training.
    """

    def __init__(
        self, n_inputs: int, *, hidden_width: int, n_outputs: int, dropout: float
    ) -> None:
        super().__init__()
        self.first = nn.Linear(n_inputs, hidden_width)
        self.second = nn.Linear(hidden_width, n_outputs)
        for layer in (self.first, self.second):
            nn.init.xavier_uniform_(layer.weight, gain=_GAIN)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Embed nodes: ``(..., n_inputs)`` to ``(..., n_outputs)``."""
        hidden = functional.leaky_relu(self.first(x), _CHANNEL_SLOPE)
        return functional.leaky_relu(self.second(self.dropout(hidden)), _CHANNEL_SLOPE)


class GENELink(PairClassifier):
    """Two layers of graph attention over the training edges, then ``<regulator, target>``.

    A gene's input is its z-scores over the cells. Only training pairs with an edge are in the
    graph, and a gene attends to its regulators and to its targets alike (the published code's
    symmetric matrix). The first layer's heads are set side by side, the second's averaged.

    Without self-loops, the published setting, a gene that has no training edge attends to all
    genes alike. So all such genes get one and the same embedding, and the pairs of two unseen
    genes one and the same score: the method says nothing of them.

    The rate decays with every batch, and nothing is learnt once it has died: training ends when
    it falls below ``stop_below_rate`` of the first. Adam moves a weight by about the rate, so
    with 3e-3, 0.99 and 1e-6 all that is left out would move no weight by more than 3e-7.

    Two differences from the published code: no dropout at prediction, where the code keeps that
    of the channels, and none of the attention of a gene without neighbours.

    Parameters
    ----------
    attention_widths
        Outputs of one head in the first and in the second layer.
    n_heads
        In both layers.
    attention_slope
        Of the attention's leaky rectifiers, below zero.
    attention_dropout
        Share of attention weights that are zeroed in training.
    self_loops
        Whether each gene attends to itself too.
    channel_width, channel_outputs
        Units of the channels' hidden and last layers.
    channel_dropout
        Share of the channels' hidden units that are zeroed in training.
    stop_below_rate
        Share of the first rate below which training ends; 0 for never.
    learning_rate, learning_rate_decay, batch_size, optimizer, scheduler, seed
        As in :class:`PairClassifier`.

    Raises
    ------
    InputError
        If the training labels are all alike.

    Notes
    -----
    Assumes that a gene is like its neighbours in the known network. Reads expression and
    training labels. A step embeds the whole graph, ``edges x widths`` operations.

    References
    ----------
    - Chen and Liu (2022), Graph attention network for link prediction of gene regulations from
      single-cell RNA-sequencing data, Bioinformatics 38. doi:10.1093/bioinformatics/btac559
    """

    features: Tensor

    def __init__(
        self,
        *,
        attention_widths: tuple[int, int] = (128, 64),
        n_heads: int = 3,
        attention_slope: float = 0.2,
        attention_dropout: float = 0.5,
        self_loops: bool = False,
        channel_width: int = 32,
        channel_outputs: int = 16,
        channel_dropout: float = 0.01,
        stop_below_rate: float = 1e-6,
        learning_rate: float = 3e-3,
        learning_rate_decay: float = 0.99,
        batch_size: int = 256,
        **options: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            learning_rate_decay=learning_rate_decay,
            batch_size=batch_size,
            **options,
        )
        if len(attention_widths) != 2 or min(attention_widths) < 1:
            raise InputError(
                f"model.attention_widths={list(attention_widths)}: give two whole numbers "
                "from 1 on"
            )
        require_in(
            "(0, inf)",
            n_heads=n_heads,
            channel_width=channel_width,
            channel_outputs=channel_outputs,
        )
        require_in(
            "[0, 1)",
            attention_dropout=attention_dropout,
            channel_dropout=channel_dropout,
            stop_below_rate=stop_below_rate,
        )

    def build(self, view: TrainView) -> None:
        """Make the graph of the training edges and the layers."""
        super().build(view)
        own = self.options
        edges = self.pair_labels == 1
        self.graph = AttentionGraph(
            self.regulator_positions[self.pair_rows[edges]].numpy(),
            self.pair_genes[edges].numpy(),
            n_genes=len(view.genes),
            self_loops=own.self_loops,
        )
        self.hold(features=self.graph.node_features(gene_features(view.expression)))
        first, second = own.attention_widths
        options: dict[str, Any] = {"n_heads": own.n_heads, "slope": own.attention_slope}
        options["dropout"] = own.attention_dropout
        self.first = GraphAttention(view.expression.n_cells, first, **options)
        self.second = GraphAttention(own.n_heads * first, second, **options)
        sizes = {"hidden_width": own.channel_width, "n_outputs": own.channel_outputs}
        self.regulator_channel = Channel(second, dropout=own.channel_dropout, **sizes)
        self.target_channel = Channel(second, dropout=own.channel_dropout, **sizes)

    def channels(self) -> tuple[Tensor, Tensor]:
        """Return what the nodes are as regulators and as targets, both ``(n_nodes, outputs)``."""
        heads = functional.elu(self.first(self.features, self.graph))
        side_by_side = heads.transpose(0, 1).flatten(1)
        embedded = self.second(side_by_side, self.graph).mean(dim=0)
        return self.regulator_channel(embedded), self.target_channel(embedded)

    def pair_logits(self, rows: Tensor, genes: Tensor) -> Tensor:
        """Return the dot products of some pairs; the whole graph is embedded for them."""
        of_regulators, of_targets = self.channels()
        nodes = self.graph.node_of_gene
        regulators = nodes[self.regulator_positions[rows]]
        return (of_regulators[regulators] * of_targets[nodes[genes]]).sum(dim=1)

    def all_logits(self) -> Tensor:
        """Return the dot products of all pairs."""
        of_regulators, of_targets = self.channels()
        nodes = self.graph.node_of_gene
        return of_regulators[nodes[self.regulator_positions]] @ of_targets[nodes].T

    # -- the end of the training -----------------------------------------------------------

    def on_train_start(self) -> None:
        """Go no further where a resumed training had come to its end."""
        self._stop_if_rate_died()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """End the training when the rate has died."""
        self._stop_if_rate_died()

    def _stop_if_rate_died(self) -> None:
        if self.options.learning_rate_decay**self.global_step < self.options.stop_below_rate:
            self.trainer.should_stop = True
