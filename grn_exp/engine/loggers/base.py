"""What every mirror has in common."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Protocol

from pytorch_lightning.loggers import Logger

from grn_exp.engine.spec import RunIdentity
from grn_exp.runs import methods
from grn_exp.runs.folder import RunFolder


class EpochLogger(Logger):
    """Hands a service an epoch's values, with the epoch as their step, and none of them twice.

    Lightning hands over what it validates before the losses of the same epoch.
    A run that was cut off goes on from its last checkpoint, so some epochs may be computed
    again, to the same numbers; ``History`` hands over those that lie before it.

    Parameters
    ----------
    service
        What the rows go to, for the mirror that closes it.
    log
        Takes an epoch's values by name, and the epoch.
    first_epoch
        The first epoch that the service has no row of.
    """

    def __init__(
        self,
        service: Any,  # noqa: ANN401 - wandb's, trackio's or Lightning's own
        log: Callable[[dict[str, float], int], None],
        *,
        first_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.service = service
        self.next_epoch = first_epoch
        self._log = log
        self._next: dict[str, int] = defaultdict(lambda: first_epoch)  # by the value's name

    @property
    def name(self) -> str:
        """The service's class."""
        return type(self.service).__name__

    @property
    def version(self) -> None:
        """None: a run has its folder."""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Lightning's
        """Leave them out: the service was opened with the whole configuration."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Hand over an epoch's values."""
        epoch = int(metrics["epoch"])  # not the step: Lightning counts batches
        new = {name: value for name, value in metrics.items() if epoch >= self._next[name]}
        if new:
            self._log({**new, "epoch": epoch}, epoch)
            self._next |= dict.fromkeys(new, epoch + 1)
            self.next_epoch = max(self.next_epoch, epoch + 1)


class Mirror(Protocol):
    """Opens a logger for one run and closes it (``logger=`` on the command line)."""

    def open(self, identity: RunIdentity) -> EpochLogger | None:
        """Start mirroring; None where there is nothing to start."""
        ...

    def close(self, logger: EpochLogger, folder: RunFolder, *, exit_code: int) -> None:
        """Hand over what the run folder holds and end the run, where one was started."""
        ...


@dataclasses.dataclass(frozen=True)
class FilesOnly:
    """The run folder's own files (``history.csv``, ``metrics.json``), which are always written."""

    def open(self, identity: RunIdentity) -> None:
        """Nothing to start."""

    def close(self, logger: EpochLogger, folder: RunFolder, *, exit_code: int) -> None:
        """Nothing to end."""


def display_name(identity: RunIdentity) -> str:
    """Return what a dashboard shows of a run; the key tells variants apart."""
    config = identity.config
    first, n_seeds = config["seed"], config.get("ensemble", 1)
    seeds = f"seed {first}" if n_seeds == 1 else f"seeds {first} to {first + n_seeds - 1}"
    told = [methods.display_name(identity.model), identity.data]
    told += [f"split {config['split'].get('seed')}", seeds]
    return f"{', '.join(told)} ({identity.run_key[:6]})"


def described(identity: RunIdentity) -> dict[str, Any]:
    """Return the resolved configuration, and the names to group and filter by.

    ``data`` and ``model`` hold parameters; the names of the choices stand nowhere in them.
    """
    return {
        **identity.config,
        "benchmark": identity.data,
        "method": identity.model,
        "label": f"{identity.data}/{methods.display_name(identity.model)}",
        "split_seed": identity.config["split"].get("seed"),
        "run_key": identity.run_key,
    }
