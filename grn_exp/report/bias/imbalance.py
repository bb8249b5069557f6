"""The regulators' class imbalance, and what methods learn of it (InfoSEM figures 3b and 3c)."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.splits import SUBSETS
from grn_exp.report.bias.run import ScoredRun, read_table

logger = logging.getLogger(__name__)

_COEFFICIENT_COLUMNS = ("gene", "role", "coefficient", "n_train", "n_positive")
_MIN_TRAIN, _MIN_TEST = 30, 5  # pairs of a regulator
_FEWEST_REGULATORS = 3  # a rank correlation of two points is 1 or -1
_ESTIMATE_LABELS = ("matcomp",)  # scores overshoot 0 and 1, and are not logits


def imbalance_and_coefficients(folder: Path) -> pd.DataFrame:
    """Return each regulator's class imbalance beside its one-hot coefficient (figure 3b).

    The counts are those of ``coefficients.csv``, so they are of the pairs that the regression was
    fitted to, whatever it left out.

    Parameters
    ----------
    folder
        Of a run of the one-hot logistic regression: its ``coefficients.csv`` has the columns
        ``gene``, ``role`` (``regulator`` or ``target``), ``coefficient``, ``n_train`` and
        ``n_positive``.

    Returns
    -------
    DataFrame
        A row for each regulator with training pairs: ``regulator``, ``imbalance`` (the share of
        positives among its training pairs), ``coefficient``.

    Raises
    ------
    InputError
        If that file is missing or lacks a column, or if a correlation is not defined: fewer than
        3 regulators with training pairs, or all alike.
    """
    table = read_table(folder / "coefficients.csv", _COEFFICIENT_COLUMNS)
    table = table.loc[(table["role"] == "regulator") & (table["n_train"] > 0)]
    table = table.rename(columns={"gene": "regulator"}).reset_index(drop=True)
    table["imbalance"] = table["n_positive"] / table["n_train"]
    if len(table) < _FEWEST_REGULATORS:
        raise InputError(
            f"{folder}: {len(table)} regulators with training pairs are too few for a "
            "correlation; take a larger network"
        )
    for column in ("imbalance", "coefficient"):
        if table[column].nunique() == 1:
            raise InputError(
                f"{folder}: all {len(table)} regulators have {column} {table[column].iloc[0]:.3g},"
                " so no correlation is defined; take another split, or a larger network"
            )
    return table[["regulator", "imbalance", "coefficient"]]


def extreme_regulators(run: ScoredRun) -> tuple[str, str]:
    """Return the regulators of highest and of lowest training imbalance, as in figure 3c.

    Only regulators with at least 30 pairs in training and 5 in ``test_seen`` are considered. Of
    several alike, the one with more training pairs is taken, then the first by symbol.

    Raises
    ------
    InputError
        If fewer than two regulators have that many pairs.
    """
    table = run.training_imbalance()
    n_test = run.split.mask("test_seen").sum(axis=1)
    rows = run.split.regulators.positions(table["regulator"])
    table = table.loc[(table["n_train"] >= _MIN_TRAIN) & (n_test[rows] >= _MIN_TEST)]
    if len(table) < 2:
        raise InputError(
            f"{run.folder}: {len(table)} regulators have at least {_MIN_TRAIN} training pairs "
            f"and {_MIN_TEST} in test_seen, and two are needed; take a larger network"
        )
    table = table.sort_values(["n_train", "regulator"], ascending=[False, True])
    imbalance = table.set_index("regulator")["imbalance"]
    highest = imbalance.idxmax()
    return str(highest), str(imbalance.drop(highest).idxmin())


def predicted_probabilities(run: ScoredRun, regulators: Sequence[str]) -> pd.DataFrame:
    """Return what a run predicts for a few regulators' unseen pairs (InfoSEM figure 3c).

    Scores that all lie in [0, 1] are taken for probabilities. Others are logits, which a line in
    the log says; those of matrix completion estimate the label and are cut off at 0 and 1.

    Parameters
    ----------
    regulators
        Symbols; see :func:`extreme_regulators`.

    Returns
    -------
    DataFrame
        A row for each pair in ``test_seen``: ``model``, ``regulator``, ``target``,
        ``probability``, and the regulator's ``imbalance`` in training.

    Raises
    ------
    InputError
        If a regulator is unknown or has no pair in ``test_seen``.
    """
    mask = run.split.mask("test_seen")
    rows = run.split.regulators.positions(regulators)
    for symbol, row in zip(regulators, rows, strict=True):
        if not mask[row].any():
            raise InputError(f"{run.folder}: regulator {symbol!r} has no pair in test_seen")
    pairs = [(row, target) for row in rows for target in np.flatnonzero(mask[row])]
    at = tuple(np.array(pairs).T)
    table = pd.DataFrame(
        {
            "model": run.name["model"],
            "regulator": run.split.regulators.array[at[0]],
            "target": run.split.genes.array[at[1]],
            "probability": _probability(run, run.scores[at].astype(np.float64)),
        }
    )
    training = run.training_imbalance()[["regulator", "imbalance"]]
    return table.merge(training, on="regulator", how="left")


def _probability(run: ScoredRun, score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores as probabilities, by the range of all scores of the split."""
    from scipy.special import expit

    pairs = np.logical_or.reduce([run.split.mask(subset) for subset in SUBSETS])
    low, high = float(run.scores[pairs].min()), float(run.scores[pairs].max())
    if low >= 0 and high <= 1:
        return score
    if run.name["model"] in _ESTIMATE_LABELS:
        return np.clip(score, 0, 1)
    logger.warning("%s: scores from %.3g to %.3g are read as logits", run.folder, low, high)
    result: Any = expit(score)
    return result
