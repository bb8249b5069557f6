"""Mirrors of a run's files: W&B, trackio, TensorBoard. The files are the truth."""

from grn_exp.engine.loggers.base import EpochLogger, FilesOnly, Mirror
from grn_exp.engine.loggers.results import flat_metrics
from grn_exp.engine.loggers.tensorboard import TensorBoardMirror
from grn_exp.engine.loggers.trackio import TrackioMirror
from grn_exp.engine.loggers.wandb import WandbMirror

__all__ = [
    "EpochLogger",
    "FilesOnly",
    "Mirror",
    "TensorBoardMirror",
    "TrackioMirror",
    "WandbMirror",
    "flat_metrics",
]
