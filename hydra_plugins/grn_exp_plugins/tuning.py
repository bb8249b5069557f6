"""Sweepers that choose hyper-parameters by cross-validation on training labels.

For every combination of what is not tuned (benchmark, method, split, seed) settings are tried on
folds of the training pairs, in runs that have no test set. Then one run with the best setting,
on all training pairs, is judged on the test sets.
"""

import itertools
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, Quote, QuotedString
from hydra.core.utils import JobReturn, JobStatus

from grn_exp.core.errors import InputError
from hydra_plugins.grn_exp_plugins._options import require_mapping, require_whole
from hydra_plugins.grn_exp_plugins.sweeper import GridSweeper, values_of

if TYPE_CHECKING:  # Hydra imports this module at every start, so it imports little itself
    from grn_exp.engine.spec import RunIdentity
    from grn_exp.sweep import Job
    from grn_exp.tuning.search import Axis, Search, Setting
    from grn_exp.tuning.study import Study

# scores of runs that differ in these cannot be compared, or do not differ
_NEVER_TUNED = ("data", "model", "split", "experiment", "paths", "logger", "force")
_TAGS = {"log", "int"}


class _CrossValidation(GridSweeper):
    """What the ways of searching have in common.

    Parameters
    ----------
    folds
        Number of folds.
    tune
        Patterns of keys; a sweep over such a key is tuned.
    spaces
        What is tuned by default, by method: keys with the values to choose from.
    of_sweeper
        As for the sweeper of grids.
    """

    def __init__(
        self,
        *,
        folds: int,
        tune: Sequence[str],
        spaces: dict[str, dict[str, str]],
        **of_sweeper: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**of_sweeper)
        require_whole(2, folds=folds)
        require_mapping(spaces=spaces)
        if isinstance(tune, str) or not isinstance(tune, Sequence):
            raise InputError(f"hydra.sweeper.tune={tune}: give a list of keys, as in [model.*]")
        self.folds = folds
        self.tune = tuple(tune)
        self.spaces = spaces

    def _search(self, axes: Sequence["Axis"]) -> "Search":
        raise NotImplementedError

    def _how(self) -> dict[str, object]:
        """Return what tells this search from others over the same values."""
        raise NotImplementedError

    def sweep(self, arguments: list[str]) -> Any:  # noqa: ANN401 - Hydra's signature
        """Tune every combination, then do its final run; return the jobs of the final runs."""
        studies = self._studies(arguments)
        if self.plan:
            self._show_plan(self._planned(studies))
            return []
        folder = self._sweep_folder()
        while asked := [(study, setting) for study in studies for setting in study.ask()]:
            self._try(asked)
        results = self._finish([study for study in studies if not study.failed], folder)
        failed = [study for study in studies if study.failed]
        for study in failed[1:]:
            sys.stderr.write(f"{study.complaint()}\n")
        for study in studies:
            sys.stderr.write("".join(f"{line}\n" for line in study.problems()))
        if failed:
            raise InputError(failed[0].complaint())
        return results

    def _planned(self, studies: Sequence["Study"]) -> list["Job"]:
        """Return the jobs that are known: what Optuna proposes next depends on scores."""
        from grn_exp.sweep import without_repetitions
        from grn_exp.tuning.trials import Trial

        jobs: list[Job] = []
        for study in studies:
            while settings := study.ask():
                trials = [Trial(setting) for setting in settings]
                folds = [
                    (trial, fold, self._fold_job(study, trial.setting, fold))
                    for trial in trials
                    for fold in range(self.folds)
                ]
                jobs += [job for _, _, job in folds]
                if any(job.state != "done" for _, _, job in folds):
                    break
                for trial, fold, job in folds:
                    trial.add(fold, *_score(job, {}))
                study.tell(trials)
            else:
                jobs.append(self._job(study.command()))
        return without_repetitions(jobs)  # Optuna may propose a setting twice

    def _finish(self, studies: Sequence["Study"], folder: Path) -> list[JobReturn]:
        """Write the choices, then do the runs that are judged on the test sets."""
        from grn_exp.sweep import changed_since

        jobs = [self._job(study.command()) for study in studies]
        for study, job in zip(studies, jobs, strict=True):
            run_key = "" if job.identity is None else job.identity.run_key
            sys.stderr.write(f"{study.conclude(run_key)}\n")
        sys.stderr.write(changed_since(jobs))
        left = [job for job in jobs if job.state != "done"]
        results = self._launch([list(job.overrides) for job in left])
        if jobs:
            self._conclude(jobs, left, results, folder)
        return results

    # -- what is tuned, and for what -------------------------------------------------------------

    def _studies(self, arguments: list[str]) -> list["Study"]:
        """Return a study for every combination of what is not tuned."""
        return [
            study
            for overrides in self._of_experiments(arguments)
            for study in self._studies_of(overrides)
        ]

    def _studies_of(self, overrides: Sequence[Override]) -> list["Study"]:
        kept: dict[str, list[str]] = {}
        tuned: dict[str, Override] = {}
        swept: set[str] = set()
        for override in overrides:
            key = override.get_key_element()
            kept.pop(key, None)  # said again, by the command: the last word counts
            tuned.pop(key, None)
            if not override.is_sweep_override():
                kept[key] = [f"{key}={override.get_value_element_as_str()}"]
            elif self._is_tuned(override):
                tuned[key] = override
            else:
                swept.add(key)
                kept[key] = [f"{key}={value}" for value in values_of(override)]
        shown = [key in swept and key not in ("data", "model") for key in kept]
        studies = []
        for combination in itertools.product(*kept.values()):
            title = ", ".join(itertools.compress(combination, shown))
            studies.append(self._study(combination, list(tuned.values()), title))
        return studies

    def _study(self, combination: Sequence[str], tuned: Sequence[Override], title: str) -> "Study":
        """Compose a combination and begin its search."""
        from grn_exp.tuning.study import Study
        from grn_exp.tuning.trials import tuning_key

        if not tuned:
            _, choices = self.composer.task(list(combination))
            given = {text.partition("=")[0].lstrip("+") for text in combination}
            space = self.spaces.get(choices["model"]) or {}
            texts = [f"{key}={values}" for key, values in space.items() if key not in given]
            tuned = self._parsed(texts)
        axes = [_axis(override) for override in tuned]
        search = self._search(axes) if axes else None
        # composed with a value of each, so a wrong key ends the command before it begins
        base = self._job([*combination, *(f"{axis.key}={axis.example}" for axis in axes)])
        if base.identity is None:
            raise InputError(base.problem)
        _check_intervals(axes, base.identity)
        who = f"{base.identity.model} on {base.identity.data}"
        return Study(
            title=f"{who}, {title}" if title else who,
            overrides=combination,
            identity=base.identity,
            search=search,
            key=tuning_key(base.identity.run_key, axes, folds=self.folds, **self._how()),
            n_folds=self.folds,
        )

    def _parsed(self, texts: list[str]) -> list[Override]:
        return OverridesParser.create(config_loader=self.loader).parse_overrides(texts)

    def _is_tuned(self, override: Override) -> bool:
        key = override.key_or_group
        if not any(fnmatchcase(key, pattern) for pattern in self.tune):
            return False
        if key in _NEVER_TUNED or key.startswith(("data.", "split.", "paths.", "logger.")):
            raise InputError(
                f"hydra.sweeper.tune: {key} cannot be tuned, its values are not judged by the "
                "same validation pairs; leave it out, and each value is tuned for"
            )
        return True

    # -- the runs --------------------------------------------------------------------------------

    def _try(self, asked: Sequence[tuple["Study", "Setting"]]) -> None:
        """Do the folds of some settings, the first fold of all of them before the others.

        A method that reads no labels is so fitted once for all folds, and a setting that cannot
        be done fails once.
        """
        from grn_exp.tuning.trials import Trial

        trials = [(study, Trial(setting)) for study, setting in asked]
        for folds in ([0], range(1, self.folds)):
            jobs = [
                (trial, fold, self._fold_job(study, trial.setting, fold))
                for study, trial in trials
                if not trial.problem
                for fold in folds
            ]
            problems = self._do([job for _, _, job in jobs])
            for trial, fold, job in jobs:
                trial.add(fold, *_score(job, problems))
        for study in dict.fromkeys(study for study, _ in trials):
            study.tell([trial for own, trial in trials if own is study])
            study.write()

    def _fold_job(self, study: "Study", setting: "Setting", fold: int) -> "Job":
        outputs = QuotedString(str(study.fold_outputs), Quote.single).with_quotes()
        command = [
            each
            for each in study.fold_command(setting, fold)
            if not each.startswith("paths.outputs=")
        ]
        return self._job([*command, f"paths.outputs={outputs}"])

    def _launch(self, jobs: list[list[str]]) -> list[JobReturn]:
        return super()._launch(jobs) if jobs else []

    def _do(self, jobs: Sequence["Job"]) -> dict[object, str]:
        """Start what is not finished; return why jobs failed, by their place."""
        from grn_exp.sweep import Failure, without_repetitions

        problems = {_place(job): job.problem for job in jobs if job.state == "refused"}
        distinct = without_repetitions(jobs)
        left = [job for job in distinct if job.state not in ("done", "refused")]
        results: list[JobReturn] = self._launch([list(job.overrides) for job in left])
        for job, result in zip(left, results, strict=True):
            if result.status is not JobStatus.COMPLETED:
                problems[_place(job)] = Failure(job, result._return_value).reason
        return problems


