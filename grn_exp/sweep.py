"""The jobs of a sweep: which are done, what is left, how it ended."""

import contextlib
import dataclasses
import math
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from statistics import fmean
from typing import TYPE_CHECKING, Literal, get_args

from grn_exp.core.errors import InputError
from grn_exp.core.memory import in_words
from grn_exp.engine.spec import RunIdentity
from grn_exp.metrics.titles import title
from grn_exp.runs.files import UnreadableError, part
from grn_exp.runs.folder import RunFolder
from grn_exp.runs.reading import is_number, read_run
from grn_exp.runs.source import has_changed

if TYPE_CHECKING:
    from grn_exp.engine.needs import Needs

State = Literal["done", "cut off", "failed", "to do", "refused"]
_SHOWN: tuple[State, ...] = get_args(State)
_STATES: dict[str, State] = {
    "finished": "done",
    "running": "cut off",  # or in another process's hands, which the job will wait for
    "stopped": "cut off",
    "failed": "failed",
    "new": "to do",
}


@dataclasses.dataclass(frozen=True)
class Job:
    """One job of a sweep.

    Attributes
    ----------
    overrides
        What its command says, beyond the sweep's folder.
    identity
        The run; None where the command is refused.
    state
        What its folder tells.
    problem
        Why it is refused.
    """

    overrides: tuple[str, ...]
    identity: RunIdentity | None
    state: State
    problem: str = ""

    @classmethod
    def of(cls, overrides: Sequence[str], identity: RunIdentity, *, force: bool) -> "Job":
        """Look a run's folder up; a job that is to be done again counts as not done."""
        state = "new" if force else RunFolder(identity.folder).state()
        return cls(tuple(overrides), identity, _STATES[state])

    @property
    def command(self) -> str:
        """The command that does this job alone."""
        return f"python -m grn_exp -m {shlex.join(self.overrides)}"


def without_repetitions(jobs: Iterable[Job]) -> list[Job]:
    """Drop jobs whose run is an earlier job's."""
    kept: dict[object, Job] = {}
    for job in jobs:
        kept.setdefault(job.identity.folder if job.identity else job.overrides, job)
    return list(kept.values())


def changed_since(jobs: Iterable[Job]) -> str:
    """Say in a line which jobs were done before their method's source changed; empty if none."""
    changed = Counter(
        job.identity.model
        for job in jobs
        if job.identity is not None
        and job.state == "done"
        and has_changed(RunFolder(job.identity.folder), job.identity.config)
    )
    if not changed:
        return ""
    return (
        f"{counted(changed.total())} done before the source of {', '.join(changed)} changed; "
        "force=true runs them again\n"
    )


# -- before ------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class PlanLine:
    """Jobs of one method on one benchmark.

    Attributes
    ----------
    data, model
        Names of the choices.
    states
        Number of jobs by state.
    seconds
        What a run of these took, on average; where none is finished and the method has large cells
        of the user's own to fit, what a few timed steps tell; else missing (nan).
    n_bytes
        The memory that one takes: of own cells at most, by the sizes that their file tells at
        once; else what a finished one held; missing (nan) where neither is known.
    """

    data: str
    model: str
    states: Counter[State]
    seconds: float
    n_bytes: float

    @property
    def n_left(self) -> int:
        """Number of jobs that would be started."""
        return self.states.total() - self.states["done"] - self.states["refused"]


def plan(jobs: Sequence[Job]) -> list[PlanLine]:
    """Count jobs by method and benchmark, with the time that finished ones took.

    Where a method has no finished run on a benchmark, its runs on the others stand in; where it
    has none at all, a few of its steps are timed on the first cells of the user's own.
    """
    states: dict[tuple[str, str], Counter[State]] = defaultdict(Counter)
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    n_bytes: dict[tuple[str, str], float] = {}
    examples: dict[tuple[str, str], Job] = {}
    for job in jobs:
        if job.identity is None:
            continue
        key = job.identity.data, job.identity.model
        states[key][job.state] += 1
        examples.setdefault(key, job)
        if job.state == "done":
            seconds[key].append(_seconds(RunFolder(job.identity.folder)))
        if math.isnan(n_bytes.get(key, math.nan)):
            n_bytes[key] = _memory(job)
    lines = []
    for (data, model), counts in states.items():
        own = seconds[data, model] or [
            s for key in seconds if key[1] == model for s in seconds[key]
        ]
        if not own:
            own = seconds[data, model] = _timed(examples[data, model])
        mean = fmean(own) if own else math.nan
        lines.append(PlanLine(data, model, counts, mean, n_bytes[data, model]))
    return lines


def _memory(job: Job) -> float:
    """Return the bytes that a finished run held, or that one of own cells will hold at most."""
    assert job.identity is not None  # noqa: S101 - of a job that is not refused
    if job.state == "done":
        with contextlib.suppress(UnreadableError):
            peak = RunFolder(job.identity.folder).facts().get("peak_memory_mb")
            return peak * 2**20 if is_number(peak) else math.nan
    needs = _needs(job)
    return math.nan if needs is None else needs.n_bytes


def _needs(job: Job) -> "Needs | None":
    """Return what a run of own cells will take at most, if their file tells that at once."""
    assert job.identity is not None  # noqa: S101
    if part(job.identity.config, "data").get("network") != "own":
        return None  # and nothing heavy is imported for a plan
    from grn_exp.config import build_spec
    from grn_exp.engine.needs import expected

    with contextlib.suppress(InputError):  # its own job will say so
        spec = build_spec(job.identity)
        sizes = spec.make_data().sizes()
        return None if sizes is None else expected(spec.make_model(), sizes)
    return None


