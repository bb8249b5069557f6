"""The R best candidates: exact for a score that is a sum (Residual HOS2, appendix H)."""

import math
from typing import ClassVar

import numpy as np
import torch

from grn_exp.core.errors import InputError
from grn_exp.decode.base import Decoded, Decoder, PooledScore, best_first


class TopR(Decoder):
    """Take the R highest additive parts; of candidates that tie, the first."""

    needs_decomposable: ClassVar[bool] = True

    def decode(self, score: PooledScore, size: int, *, seed: int) -> Decoded:  # noqa: ARG002
        """Find the best set; its score is ``best_score`` too.

        Raises
        ------
        InputError
            If the score is not a sum over the members.
        """
        self.check(score.n_candidates, size)
        if not score.decomposable or score.additive is None:
            raise InputError(
                "decoder=top_r is right only for a score that is a sum over the members, and "
                "this model's is not; choose decoder=exact or decoder=beam"
            )
        order = best_first(score.additive.detach().cpu(), size + 1)
        members = order[:size].sort().values
        value, second = float(score(members[None])[0]), -math.inf
        if len(order) > size:  # the last member gives way to the first that is none
            other = torch.cat([order[: size - 1], order[size:]])
            second = float(score(other.sort().values[None])[0])
        return Decoded(members.numpy().astype(np.int64), value, value, second)
