"""The R best candidates of the retrieval, without any second stage."""

from typing import ClassVar

import torch

from grn_exp.core.sets import Positions
from grn_exp.decode.base import PooledScore
from grn_exp.models.closed_form import ClosedFormModel
from grn_exp.models.sets.base import PooledSelector


class Stage1TopR(PooledSelector, ClosedFormModel):
    """Stage1TopR of Residual HOS2, section 5.3.

    Parameters
    ----------
    decoder
        How the best set is found.

    Notes
    -----
    A control. Reads the pool's order alone, and costs nothing beside the retrieval.

    References
    ----------
    - Learning Residual Set Representations for Mechanistic Gene Regulation (Residual HOS2),
      section 5.3.
    """

    decomposable: ClassVar[bool] = True

    def set_score(self, target: str, pool: Positions) -> PooledScore:
        """Score a candidate by its place in the pool."""
        return PooledScore(len(pool), additive=-torch.arange(len(pool), dtype=torch.float32))
