"""How far a sweep is: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any, Self

from hydra.core.utils import JobStatus

from hydra_plugins.grn_exp_plugins._jobs import Ended, show

_SECONDS_BETWEEN_LINES = 60.0


class SweepProgress:
    """Jobs done, failed and left, with the time that is left at this pace.

    Parameters
    ----------
    n_jobs
        How many there are.
    where
        What does them, for the first line.
    """

    def __init__(self, n_jobs: int, *, where: str) -> None:
        from rich.console import Console

        self.n_jobs = n_jobs
        self.where = where
        self.n_done = 0
        self.n_failed = 0
        self.console = Console(stderr=True, highlight=False)
        self.bar: Any = None

    def __enter__(self) -> Self:
        """Begin."""
        sys.stderr.write(f"{self.n_jobs} jobs, {self.where}\n")
        self.began = self.told = time.monotonic()
        if self.console.is_terminal:
            self.bar, self.task = self._bar()
            self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        del kind, error, trace
        if self.bar is not None:
            self.bar.stop()

    def add(self, ended: Ended) -> None:
        """Count a job, and show what it wrote."""
        show(ended)  # above the bar, which takes the streams over while it is shown
        self.n_done += 1
        self.n_failed += ended.result.status is not JobStatus.COMPLETED
        if self.bar is not None:
            text = f"{self.n_failed} failed" if self.n_failed else ""
            self.bar.update(self.task, completed=self.n_done, failed=text)
        elif time.monotonic() - self.told >= _SECONDS_BETWEEN_LINES and self.n_done < self.n_jobs:
            self.told = time.monotonic()
            sys.stderr.write(self.line(self.told - self.began) + "\n")

    def line(self, seconds: float) -> str:
        """Say how far it is after so many seconds."""
        minutes = seconds / self.n_done * (self.n_jobs - self.n_done) / 60
        failed = f", {self.n_failed} failed" if self.n_failed else ""
        left = f"about {minutes:.0f} min" if minutes >= 1 else "less than a minute"
        return f"{self.n_done} of {self.n_jobs} jobs done{failed}, {left} left"

    def _bar(self) -> tuple[Any, Any]:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("jobs {task.fields[failed]}"),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # what goes to a file must not come to the bar
        )
        return bar, bar.add_task("", total=self.n_jobs, failed="")
