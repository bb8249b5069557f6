"""Standardised expression, a batch at a time: the matrix itself is all that is held."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from grn_exp.core.errors import InputError

Standardisation = Literal["nonzero", "all"]
_CLIP = 10.0
_AT_A_TIME = 2**22  # values that are float64 at a time


class ZScores(nn.Module):
    """Cells whose genes are z-scored as DeepSEM does.

    Parameters
    ----------
    values
        Cells x genes, log scale; not copied.
    how
        See :class:`~grn_exp.models.edges.deepsem.DeepSEM`. A gene without spread becomes 0.
        Standard deviations have ddof 0.

    Raises
    ------
    InputError
        If no gene varies.
    """

    values: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(self, values: NDArray[np.float32], how: Standardisation) -> None:
        super().__init__()
        self.how = how
        mean, variance = _moments(values, how)
        if not (variance > 0).any():
            if np.ptp(values, axis=0).any():
                raise InputError(
                    "model.standardise=nonzero: the values of each gene are alike in all cells in "
                    "which they are not 0, as in a 0/1 matrix; give model.standardise=all"
                )
            raise InputError(
                f"no gene varies over the {len(values)} cells, so nothing can be inferred; "
                "check that the matrix holds expression values"
            )
        spread = np.sqrt(np.where(variance > 0, variance, np.inf))
        for name, array in (("values", values), ("mean", mean), ("spread", spread)):
            self.register_buffer(name, torch.as_tensor(array), persistent=False)
        extremes = self._scaled(torch.as_tensor(np.stack([values.min(0), values.max(0)])))
        self.ends = float(extremes.min()), float(extremes.max())

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Return the values of some cells, and the weight of each in the reconstruction error."""
        given = self.values.index_select(0, cells)
        scaled = self._scaled(given)
        return scaled, given.ne_(0) if self.how == "nonzero" else given.fill_(1)

    def _scaled(self, given: Tensor) -> Tensor:
        scaled = given.to(torch.float64).sub_(self.mean).div_(self.spread)
        return (scaled.clamp_(-_CLIP, _CLIP) if self.how == "nonzero" else scaled).float()


def _moments(
    values: NDArray[np.float32], how: Standardisation
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each gene's mean and variance over the values that count."""
    n_genes = values.shape[1]
    step = max(_AT_A_TIME // n_genes, 1)
    parts = [values[first : first + step] for first in range(0, len(values), step)]
    n, total, squares = (np.zeros(n_genes) for _ in range(3))
    for part in parts:
        counted = _counted(part, how)
        n += counted.sum(axis=0)
        total += (part.astype(np.float64) * counted).sum(axis=0)
    mean = total / np.maximum(n, 1)
    for part in parts:
        squares += (np.square(part - mean) * _counted(part, how)).sum(axis=0)
    return mean, squares / np.maximum(n, 1)


def _counted(values: NDArray[np.float32], how: Standardisation) -> NDArray[np.bool_]:
    return values != 0 if how == "nonzero" else np.ones(values.shape, dtype=np.bool_)
