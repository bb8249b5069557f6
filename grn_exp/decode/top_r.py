"""The R best candidates: exact for a score that is a sum (Residual HOS2, appendix H)."""

from typing import ClassVar

import numpy as np

from grn_exp.core.errors import InputError
from grn_exp.decode.base import Decoded, Decoder, PooledScore, top_members


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
        members = top_members(score.additive, size)
        value = float(score(members[None])[0])
        return Decoded(members.numpy().astype(np.int64), value, value)
