"""What every set method is: it chooses one regulator set for each target that is asked for."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from grn_exp.core import construct
from grn_exp.core.progress import track
from grn_exp.core.sets import CandidatePools, Positions, RegulatorSets, SetView
from grn_exp.decode.approximate import ApproximateDecoder
from grn_exp.decode.base import Decoded, Decoder, PooledScore
from grn_exp.decode.exact import Exact
from grn_exp.decode.top_r import TopR
from grn_exp.models.base import GRNModel


class SetSelector(GRNModel):
    """Base of all set methods; goes before the class that says how a method is fitted."""

    task: ClassVar[str] = "sets"
    reads_labels: ClassVar[bool] = True

    @property
    def view(self) -> SetView:
        """What the method may see."""
        return cast("SetView", self._view)

    @abc.abstractmethod
    def predict(self) -> RegulatorSets:
        """Choose a set of the size asked for, for every target asked for."""

    def as_sets(
        self,
        members: Sequence[Positions],
        scores: Sequence[float],
        *,
        pools: CandidatePools | None = None,
        best_scores: Sequence[float] | None = None,
        second_scores: Sequence[float] | None = None,
    ) -> RegulatorSets:
        """Wrap one set and one score per query as the prediction."""

        def array(values: Sequence[float] | None) -> NDArray[np.float64] | None:
            return None if values is None else np.asarray(values, dtype=np.float64)

        return RegulatorSets(
            candidates=self.view.regulators,
            targets=self.view.queries,
            members=tuple(members),
            scores=np.asarray(scores, dtype=np.float64),
            pools=pools,
            best_scores=array(best_scores),
            second_scores=array(second_scores),
        )


class PooledSelector(SetSelector):
    """A set method that scores sets of retrieved candidates and searches for the best.

    A method implements :meth:`set_score`.

    Parameters
    ----------
    decoder
        How the best set is found; None for the exact best: :class:`TopR` where the score is a
        sum over the members, else :class:`Exact`.
    options
        As in the class that says how the method is fitted.

    Attributes
    ----------
    decomposable
        Is the score of a set the sum of its members' scores; only then does taking the best
        ``R`` members one by one find the best set (Residual HOS2, appendix H).
    """

    reads_pools: ClassVar[bool] = True
    decomposable: ClassVar[bool] = False

    def __init__(
        self,
        *,
        decoder: Decoder | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if decoder is None:
            decoder = TopR() if self.decomposable else Exact()
        self.decoder: Decoder = (
            construct.instantiate(decoder, "decoder") if isinstance(decoder, Mapping) else decoder
        )

    @abc.abstractmethod
    def set_score(self, target: str, pool: Positions) -> PooledScore:
        """Return the score of sets of a pool's members for one target.

        Parameters
        ----------
        target
            The gene whose regulators are asked for.
        pool
            Its candidates, best first, as positions in ``view.regulators``.
        """

    @property
    def pools(self) -> CandidatePools:
        """The retrieved candidates."""
        if self.view.pools is None:
            raise RuntimeError("a pooled selector was given a view without pools")
        return self.view.pools

    def predict(self) -> RegulatorSets:
        """Search every query's pool; a bar shows how far it is where a terminal is watching."""
        queries, pools = self.view.queries, self.pools.of(self.view.queries)
        found: list[Decoded] = []
        for row in track(range(len(queries)), title=f"decoding {type(self).__name__}"):
            score = self.set_score(queries.symbols[row], pools[row])
            size = int(self.view.sizes[row])
            found.append(self.decoder.decode(score, size, seed=self.seed))
        compared = isinstance(self.decoder, ApproximateDecoder)
        best = [np.nan if each.best_score is None else each.best_score for each in found]
        return self.as_sets(
            [pool[each.members] for pool, each in zip(pools, found, strict=True)],
            [each.score for each in found],
            pools=self.pools,
            best_scores=best if compared else None,
            second_scores=[each.second_score for each in found],
        )
