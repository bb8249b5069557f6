"""The search for the best setting of one method on one benchmark, and the files it leaves."""

from collections.abc import Sequence
from pathlib import Path

from grn_exp.engine.spec import RunIdentity
from grn_exp.tuning.search import Search, Setting
from grn_exp.tuning.trials import CHOSEN, TRIALS, Trial, best, write_chosen, write_trials

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
        if self.search is None:
            raise RuntimeError(f"{self.title}: trials of nothing that was asked")
        self.search.tell([trial.mean for trial in trials])
        self.trials += trials

    def write(self) -> None:
        """Write the table of trials."""
        write_trials(self.folder, self.trials, self.n_folds)

    @property
    def chosen(self) -> Trial | None:
        """The best trial so far; None where there is none."""
        return best(self.trials)

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
            f"{self.trials[0].problem} (all of them: {self.folder / TRIALS})"
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
        """Write what was chosen for the final run; return a line that says so."""
        if self.search is None:
            return f"{self.title}: no axis to tune (such as model.x=1,2); it runs as it is"
        chosen = self.chosen
        if chosen is None:
            return self.complaint()
        write_chosen(self.folder, self.trials, chosen, overrides=self.command(), run=run_key)
        values = " ".join(f"{key}={value}" for key, value in chosen.setting.items())
        n_failed = sum(bool(trial.problem) for trial in self.trials)
        trials = f"{len(self.trials)} trials" + f", {n_failed} failed" * bool(n_failed)
        return (
            f"{self.title}: chose {values} ({trials}); val {chosen.metric} {chosen.mean:.3f}, "
            f"sd over folds {chosen.deviation:.3f}: {self.folder / CHOSEN}"
        )
