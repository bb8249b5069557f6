"""``hydra/launcher=joblib``: the jobs of a sweep side by side on this machine."""

import atexit
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from hydra.core.utils import JobReturn

from grn_exp.core import memory
from grn_exp.core.errors import InputError
from grn_exp.engine import devices, stopping
from hydra_plugins.grn_exp_plugins import _worker
from hydra_plugins.grn_exp_plugins._jobs import Ended, Sweep, SweepLauncher, failed
from hydra_plugins.grn_exp_plugins._options import is_whole
from hydra_plugins.grn_exp_plugins._progress import progress

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class JoblibLauncher(SweepLauncher):
    """Jobs in processes of loky, the pool behind joblib: one pool for each job at a time.

    A process that is killed (no memory left) so takes one job with it, and it is known which. It
    is done once more at the end, alone; killed again, it has failed. The others go on.

    Parameters
    ----------
    n_jobs
        Jobs at a time; None: as many as cores, memory and GPUs allow; -1: one for each core, -2:
        one less, and so on.
    memory_gb_per_job
        What None reckons with.
    jobs_per_gpu
        Jobs that share a GPU.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    def __init__(
        self,
        n_jobs: int | None = None,
        memory_gb_per_job: float = 2.0,
        jobs_per_gpu: int = 1,
    ) -> None:
        for name, value, fits in (
            ("n_jobs", n_jobs, n_jobs is None or (is_whole(n_jobs) and n_jobs != 0)),
            ("memory_gb_per_job", memory_gb_per_job, _is_positive(memory_gb_per_job)),
            ("jobs_per_gpu", jobs_per_gpu, is_whole(jobs_per_gpu) and jobs_per_gpu > 0),
        ):
            if not fits:
                raise InputError(f"hydra.launcher.{name}={value}: give a number, 1 or more")
        self.n_jobs = n_jobs
        self.memory_gb_per_job = memory_gb_per_job
        self.jobs_per_gpu = jobs_per_gpu
        self.workers: list[_Worker] = []

    @property
    def n_at_once(self) -> int:
        """How many jobs run side by side."""
        from joblib import cpu_count  # of this process's cgroup and affinity

        n_cores: int = cpu_count()
        if self.n_jobs is not None:
            return self.n_jobs if self.n_jobs > 0 else max(n_cores + 1 + self.n_jobs, 1)
        trainer = self.config.get("trainer", {})
        threads = trainer.get("num_threads")  # a text where the sweep is over it
        by_cores = n_cores // threads if is_whole(threads) and threads > 0 else n_cores
        by_memory = int(memory.available() / 1e9 / self.memory_gb_per_job)
        on_gpus = trainer.get("accelerator") != "cpu"
        by_gpus = devices.n_gpus() * self.jobs_per_gpu if on_gpus else 0
        return max(min(by_cores, by_memory, by_gpus or n_cores), 1)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Do the jobs; the workers are kept for the next batch."""
        sweep = self.sweep()
        if not self.workers:  # a pool that dies with the interpreter complains
            atexit.register(self._end_workers)
        n_workers = min(self.n_at_once, len(job_overrides))
        while len(self.workers) < n_workers:
            self.workers.append(_Worker(self._environment(n_workers)))
        jobs = [(initial_job_idx + place, job) for place, job in enumerate(job_overrides)]
        with progress(len(jobs), where=f"{n_workers} at a time") as add:
            batch = _Batch(sweep, jobs, add)
            try:
                batch.do(self.workers[:n_workers])
                batch.do(self.workers[:1])  # what was killed, alone
            except BaseException:
                _stop(self.workers)
                self.workers.clear()
                raise
        return [batch.ended[number].result for number, _ in jobs]

    def _end_workers(self) -> None:
        for worker in self.workers:
            worker.end()
        self.workers.clear()

    def _environment(self, n_workers: int) -> dict[str, str]:
        """Return what the workers' environment has beside the command's own.

        What computes before a run limits its threads itself would start as many as there are
        cores in every process.
        """
        from joblib import cpu_count

        threads = str(max(cpu_count() // n_workers, 1))
        own = {name: threads for name in _THREADS if name not in os.environ}
        return {**own, devices.PER_GPU: str(self.jobs_per_gpu)}


class _Batch:
    """Jobs and how they ended."""

    def __init__(
        self, sweep: Sweep, jobs: Sequence[tuple[int, Sequence[str]]], add: Callable[[Ended], None]
    ) -> None:
        self.sweep = sweep
        self.left = deque(jobs)
        self.add = add
        self.killed: dict[int, str] = {}
        self.ended: dict[int, Ended] = {}

    def do(self, workers: "Sequence[_Worker]") -> None:
        """Keep every worker busy until nothing is left; what is killed is left for next time."""
        again: list[tuple[int, Sequence[str]]] = []
        running: dict[Future[Ended], tuple[_Worker, tuple[int, Sequence[str]]]] = {}
        idle = list(workers)
        while self.left or running:
            while self.left and idle:
                worker, job = idle.pop(), self.left.popleft()
                running[worker.submit(self.sweep, *job)] = worker, job
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                worker, job = running.pop(future)
                idle.append(worker)
                ended = self._outcome(future, worker, job)
                if ended is None:
                    again.append(job)
                else:
                    self.ended[job[0]] = ended
                    self.add(ended)
        self.left.extend(again)

    def _outcome(
        self, future: Future[Ended], worker: "_Worker", job: tuple[int, Sequence[str]]
    ) -> Ended | None:
        """Return how a job ended; None if its process was killed for the first time."""
        from joblib.externals.loky.process_executor import BrokenProcessPool

        number, overrides = job
        try:
            return future.result()
        except BrokenProcessPool as error:
            how = worker.replace(error)
        except Exception as error:  # noqa: BLE001 - a result that cannot be read
            return Ended(failed(overrides, error))
        if number not in self.killed:
            self.killed[number] = how
            text = " ".join(overrides)
            sys.stderr.write(f"killed ({how}), to be done once more: {text}\n")
            return None
        reason = (
            f"its process was killed twice ({how}), the second time with no other beside it; "
            "if memory ran out, give it a machine with more"
        )
        return Ended(failed(overrides, InputError(reason)))


class _Worker:
    """A process that does one job after the other."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.pool: Any = None
        self.job: Future[Ended] | None = None  # the last one

    def submit(self, sweep: Sweep, number: int, overrides: Sequence[str]) -> Future[Ended]:
        """Start a job."""
        from joblib.externals.loky import ProcessPoolExecutor

        if self.pool is None:
            self.pool = ProcessPoolExecutor(
                max_workers=1,
                env=self.environment,
                initializer=_worker.end_with,
                initargs=(os.getpid(),),
            )
        job: Future[Ended] = self.pool.submit(_worker.do, sweep, number, overrides)
        self.job = job
        return job

    def replace(self, error: BaseException) -> str:
        """Let a dead process go, and say what killed it."""
        self.pool.shutdown(wait=False, kill_workers=True)
        self.pool = None
        text = str(error)
        named = [s.name for s in signal.Signals if f"{s.name}(" in text]
        return named[0] if named else "for a reason unknown"

    def end(self) -> None:
        """End the process, which has no job."""
        if self.pool is not None:
            self.pool.shutdown(wait=True, kill_workers=True)

    def processes(self) -> list[Any]:
        """Return the process, if there is one."""
        return [] if self.pool is None else list((self.pool._processes or {}).values())


def _stop(workers: Sequence[_Worker]) -> None:
    """End all workers: their runs save at the end of the epoch, if that takes no longer than 30 s.

    A second signal or Ctrl-C meanwhile ends them at once.
    """
    processes = [process for worker in workers for process in worker.processes()]
    seconds = round(_worker.SECONDS_TO_STOP)
    sys.stderr.write(
        f"stopping: each job saves at the end of its epoch, within {seconds} s; Ctrl-C again "
        "stops now\n"
    )
    try:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
        # a worker outlives its job, so it is the job that is waited for
        wait([worker.job for worker in workers if worker.job], timeout=_worker.SECONDS_TO_STOP)
    except stopping.Stopped:
        pass
    finally:
        for worker in workers:
            worker.end()


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
