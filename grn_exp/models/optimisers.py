"""Optimisers and schedulers: a class of torch's, a partial of one, or the node that makes it."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins import MixedPrecision, Precision
from pytorch_lightning.utilities import GradClipAlgorithmType

from grn_exp.core import construct
from grn_exp.core.errors import InputError

# a node ({"_target_": "torch.optim.SGD", "momentum": 0.9}), the class, or a partial of it
Optimizer = Mapping[str, Any] | Callable[..., Any]
Scheduler = Mapping[str, Any] | Callable[..., Any]


def configured(
    groups: list[dict[str, Any]],
    optimizer: Mapping[str, Any],
    scheduler: Mapping[str, Any] | None,
    decay_interval: str,
    *,
    fused: bool = True,
) -> dict[str, Any]:
    """Return what Lightning's ``configure_optimizers`` returns.

    Parameters
    ----------
    groups
        Parameter groups, each with its ``lr`` and perhaps a ``decay``.
    optimizer, scheduler
        Nodes; without a scheduler, each group decays by its own factor.
    decay_interval
        What that factor is for: an ``epoch`` or a ``step``.
    fused
        Whether Adam may be torch's fused one.

    Raises
    ------
    InputError
        If the optimiser or the scheduler refuses its options.
    """
    decays = [float(group.get("decay", 1.0)) for group in groups]
    own = [{k: v for k, v in group.items() if k != "decay"} for group in groups]
    node = dict(optimizer)
    if node["_target_"] in ("torch.optim.Adam", "torch.optim.adam.Adam"):
        node.setdefault("fused", fused)
    made = _made("model.optimizer", node, own)
    if scheduler:
        schedule = {
            "scheduler": _made("model.scheduler", dict(scheduler), made),
            "monitor": "train/loss",
        }
    else:
        factors = [lambda count, decay=decay: decay**count for decay in decays]
        schedule = {
            "scheduler": torch.optim.lr_scheduler.LambdaLR(made, factors),
            "interval": decay_interval,
        }
    return {"optimizer": made, "lr_scheduler": schedule}


def try_a_step(configuration: dict[str, Any]) -> None:
    """Take a step of the scheduler, which changes no parameter.

    Raises
    ------
    InputError
        If the scheduler cannot take it (``step_size=0``).
    """
    scheduler = configuration["lr_scheduler"]["scheduler"]
    watches = isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
    try:
        with warnings.catch_warnings():  # of a step before the optimiser's
            warnings.simplefilter("ignore")
            scheduler.step(*[0.0] * watches)
    except (ArithmeticError, ValueError, TypeError, RuntimeError) as error:
        name = type(scheduler).__name__
        raise InputError(
            f"model.scheduler: {name}: {error}; correct the option or leave it out"
        ) from error


def clip_gradients(
    module: pl.LightningModule,
    optimizer: torch.optim.Optimizer,
    gradient_clip_val: float | None = None,
    gradient_clip_algorithm: str | None = None,
) -> None:
    """Clip as ``LightningModule.clip_gradients``, in bfloat16 whatever the optimiser.

    Lightning's mixed precision refuses to clip for a fused optimiser, because that takes off the
    scale of float16's gradients by itself. In bfloat16 nothing is scaled.
    """
    plugin = module.trainer.precision_plugin
    unscaled = isinstance(plugin, MixedPrecision) and plugin.scaler is None
    if gradient_clip_val and unscaled:
        by = GradClipAlgorithmType(gradient_clip_algorithm or "norm")
        Precision.clip_gradients(plugin, optimizer, gradient_clip_val, by)
    else:
        module.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)


def _made(path: str, node: dict[str, Any], argument: Any) -> Any:
    try:
        return construct.partial({**node, "_partial_": True}, path)(argument)
    except (ValueError, TypeError, AttributeError) as error:
        name = node["_target_"].rpartition(".")[2]
        raise InputError(f"{path}: {name}: {error}; correct the option or leave it out") from error
