"""The search for the best setting of one method on one benchmark, and the files it leaves."""

import contextlib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from grn_exp.engine.spec import RunIdentity
from grn_exp.storage.atomic import write_csv, write_text
from grn_exp.tuning.search import Search, Setting
from grn_exp.tuning.trials import Trial

_TRIALS = "trials.csv"
_CHOSEN = "chosen.yaml"
_FOLD_RUNS = ".tuning"  # below the outputs: the report passes over hidden folders


class Study:
    """What is tuned for one combination of what is not tuned.

    Parameters
    ----------
    title
        What it is called in messages.
    overrides
        The combination, as on a command line.
    identity
        A run of it.
    search
        What proposes settings; None where nothing is tuned.
    key
        Hash of what the choice depends on.
    n_folds
        Number of folds.
    """

    def __init__(
        self,
        *,
        title: str,
        overrides: Sequence[str],
        identity: RunIdentity,
        search: Search | None,
        key: str,
        n_folds: int,
    ) -> None:
        self.title = title
        self.overrides = list(overrides)
        self.search = search
        self.n_folds = n_folds
        self.folder: Path = identity.folder.parent / f"tuning-{key}"
        self.fold_outputs: Path = identity.outputs / _FOLD_RUNS
        self.trials: list[Trial] = []

    def ask(self) -> list[Setting]:
        """Return the settings to try next; none when the search is over."""
        return [] if self.search is None else self.search.ask()

    def tell(self, trials: Sequence[Trial]) -> None:
        """Take the trials of what was last asked."""
        if self.search is not None:
            self.search.tell([trial.mean for trial in trials])
        self.trials += trials

    def write(self) -> None:
        """Write the table of trials: their settings, scores by fold, mean, deviation, problem."""
        folds = [f"fold_{fold}" for fold in range(self.n_folds)]
        header = ["trial", *self.trials[0].setting, "metric", "mean", "sd", *folds, "problem"]
        rows = []
        for number, trial in enumerate(self.trials):
            # after a failed fold it is not known which of the others a score is of
            scores = [None] * self.n_folds if trial.problem else trial.scores
            numbers = [trial.mean, trial.deviation, *scores]
            values = trial.setting.values()
            rows.append([number, *values, trial.metric, *numbers, trial.problem])
        write_csv(self.folder / _TRIALS, header, rows)

    @property
    def chosen(self) -> Trial | None:
        """The trial of the highest mean so far, of equals the first; None where all failed."""
        done = [trial for trial in self.trials if trial.mean is not None]
        return max(done, key=lambda trial: trial.mean or 0.0, default=None)

    @property
    def failed(self) -> bool:
        """Was a choice asked for that could not be made."""
        return self.search is not None and self.chosen is None

    def command(self, setting: Setting | None = None) -> list[str]:
        """Return the overrides with a setting, by default the chosen one."""
        if setting is None:
            setting = {} if self.chosen is None else self.chosen.setting
        return [*self.overrides, *(f"{key}={value}" for key, value in setting.items())]

    def fold_command(self, setting: Setting, fold: int) -> list[str]:
        """Return the overrides of the run that judges a setting on a fold."""
        of_fold = [f"+split.cv_fold={fold}", f"+split.cv_folds={self.n_folds}"]
        return [*self.command(setting), *of_fold]

    def complaint(self) -> str:
        """Say that there is no choice, and why."""
        return (
            f"{self.title}: all {len(self.trials)} trials failed, the first in "
            f"{self.trials[0].problem} (all of them: {self.folder / _TRIALS})"
        )

    def problems(self) -> list[str]:
        """Say in a line each which trials had no part in the choice, and why."""
        if self.chosen is None:
            return []
        return [
            f"{self.title}: {' '.join(f'{k}={v}' for k, v in trial.setting.items())} failed in "
            f"{trial.problem}"
            for trial in self.trials
            if trial.problem
        ]

    def conclude(self, run_key: str) -> str:
        """Write what was chosen for the final run, if the study did not fail; say so in a line."""
        chosen = self.chosen
        if chosen is None:
            return f"{self.title}: no axis to tune (such as model.x=1,2); it runs as it is"
        n_failed = sum(bool(trial.problem) for trial in self.trials)
        content = {
            "values": {key.lstrip("+"): _plain(text) for key, text in chosen.setting.items()},
            "objective": {
                "metric": chosen.metric,
                "subset": "val",
                "mean": chosen.mean,
                "sd": chosen.deviation,
                "folds": chosen.scores,
            },
            "trials": {"n": len(self.trials), "failed": n_failed},
            "command": f"python -m grn_exp {shlex.join(self.command())}",
            "run": run_key,
        }
        write_text(self.folder / _CHOSEN, yaml.safe_dump(content, sort_keys=False, width=200))
        values = " ".join(f"{key}={value}" for key, value in chosen.setting.items())
        trials = f"{len(self.trials)} trials" + f", {n_failed} failed" * bool(n_failed)
        return (
            f"{self.title}: chose {values} ({trials}); val {chosen.metric} {chosen.mean:.3f}, "
            f"sd over folds {chosen.deviation:.3f}: {self.folder / _CHOSEN}"
        )


def _plain(text: str) -> Any:  # noqa: ANN401 - a number, a text, a list
    """Return an override's value as YAML has it."""
    for read in (int, float, yaml.safe_load):
        with contextlib.suppress(ValueError, yaml.YAMLError):
            return read(text)
    return text