class TuneGrid(_CrossValidation):
    """Every combination of the values that are given."""

    def _search(self, axes: Sequence["Axis"]) -> "Search":
        from grn_exp.tuning.search import GridSearch

        return GridSearch(axes)

    def _how(self) -> dict[str, object]:
        return {"search": "grid"}


class TuneOptuna(_CrossValidation):
    """Settings that Optuna proposes.

    Parameters
    ----------
    n_trials
        Number of settings for each combination.
    n_jobs
        How many are proposed at a time.
    seed
        Of the proposals.
    of_search
        As for every search.
    """

    def __init__(
        self,
        *,
        n_trials: int,
        n_jobs: int,
        seed: int,
        **of_search: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**of_search)
        require_whole(n_trials=n_trials, n_jobs=n_jobs)
        require_whole(0, seed=seed)
        self.n_trials, self.n_jobs, self.seed = n_trials, n_jobs, seed

    def _search(self, axes: Sequence["Axis"]) -> "Search":
        from grn_exp.tuning.search import OptunaSearch

        return OptunaSearch(axes, n_trials=self.n_trials, n_jobs=self.n_jobs, seed=self.seed)

    def _how(self) -> dict[str, object]:
        # more trials go on from those that there are
        return {"search": "optuna", "n_jobs": self.n_jobs, "seed": self.seed}


