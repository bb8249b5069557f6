"""torchmetrics shells over the NumPy ranking metrics, for validation curves.

They keep the scores as they come: no sigmoid, which saturates on unbounded scores and makes ties
where there were none, and no averaging over batches.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from grn_exp.core.errors import InputError
from grn_exp.metrics import ranking


class RankingMetric(Metric):
    """A ranking metric of all pairs seen since the last reset.

    Parameters
    ----------
    function
        Takes scores and labels, two NumPy arrays of shape (n,), and returns a float. One of
        :mod:`grn_exp.metrics.ranking`, or a ``functools.partial`` of one; a lambda cannot be
        pickled.

    Notes
    -----
    The memory grows with the number of pairs. Metrics in one ``MetricCollection`` share it.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    scores: list[Tensor]
    labels: list[Tensor]

    def __init__(self, function: Callable[[Any, Any], float]) -> None:
        super().__init__()
        self.function = function
        self.add_state("scores", default=[], dist_reduce_fx="cat")
        self.add_state("labels", default=[], dist_reduce_fx="cat")

    def update(self, scores: Tensor, labels: Tensor) -> None:
        """Add pairs.

        Parameters
        ----------
        scores : (n,) float, any scale
        labels : (n,) bool or 0/1

        Raises
        ------
        InputError
            Shapes differ. Values are checked in :meth:`compute`, all at once.
        """
        if scores.ndim != 1 or scores.shape != labels.shape:
            raise InputError(
                f"scores have shape {tuple(scores.shape)} and labels {tuple(labels.shape)}; "
                "give two one-dimensional tensors of the same length"
            )
        self.scores.append(scores.detach())
        self.labels.append(labels.detach())

    def compute(self) -> Tensor:
        """Return the metric over all pairs, a scalar of torch's default dtype.

        Raises
        ------
        InputError
            No pair was added, or the function refuses the pairs.
        """
        if isinstance(self.scores, list) and not self.scores:
            raise InputError("no pair was added to the metric; call update before compute")
        scores = dim_zero_cat(self.scores).to("cpu")  # before float64, which MPS lacks
        labels = dim_zero_cat(self.labels).to("cpu")
        value = self.function(scores.double().numpy(), labels.numpy())
        return torch.tensor(value, dtype=torch.get_default_dtype(), device=self.device)


class AveragePrecision(RankingMetric):
    """Average precision, see :func:`grn_exp.metrics.ranking.average_precision`."""

    def __init__(self) -> None:
        super().__init__(ranking.average_precision)


class AreaUnderROC(RankingMetric):
    """Area under the ROC curve, see :func:`grn_exp.metrics.ranking.auroc`."""

    def __init__(self) -> None:
        super().__init__(ranking.auroc)


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
