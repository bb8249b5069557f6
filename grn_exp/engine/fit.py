"""Fit a model. The only place that makes a Trainer."""

import contextlib
import logging
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import Logger
from pytorch_lightning.profilers import AdvancedProfiler, PyTorchProfiler, SimpleProfiler

from grn_exp.core import construct
from grn_exp.core.errors import InputError
from grn_exp.data.benchmark import Benchmark
from grn_exp.engine import stopping
from grn_exp.engine.callbacks import (
    DirectIO,
    History,
    ProgressBar,
    TimedCheckpoint,
    require_finite,
)
from grn_exp.engine.devices import leased_gpu
from grn_exp.engine.outcome import Outcome
from grn_exp.engine.spec import TrainerSettings
from grn_exp.models.base import HEADLINES, GRNModel
from grn_exp.models.closed_form import ClosedFormModel
from grn_exp.runs.folder import HISTORY, RunFolder
from grn_exp.runs.trainer_options import REFUSED
from grn_exp.storage.atomic import write_with

log = logging.getLogger(__name__)

_PROFILERS: dict[str, Any] = {
    "simple": SimpleProfiler,
    "advanced": AdvancedProfiler,
    "pytorch": PyTorchProfiler,
}


def resolve_accelerator(settings: TrainerSettings) -> str:
    """Return ``cpu`` or ``gpu``.

    Raises
    ------
    InputError
        If a GPU is asked for and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if settings.accelerator == "auto":
        return "gpu" if has_gpu else "cpu"
    if settings.accelerator == "gpu" and not has_gpu:
        raise InputError("trainer=gpu: torch sees no GPU here; use trainer=cpu or trainer=auto")
    return settings.accelerator


def check_trainer(settings: TrainerSettings, data: Benchmark) -> None:
    """Refuse what Lightning's Trainer or a callback refuses, before anything is written.

    Raises
    ------
    InputError
        With Lightning's reason, or if a callback watches a score that no validation gives.
    """
    callbacks = make_callbacks(settings, None)
    _make_trainer(settings, callbacks, logger=None, gpu=None, folder=None)
    validates = settings.options.get("limit_val_batches") != 0 and data.can_judge("val")
    for name, callback in zip(settings.callbacks, callbacks, strict=True):
        monitor = str(getattr(callback, "monitor", None) or "")
        if monitor.startswith("val/") and monitor.removeprefix("val/") not in HEADLINES:
            raise InputError(
                f"callbacks.{name}.monitor={monitor}: a training logs train/loss and its parts, "
                f"and val/{' or val/'.join(HEADLINES)}; watch one of these"
            )
        if monitor.startswith("val/") and not validates:
            raise InputError(
                f"callbacks.{name}.monitor={monitor}: this run validates nothing; give "
                "split.validation_fraction=0.1 and trainer.limit_val_batches=1.0, or watch "
                "train/loss with mode=min"
            )


def check_resumption(path: Path, model: GRNModel) -> None:
    """Refuse a checkpoint that a training of this method on its data cannot go on from.

    Raises
    ------
    InputError
        If it is broken, holds only weights, or is of another method, other data or another split.
    """
    reason = _defect(path, model)
    if reason:
        raise InputError(f"ckpt_path={path}: {reason}; give the checkpoint of another training")


def make_callbacks(settings: TrainerSettings, folder: RunFolder | None) -> list[pl.Callback]:
    """Return the user's callbacks; a checkpoint among them goes to the run's own folder."""
    callbacks = []
    for name, node in settings.callbacks.items():
        with _as_input_error(f"callbacks.{name}"):
            callback = construct.instantiate(node, f"callbacks.{name}")
        if isinstance(callback, ModelCheckpoint) and folder is not None:
            callback.dirpath = str(folder.checkpoint.parent)
        callbacks.append(callback)
    return callbacks


@contextlib.contextmanager
def _as_input_error(path: str) -> Iterator[None]:
    try:
        yield
    except (MisconfigurationException, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: {error}; correct or drop the option") from error


def _make_trainer(
    settings: TrainerSettings,
    callbacks: list[pl.Callback],
    *,
    logger: Logger | None,
    gpu: int | None,
    folder: RunFolder | None,
) -> pl.Trainer:
    options = {name: value for name, value in settings.options.items() if name not in REFUSED}
    accelerator = resolve_accelerator(settings)
    own = {
        "accelerator": accelerator,
        "devices": 1 if gpu is None else [gpu],
        # a job of a queue is one process, whatever the queue's variables make of it
        "plugins": [LightningEnvironment(), DirectIO(), *(options["plugins"] or [])],
        "enable_progress_bar": False,  # the engine's own shows validation scores and time left
        "enable_checkpointing": True,
    }
    if options["deterministic"] is None:
        own["deterministic"] = accelerator == "gpu"
    kind = _PROFILERS.get(str(options["profiler"]).lower())
    if kind is not None and folder is not None:  # else PyTorch's writes where the command began
        own["profiler"] = kind(dirpath=folder.path, filename="profile")
    with _as_input_error("trainer"):
        # a copy: Lightning adds its own callbacks to the list
        return pl.Trainer(**{**options, **own}, callbacks=[*callbacks], logger=logger or False)


def fit(
    model: GRNModel,
    data: Benchmark,
    *,
    folder: RunFolder,
    settings: TrainerSettings,
    logger: Logger | None,
    title: str,
) -> Outcome:
    """Fit a model in the way that suits it; a cut-off training goes on where it stopped.

    The seconds include those of the training that this one went on from.
    """
    started_at = time.monotonic()
    history = History(folder / HISTORY)
    device = "cpu"
    best: dict[str, Any] = {}
    if isinstance(model, ClosedFormModel):
        model.unfinished = folder.unfinished
        model.fit()
    else:
        checkpoint = TimedCheckpoint(folder.checkpoint, seconds=settings.checkpoint_seconds)
        chosen = make_callbacks(settings, folder)
        progress = ProgressBar(title, shown=settings.options["enable_progress_bar"] is not False)
        callbacks = [*chosen, history, checkpoint, progress]
        on_gpu = resolve_accelerator(settings) == "gpu"
        with leased_gpu() if on_gpu else contextlib.nullcontext() as gpu:
            trainer = _make_trainer(settings, callbacks, logger=logger, gpu=gpu, folder=folder)
            resume = _checkpoint_to_go_on_from(folder.checkpoint, model) or settings.resume_from
            _train(trainer, model, data, resume)
        require_finite(model)
        if gpu is not None:
            device = torch.cuda.get_device_name(gpu)
        checkpoint.save(trainer)
        best = _take_best(model, chosen)
    seconds = history.seconds_before + time.monotonic() - started_at
    n_parameters = sum(p.numel() for p in model.parameters())
    return Outcome(
        prediction=model.prediction(),
        history=history.rows,
        device=device,
        seconds={"fit": seconds},
        model={"n_parameters": n_parameters, **best, **model.facts()},
        tables=model.tables(),
    )


def _take_best(model: GRNModel, callbacks: list[pl.Callback]) -> dict[str, Any]:
    """Give the model the weights of its best epoch, if a callback kept them; say which."""
    for callback in callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.best_model_path:
            content = torch.load(callback.best_model_path, map_location="cpu", weights_only=True)
            model.load_state_dict(content["state_dict"])
            score = callback.best_model_score
            return {
                "best_epoch": int(content["epoch"]),
                "best_score": None if score is None else float(score),
                "monitor": callback.monitor,
            }
    return {}


def _train(trainer: pl.Trainer, model: GRNModel, data: Benchmark, resume: Path | None) -> None:
    """Run Lightning's loop, with its errors and signals as ours.

    A signal to stop waits for the end of the epoch: what is saved there can be gone on from.
    """
    with stopping.stoppable(), stopping.deferred():
        try:
            trainer.fit(
                model, datamodule=data, ckpt_path=resume, weights_only=True if resume else None
            )
        except SystemExit:  # what Lightning makes of signals before it hands them over
            stopping.stop_if_asked()
            raise
        except InputError:
            raise
        except Exception as error:
            require_finite(model)
            text = str(error)  # a callback may watch a value that is not logged
            if isinstance(error, MisconfigurationException) or "conditioned on metric" in text:
                raise InputError(" ".join(str(error).split())) from error
            raise


def _checkpoint_to_go_on_from(path: Path, model: GRNModel) -> Path | None:
    """Return the checkpoint if training can go on from it.

    One that is truncated, of another version of the method or bare weights is put away.
    """
    if not path.is_file():
        return None
    reason = _defect(path, model)
    if reason is None:
        log.info("going on from %s", path)
        return path
    log.warning("%s is of no use (%s): starting afresh", path, reason)
    path.unlink()
    return None


def _defect(path: Path, model: GRNModel) -> str | None:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
        return "cannot be read to the end"
    if not isinstance(content, dict) or "state_dict" not in content:
        return "not a checkpoint"
    if not {"loops", "optimizer_states", "callbacks"} <= content.keys():
        return "only the weights of a finished training"
    try:
        model.on_load_checkpoint(content)
    except InputError as error:
        return str(error)
    kept = {name: tuple(tensor.shape) for name, tensor in content["state_dict"].items()}
    if kept != {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}:
        return "from another version of the method"
    return None


def keep_weights(path: Path, model: GRNModel) -> None:
    """Take out of a finished training's checkpoint what only a resumption needs."""
    if not path.is_file():
        return
    # mapped, so that what is left out, and the data, which the model has, take no memory
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    kept: dict[str, Any] = {
        name: value
        for name, value in content.items()
        if name not in ("loops", "optimizer_states", "lr_schedulers", "callbacks")
    }
    model.on_save_checkpoint(kept)
    try:
        write_with(path, lambda temporary: torch.save(kept, temporary))
    except (InputError, RuntimeError) as error:  # a larger file than needed, no more
        log.warning("%s keeps its optimiser's state: %s", path, error)


@contextlib.contextmanager
def limited_threads(n: int | None) -> Iterator[None]:
    """Compute on ``n`` threads meanwhile, in torch and in NumPy; None changes nothing."""
    if n is None:
        yield
        return
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    with threadpool_limits(n):
        torch.set_num_threads(n)
        try:
            yield
        finally:
            torch.set_num_threads(before)
