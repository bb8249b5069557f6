"""Batches of indices into tensors that live on the device."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor


def epoch_seed(seed: int, epoch: int, *, stream: int) -> int:
    """Return a seed for one epoch and one purpose."""
    return int(np.random.SeedSequence([seed, epoch, stream]).generate_state(1)[0])


class ShuffledIndices:
    """Batches of indices, in an order that depends on seed and epoch alone.

    A run that resumes at an epoch therefore sees the batches that an unbroken run sees.

    Parameters
    ----------
    n_items, batch_size
        The last batch may be smaller.
    seed
        Of the order.
    epoch
        Called for the number of the current epoch.
    """

    def __init__(
        self, n_items: int, *, batch_size: int, seed: int, epoch: Callable[[], int]
    ) -> None:
        self.n_items = n_items
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self.n_items / self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.epoch(), stream=1))
        yield from torch.randperm(self.n_items, generator=generator).split(self.batch_size)


def one_batch() -> ShuffledIndices:
    """Return a loader of one batch for what is done once."""
    return ShuffledIndices(1, batch_size=1, seed=0, epoch=lambda: 0)
