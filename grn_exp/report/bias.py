"""Where supervised accuracy comes from: the analyses of InfoSEM section 5.1 and figure 3.

Tables only; ``figures.bias`` draws them, ``bias_degree`` asks how much of an average precision
the degrees of the genes explain.
"""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.splits import SUBSETS, Subset
from grn_exp.report.bias_run import ScoredRun, missing_file

logger = logging.getLogger(__name__)

Link = Literal["identity", "sigmoid", "clip"]

_COEFFICIENT_COLUMNS = ("gene", "role", "coefficient", "n_train", "n_positive")
_FEWEST_REGULATORS = 3  # a rank correlation of two points is 1 or -1


@dataclasses.dataclass(frozen=True, eq=False)
class ImbalanceCorrelation:
    """Class imbalance against the coefficients of a one-hot logistic regression (figure 3b).

    Attributes
    ----------
    table
        A row for each regulator with training pairs: ``regulator``, ``n_train``, ``n_positive``,
        ``imbalance`` (the share of positives among its training pairs), ``coefficient``.
    spearman, p_value
        Rank correlation of the last two columns, and its two-sided p-value.
    n
        Number of regulators.
    """

    table: pd.DataFrame
    spearman: float
    p_value: float
    n: int


def imbalance_against_coefficient(folder: Path) -> ImbalanceCorrelation:
    """Relate each regulator's class imbalance to its one-hot coefficient (InfoSEM figure 3b).

    The counts are those of ``coefficients.csv``, so they are of the pairs that the regression was
    fitted to, whatever it left out.

    Parameters
    ----------
    folder
        Of a run of the one-hot logistic regression: its ``coefficients.csv`` has the columns
        ``gene``, ``role`` (``regulator`` or ``target``), ``coefficient``, ``n_train`` and
        ``n_positive``.

    Raises
    ------
    InputError
        If that file is missing or lacks a column, or if a correlation is not defined: fewer than
        3 regulators with training pairs, or all alike.
    """
    from scipy.stats import spearmanr

    table = _regulator_coefficients(Path(folder) / "coefficients.csv")
    if len(table) < _FEWEST_REGULATORS:
        raise InputError(
            f"{folder}: {len(table)} regulators with training pairs, too few for a correlation; "
            "take a larger network"
        )
    for column in ("imbalance", "coefficient"):
        if table[column].nunique() == 1:
            raise InputError(
                f"{folder}: all {len(table)} regulators have {column} {table[column].iloc[0]:.3g},"
                " so no correlation is defined; take another split, or a larger network"
            )
    result: Any = spearmanr(table["imbalance"], table["coefficient"])
    return ImbalanceCorrelation(table, float(result.statistic), float(result.pvalue), len(table))


def extreme_regulators(
    run: ScoredRun, subset: Subset = "test_seen", *, min_train: int = 30, min_test: int = 5
) -> tuple[str, str]:
    """Return the regulators of highest and of lowest training imbalance, as in figure 3c.

    Parameters
    ----------
    subset, min_train, min_test
        Only regulators with at least so many pairs in training and in ``subset`` are considered.
        Of several alike, the one with more training pairs is taken, then the first by symbol.

    Raises
    ------
    InputError
        If fewer than two regulators have that many pairs.
    """
    table = run.training_imbalance()
    n_test = run.split.mask(subset).sum(axis=1)
    rows = run.split.regulators.positions(table["regulator"])
    table = table.loc[(table["n_train"] >= min_train) & (n_test[rows] >= min_test)]
    if len(table) < 2:
        raise InputError(
            f"{run.folder}: {len(table)} regulators with at least {min_train} training pairs and "
            f"{min_test} in {subset}; lower min_train or min_test"
        )
    keys = ["imbalance", "n_train", "regulator"]
    highest = table.sort_values(keys, ascending=[False, False, True])["regulator"].iloc[0]
    rest = table.loc[table["regulator"] != highest]
    lowest = rest.sort_values(keys, ascending=[True, False, True])["regulator"].iloc[0]
    return str(highest), str(lowest)


