"""The small simulated network as a benchmark of regulator sets: needs no download."""

from collections.abc import Sequence
from typing import Any

from grn_exp.data.sets.base import SetDataModule
from grn_exp.data.sets.retrieval import RankedRegulators
from grn_exp.data.simulated import Noise, ToyBenchmark


class ToySetsDataModule(ToyBenchmark, SetDataModule):
    """A random scale-free GRN, cells simulated from it, and its targets' regulator sets.

    Parameters
    ----------
    set_sizes, noise, options
        As in :class:`ToyBenchmark` and :class:`SetDataModule`.
    """

    def __init__(
        self,
        *,
        set_sizes: Sequence[int] | None = (1, 2, 3),
        noise: Noise = "clean",
        **options: Any,
    ) -> None:
        super().__init__(set_sizes=set_sizes, noise=noise, **options)


class ToyRetrievalDataModule(RankedRegulators, ToySetsDataModule):
    """The toy's regulators, ranked for its targets as those of a real network are."""
