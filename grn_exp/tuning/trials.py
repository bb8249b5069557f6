"""Trials of a choice of hyper-parameters: their scores, the best one, the files that tell."""

import contextlib
import dataclasses
import hashlib
import json
import math
import shlex
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from grn_exp.storage.atomic import write_csv, write_text
from grn_exp.tuning.search import Axis, Setting

TRIALS = "trials.csv"
CHOSEN = "chosen.yaml"
_METRICS = ("exact_match", "ap")  # of methods that choose sets, of those that score pairs


def validation_score(rows: Sequence[Mapping[str, Any]]) -> tuple[str, float] | None:
    """Return what a search may optimise, metric and value: never a test value.

    Parameters
    ----------
    rows
        Of a run's ``metrics.json``.
    """
    for metric in _METRICS:
        for row in rows:
            of_all = row.get("set_size") is None
            if row["subset"] == "val" and row["metric"] == metric and of_all:
                return metric, row["value"]
    return None


@dataclasses.dataclass
class Trial:
    """One setting and how good it is.

    Attributes
    ----------
    setting
        The hyper-parameters.
    scores
        A validation score for each fold that was computed, in their order.
    metric
        What these are.
    problem
        Why there is none; empty for a trial that came to its end.
    """

    setting: Setting
    scores: list[float] = dataclasses.field(default_factory=list)
    metric: str = ""
    problem: str = ""

    def add(self, fold: int, score: tuple[str, float] | None, problem: str) -> None:
        """Take the score of a fold, or why there is none."""
        if score is not None and math.isfinite(score[1]):
            self.metric = score[0]
            self.scores.append(score[1])
        elif not self.problem:
            self.problem = f"fold {fold}: {problem or 'the run gave no validation score'}"

    @property
    def mean(self) -> float | None:
        """Mean over the folds; None for a failed trial."""
        return None if self.problem or not self.scores else statistics.fmean(self.scores)

    @property
    def deviation(self) -> float | None:
        """Standard deviation over the folds (with n - 1); None for a failed trial."""
        return None if self.mean is None else statistics.stdev(self.scores)


def best(trials: Sequence[Trial]) -> Trial | None:
    """Return the trial of the highest mean, of equals the first; None if all failed."""
    done = [trial for trial in trials if trial.mean is not None]
    return max(done, key=lambda trial: trial.mean or 0.0, default=None)


def tuning_key(run_key: str, axes: Sequence[Axis], **how: object) -> str:
    """Hash what a choice depends on: the run, what may vary, and how it is searched."""
    content = {"run": run_key, "axes": [dataclasses.asdict(axis) for axis in axes], **how}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def write_trials(folder: Path, trials: Sequence[Trial], n_folds: int) -> None:
    """Write the table of trials: their settings, scores by fold, mean, deviation, problem."""
    keys = list(trials[0].setting) if trials else []
    folds = [f"fold_{fold}" for fold in range(n_folds)]
    rows = []
    for number, trial in enumerate(trials):
        # after a failed fold it is not known which of the others a score is of
        scores = [] if trial.problem else trial.scores
        blank = [""] * (n_folds - len(scores))
        numbers = [trial.mean, trial.deviation, *scores]
        texts = ["" if value is None else repr(value) for value in numbers]
        values = trial.setting.values()
        rows.append([number, *values, trial.metric, *texts, *blank, trial.problem])
    header = ["trial", *keys, "metric", "mean", "sd", *folds, "problem"]
    write_csv(folder / TRIALS, header, rows)


def write_chosen(
    folder: Path, trials: Sequence[Trial], chosen: Trial, *, overrides: Sequence[str], run: str
) -> None:
    """Write what was chosen, how good it was in validation, and the run that uses it.

    Parameters
    ----------
    folder
        Where to.
    trials
        All of them.
    chosen
        The best one.
    overrides
        The command line of the final run.
    run
        Its key: the name of a folder beside ``folder``.
    """
    content = {
        "values": {key.lstrip("+"): _plain(text) for key, text in chosen.setting.items()},
        "objective": {
            "metric": chosen.metric,
            "subset": "val",
            "mean": chosen.mean,
            "sd": chosen.deviation,
            "folds": chosen.scores,
        },
        "trials": {"n": len(trials), "failed": sum(bool(trial.problem) for trial in trials)},
        "command": f"python -m grn_exp {shlex.join(overrides)}",
        "run": run,
    }
    write_text(folder / CHOSEN, yaml.safe_dump(content, sort_keys=False, width=200))


def _plain(text: str) -> Any:  # noqa: ANN401 - a number, a text, a list
    """Return an override's value as YAML has it."""
    with contextlib.suppress(ValueError):
        return int(text) if text.lstrip("-").isdigit() else float(text)
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
