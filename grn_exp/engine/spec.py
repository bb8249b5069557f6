"""What one run is made of. Imports nothing heavy: a finished run is skipped on this alone."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from grn_exp.core.construct import check_value
from grn_exp.core.errors import InputError
from grn_exp.core.ranges import require_in
from grn_exp.runs.trainer_options import refuse_reserved

_PRECISIONS = (None, 32, "32", "32-true", "bf16", "bf16-mixed", 16, "16", "16-mixed")


@dataclasses.dataclass(frozen=True)
class RunIdentity:
    """Where a run lives and what it is called.

    Attributes
    ----------
    experiment, data, model
        Names of the choices, which are folders below the outputs folder.
    run_key
        Hash of everything that can change the result.
    outputs
        The outputs folder.
    config
        The resolved configuration as plain dicts, lists and numbers.
    choices
        The names of all choices that it was composed from, by group.
    """

    experiment: str
    data: str
    model: str
    run_key: str
    outputs: Path
    config: dict[str, Any]
    choices: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def retriever(self) -> str | None:
        """Name of the method that retrieves candidates first; None where none does."""
        return self.choices.get("retriever")

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
        Makes the method, still without data.
    make_data
        Makes the benchmark.
    mirror
        Opens and closes a logger beyond the run folder's own files.
    trainer
        Hardware and length of the training.
    models_by_task
        Names of the models for each task, for the message when data and model do not fit.
    decoder
        How a set method searches for its best set; None for a method that does not search.
    retriever
        The run that retrieves the candidates; None for a method that reads no pools.
    fold_retrievers
        The runs that retrieve those of training targets, each without one fold of them; empty
        where ``retriever`` does.
    fit_key
        Hash of everything that can change the fit, which leaves out the split; None for a
        method that reads labels.
    members
        The runs of an ensemble, one a seed; empty for a run of its own.
    halves
        The runs on half-samples of the cells, by which an edge's stability is counted.
    """

    identity: RunIdentity
    data_class: Any
    model_class: Any
    make_model: Callable[[], Any]
    make_data: Callable[[], Any]
    mirror: Any
    trainer: "TrainerSettings"
    models_by_task: Callable[[str], list[str]]
    decoder: Any = None
    retriever: "RunSpec | None" = None
    fold_retrievers: "tuple[RunSpec, ...]" = ()
    fit_key: str | None = None
    members: "tuple[RunSpec, ...]" = ()
    halves: "tuple[RunSpec, ...]" = ()

    def refuse_idle(self) -> None:
        """Refuse a benchmark's option that does nothing for a method that scores pairs.

        Raises
        ------
        InputError
            If there is one.
        """
        for name in getattr(self.data_class, "for_sets", ()):
            given = self.identity.config["data"].get(name)
            if given is not None and self.model_class.task == "edges":
                raise InputError(
                    f"data.{name}={given}: model={self.identity.model} scores all pairs, to which "
                    "it does nothing; drop it, or choose a model that chooses sets"
                )


@dataclasses.dataclass(frozen=True)
class TrainerSettings:
    """Hardware and length of the training.

    Parameters
    ----------
    options
        Of Lightning's Trainer, by name; those that the engine needs as they are, are refused.
    num_threads
        Threads on the processor; None leaves it to torch and NumPy.
    checkpoint_seconds
        Least time between two checkpoints.
    callbacks
        Nodes of further Lightning callbacks, by name.
    resume_from
        A checkpoint to go on from in place of the run's own.

    Raises
    ------
    InputError
        If a number is out of range, or an option is the engine's.
    """

    options: Mapping[str, Any]
    num_threads: int | None = None
    checkpoint_seconds: float = 30.0
    callbacks: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    resume_from: Path | None = None

    def __post_init__(self) -> None:
        refuse_reserved(self.options)
        if self.options.get("devices") not in (1, "1", "auto", None):
            raise InputError(
                f"trainer.devices={self.options['devices']}: a run is trained on 1 device, "
                "so that it gives the same numbers everywhere; to use several, start several "
                "runs side by side (-m with hydra/launcher=joblib)"
            )
        n_cores = os.cpu_count() or 1
        if self.num_threads is not None and self.num_threads > 4 * n_cores:
            raise InputError(
                f"trainer.num_threads={self.num_threads}: this machine has {n_cores} cores; "
                f"give {n_cores} or fewer"
            )
        check_value(self.accelerator, Literal["auto", "cpu", "gpu"], "trainer.accelerator")
        for name in ("enable_progress_bar", "enable_model_summary", "detect_anomaly"):
            check_value(self.options.get(name), bool | None, f"trainer.{name}")
        given = {**self.options, "num_threads": self.num_threads}
        whole = ("num_threads", "max_epochs", "check_val_every_n_epoch", "accumulate_grad_batches")
        for name in whole:
            value = check_value(given.get(name), int | None, f"trainer.{name}")
            if value is not None:
                require_in("[1, inf)", "trainer", **{name: value})
        require_in("[0, inf)", "trainer", checkpoint_seconds=self.checkpoint_seconds)
        clip = check_value(
            given.get("gradient_clip_val"), float | None, "trainer.gradient_clip_val"
        )
        if clip is not None:
            require_in("[0, inf)", "trainer", gradient_clip_val=clip)
        if given.get("precision") not in _PRECISIONS:
            raise InputError(
                f"trainer.precision={given['precision']}: the methods keep their weights in "
                "float32; choose 32-true, bf16-mixed or 16-mixed"
            )
        if self.resume_from is not None and not self.resume_from.is_file():
            raise InputError(
                f"ckpt_path={self.resume_from}: no such file; give a checkpoint's path"
            )

    @property
    def max_epochs(self) -> int | None:
        """Epochs; None for a method that is fitted without any."""
        return self.options.get("max_epochs")

    @property
    def accelerator(self) -> str:
        """``cpu``, ``gpu`` or ``auto`` (a GPU if there is one)."""
        return str(self.options.get("accelerator", "auto"))
