"""The dot-product retriever (Residual HOS2, appendix C): the baseline of the attention one."""

from typing import Any

from torch import Tensor, nn

from grn_exp.core.views import TrainView
from grn_exp.models.edges._retriever import Retriever
from grn_exp.nn.dropout import Dropout


class DotProductRetriever(Retriever):
    """``s(r -> t) = <z_t^(t), z_r^(s)>`` of two linear heads on a shared encoder.

    Parameters
    ----------
    positive_weight, options
        As in :class:`Retriever`.

    Raises
    ------
    InputError
        If no pair is known.

    References
    ----------
    - Learning Residual Set Representations for Mechanistic Gene Regulation (Residual HOS2),
      appendix C.
    """

    def __init__(self, *, positive_weight: float = 20.0, **options: Any) -> None:
        super().__init__(positive_weight=positive_weight, **options)

    def build(self, view: TrainView) -> None:
        """Add the two heads."""
        super().build(view)
        dim, dropout = self.options.embedding_dim, self.options.dropout
        self.activation = nn.Sequential(nn.GELU(), Dropout(dropout))
        self.source = nn.Linear(dim, dim)
        self.target = nn.Linear(dim, dim)

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
