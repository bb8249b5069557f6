"""The dot-product retriever (Residual HOS2, appendix C): the baseline of the attention one."""

from torch import Tensor, nn

from grn_exp.core.views import TrainView
from grn_exp.models.base import OptimizerFactory
from grn_exp.models.edges._retriever import Retriever
from grn_exp.models.options import require_positive
from grn_exp.nn.dropout import Dropout
from grn_exp.nn.gene_encoder import GeneEncoder


class DotProductRetriever(Retriever):
    """``s(r -> t) = <z_t^(t), z_r^(s)>`` of two linear heads on a shared encoder.

    Parameters
    ----------
    embedding_dim
        Length of ``h_g`` and of both heads' embeddings.
    encoder_width, encoder_depth
        Units and number of the encoder's hidden layers.
    view, positive_weight, noise, dropout, learning_rate, batch_size, optimizer
        As in :class:`Retriever`.

    Raises
    ------
    InputError
        If a number is out of range, or no pair is known.
    """

    def __init__(
        self,
        view: TrainView,
        *,
        embedding_dim: int,
        encoder_width: int,
        encoder_depth: int,
        positive_weight: float,
        noise: float,
        dropout: float,
        learning_rate: float,
        batch_size: int,
        optimizer: OptimizerFactory,
    ) -> None:
        super().__init__(
            view,
            positive_weight=positive_weight,
            noise=noise,
            dropout=dropout,
            learning_rate=learning_rate,
            batch_size=batch_size,
            optimizer=optimizer,
        )
        require_positive(
            embedding_dim=embedding_dim, encoder_width=encoder_width, encoder_depth=encoder_depth
        )
        self.encoder = GeneEncoder(
            view.expression.n_cells,
            hidden_width=encoder_width,
            dim=embedding_dim,
            depth=encoder_depth,
            dropout=dropout,
        )
        self.activation = nn.Sequential(nn.GELU(), Dropout(dropout))
        self.source = nn.Linear(embedding_dim, embedding_dim)
        self.target = nn.Linear(embedding_dim, embedding_dim)

    @property
    def numbers_per_target(self) -> int:
        """One logit a candidate."""
        return len(self.view.regulators)

    def encode(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return ``z^(s)`` of the candidates and ``h`` of all genes."""
        hidden = self.activation(self.encoder(features))
        return self.source(hidden[self.regulator_positions]), hidden

    def logits(self, encoded: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        """Return the dot products, shape ``(b, n_regulators)``."""
        source, hidden = encoded
        return self.target(hidden[targets]) @ source.T