def predicted_probabilities(
    run: ScoredRun,
    regulators: Sequence[str],
    subset: Subset = "test_seen",
    *,
    as_probability: Link | None = None,
) -> pd.DataFrame:
    """Return what a run predicts for the pairs of a few regulators (InfoSEM figure 3c).

    Parameters
    ----------
    regulators
        Symbols; see :func:`extreme_regulators`.
    subset
        Which of their pairs.
    as_probability
        ``identity``: the scores are probabilities. ``sigmoid``: they are logits. ``clip``: they
        are estimates of the label that may overshoot, as matrix completion's; what is below 0 or
        above 1 is cut off. None: identity if the scores of all pairs of the split lie in [0, 1],
        sigmoid (and a line in the log) otherwise. The column ``as_probability`` says which it
        was. What the method meant, the rule cannot know: a correlation in [0, 1] passes for a
        probability.

    Returns
    -------
    DataFrame
        A row for each pair: ``model``, ``regulator``, ``target``, ``label``, ``score``,
        ``probability``, ``as_probability``, and the regulator's ``n_train`` and ``imbalance`` in
        training (0 and NaN for one without training pairs).

    Raises
    ------
    InputError
        If a regulator is unknown or has no pair in the subset, or if ``identity`` is asked for
        and a score is outside [0, 1].
    """
    link = _checked_link(run, as_probability)
    mask = run.split.mask(subset)
    training = run.training_imbalance().set_index("regulator")
    tables: list[pd.DataFrame] = []
    for symbol, row in zip(regulators, run.split.regulators.positions(regulators), strict=True):
        targets = np.flatnonzero(mask[row])
        if not len(targets):
            raise InputError(f"{run.folder}: regulator {symbol!r} has no pair in {subset}")
        score = run.scores[row, targets].astype(np.float64)
        seen = symbol in training.index
        columns = {
            "model": run.name["model"],
            "regulator": symbol,
            "target": run.split.genes.array[targets],
            "label": run.labels[row, targets],
            "score": score,
            "probability": _probability(score, link),
            "as_probability": link,
            "n_train": training.loc[symbol, "n_train"] if seen else 0,
            "imbalance": training.loc[symbol, "imbalance"] if seen else np.nan,
        }
        tables.append(pd.DataFrame(columns))
    if not tables:
        raise InputError("regulators: none given; name at least one")
    return pd.concat(tables, ignore_index=True)


def _regulator_coefficients(path: Path) -> pd.DataFrame:
    """Return the table of figure 3b from ``coefficients.csv``."""
    try:
        # a gene may be called NA or NAN
        table = pd.read_csv(path, keep_default_na=False)
    except FileNotFoundError as error:
        raise missing_file(path) from error
    except ValueError as error:
        raise InputError(f"{path} is broken; run again with force=true") from error
    absent = [column for column in _COEFFICIENT_COLUMNS if column not in table]
    if absent:
        raise InputError(f"{path}: no column {absent[0]!r}; run again with force=true")
    table = table.loc[(table["role"] == "regulator") & (table["n_train"] > 0)]
    return pd.DataFrame(
        {
            "regulator": table["gene"].astype(str),
            "n_train": table["n_train"],
            "n_positive": table["n_positive"],
            "imbalance": table["n_positive"] / table["n_train"],
            "coefficient": table["coefficient"],
        }
    ).reset_index(drop=True)


def _checked_link(run: ScoredRun, asked: Link | None) -> Link:
    """Return how scores become probabilities: as asked, else by their range."""
    if asked is not None and asked not in get_args(Link):
        raise InputError(f"as_probability={asked!r}; choose from {', '.join(get_args(Link))}")
    pairs = np.logical_or.reduce([run.split.mask(subset) for subset in SUBSETS])
    low, high = float(run.scores[pairs].min()), float(run.scores[pairs].max())
    inside = low >= 0 and high <= 1
    if asked == "identity" and not inside:
        raise InputError(
            f"{run.folder}: as_probability=identity, but scores go from {low:.3g} to {high:.3g}; "
            "choose sigmoid if they are logits, clip if they estimate the labels"
        )
    if asked is None and not inside:
        logger.warning(
            "%s: scores from %.3g to %.3g are read as logits (as_probability=sigmoid)",
            run.folder,
            low,
            high,
        )
    return asked or ("identity" if inside else "sigmoid")


def _probability(score: NDArray[np.float64], link: Link) -> NDArray[np.float64]:
    from scipy.special import expit

    return {"identity": score, "sigmoid": expit(score), "clip": np.clip(score, 0, 1)}[link]
