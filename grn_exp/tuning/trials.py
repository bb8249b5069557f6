"""Trials of a choice of hyper-parameters: their scores, and the key of the choice."""

import dataclasses
import hashlib
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from grn_exp.tuning.search import Axis, Setting

_METRICS = ("exact_match", "ap")  # of methods that choose sets, of those that score pairs


def validation_score(rows: Sequence[Mapping[str, Any]]) -> tuple[str, float] | None:
    """Return what a search may optimise, metric and value: never a test value.

    Parameters
    ----------
    rows
        Of a run's ``metrics.json``.
    """
    of_all = [row for row in rows if row["subset"] == "val" and row.get("set_size") is None]
    values = {row["metric"]: row["value"] for row in of_all}
    return next(((metric, values[metric]) for metric in _METRICS if metric in values), None)


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


def tuning_key(run_key: str, axes: Sequence[Axis], **how: object) -> str:
    """Hash what a choice depends on: the run, what may vary, and how it is searched."""
    content = {"run": run_key, "axes": [dataclasses.asdict(axis) for axis in axes], **how}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
