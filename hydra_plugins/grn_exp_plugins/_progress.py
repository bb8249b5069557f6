"""How far a sweep is: rich's bar on a terminal, a line now and then elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from hydra.core.utils import JobStatus

from hydra_plugins.grn_exp_plugins._jobs import Ended, show

_SECONDS_BETWEEN_LINES = 60.0


@contextlib.contextmanager
def progress(n_jobs: int, *, where: str) -> Iterator[Callable[[Ended], None]]:
    """Yield what is called with each job that has ended; it shows what the job wrote.

    Parameters
    ----------
    n_jobs
        How many there are.
    where
        What does them, for the first line.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from grn_exp.sweep import counted

    console = Console(stderr=True, highlight=False)
    bar = Progress(
        *(BarColumn(), MofNCompleteColumn(), TextColumn("jobs{task.description}")),
        *(TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn()),
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # what goes to a file must not come to the bar
        disable=not console.is_terminal,
    )
    bar.add_task("", total=n_jobs)
    (task,) = bar.tasks
    n_failed, line_at = 0, time.monotonic()

    def add(ended: Ended) -> None:
        nonlocal n_failed, line_at
        show(ended)  # above the bar, which takes the streams over while it is shown
        n_failed += ended.result.status is not JobStatus.COMPLETED
        failed = f", {n_failed} failed" if n_failed else ""
        bar.update(task.id, advance=1, description=failed)
        if bar.disable and time.monotonic() - line_at >= _SECONDS_BETWEEN_LINES:
            line_at = time.monotonic()
            seconds_a_job = (task.elapsed or 0.0) / task.completed
            left = timedelta(seconds=round(seconds_a_job * (n_jobs - task.completed)))
            done = f"done: {task.completed:.0f} of {counted(n_jobs)}{failed}"
            sys.stderr.write(f"{done}, about {left} left\n")

    sys.stderr.write(f"{counted(n_jobs)}, {where}\n")
    with bar:
        yield add
