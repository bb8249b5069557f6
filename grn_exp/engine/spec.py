"""What one run is made of. Imports nothing heavy: a finished run is skipped on this alone."""

import dataclasses
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from grn_exp.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class RunIdentity:
    """Where a run lives and what it is called.

    Attributes
    ----------
    experiment, data, model
        Names of the choices, which are folders below the outputs folder.
    retriever
        Name of the method that retrieves candidates first; None where none does.
    run_key
        Hash of everything that can change the result.
    outputs
        The outputs folder.
    config
        The resolved configuration as plain dicts, lists and numbers.
    """

    experiment: str
    data: str
    model: str
    run_key: str
    outputs: Path
    config: dict[str, Any]
    retriever: str | None = None

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.outputs / self.experiment / self.data / self.model / self.run_key


@dataclasses.dataclass(frozen=True)
class RunSpec:
    """A run that is ready to start.

    Attributes
    ----------
    identity
        Who it is.
    data_class, model_class
        The classes; they say which task they are for and what the method reads.
    make_model
        Makes the method from a training view.
    make_data
        Makes the benchmark.
    mirror
        Opens and closes a logger beyond the run folder's own files.
    trainer
        Hardware and length of the training.
    seed
        The model's seed.
    models_by_task
        Names of the models for each task, for the message when data and model do not fit.
    decoder
        How a set method searches for its best set; None for a method that does not search.
    retriever
        The run that retrieves the candidates; None for a method that reads no pools.
    fit_key
        Hash of everything that can change the fit, which leaves out the split; None for a
        method that reads labels.
    members
        The runs of an ensemble, one a seed; empty for a run of its own.
    """

    identity: RunIdentity
    data_class: Any
    model_class: Any
    make_model: Callable[[Any], Any]
    make_data: Callable[[], Any]
    mirror: Any
    trainer: "TrainerSettings"
    seed: int
    models_by_task: Callable[[str], list[str]]
    decoder: Any = None
    retriever: "RunSpec | None" = None
    fit_key: str | None = None
    members: "tuple[RunSpec, ...]" = ()


@dataclasses.dataclass(frozen=True)
class TrainerSettings:
    """Hardware and length of the training.

    Parameters
    ----------
    accelerator
        ``cpu``, ``gpu`` or ``auto`` (a GPU if there is one).
    devices
        Devices of one run. No method here divides its batches among devices yet, so it is 1.
    num_threads
        Threads on the processor; None leaves it to torch and NumPy.
    max_epochs
        Epochs; None for a method that is fitted without any.
    validate_every
        Epochs between two values of ``val/ap``; 0 for none.
    checkpoint_seconds
        Least time between two checkpoints.
    progress
        Show a progress bar where a terminal is watching.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = 1
    num_threads: int | None = None
    max_epochs: int | None = None
    validate_every: int = 5
    checkpoint_seconds: float = 30.0
    progress: bool = True

    def __post_init__(self) -> None:
        if self.devices != 1:
            raise InputError(
                f"trainer.devices={self.devices}: a run is trained on 1 device; to use several, "
                "start several runs side by side (-m with hydra/launcher=joblib)"
            )
        n_cores = os.cpu_count() or 1
        if self.num_threads is not None and self.num_threads > 4 * n_cores:
            raise InputError(
                f"trainer.num_threads={self.num_threads}: this machine has {n_cores} cores; "
                f"give {n_cores} or fewer"
            )
        for name, least in (("num_threads", 1), ("max_epochs", 1), ("validate_every", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"trainer.{name}={value}: give {least} or more")
        if not (math.isfinite(self.checkpoint_seconds) and self.checkpoint_seconds >= 0):
            raise InputError(
                f"trainer.checkpoint_seconds={self.checkpoint_seconds}: give 0 or more seconds"
            )
