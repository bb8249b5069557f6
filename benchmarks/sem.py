"""Time DeepSEM as the package runs it and as :mod:`benchmarks.plain_deepsem` writes it out."""

import dataclasses
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.plain_deepsem import PlainDeepSEM
from benchmarks.processes import apart, peak_mb
from grn_exp.core.views import TrainView
from grn_exp.data.edges.beeline import BeelineDataModule
from grn_exp.data.edges.toy import ToyDataModule
from grn_exp.models.edges.deepsem import DeepSEM

_EPOCHS_IN_A_RUN = 151


@dataclasses.dataclass
class Form:
    """What one form cost and what it computed.

    Attributes
    ----------
    name, dataset
        Which form on which data.
    seconds, losses
        Wall time and mean loss of each epoch.
    peak_mb
        Largest resident memory of its process.
    scores
        |A| at the end, shape ``(n_genes, n_genes)``.
    """

    name: str
    dataset: str
    seconds: list[float]
    losses: list[float]
    peak_mb: float
    scores: np.ndarray

    def phase_seconds(self) -> tuple[float, float]:
        """Return the median seconds of the networks' and of the adjacency's epochs."""
        pairs = list(enumerate(self.seconds))
        networks = [s for epoch, s in pairs if DeepSEM.trains_networks(epoch)]
        adjacency = [s for epoch, s in pairs if not DeepSEM.trains_networks(epoch)]
        return statistics.median(networks), statistics.median(adjacency)

    def run_seconds(self) -> float:
        """Return the seconds that a full training takes at that pace."""
        networks, adjacency = self.phase_seconds()
        n_networks = sum(map(DeepSEM.trains_networks, range(_EPOCHS_IN_A_RUN)))
        return n_networks * networks + (_EPOCHS_IN_A_RUN - n_networks) * adjacency

    def agreement(self, plain: "Form") -> str:
        """Say how far losses and scores are from the plain form's."""
        pairs = zip(self.losses, plain.losses, strict=True)
        relative = [abs(a - b) / abs(b) for a, b in pairs]
        worst = np.abs(self.scores - plain.scores).max() / plain.scores.max()
        correlation = np.corrcoef(self.scores.ravel(), plain.scores.ravel())[0, 1]
        return (
            f"{self.dataset}: relative difference of the losses: first epoch {relative[0]:.1e}, "
            f"worst of {len(relative)} epochs {max(relative):.1e}; final scores: correlation "
            f"{correlation:.7f}, largest difference {worst:.1e} of the largest score"
        )


def measure(dataset: str, *, n_epochs: int, smoke: bool = False) -> tuple[Form, Form]:
    """Run both forms, each in a process of its own.

    Parameters
    ----------
    dataset
        A BEELINE dataset, TFs+500, cell-type-specific network; or ``toy``.
    n_epochs
        Epochs of each; at least 2, to see both phases.
    smoke
        Run both in this process.

    Raises
    ------
    InputError
        If the data is not here and cannot be had.
    """
    _model(dataset)  # bad input shows here, and the parsed copy is made
    plain = apart(_run, "plain", dataset, n_epochs, smoke=smoke)
    return plain, apart(_run, "grn_exp", dataset, n_epochs, smoke=smoke)


def training_view(dataset: str) -> TrainView:
    """Return the expression of a BEELINE dataset or of ``toy``, without labels.

    Raises
    ------
    InputError
        If the data is not here and cannot be had.
    """
    if dataset == "toy":
        return ToyDataModule().view()
    return BeelineDataModule(dataset=dataset).view()  # type: ignore[arg-type]


def _model(dataset: str) -> DeepSEM:
    return DeepSEM().attach(training_view(dataset))


def _run(name: str, dataset: str, n_epochs: int) -> Form:
    torch.set_num_threads(1)
    model = _model(dataset)
    if name == "plain":
        plain = PlainDeepSEM(model).start_as(model)
        seconds, losses = _time(lambda epoch: plain.epoch(epoch).total, n_epochs)
        scores = plain.scores()
    else:
        seconds, losses = _time(_package_epochs(model), n_epochs)
        scores = model.adjacency().abs().detach()
    return Form(name, dataset, seconds, losses, peak_mb(), scores.numpy())


def _package_epochs(model: DeepSEM) -> Callable[[int], float]:
    """Return a function that trains one epoch as the Trainer would, without the Trainer."""
    configured = model.configure_optimizers()
    optimizer, scheduler = configured["optimizer"], configured["lr_scheduler"]["scheduler"]

    def epoch(number: int) -> float:
        model.begin_epoch(number)
        total = 0.0
        for batch in model.batches(lambda: number):
            optimizer.zero_grad(set_to_none=True)
            loss = model.loss(batch)["total"]
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        scheduler.step()
        return total / model.n_items

    return epoch


def _time(epoch: Callable[[int], float], n_epochs: int) -> tuple[list[float], list[float]]:
    seconds, losses = [], []
    for number in range(n_epochs):
        start = time.perf_counter()
        losses.append(epoch(number))
        seconds.append(time.perf_counter() - start)
    return seconds, losses
