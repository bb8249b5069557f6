"""``hydra/launcher=submitit_slurm``: the jobs of a sweep as tasks of Slurm arrays."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from hydra.core.utils import JobReturn
from omegaconf import OmegaConf

from grn_exp.core import extras
from grn_exp.core.errors import InputError
from grn_exp.engine.stopping import Stopped
from hydra_plugins.grn_exp_plugins._jobs import (
    Ended,
    Sweep,
    SweepLauncher,
    execute,
    failed,
)
from hydra_plugins.grn_exp_plugins._progress import progress

_SECONDS_BETWEEN_LOOKS = 2.0
_SECONDS_FOR_A_RESULT = 30.0  # a shared disk may show a file late
# what submitit calls the same for all kinds of cluster
_OF_EVERY_CLUSTER = ("timeout_min", "name", "cpus_per_task", "mem_gb", "gpus_per_node")
_ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED"),
    *("NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"),
}


@dataclasses.dataclass(frozen=True)
class SlurmTask:
    """A job as Slurm's machines do it."""

    sweep: Sweep

    def __call__(self, number: int, overrides: Sequence[str]) -> Ended:
        """Do the job; asked to stop, its run has saved by now, and it leaves.

        SIGUSR1 and SIGUSR2 come before a time limit, or where the cluster announces a preemption
        so: the job queues itself again. SIGTERM comes when Slurm takes the job away, and Slurm
        knows whether it is to be queued again: one that was cancelled is not.
        """
        import submitit

        queue_again: Any = signal.getsignal(submitit.JobEnvironment()._usr_sig())
        ended = execute(self.sweep, number, overrides)
        sys.stderr.write(ended.err)
        if ended.stopped_by is not None:
            if ended.stopped_by in (signal.SIGUSR1, signal.SIGUSR2):
                queue_again(ended.stopped_by, None)  # leaves
            sys.exit(Stopped(ended.stopped_by).exit_code)
        return ended

    def checkpoint(self, number: int, overrides: Sequence[str]) -> Any:  # noqa: ANN401 - theirs
        """Return what is to be queued again: the same job, which goes on where it stopped."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, number, overrides)


class SlurmLauncher(SweepLauncher):
    """Arrays of jobs through submitit.

    Parameters
    ----------
    submitit_folder
        For what goes to the jobs, what comes back, and their output.
    array_size
        Jobs of one array.
    array_parallelism
        Jobs at a time.
    max_num_timeout
        How often a job that met its time limit is queued again.
    additional_parameters
        Further options of ``sbatch``.
    options
        As in submitit, without its prefix ``slurm_``; None leaves it to the cluster.

    Raises
    ------
    InputError
        If submitit or Slurm is missing.
    """

    def __init__(
        self,
        *,
        submitit_folder: str,
        array_size: int,
        array_parallelism: int,
        max_num_timeout: int,
        additional_parameters: dict[str, Any],
        **options: Any,  # noqa: ANN401
    ) -> None:
        extras.load("submitit", "hydra/launcher=submitit_slurm", "grn_exp[slurm]")
        for program in ("sbatch", "srun", "squeue"):
            if shutil.which(program) is None:
                raise InputError(
                    f"hydra/launcher=submitit_slurm: no {program} here; start the sweep on a "
                    "machine of the cluster, or choose hydra/launcher=joblib"
                )
        self.folder = submitit_folder
        self.array_size = array_size
        self.max_num_timeout = max_num_timeout
        self.n_at_once = array_parallelism
        self.parameters = {
            **{
                name if name in _OF_EVERY_CLUSTER else f"slurm_{name}": _plain(value)
                for name, value in options.items()
                if value is not None
            },
            "tasks_per_node": 1,
            "slurm_array_parallelism": array_parallelism,
            # --requeue: a cluster may have jobs lost by preemption unless they ask
            "slurm_additional_parameters": {"requeue": True, **_plain(additional_parameters)},
        }

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Queue the jobs and wait for them."""
        jobs = [(initial_job_idx + place, list(job)) for place, job in enumerate(job_overrides)]
        task = SlurmTask(self.sweep())
        ended: dict[int, Ended] = {}
        with progress(len(jobs), where="in Slurm's queue") as add:
            queued: dict[int, Any] = {}
            for first in range(0, len(jobs), self.array_size):
                array = jobs[first : first + self.array_size]
                try:
                    queued |= self._submit(task, array)
                except InputError as error:  # a full queue; what is in it goes on
                    for number, overrides in array:
                        ended[number] = Ended(failed(overrides, error))
                        add(ended[number])
            try:
                for number, end in _as_they_end(queued, dict(jobs)):
                    ended[number] = end
                    add(end)
            except BaseException:
                ids = {str(job.job_id).partition("_")[0] for job in queued.values()}
                sys.stderr.write(
                    f"the jobs go on in Slurm; scancel {' '.join(sorted(ids))} ends them\n"
                )
                raise
        return [ended[number].result for number, _ in jobs]

    def _submit(self, task: SlurmTask, jobs: Sequence[tuple[int, list[str]]]) -> dict[int, Any]:
        """Queue an array."""
        import submitit
        from submitit.core.utils import FailedJobError

        executor = submitit.AutoExecutor(
            folder=self.folder, cluster="slurm", slurm_max_num_timeout=self.max_num_timeout
        )
        numbers = [number for number, _ in jobs]
        try:
            executor.update_parameters(**self.parameters)
            return dict(
                zip(numbers, executor.map_array(task, *zip(*jobs, strict=True)), strict=True)
            )
        except (
            FailedJobError,
            subprocess.CalledProcessError,
            OSError,
        ) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise InputError(f"Slurm did not take the job: {lines[-1]}") from error