def _check_intervals(axes: Sequence["Axis"], run: "RunIdentity") -> None:
    """Refuse an interval whose values the method refuses, by those that the run has of them."""
    from grn_exp.config import build_spec
    from grn_exp.core.construct import WHOLE

    intervals = [axis for axis in axes if not axis.choices and not axis.whole]
    try:
        if intervals:
            build_spec(run).make_model()
    except InputError as error:
        text = str(error)
        for axis in intervals:
            if text.startswith(f"{axis.key}=") and text.endswith(WHOLE):
                interval = f"interval({axis.low:g},{axis.high:g})"
                interval = f"tag(log,{interval})" if axis.log else interval
                text += f"; {axis.key}=int({interval}) takes whole numbers alone"
        raise InputError(text) from error


def _place(job: "Job") -> object:
    return job.identity.folder if job.identity else job.overrides


def _score(job: "Job", problems: dict[object, str]) -> tuple[tuple[str, float] | None, str]:
    """Return a finished job's score, or why there is none."""
    from grn_exp.runs.folder import RunFolder
    from grn_exp.tuning.trials import validation_score

    problem = problems.get(_place(job), "")
    if problem or job.identity is None:
        return None, problem
    folder = RunFolder(job.identity.folder)
    return (validation_score(folder.metrics()) if folder.state() == "finished" else None), ""


def _axis(override: Override) -> "Axis":
    """Return the values of a sweep: a,b or range() or interval() or tag(log, interval())."""
    from grn_exp.tuning.search import Axis

    key, value = override.get_key_element(), override.value()
    unknown = set(getattr(value, "tags", ())) - _TAGS
    if unknown:
        raise InputError(f"{override.input_line}: unknown tag {min(unknown)}; known: int, log")
    if not isinstance(value, IntervalSweep):
        return Axis(key, choices=tuple(values_of(override)), ordered=override.is_range_sweep())
    if value.start is None or value.end is None:
        raise InputError(f"{override.input_line}: give both ends of the interval")
    return Axis(
        key,
        low=value.start,
        high=value.end,
        log="log" in value.tags,
        # int() around it casts its ends, as Hydra does it
        whole="int" in value.tags or isinstance(value.start, int),
    )
