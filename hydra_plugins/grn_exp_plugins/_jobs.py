"""What all launchers share: a job in a process of its own, and what comes back from it."""

import contextlib
import dataclasses
import io
import pickle
import sys
from collections.abc import Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from grn_exp import config
from grn_exp.core.errors import InputError
from grn_exp.engine import stopping


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What every job of a sweep is given; goes to the processes that do them.

    Attributes
    ----------
    context, config, task_function
        Hydra's parts.
    singletons
        Hydra's state, with the choices that were made known to it.
    """

    context: HydraContext
    config: DictConfig
    task_function: TaskFunction
    singletons: dict[Any, Any]


class SweepLauncher(Launcher):
    """What the launchers here share: they keep Hydra's parts until there are jobs."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take over Hydra's parts."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def sweep(self) -> Sweep:
        """Return what goes to the jobs' processes."""
        return Sweep(self.hydra_context, self.config, self.task_function, Singleton.get_state())


@dataclasses.dataclass(frozen=True)
class Ended:
    """A job that has ended, well or not.

    Attributes
    ----------
    result
        What Hydra's sweepers take.
    out, err
        What it wrote to the terminal.
    stopped_by
        The signal that asked it to end, if one did.
    """

    result: JobReturn
    out: str = ""
    err: str = ""
    stopped_by: int | None = None


def execute(sweep: Sweep, number: int, overrides: Sequence[str]) -> Ended:
    """Do a job in this process; whatever ends it is in the result.

    Its lines are kept, to be shown when it is done: those of jobs side by side would mix.
    """
    out, err = io.StringIO(), io.StringIO()
    stopped_by = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            with stopping.stoppable():
                result = _run(sweep, number, overrides)
        except BaseException as error:  # noqa: BLE001 - what it is, its reader decides
            result = failed(overrides, error)
            stopped_by = error.signum if isinstance(error, stopping.Stopped) else None
    if result.status is not JobStatus.COMPLETED:
        result.return_value = portable(result._return_value)
    return Ended(result, out.getvalue(), err.getvalue(), stopped_by)


def failed(overrides: Sequence[str], error: BaseException) -> JobReturn:
    """Return the result of a job of which nothing else came back."""
    result = JobReturn(overrides=filter_overrides(overrides), status=JobStatus.FAILED)
    result.return_value = error
    return result


def show(ended: Ended) -> None:
    """Write what a job wrote."""
    sys.stderr.write(ended.err)
    sys.stdout.write(ended.out)
    sys.stdout.flush()


def _run(sweep: Sweep, number: int, overrides: Sequence[str]) -> JobReturn:
    setup_globals()
    config.register()  # before Hydra makes the folder of the sweep
    Singleton.set_state(sweep.singletons)
    cfg = sweep.context.config_loader.load_sweep_config(sweep.config, list(overrides))
    with open_dict(cfg):
        cfg.hydra.job.id = f"{cfg.hydra.job.name}_{number}"
        cfg.hydra.job.num = number
    HydraConfig.instance().set_config(cfg)
    return run_job(
        hydra_context=sweep.context,
        config=cfg,
        task_function=sweep.task_function,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )


def portable(error: BaseException) -> BaseException:
    """Return an error that another process can read, with its reason: causes do not travel."""
    if isinstance(error, stopping.Stopped | KeyboardInterrupt):  # of the job, not of the sweep
        return InputError(f"{str(error) or 'interrupted'}; the same command goes on")
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InputError):
            return InputError(str(cause))
        cause = cause.__cause__
    try:
        return pickle.loads(pickle.dumps(error))  # noqa: S301 - written in this very line
    except Exception:  # noqa: BLE001 - an error's own code may raise anything
        return RuntimeError(f"{type(error).__name__}: {error}")
