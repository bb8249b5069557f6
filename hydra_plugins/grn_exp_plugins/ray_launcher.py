"""``hydra/launcher=ray``: the jobs of a sweep as tasks of Ray."""

import socket
from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn

from grn_exp.core import extras
from grn_exp.core.errors import InputError
from hydra_plugins.grn_exp_plugins._jobs import (
    Ended,
    SweepLauncher,
    execute,
    failed,
)
from hydra_plugins.grn_exp_plugins._progress import progress

_SECONDS_TO_ANSWER = 10.0


class RayLauncher(SweepLauncher):
    """One task a job, never repeated by Ray: the same command does what failed again.

    Parameters
    ----------
    address
        Of a cluster that runs; None starts one on this machine and ends it with the command.
    num_cpus, num_gpus, memory_gb
        What Ray sets aside for each job.

    Raises
    ------
    InputError
        If a number is negative, or the package is missing.
    """

    def __init__(
        self,
        address: str | None = None,
        num_cpus: float = 1,
        num_gpus: float = 0,
        memory_gb: float | None = None,
    ) -> None:
        _ray()
        for name, value in (
            ("num_cpus", num_cpus),
            ("num_gpus", num_gpus),
            ("memory_gb", memory_gb or 0),
        ):
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise InputError(f"hydra.launcher.{name}={value}: give a number, 0 or more")
        self.address = address
        self.resources: dict[str, Any] = {"num_cpus": num_cpus, "num_gpus": num_gpus}
        if memory_gb is not None:
            self.resources["memory"] = int(memory_gb * 1e9)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Do the jobs; the cluster is kept for the next batch."""
        ray = _ray()
        self._connect()
        sweep = ray.put(self.sweep())
        task = ray.remote(execute).options(max_retries=0, **self.resources)
        numbers = range(initial_job_idx, initial_job_idx + len(job_overrides))
        running = {
            task.remote(sweep, number, list(overrides)): (number, overrides)
            for number, overrides in zip(numbers, job_overrides, strict=True)
        }
        ended: dict[int, Ended] = {}
        with progress(len(job_overrides), where=self._where()) as add:
            try:
                while running:
                    for reference in ray.wait(list(running))[0]:
                        number, overrides = running.pop(reference)
                        ended[number] = _outcome(reference, overrides)
                        add(ended[number])
            except BaseException:
                for reference in running:
                    ray.cancel(reference)  # like Ctrl-C, and off the queue
                if running:
                    ray.wait(list(running), num_returns=len(running), timeout=10)
                raise
        return [ended[number].result for number in numbers]

    def _connect(self) -> None:
        ray = _ray()
        if ray.is_initialized():
            return
        try:
            _knock(self.address or "")  # Ray itself would go on trying for minutes
            ray.init(
                address=self.address or "local",
                include_dashboard=None if self.address else False,
                log_to_driver=False,  # a job's lines come back with its result
                logging_level="WARNING",
            )
        except (OSError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(
                f"hydra.launcher.address={self.address}: Ray does not answer ({reason}); give "
                "the address of a running cluster, or null for this machine"
            ) from error

    def _where(self) -> str:
        cpus = _ray().cluster_resources().get("CPU", 0)
        return f"on Ray, {cpus:.0f} cores in all"


def _knock(address: str) -> None:
    """Raise an ``OSError`` if ``host:port`` does not answer; other addresses are Ray's matter."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_SECONDS_TO_ANSWER).close()


def _outcome(reference: Any, overrides: Sequence[str]) -> Ended:  # noqa: ANN401 - Ray's own
    """Return how a task ended, also one whose process did not live to tell."""
    ray = _ray()
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        kind = type(error).__name__
        reason = str(error).strip().partition("\n")[0]
        text = f"Ray lost its process ({kind}: {reason}); often memory ran out"
        return Ended(failed(overrides, InputError(text)))


def _ray() -> Any:  # noqa: ANN401 - the package is optional
    return extras.load("ray", "hydra/launcher=ray", "grn_exp[ray]")