def _as_they_end(
    queued: dict[int, Any], overrides: dict[int, list[str]]
) -> Iterable[tuple[int, Ended]]:
    """Yield each job's number and how it ended."""
    missed: dict[int, float] = {}  # since when a job without a result is not in the queue
    left = dict(queued)
    while left:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        states = _states({str(job.job_id).partition("_")[0] for job in left.values()})
        if states is None:
            continue
        for number, job in list(left.items()):
            state = states.get(str(job.job_id), "gone")
            if job.paths.result_pickle.exists():
                yield number, _result(job, overrides[number])
            elif state != "gone" and state not in _ENDED:
                missed.pop(number, None)
                continue
            elif time.monotonic() - missed.setdefault(number, time.monotonic()) < (
                0 if state == "CANCELLED" else _SECONDS_FOR_A_RESULT
            ):
                continue
            else:
                text = f"Slurm ended the job ({state}) before it was done; see {job.paths.stderr}"
                yield number, Ended(failed(overrides[number], InputError(text)))
            del left[number]


def _result(job: Any, overrides: Sequence[str]) -> Ended:  # noqa: ANN401 - submitit's own
    """Read what a job left."""
    try:
        kind, value = job._get_outcome_and_result()
    except Exception as error:  # noqa: BLE001 - a file of another process
        kind, value = "error", str(error)
    if kind == "success" and isinstance(value, Ended):
        return value
    lines = str(value).strip().splitlines() or ["no reason given"]
    return Ended(failed(overrides, InputError(f"{lines[-1]}; see {job.paths.stderr}")))


def _states(arrays: Iterable[str]) -> dict[str, str] | None:
    """Return the state of every task that Slurm still knows; None where it does not answer."""
    command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i %T"]
    try:
        answer = subprocess.run(  # noqa: S603
            [*command, f"--jobs={','.join(sorted(arrays))}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode and "Invalid job id" not in answer.stderr:
        return None
    pairs = (line.split() for line in answer.stdout.splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def _plain(value: Any) -> Any:  # noqa: ANN401 - a node of a configuration
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
