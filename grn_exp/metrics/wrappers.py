"""The torchmetrics shell by which Lightning logs what a benchmark has computed."""

import math

import torch
from torch import Tensor
from torchmetrics import Metric


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
