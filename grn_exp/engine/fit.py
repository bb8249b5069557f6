"""Fit a model. The only place that makes a Trainer."""

import logging
from collections.abc import Callable

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger

from grn_exp.core.errors import InputError
from grn_exp.core.scores import EdgeScores
from grn_exp.engine.callbacks import History, ProgressBar, TimedCheckpoint, ValidationCurve
from grn_exp.engine.folder import RunFolder
from grn_exp.engine.spec import TrainerSettings
from grn_exp.models.base import ClosedFormModel, GRNModel

log = logging.getLogger(__name__)


def resolve_accelerator(settings: TrainerSettings) -> str:
    """Return ``cpu`` or ``gpu``.

    Raises
    ------
    InputError
        If a GPU is asked for and there is none, or the accelerator is unknown.
    """
    has_gpu = torch.cuda.is_available()
    if settings.accelerator == "auto":
        return "gpu" if has_gpu else "cpu"
    if settings.accelerator not in ("cpu", "gpu"):
        raise InputError(f"trainer.accelerator={settings.accelerator}: give cpu, gpu or auto")
    if settings.accelerator == "gpu" and not has_gpu:
        raise InputError("trainer=gpu: torch sees no GPU here; use trainer=cpu or trainer=auto")
    return settings.accelerator


def fit(
    model: GRNModel,
    *,
    folder: RunFolder,
    settings: TrainerSettings,
    judge: Callable[[EdgeScores], float | None],
    logger: Logger | None,
    title: str,
) -> tuple[list[dict[str, float]], str]:
    """Fit a model in the way that suits it; a cut-off training goes on where it stopped.

    Returns
    -------
    tuple
        The history, one row an epoch (empty for a closed-form model), and the device's name.
    """
    if isinstance(model, ClosedFormModel):
        model.fit()
        return [], "cpu"
    if settings.num_threads is not None:
        torch.set_num_threads(settings.num_threads)
    accelerator = resolve_accelerator(settings)
    curve = ValidationCurve(judge, every=settings.validate_every)
    history = History(curve)
    checkpoint = TimedCheckpoint(folder.checkpoint, seconds=settings.checkpoint_seconds)
    callbacks = [curve, history, checkpoint]
    if settings.progress:
        callbacks.append(ProgressBar(title))
    trainer = pl.Trainer(
        accelerator=accelerator,
        devices=settings.devices,
        max_epochs=settings.max_epochs,
        logger=logger or False,
        callbacks=callbacks,
        deterministic=accelerator == "gpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    resume = folder.checkpoint if folder.checkpoint.is_file() else None
    if resume is not None:
        log.info("going on from %s", resume)
    trainer.fit(model, ckpt_path=resume, weights_only=True if resume else None)
    if trainer.interrupted:
        raise KeyboardInterrupt
    device = torch.cuda.get_device_name() if accelerator == "gpu" else "cpu"
    checkpoint.save(trainer, weights_only=True)
    return history.rows, device
