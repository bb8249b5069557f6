"""Time training steps of the context-attention retriever, as run and written out."""

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.plain_retrieval import PlainContextAttention
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.views import UNKNOWN, TrainView
from grn_exp.models.edges.context_attention import ContextAttentionRetriever

# genes, cells, training targets of SERGIO DS3, which has two to four regulators a target
DS3 = (1200, 2700, 450)
SMOKE = (40, 30, 20)
_BATCH_SIZE = 16
_DROPOUT = 0.2


@dataclasses.dataclass(frozen=True)
class RetrievalTimes:
    """What a training step costs.

    Attributes
    ----------
    plain, fast
        Median seconds of a step (noise, losses, gradients, optimiser) of the plain form and of
        the package's.
    losses_plain, losses_fast
        Losses of the first steps without noise and dropout, the same batches in both.
    """

    plain: float
    fast: float
    losses_plain: tuple[float, ...]
    losses_fast: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """How many times as many steps a second."""
        return self.plain / self.fast

    @property
    def difference(self) -> float:
        """Largest relative difference of the losses."""
        pairs = zip(self.losses_plain, self.losses_fast, strict=True)
        return max(abs(a - b) / abs(a) for a, b in pairs)


def measure(
    size: tuple[int, int, int] = DS3, *, n_steps: int = 10, n_compared: int = 3
) -> RetrievalTimes:
    """Train both forms on random data, on one thread.

    Parameters
    ----------
    size
        Genes, cells and training targets.
    n_steps
        Timed steps of each form; the two take turns, so that both see the same machine.
    n_compared
        Steps whose losses are compared.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        losses = [
            tuple(step(batch) for batch in _batches(size, n_compared))
            for step in _forms(size, noise=0.0, dropout=0.0)
        ]
        forms = _forms(size, noise=0.01, dropout=_DROPOUT)
        seconds: list[list[float]] = [[], []]
        for batch in _batches(size, n_steps + 1):
            for step, taken in zip(forms, seconds, strict=True):
                start = time.perf_counter()
                step(batch)
                taken.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(n_threads)
    plain, fast = (statistics.median(taken[1:]) for taken in seconds)  # the first one warms up
    return RetrievalTimes(plain, fast, *losses)


def _batches(size: tuple[int, int, int], n: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randperm(size[2], generator=generator)[:_BATCH_SIZE] for _ in range(n)]


def _forms(
    size: tuple[int, int, int], *, noise: float, dropout: float
) -> tuple[Callable[[Tensor], float], ...]:
    """Return a training step of the plain form and one of the package's."""
    torch.manual_seed(0)
    model = ContextAttentionRetriever(
        scorer_gain=1.0, noise=noise, dropout=dropout, batch_size=_BATCH_SIZE
    )
    model = model.attach(_view(*size)).train()
    plain = PlainContextAttention(model, dropout=dropout)
    return (
        _step(plain.loss, plain.parameters()),
        _step(lambda batch: model.loss(batch)["total"], model.parameters()),
    )


def _step(
    loss_of: Callable[[Tensor], Tensor], parameters: Iterable[nn.Parameter]
) -> Callable[[Tensor], float]:
    optimizer = torch.optim.AdamW(list(parameters), lr=2e-4, weight_decay=1e-3)

    def step(batch: Tensor) -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(batch)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


@functools.cache
def _view(n_genes: int, n_cells: int, n_targets: int) -> TrainView:
    """Return random expression; all genes are candidates."""
    rng = np.random.default_rng(0)
    genes = GeneIndex([f"G{i}" for i in range(n_genes)])
    values = rng.gamma(2.0, size=(n_cells, n_genes)).astype(np.float32)
    labels = np.full((n_genes, n_genes), UNKNOWN, dtype=np.int8)
    labels[:, :n_targets] = rng.random((n_genes, n_targets)) < 3 / n_genes
    return TrainView(
        expression=Expression(values=values, genes=genes, transform="log1p"),
        regulators=genes,
        labels=labels,
        embedding=None,
    )
