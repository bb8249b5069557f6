"""How long a fit will take, by a few of its steps."""

import contextlib
import logging
import math
import time
from datetime import timedelta
from statistics import fmean
from typing import Any

import torch

from grn_exp.core.errors import InputError
from grn_exp.engine.fit import limited_threads, resolve_accelerator
from grn_exp.engine.needs import check_needs
from grn_exp.engine.spec import RunSpec, TrainerSettings
from grn_exp.models.base import GRNModel
from grn_exp.models.closed_form import ClosedFormModel
from grn_exp.models.gradient import GradientModel
from grn_exp.runs.folder import RunFolder

log = logging.getLogger(__name__)

_A_FEW = 3  # epochs: those of DeepSEM differ, and after three they come again


def forecast(spec: RunSpec) -> float:
    """Return about how many seconds a run takes; reads its data.

    Missing (nan) where the fit is not worth it, or a few steps do not tell.

    Raises
    ------
    InputError
        If the run would be refused.
    """
    data = spec.make_data()
    data.prepare_data()
    data.setup()
    model = spec.make_model()
    worth_it = check_needs(spec.identity.model, model, data).worth_timing
    if not worth_it or _asks_the_trainer(model):
        return math.nan
    model.attach(data.view_for(model))
    with limited_threads(spec.trainer.num_threads):
        return _of_run(spec, model)


def announce(spec: RunSpec, model: GRNModel, folder: RunFolder, *, least: float = 0.0) -> None:
    """Log how long a run will take, unless it goes on from where it was cut off.

    Parameters
    ----------
    model
        With the run's data; it is not touched.
    least
        Seconds that are worth a line.
    """
    begun = (folder.checkpoint, folder.unfinished)
    if spec.trainer.resume_from is not None or any(path.is_file() for path in begun):
        return
    seconds = math.nan
    with contextlib.suppress(InputError, ArithmeticError, RuntimeError):  # the fit will say so
        seconds = _of_run(spec, spec.make_model().attach(model.view))
    if seconds >= least:  # not if it is missing
        log.info("about %s, by a few timed steps", timedelta(seconds=math.ceil(seconds)))


def _of_run(spec: RunSpec, model: GRNModel) -> float:
    """Return the seconds of all fits that are left; half of the cells take half of the time."""
    halves, members = (
        sum(RunFolder(each.identity.folder).state() != "finished" for each in runs)
        for runs in (spec.halves, spec.members)
    )
    own = 0 if spec.members else 1
    return (own + members + halves / 2) * seconds_of_fit(model, spec.trainer)


def seconds_of_fit(model: GRNModel, settings: TrainerSettings) -> float:
    """Return about how long a fit takes; missing (nan) where a few steps do not tell.

    Parameters
    ----------
    model
        With its data, and for nothing else: its parameters move.
    """
    if isinstance(model, ClosedFormModel):
        return model.seconds()
    n_epochs = settings.max_epochs or 0
    on_processor = resolve_accelerator(settings) == "cpu"
    if not isinstance(model, GradientModel) or n_epochs < 1 or not on_processor:
        return math.nan
    if _asks_the_trainer(model):
        return math.nan
    with torch.random.fork_rng(devices=[]):
        return _of_training(model, n_epochs)


def _asks_the_trainer(model: GRNModel) -> bool:
    """Say whether a step needs what only a run has: the epoch of a curriculum, candidates."""
    return model.task == "sets"


def _of_training(model: GradientModel, n_epochs: int) -> float:
    optimizer = model.configure_optimizers()["optimizer"]
    first = range(min(_A_FEW, n_epochs))
    last = range(max(n_epochs - _A_FEW, 0), n_epochs)
    _of_epoch(model, optimizer, 0)  # what only a first step does
    return n_epochs * fmean(_of_epoch(model, optimizer, n) for n in sorted({*first, *last}))


def _of_epoch(model: GradientModel, optimizer: Any, epoch: int) -> float:  # noqa: ANN401
    start = time.perf_counter()
    model.begin_epoch(epoch)
    began = time.perf_counter()
    batch = next(iter(model.batches(lambda: epoch)))
    optimizer.zero_grad(set_to_none=True)
    model.loss(batch)["total"].backward()
    optimizer.step()
    of_step = time.perf_counter() - began
    return began - start + of_step * model.n_items / len(batch)
