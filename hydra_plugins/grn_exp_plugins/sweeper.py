"""The sweeper behind ``-m``: every combination of the choices, less what is finished."""

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from grn_exp.core.errors import InputError
from hydra_plugins.grn_exp_plugins._options import require_mapping, require_whole

_SHOWN = 10  # failed jobs


class GridSweeper(BasicSweeper):
    """Hydra's own sweeper, with four differences.

    Several experiments (``experiment=a,b``) are each swept over by the choices that they bring.
    Jobs whose run is finished are not started: looking a thousand of them up takes seconds.
    ``plan`` says what would be started and starts nothing. All failed jobs are told at the end,
    with their commands, and none keeps the others from being done.

    Parameters
    ----------
    max_batch_size
        How many jobs the launcher is given at a time; None for all.
    params
        Choices that the command does not make: an experiment's own.
    plan
        Only say what would be done.

    Raises
    ------
    InputError
        If an option is of another kind.
    """

    def __init__(
        self,
        max_batch_size: int | None,
        params: dict[str, str] | None = None,
        *,
        plan: bool = False,
    ) -> None:
        if max_batch_size is not None:
            require_whole(max_batch_size=max_batch_size)
        require_mapping(params=params)
        if not isinstance(plan, bool):
            raise InputError(f"hydra.sweeper.plan={plan}: give true or false")
        super().__init__(max_batch_size=max_batch_size, params=params)
        self.plan = plan
        self.said: set[str] = set()

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take over Hydra's parts."""
        from hydra_plugins.grn_exp_plugins._composition import Composer

        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.loader = hydra_context.config_loader
        self.composer = Composer(self.loader, config)

    def sweep(self, arguments: list[str]) -> Any:  # noqa: ANN401 - Hydra's signature
        """Do the jobs; what Hydra's callbacks are given are the jobs that were started."""
        from grn_exp.sweep import changed_since, counted, print_means, without_repetitions

        found = itertools.chain.from_iterable(map(self._of_groups, self._combinations(arguments)))
        jobs = without_repetitions(map(self._job, found))
        if self.plan:
            self._show_plan(jobs)
            return []
        left = [job for job in jobs if job.state != "done"]
        if len(left) < len(jobs):
            sys.stderr.write(f"done already: {len(jobs) - len(left)} of {counted(len(jobs))}\n")
        sys.stderr.write(changed_since(jobs))
        if not left:
            print_means(jobs)
            return []
        folder = self._sweep_folder()
        results = self._launch([list(job.overrides) for job in left])
        self._conclude(jobs, left, results, folder)
        return results

    def _sweep_folder(self) -> Path:
        """Make the folder of this sweep, with its configuration."""
        from grn_exp.storage.atomic import write_text

        assert self.config is not None  # noqa: S101 - set up by Hydra
        folder = Path(self.config.hydra.sweep.dir)
        write_text(folder / "multirun.yaml", OmegaConf.to_yaml(self.config))
        return folder

    def _combinations(self, arguments: list[str]) -> list[list[str]]:
        jobs: list[list[str]] = []
        for overrides in self._of_experiments(arguments):
            for swept in filter(Override.is_sweep_override, overrides):
                values_of(swept)
            jobs += self.split_arguments(overrides, max_batch_size=None)[0]
        return jobs

    def _of_experiments(self, arguments: list[str]) -> list[list[Override]]:
        """Return the overrides of a sweep; of several experiments, each with its own choices."""
        parse = OverridesParser.create(config_loader=self.loader).parse_overrides
        overrides = parse([*self._parse_config(), *arguments])
        refuse_empty(overrides)
        swept = [
            each
            for each in overrides
            if each.key_or_group == "experiment" and each.is_discrete_sweep()
        ]
        if not swept:
            return [overrides]
        rest = [text for text in arguments if text != swept[-1].input_line]
        names = [f"experiment={name}" for name in swept[-1].sweep_string_iterator()]
        return [parse([*self._params(name), *rest, name]) for name in names]

    def _params(self, experiment: str) -> list[str]:
        """Return the choices of an experiment, which has to be swept over as the command says."""
        assert self.config is not None  # noqa: S101 - set up by Hydra
        own = self.config.hydra
        given = [*own.overrides.hydra, experiment]
        found = self.loader.load_configuration(
            own.job.config_name, given, run_mode=RunMode.MULTIRUN
        ).hydra
        params = found.sweeper.get("params") or {}
        with open_dict(found):
            found.sweeper.params = own.sweeper.get("params")
        for part in ("sweeper", "launcher"):
            here, there = (OmegaConf.to_container(node[part]) for node in (own, found))
            if here != there:
                raise InputError(
                    f"{experiment}: it brings another hydra.{part} than the experiments beside "
                    "it; run it by itself"
                )
        return [f"{key}={value}" for key, value in params.items()]

    def _of_groups(self, overrides: list[str]) -> list[list[str]]:
        """Return a job for each group of cells where ``data.groupby`` names no one of them."""
        keys = {each.partition("=")[0].lstrip("+") for each in overrides}
        if "data.groupby" not in keys or "data.group" in keys:
            return [overrides]
        from grn_exp.data.cells.groups import groups_of

        data = self.composer.task(overrides)[0].data
        names, left_out = groups_of(data.get("path"), data.groupby, data.get("obs_filter"))
        if left_out and left_out not in self.said:
            self.said.add(left_out)
            sys.stderr.write(f"{left_out}\n")
        return [[*overrides, f"data.group={quoted(name)}"] for name in names]

    def _job(self, overrides: list[str]) -> Any:  # noqa: ANN401 - not imported at start-up
        """Compose a job; one that does not compose ends the sweep before it starts."""
        from grn_exp.config import identify
        from grn_exp.sweep import Job

        cfg, chosen = self.composer.task(overrides)
        try:
            identity = identify(cfg, **chosen)
        except InputError as error:  # its own job will say so; the others are done
            return Job(tuple(overrides), None, "refused", str(error))
        return Job.of(overrides, identity, force=bool(cfg.force))

    def _launch(self, jobs: list[list[str]]) -> list[JobReturn]:
        assert self.launcher is not None  # noqa: S101 - set up by Hydra
        results: list[JobReturn] = []
        for batch in self.split_overrides_to_chunks(jobs, self.max_batch_size):
            results += self.launcher.launch(batch, initial_job_idx=len(results))
        return results

    def _conclude(
        self, jobs: Sequence[Any], left: Sequence[Any], results: Sequence[JobReturn], folder: Path
    ) -> None:
        """Say how it ended; raise if a job failed."""
        from grn_exp.storage.atomic import write_text
        from grn_exp.sweep import Failure, counted, print_means, summary

        failures = [
            Failure(job, result._return_value)
            for job, result in zip(left, results, strict=True)
            if result.status is not JobStatus.COMPLETED
        ]
        n_done = len(jobs) - len(left)
        print_means(jobs)
        sys.stderr.write(summary(len(jobs), n_done, failures, most=_SHOWN))
        if not failures:
            return
        path = folder / "failed.txt"
        write_text(path, summary(len(jobs), n_done, failures))
        defects = [each.error for each in failures if not isinstance(each.error, InputError)]
        if defects:
            raise defects[0]
        raise InputError(f"{len(failures)} of {counted(len(jobs))} failed: {path}")

    def _show_plan(self, jobs: Sequence[Any]) -> None:
        from grn_exp.sweep import print_plan

        print_plan(jobs, n_at_once=getattr(self.launcher, "n_at_once", 1))


def quoted(text: str) -> str:
    """Return a string as a value of Hydra's command line, whatever is in it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def refuse_empty(overrides: Sequence[Override]) -> None:
    """Refuse a sweep over no value, such as a range that ends where it begins."""
    for override in overrides:
        try:
            is_empty = override.is_discrete_sweep() and not list(override.sweep_string_iterator())
        except ValueError as error:  # a range with steps of 0
            raise InputError(f"{override.input_line}: {error}; give another step") from error
        if is_empty:
            raise InputError(f"{override.input_line}: a sweep over no value; give some")


def values_of(override: Override) -> list[str]:
    """Return the values of a sweep, which an interval does not have."""
    if not override.is_discrete_sweep():
        raise InputError(
            f"{override.input_line}: an interval is for what is tuned; give values, or take "
            "hydra/sweeper=tune_optuna with the key in hydra.sweeper.tune"
        )
    return list(override.sweep_string_iterator())
