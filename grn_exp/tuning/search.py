"""Which settings to try: all of a grid, or those that Optuna proposes."""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

from grn_exp.core import extras
from grn_exp.core.errors import InputError

Setting = dict[str, str]  # the key of an override and its value, as on a command line


@dataclasses.dataclass(frozen=True)
class Axis:
    """The values that one hyper-parameter may take.

    Attributes
    ----------
    key
        As on the command line: ``model.sigma_w``.
    choices
        The values, as texts; empty for an interval.
    ordered
        Are the choices steps of a range, so that near ones are alike.
    low, high
        Ends of the interval, both possible.
    log
        Is the interval searched on a logarithmic scale.
    whole
        Are only whole numbers possible.
    """

    key: str
    choices: tuple[str, ...] = ()
    ordered: bool = False
    low: float = math.nan
    high: float = math.nan
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        if self.choices:
            return
        if not math.isfinite(self.high - self.low):
            raise InputError(f"{self.key}: an interval has two ends that are finite numbers")
        if not self.low < self.high or (self.whole and math.ceil(self.low) > self.high):
            what = "whole number" if self.whole else "number"
            raise InputError(
                f"{self.key}: there is no {what} from {self.low:g} up to {self.high:g} to choose; "
                "give the lower end first, or values"
            )
        if self.log and self.low <= 0:
            raise InputError(f"{self.key}: a logarithmic interval begins above 0")

    @property
    def example(self) -> str:
        """One of the values; of an interval, one that is as a rule no whole number."""
        if self.choices:
            return self.choices[0]
        return self.text(self.low if self.whole else self.low + (self.high - self.low) / math.pi)

    def text(self, value: Any) -> str:  # noqa: ANN401 - a text or a number
        """Return what Optuna proposes as it is written on a command line."""
        if self.choices:  # of a range, the place in it
            return self.choices[value] if self.ordered else str(value)
        return str(int(value)) if self.whole else repr(float(value))


class GridSearch:
    """Every combination of the choices, once.

    Parameters
    ----------
    axes
        What may vary.

    Raises
    ------
    InputError
        If one of them is an interval.
    """

    def __init__(self, axes: Sequence[Axis]) -> None:
        for axis in axes:
            if not axis.choices:
                raise InputError(
                    f"{axis.key}: an interval has no list of values; give some, as in "
                    f"{axis.key}=0.1,1,10, or take hydra/sweeper=tune_optuna"
                )
        keys = [axis.key for axis in axes]
        values = itertools.product(*(axis.choices for axis in axes))
        self._left = [dict(zip(keys, each, strict=True)) for each in values]

    def ask(self) -> list[Setting]:
        """Return all of them at the first call, then none: the search is over."""
        asked, self._left = self._left, []
        return asked

    def tell(self, scores: Sequence[float | None]) -> None:
        """Do nothing: a grid learns nothing."""
        del scores


class OptunaSearch:
    """What Optuna's tree-structured Parzen estimator proposes.

    The same axes, seed and scores give the same proposals, so a search that was cut off is
    repeated from its finished runs.

    Parameters
    ----------
    axes
        What may vary.
    n_trials
        Number of settings in all.
    n_jobs
        How many are proposed at a time, before the scores of any of these are known.
    seed
        Of the proposals.

    Raises
    ------
    InputError
        If Optuna is not installed.
    """

    def __init__(self, axes: Sequence[Axis], *, n_trials: int, n_jobs: int, seed: int) -> None:
        optuna: Any = extras.load("optuna", "hydra/sweeper=tune_optuna", "grn_exp[optuna]")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._axes = list(axes)
        self._distributions = {axis.key: _distribution(axis) for axis in axes}
        sampler = optuna.samplers.TPESampler(seed=seed)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._n_left, self._n_jobs = n_trials, n_jobs
        self._asked: list[Any] = []

    def ask(self) -> list[Setting]:
        """Return the next ``n_jobs`` proposals; none when the search is over."""
        n = min(self._n_jobs, self._n_left)
        self._n_left -= n
        self._asked = [self._study.ask(self._distributions) for _ in range(n)]
        return [
            {axis.key: axis.text(trial.params[axis.key]) for axis in self._axes}
            for trial in self._asked
        ]

    def tell(self, scores: Sequence[float | None]) -> None:
        """Learn from the scores of what was last asked, higher is better; None: it failed."""
        from optuna.trial import TrialState

        for trial, score in zip(self._asked, scores, strict=True):
            if score is None:
                self._study.tell(trial, state=TrialState.FAIL)
            else:
                self._study.tell(trial, score)


def _distribution(axis: Axis) -> Any:  # noqa: ANN401 - Optuna is imported where it is used
    from optuna import distributions as of

    if axis.choices and axis.ordered:
        return of.IntDistribution(0, len(axis.choices) - 1)  # places in the range
    if axis.choices:
        return of.CategoricalDistribution(axis.choices)
    if axis.whole:
        return of.IntDistribution(math.ceil(axis.low), math.floor(axis.high), log=axis.log)
    return of.FloatDistribution(axis.low, axis.high, log=axis.log)


Search = GridSearch | OptunaSearch
