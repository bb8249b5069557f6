"""Graph attention over a list of edges, at the cost of the edges and not of all pairs of genes."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from grn_exp.nn.dropout import Dropout

_GAIN = 2**0.5


class AttentionGraph(nn.Module):
    """Which gene attends to which, with all genes without a neighbour as one node.

    Attention over no neighbours is taken as GENELink's code takes it, as the mean over all
    genes. Genes without a neighbour are then alike from the first layer on, and one node stands
    in for them; it is the last node.

    Parameters
    ----------
    first, second
        Positions of genes, both of the shape ``(n_edges,)``: the two attend to each other.
    n_genes
        All genes.
    self_loops
        Whether each gene attends to itself too; no gene is without a neighbour then.

    Attributes
    ----------
    node_of_gene
        Shape ``(n_genes,)``.
    receivers, senders
        Nodes of the directed edges, sorted by receiver, without repetitions.
    ends
        Where the edges of each receiver begin, and how many edges there are, ``(n_nodes,)``.
    shares
        Weights of the nodes in the mean over genes, shape ``(n_nodes,)``.
    """

    node_of_gene: Tensor
    receivers: Tensor
    senders: Tensor
    ends: Tensor
    shares: Tensor

    def __init__(
        self,
        first: NDArray[np.int64],
        second: NDArray[np.int64],
        *,
        n_genes: int,
        self_loops: bool,
    ) -> None:
        super().__init__()
        loops = np.arange(n_genes) if self_loops else np.arange(0)
        receivers = np.concatenate([first, second, loops])
        senders = np.concatenate([second, first, loops])
        receivers, senders = np.divmod(np.unique(receivers * n_genes + senders), n_genes)
        connected = np.unique(receivers)
        node_of_gene = np.full(n_genes, len(connected))
        node_of_gene[connected] = np.arange(len(connected))
        receivers, senders = node_of_gene[receivers], node_of_gene[senders]
        ends = np.searchsorted(receivers, np.arange(len(connected) + 1))
        sizes = np.bincount(node_of_gene, minlength=len(connected) + 1)
        for name, array in (
            ("node_of_gene", node_of_gene),
            ("receivers", receivers),
            ("senders", senders),
            ("ends", ends),
            ("shares", (sizes / n_genes).astype(np.float32)),
        ):
            self.register_buffer(name, torch.from_numpy(array), persistent=False)

    @property
    def n_nodes(self) -> int:
        """Genes with a neighbour, and the node that stands in for the others."""
        return len(self.shares)

    def node_features(self, features: Tensor) -> Tensor:
        """Return the mean of each node's genes: ``(n_genes, d)`` to ``(n_nodes, d)``."""
        sums = features.new_zeros(self.n_nodes, features.shape[1])
        sums.index_add_(0, self.node_of_gene, features)
        sizes = (self.shares * len(features)).round().clamp(min=1)
        return sums / sizes[:, None]


class GraphAttention(nn.Module):
    """A layer of graph attention as GENELink has it (Chen & Liu 2022).

    A head projects the nodes, ``h = x W``, weighs a node's neighbours by
    ``softmax_j(leaky(a_1 h_i + a_2 h_j))``, sums their ``h``, and takes the sum through a leaky
    rectifier, to length 1, and adds a bias. All heads are projected by one product.

    Parameters
    ----------
    n_inputs, n_outputs
        Length of a node's input and of one head's output.
    n_heads
        Heads.
    slope
        Of both leaky rectifiers.
    dropout
        Share of the attention weights that are zeroed in training.
    """

    def __init__(
        self, n_inputs: int, n_outputs: int, *, n_heads: int, slope: float, dropout: float
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.slope = slope
        self.dropout = Dropout(dropout)
        # of all heads side by side, but each drawn with its own bounds
        bound = _GAIN * (6 / (n_inputs + n_outputs)) ** 0.5
        self.weight = nn.Parameter(torch.empty(n_inputs, n_heads * n_outputs))
        nn.init.uniform_(self.weight, -bound, bound)
        bound = _GAIN * (6 / (2 * n_outputs + 1)) ** 0.5
        self.attention = nn.Parameter(torch.empty(n_heads, n_outputs, 2))
        nn.init.uniform_(self.attention, -bound, bound)
        self.bias = nn.Parameter(torch.zeros(n_heads, 1, n_outputs))

    def forward(self, x: Tensor, graph: AttentionGraph) -> Tensor:
        """Return the heads' outputs.

        Parameters
        ----------
        x
            Shape ``(n_nodes, n_inputs)``.
        graph
            The edges.

        Returns
        -------
        Tensor
            Shape ``(n_heads, n_nodes, n_outputs)``.
        """
        h = (x @ self.weight).unflatten(1, (self.n_heads, -1)).transpose(0, 1).contiguous()
        passed = functional.leaky_relu(self._pass(h, self._weights(h, graph), graph), self.slope)
        return functional.normalize(passed, dim=2) + self.bias

    def _weights(self, h: Tensor, graph: AttentionGraph) -> Tensor:
        """Return the attention of each edge, shape ``(n_heads, n_edges)``."""
        of_receiver, of_sender = (h @ self.attention).unbind(dim=2)
        receivers = graph.receivers
        scores = of_receiver[:, receivers] + of_sender[:, graph.senders]
        scores = functional.leaky_relu(scores, self.slope)
        index = receivers.expand_as(scores)
        lowest = scores.new_full(of_receiver.shape, -torch.inf)
        highest = lowest.scatter_reduce(1, index, scores.detach(), "amax")
        weights = torch.exp(scores - highest[:, receivers])
        totals = torch.zeros_like(highest).index_add(1, receivers, weights)
        return self.dropout(weights / totals[:, receivers])

    @staticmethod
    def _pass(h: Tensor, weights: Tensor, graph: AttentionGraph) -> Tensor:
        """Sum the senders' ``h`` by weight; the stand-in gets the mean over all genes.

        Each receiver of each head is a bag of rows, so there is no array of edges x width.
        """
        n_heads, n_nodes, _ = h.shape
        n_edges = len(graph.senders)
        heads = torch.arange(n_heads, device=h.device)[:, None]
        starts = (graph.ends[:-1] + heads * n_edges).flatten()
        bags = functional.embedding_bag(
            (graph.senders + heads * n_nodes).flatten(),
            h.flatten(0, 1),
            torch.cat([starts, starts.new_tensor([n_heads * n_edges])]),
            mode="sum",
            per_sample_weights=weights.flatten(),
            include_last_offset=True,
        )
        return torch.cat([bags.unflatten(0, (n_heads, -1)), graph.shares @ h[:, None]], dim=1)
