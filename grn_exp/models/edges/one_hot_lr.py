"""Logistic regression on the identity of the two genes: what a split gives away."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.ranges import require_in
from grn_exp.core.tables import Table
from grn_exp.core.views import UNKNOWN, TrainView
from grn_exp.models.closed_form import EdgeScorer

_MAX_ITERATIONS = 10_000
_TOLERANCE = 1e-7


class OneHotLR(EdgeScorer):
    """One-hot LR (InfoSEM section 5 and appendix C): no expression, only which genes they are.

    Logistic regression on the concatenated one-hot vectors of regulator and target, so its
    log-odds are ``intercept + a_regulator + b_target``: class imbalance, gene by gene. C, the
    inverse strength of the L2 penalty, is cross-validated on the training pairs (stratified
    folds, average precision). The score is the predicted probability. A gene without training
    pairs has coefficient 0, so pairs of two unseen genes tie.

    The run folder gets ``coefficients.csv``: one line per gene and role, with its training pairs
    (figure 3b).

    Parameters
    ----------
    Cs
        Values of C to choose from.
    folds
        Folds of the cross-validation.

    Raises
    ------
    InputError
        If the training pairs hold fewer positives or negatives
        than folds.

    Notes
    -----
    A control. Reads training labels alone. Each of the fits, one for every C and fold, takes a
    few hundred passes over the training pairs.

    References
    ----------
    - Cui et al. (2025), InfoSEM: a deep generative model with informative priors for gene
      regulatory network inference, section 5.
    """

    reads_labels: ClassVar[bool] = True
    draws: ClassVar[bool] = False
    needs_negatives: ClassVar[bool] = True

    def __init__(
        self,
        *,
        Cs: Sequence[float] = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0),
        folds: int = 5,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not Cs:
            raise InputError("model.Cs=[]: give at least one value")
        for value in Cs:
            require_in("(0, inf)", Cs=value)
        require_in("[2, inf)", folds=folds)
        self.Cs = [float(value) for value in Cs]
        self._chosen: float | None = None
        self._coefficients: list[Sequence[object]] = []

    def build(self, view: TrainView) -> None:
        """Check that there are enough training pairs of both kinds."""
        labels = view.known_labels()
        for name, count in (("positive", (labels == 1).sum()), ("negative", (labels == 0).sum())):
            if count < self.options.folds:
                raise InputError(
                    f"model.folds={self.options.folds}: only {count} {name} training pairs to "
                    "cross-validate on; lower model.folds, or take a network with more of them"
                )

    def score(self, view: TrainView) -> np.ndarray:
        """Choose C, fit, and return the probabilities."""
        from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
        from sklearn.model_selection import StratifiedKFold
        from sklearn.preprocessing import OneHotEncoder

        labels = view.known_labels()
        rows, columns = view.pairs()
        answers = labels[rows, columns]
        places: Any = [np.arange(n) for n in labels.shape]
        encoder: Any = OneHotEncoder(categories=places)
        features = encoder.fit_transform(np.stack([rows, columns], axis=1))
        candidates: Any = self.Cs
        search: Any = LogisticRegressionCV(
            Cs=candidates,
            cv=StratifiedKFold(self.options.folds, shuffle=True, random_state=self.seed),
            scoring="average_precision",
            max_iter=_MAX_ITERATIONS,
        )
        self._chosen = float(search.fit(features, answers).C_[0])
        # the search stops early, which at a weak penalty moves the coefficients
        estimator: Any = LogisticRegression(
            C=self._chosen, tol=_TOLERANCE, max_iter=_MAX_ITERATIONS
        )
        estimator.fit(features, answers)
        of_regulator, of_target = np.split(estimator.coef_[0], [labels.shape[0]])
        self._coefficients = _coefficient_rows(view, labels, of_regulator, of_target)
        log_odds = of_regulator[:, None] + of_target[None, :] + estimator.intercept_[0]
        return 1 / (1 + np.exp(-log_odds))

    def facts(self) -> dict[str, Any]:
        """Return the chosen C."""
        return {"C": self._chosen}

    def tables(self) -> dict[str, Table]:
        """Return the coefficient of every gene with training pairs."""
        header = ["gene", "role", "coefficient", "n_train", "n_positive"]
        return {"coefficients.csv": (header, self._coefficients)}


def _coefficient_rows(
    view: TrainView,
    labels: NDArray[np.int8],
    of_regulator: NDArray[np.float64],
    of_target: NDArray[np.float64],
) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = []
    for role, genes, coefficients, axis in (
        ("regulator", view.regulators, of_regulator, 1),
        ("target", view.genes, of_target, 0),
    ):
        n_train = (labels != UNKNOWN).sum(axis=axis).tolist()
        n_positive = (labels == 1).sum(axis=axis).tolist()
        columns = zip(genes, coefficients.tolist(), n_train, n_positive, strict=True)
        rows += [(gene, role, value, n, k) for gene, value, n, k in columns if n]
    return rows