def _timed(job: Job) -> list[float]:
    """Return the seconds of a run of own cells by a few of its steps, if it is worth these."""
    assert job.identity is not None  # noqa: S101
    needs = _needs(job)
    if needs is None or not needs.worth_timing:
        return []
    from grn_exp.config import build_spec
    from grn_exp.engine.pace import forecast

    with contextlib.suppress(InputError):
        seconds = forecast(build_spec(job.identity))
        return [] if math.isnan(seconds) else [seconds]
    return []


def _seconds(folder: RunFolder) -> float:
    """Return what a run took itself: a fit that it took over from another split is not its own."""
    try:
        facts = folder.facts()
    except UnreadableError:
        return 0.0
    stages = part(facts, "seconds")
    if "fitted_in" in facts:
        stages.pop("fit", None)
    return sum(value for value in stages.values() if is_number(value))


def print_plan(jobs: Sequence[Job], *, n_at_once: int) -> None:
    """Print every job with its state, then a table by benchmark and method with the time left."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    first = jobs[0].overrides if len(jobs) > 1 else ()
    shared = [each for each in first if all(each in job.overrides for job in jobs)]
    if shared:
        console.print(f"all jobs: {' '.join(shared)}", soft_wrap=True)
    for job in jobs:
        text = f"{job.state:8} {' '.join(o for o in job.overrides if o not in shared)}"
        console.print(text + (f": {job.problem}" if job.problem else ""), soft_wrap=True)
    lines = plan(jobs)
    shown: list[State] = [state for state in _SHOWN if any(line.states[state] for line in lines)]
    table = Table("data", "model", *shown, "s a run", "memory", box=SIMPLE_HEAD)
    for line in lines:
        counts = [str(line.states[state] or "-") for state in shown]
        each = "?" if math.isnan(line.seconds) else f"{line.seconds:.1f}"
        memory = "?" if math.isnan(line.n_bytes) else in_words(line.n_bytes)
        table.add_row(line.data, line.model, *counts, each, memory)
    console.print(table)
    console.print(time_left(lines, n_at_once))


def time_left(lines: Sequence[PlanLine], n_at_once: int) -> str:
    """Say in a line what is left, and how long those jobs take whose like has been done."""
    n_left = sum(line.n_left for line in lines)
    known = [line for line in lines if not math.isnan(line.seconds)]
    n_unknown = n_left - sum(line.n_left for line in known)
    if not n_left:
        return "nothing left to do"
    if n_unknown == n_left:
        return f"{counted(n_left)} left; none like them has been done, so no estimate of the time"
    n_together = min(n_at_once, n_left)
    seconds = sum(line.n_left * line.seconds for line in known) / n_together
    together = f"{n_together} at a time: about {timedelta(seconds=round(seconds))}"
    text = f"{counted(n_left)} left, {together}"
    return text + (f", and {counted(n_unknown)} without an example so far" * (n_unknown > 0))


def counted(n_jobs: int) -> str:
    """Return a number of jobs in words."""
    return f"{n_jobs} job{'s' * (n_jobs != 1)}"


# -- after -------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Failure:
    """A job that did not end well, and what ended it."""

    job: Job
    error: BaseException

    @property
    def reason(self) -> str:
        """One line; a defect with its kind."""
        text = " ".join(str(self.error).split())
        return (
            text if isinstance(self.error, InputError) else f"{type(self.error).__name__}: {text}"
        )


def summary(
    n_jobs: int, n_done_before: int, failures: Sequence[Failure], *, most: int | None = None
) -> str:
    """Say in lines how a sweep ended and how to go on.

    Parameters
    ----------
    n_jobs
        All jobs.
    n_done_before
        Those that were not started.
    failures
        Those that did not end well.
    most
        How many of these to name; None for all.
    """
    n_finished = n_jobs - n_done_before - len(failures)
    counts = f"{counted(n_jobs)}: {n_finished} finished, {n_done_before} done before"
    if not failures:
        return f"{counts}\n"
    named = failures[:most]
    left_out = [f"  and {len(failures) - len(named)} more"] * (len(named) < len(failures))
    lines = [
        f"{counts}, {len(failures)} failed",
        *(f"  {' '.join(failure.job.overrides)}: {failure.reason}" for failure in named),
        *left_out,
        "the same command does just these again; one of them alone:",
        *(f"  {failure.job.command}" for failure in named),
    ]
    return "\n".join(lines) + "\n"


def print_means(jobs: Sequence[Job]) -> None:
    """Print the means over splits of a sweep's finished runs, and the command to go on with."""
    from rich.console import Console

    from grn_exp.report import collect, layout, render, tables

    identities = [job.identity for job in jobs if job.identity is not None]
    found = [read_run(each.folder) for each in identities]
    collected = collect.assemble(found)
    if len(collected.runs) < 2:
        return
    console = Console(highlight=False)
    is_test = collected.rows["subset"].str.startswith("test")
    for metric in ("ap", "exact_match"):
        chosen = collected.rows.loc[is_test & (collected.rows["metric"] == metric)]
        for experiment, rows in chosen.groupby("experiment", sort=False):
            summary = tables.summarise(tables.labelled(rows))
            for table in render.rich_tables(
                layout.paper_table(summary, name=f"{experiment}, {title(metric)}"), console.width
            ):
                console.print(table)
    experiments = {each.experiment for each in identities}
    command = ["python", "-m", "grn_exp.report", str(identities[0].outputs)]
    if len(experiments) == 1:
        command += ["--experiment", *experiments]
    console.print(f"report: {shlex.join(command)}", soft_wrap=True)
