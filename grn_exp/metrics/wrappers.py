"""The torchmetrics shell by which Lightning logs what a benchmark has computed."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torchmetrics import Metric


class Judge(Protocol):
    """A batch of held-out labels: it judges a prediction and shows nothing else."""

    subsets: Sequence[str]

    def rows(self, prediction: Any) -> Iterable[Any]:  # noqa: ANN401
        """Return the rows of ``metrics.json``."""
        ...


class Judged(Metric):
    """A value that a benchmark has computed over all of a subset, as it is.

    Lightning keeps plain numbers in single precision; a metric keeps the digits of
    ``metrics.json``.

    Parameters
    ----------
    value
        The value.
    """

    full_state_update = False
    value: Tensor

    def __init__(self, value: float) -> None:
        super().__init__()
        self.add_state("value", torch.tensor(math.nan, dtype=torch.float64), dist_reduce_fx="mean")
        self.update(value)

    def update(self, value: float) -> None:
        """Replace the value."""
        self.value = torch.tensor(value, dtype=torch.float64)

    def compute(self) -> Tensor:
        """Return the value, float64."""
        return self.value
