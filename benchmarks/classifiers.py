"""Time training steps of the pair classifiers, as run and written out."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.plain_genelink import PlainGENELink
from benchmarks.plain_scgreat import PlainSCGREAT
from benchmarks.processes import seconds_since
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.views import UNKNOWN, GeneEmbedding, TrainView
from grn_exp.models.edges.genelink import GENELink
from grn_exp.models.edges.scgreat import SCGREAT

_ATTENTION_DROPOUT, _CHANNEL_DROPOUT = 0.5, 0.01
_LAYER_DROPOUT, _HEAD_DROPOUT = 0.1, 0.2

Step = Callable[[Tensor], float]
# of data of a size, with the dropout rates times a number; also the batch size
Forms = Callable[["Size", float], tuple[int, Step, Step]]


@dataclasses.dataclass(frozen=True)
class Size:
    """How large a benchmark's training part is, TFs+500.

    Attributes
    ----------
    name
        Of the network.
    n_genes, n_cells, n_regulators
        Of the expression matrix.
    n_seen
        Genes that have training pairs.
    n_pairs, n_edges
        Training pairs, and those of them with an edge.
    """

    name: str
    n_genes: int
    n_cells: int
    n_regulators: int
    n_seen: int
    n_pairs: int
    n_edges: int

    def view(self) -> TrainView:
        """Return random expression, vectors and labels of that size."""
        rng = np.random.default_rng(0)
        genes = GeneIndex([f"G{i}" for i in range(self.n_genes)])
        values = rng.gamma(2.0, size=(self.n_cells, self.n_genes)).astype(np.float32)
        labels = np.full((self.n_regulators, self.n_genes), UNKNOWN, dtype=np.int8)
        candidates = np.arange(self.n_regulators * self.n_seen)
        rows, columns = np.divmod(candidates, self.n_seen)
        pairs = rng.permutation(candidates[rows != columns])[: self.n_pairs]
        labels[rows[pairs], columns[pairs]] = np.arange(len(pairs)) < self.n_edges
        vectors = rng.standard_normal((self.n_genes, 768)).astype(np.float32)
        return TrainView(
            expression=Expression(values=values, genes=genes, transform="log1p"),
            regulators=genes.take(range(self.n_regulators)),
            labels=labels,
            embedding=GeneEmbedding(
                genes=genes, values=vectors, known=np.ones(self.n_genes, dtype=np.bool_), source=""
            ),
        )


MDC = Size("mDC, cell-type specific", 821, 383, 20, 332, 3355, 267)
HHEP = Size("hHEP, cell-type specific", 948, 425, 30, 656, 9725, 3501)
MESC = Size("mESC, cell-type specific", 1120, 421, 88, 733, 32610, 11307)
SMOKE = Size("random", 60, 40, 6, 30, 120, 30)


@dataclasses.dataclass(frozen=True)
class ClassifierTimes:
    """What a training step costs.

    Attributes
    ----------
    size
        Of the data.
    plain, fast
        Median CPU seconds of a step (loss, gradients, optimiser) of the plain form and of the
        package's.
    batches
        Steps in an epoch.
    difference
        Largest relative difference of the losses of the first steps without dropout.
    """

    size: Size
    plain: float
    fast: float
    batches: int
    difference: float

    @property
    def ratio(self) -> float:
        """How many times as many steps a second."""
        return self.plain / self.fast


def measure_genelink(
    sizes: Iterable[Size] = (MDC, HHEP, MESC), *, n_steps: int = 10
) -> list[ClassifierTimes]:
    """Train both forms of GENELink on random data of some sizes, on one thread."""
    return [_measure(_genelink, size, n_steps=n_steps) for size in sizes]


def measure_scgreat(sizes: Iterable[Size] = (MDC,), *, n_steps: int = 10) -> list[ClassifierTimes]:
    """Train both forms of scGREAT on random data of some sizes, on one thread."""
    return [_measure(_scgreat, size, n_steps=n_steps) for size in sizes]


def _measure(forms: Forms, size: Size, *, n_steps: int, n_compared: int = 3) -> ClassifierTimes:
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        batch_size, *steps = forms(size, 0.0)
        batches = [_batch(size, batch_size, number) for number in range(n_steps + 1)]
        losses = [[step(batch) for batch in batches[:n_compared]] for step in steps]
        _, *steps = forms(size, 1.0)
        seconds: list[list[float]] = [[], []]
        for batch in batches:  # the two take turns, so that both see the same machine
            for step, taken in zip(steps, seconds, strict=True):
                start = time.process_time()
                step(batch)
                taken.append(seconds_since(start))
    finally:
        torch.set_num_threads(n_threads)
    plain, fast = (statistics.median(taken[1:]) for taken in seconds)  # the first one warms up
    difference = max(abs(a - b) / abs(a) for a, b in zip(*losses, strict=True))
    return ClassifierTimes(size, plain, fast, -(-size.n_pairs // batch_size), difference)


def _batch(size: Size, batch_size: int, number: int) -> Tensor:
    generator = torch.Generator().manual_seed(number)
    return torch.randperm(size.n_pairs, generator=generator)[:batch_size]


def _genelink(size: Size, share: float) -> tuple[int, Step, Step]:
    rates = (share * _ATTENTION_DROPOUT, share * _CHANNEL_DROPOUT)
    model = GENELink(
        attention_dropout=rates[0], channel_dropout=rates[1], stop_below_rate=0.0
    ).attach(size.view())
    plain = PlainGENELink(model, attention_dropout=rates[0], channel_dropout=rates[1])
    return (
        model.batch_size,
        _step(plain.loss, plain.parameters(), rate=3e-3, fused=None),
        _step(lambda batch: model.loss(batch)["total"], model.parameters(), rate=3e-3, fused=True),
    )


def _scgreat(size: Size, share: float) -> tuple[int, Step, Step]:
    rates = (share * _LAYER_DROPOUT, share * _HEAD_DROPOUT)
    model = SCGREAT(layer_dropout=rates[0], head_dropout=rates[1], mixed_precision=False).attach(
        size.view()
    )
    plain = PlainSCGREAT(model, layer_dropout=rates[0], head_dropout=rates[1])
    return (
        model.batch_size,
        _step(plain.loss, plain.parameters(), rate=1e-5, fused=None, clip=0.1),
        _step(
            lambda batch: model.loss(batch)["total"],
            model.parameters(),
            rate=1e-5,
            fused=True,
            clip=0.1,
        ),
    )


def _step(
    loss_of: Callable[[Tensor], Tensor],
    parameters: Iterable[nn.Parameter],
    *,
    rate: float,
    fused: bool | None,
    clip: float | None = None,
) -> Step:
    weights = list(parameters)
    optimizer = torch.optim.Adam(weights, lr=rate, fused=fused)

    def step(batch: Tensor) -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(batch)
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(weights, clip)
        optimizer.step()
        return loss.item()

    return step
