"""What an edge looks like, learned from known edges and applied to genes that have none."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.memory import Sizes
from grn_exp.core.ranges import require_in
from grn_exp.core.tables import Table
from grn_exp.core.views import UNKNOWN, TrainView
from grn_exp.metrics.ranking import macro_average_precision
from grn_exp.models.closed_form import EdgeScorer
from grn_exp.models.edges._pair_design import Floats, PairDesign, design
from grn_exp.models.edges._pair_fits import KnownLabels, ridge, two_steps

log = logging.getLogger(__name__)

_WIDEST = 1000  # numbers of a gene: the kernel's, to as many others
# what the parts of a score count: few to choose from, because few regulators judge the choice;
# the first is taken where no fold can be judged
_BLENDS: Sequence[Mapping[str, float]] = (
    {"features": 1, "similar genes": 1, "expression": 1, "correlation": 1, "letters": 0.5},
    {"features": 1, "similar genes": 1, "expression": 0.5, "correlation": 0.5},
    {"features": 1, "similar genes": 1},
)


class PairFeatures(EdgeScorer):
    """Ranks the targets of a regulator without any known target, by what known edges look like.

    A pair is described without its genes' identity: by the target's expression (mean, spread,
    share of cells, their ranks, whether it is a regulator itself, loadings on the principal
    components), by the correlations of the two genes (Pearson's, Spearman's, of detection, of
    their correlations with all regulators) and by their names: letters that symbols share tell
    families of genes. Five parts are made of that:

    - ``features``: ridge regression of the labels on all features. Labels and features are
      centred within each regulator, so only the order of a regulator's targets counts and not
      how many it has;
    - ``similar genes``: two-step kernel ridge regression (Stock et al. 2018), targets like those
      of regulators like this one;
    - ``expression``, ``correlation``, ``letters``: the target's mean, Pearson's correlation with
      its sign, and likeness of the two symbols; nothing in them is fitted.

    Each part is standardised within a regulator, and the score is a weighted sum. Penalty and
    weights are chosen by cross-validation on the training pairs whose folds leave out *genes*: a
    fold's pairs are those of its regulators with its targets, judged by the mean over regulators
    of average precision, and all other pairs of its genes are left out of the fit.

    Parameters
    ----------
    symbols
        Read the letters of the genes' symbols.
    components
        Number of components of expression, of the letters and of a prior's vectors.
    penalties
        Of the ridge regression, relative to features of variance 1, to choose from.
    folds, repeats
        Folds that the genes are divided into, and how often.

    Raises
    ------
    InputError
        If no regulator has training pairs with and without an edge, or if ``symbols`` is true
        and no three symbols have two letters in common.

    Notes
    -----
    Assumes that what makes a gene a target shows in expression or name in the same way for all
    regulators. Reads expression, symbols and training labels. Symbols are knowledge from outside
    the cells: ``model.symbols=false`` does without. A fold takes ``known pairs x 100^2``
    operations, and solves 1,000 equations for similar genes.

    References
    ----------
    - Stock, Pahikkala, Airola, De Baets and Waegeman (2018), A comparative study of pairwise
      learning methods based on kernel ridge regression, Neural Computation 30.
      doi:10.1162/neco_a_01096
    - Cui et al. (2025), InfoSEM: a deep generative model with informative priors for gene
      regulatory network inference, section 4: the test on unseen genes.
    """

    reads_labels: ClassVar[bool] = True
    draws: ClassVar[bool] = False
    needs_negatives: ClassVar[bool] = True

    def __init__(
        self,
        *,
        symbols: bool = True,
        components: int = 16,
        penalties: Sequence[float] = (10.0, 3.0),
        folds: int = 3,
        repeats: int = 2,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        require_in("[1, inf)", components=components, repeats=repeats)
        require_in("[2, inf)", folds=folds)
        if not penalties:
            raise InputError("model.penalties=[]: give at least one value")
        for value in penalties:
            require_in("(0, inf)", penalties=value)
        self._tried: list[_Tried] = []

    def memory(self, sizes: Sizes) -> int:
        """Return about how many bytes a fit takes beside the expression matrix."""
        n_parts = 2 * (len(self.options.penalties) + 4)
        of_genes = 4 * 8 * _WIDEST * sizes.n_genes
        return 6 * sizes.matrix + (50 + n_parts) * sizes.pairs + of_genes

    def build(self, view: TrainView) -> None:
        """Check that there is something to learn."""
        if not KnownLabels.of(view.known_labels()).regulators.size:
            raise InputError(
                f"none of the {len(view.regulators)} regulators has training pairs of both kinds, "
                "with and without an edge; take another split.seed, or a larger network"
            )

    def score(self, view: TrainView) -> np.ndarray:
        """Choose penalty and weights, fit, and blend."""
        own = self.options
        pairs = design(view, components=own.components, symbols=own.symbols)
        labels = view.known_labels()
        blends = _BLENDS if own.symbols else _without_letters(_BLENDS)
        choices = [(place, weights) for place in range(len(own.penalties)) for weights in blends]
        values = []
        for held_out in self._held_out(view):
            fold = _fold(pairs, held_out, own.penalties)
            values.append([fold.value(*choice) for choice in choices])
        if not values:
            log.warning(
                "model=pair_features: no fold of %d has a regulator with both kinds of pairs, so "
                "nothing is chosen: the first of model.penalties, %g",
                *(own.folds, own.penalties[0]),
            )
        self._tried = [
            _Tried(own.penalties[place], weights, [each[number] for each in values])
            for number, (place, weights) in enumerate(choices)
        ]
        chosen = self._chosen
        everywhere = np.arange(len(labels))
        parts = _parts(pairs, KnownLabels.of(labels), [chosen.penalty], everywhere)
        return _blend(parts, 0, chosen.weights)

    @property
    def _chosen(self) -> "_Tried":
        return max(self._tried, key=lambda tried: tried.value)

    def _held_out(self, view: TrainView) -> "Iterator[_HeldOut]":
        """Divide the genes with training pairs, each in both its roles, and leave folds out."""
        labels, own_columns = view.known_labels(), view.regulator_positions
        known = labels != UNKNOWN
        for repeat in range(self.options.repeats):
            rng = np.random.default_rng([repeat, 0x6E9E])
            fate = np.full(known.shape[1], -1)
            is_target = np.zeros(len(fate), dtype=np.bool_)
            is_target[np.flatnonzero(known.any(axis=0))] = True
            is_target[own_columns] = False
            # regulators first, so that folds have equal numbers of them
            for genes in (own_columns[known.any(axis=1)], np.flatnonzero(is_target)):
                order = rng.permutation(genes)
                fate[order] = np.arange(len(order)) % self.options.folds
            for fold in range(self.options.folds):
                out_rows, out_columns = fate[own_columns] == fold, fate == fold
                shown = ~out_rows[:, None] & ~out_columns[None, :]
                judged = out_rows[:, None] & out_columns[None, :]
                held_out = _HeldOut(
                    shown=np.where(shown, labels, np.int8(UNKNOWN)),
                    judged=np.where(judged, labels, np.int8(UNKNOWN)),
                )
                if held_out.can_be_judged:
                    yield held_out

    def facts(self) -> dict[str, Any]:
        """Return what was chosen, and what it got on the left-out genes."""
        chosen = self._chosen
        return {
            "penalty": chosen.penalty,
            "weights": dict(chosen.weights),
            "n_folds_judged": len(chosen.values),
            "ap_per_regulator_of_left_out_genes": chosen.value if chosen.values else None,
        }

    def tables(self) -> dict[str, Table]:
        """Return what every choice got in the cross-validation."""
        names = list(self._tried[0].weights)
        rows = [
            [tried.penalty, *(tried.weights.get(name, 0) for name in names), tried.value]
            for tried in self._tried
            if tried.values
        ]
        return {"cross_validation.csv": (["penalty", *names, "ap_per_regulator"], rows)}


class PairFeaturesText(PairFeatures):
    """The same with a prior's vectors of the genes: a target's components, and products.

    Parameters
    ----------
    options
        As in :class:`PairFeatures`; ``prior=`` says where the vectors come from.
    """

    reads_embedding: ClassVar[bool] = True


class _Tried(NamedTuple):
    penalty: float
    weights: Mapping[str, float]
    values: list[float]

    @property
    def value(self) -> float:
        """The mean over folds."""
        return float(np.mean(self.values)) if self.values else 0.0


class _HeldOut(NamedTuple):
    """A fold: labels that are shown, and labels of pairs of two genes that are left out."""

    shown: NDArray[np.int8]
    judged: NDArray[np.int8]

    @property
    def can_be_judged(self) -> bool:
        """Whether there is something to learn from, and a regulator with both kinds to judge."""
        return all(KnownLabels.of(labels).regulators.size for labels in self)


class _Fold(NamedTuple):
    """The parts of a score, fitted to what a fold shows, and the labels that judge them."""

    parts: Mapping[str, Sequence[Floats]]
    labels: NDArray[np.int8]

    def value(self, place: int, weights: Mapping[str, float]) -> float:
        """Return the mean over regulators of the average precision."""
        scores = _blend(self.parts, place, weights)
        rows, columns = np.nonzero(self.labels != UNKNOWN)
        labels = self.labels[rows, columns]
        return macro_average_precision(scores[rows, columns], labels, rows).value


def _fold(pairs: PairDesign, held_out: _HeldOut, penalties: Sequence[float]) -> _Fold:
    rows = KnownLabels.of(held_out.judged).regulators
    parts = _parts(pairs, KnownLabels.of(held_out.shown), penalties, rows)
    return _Fold(parts, held_out.judged[rows])


def _parts(
    pairs: PairDesign, labels: KnownLabels, penalties: Sequence[float], rows: NDArray[np.int64]
) -> dict[str, Sequence[Floats]]:
    """Return the parts of the score of some regulators; ``features`` once for each penalty."""
    by_penalty = pairs.scores(ridge(pairs, labels, penalties), rows)
    parts = {
        "features": [by_penalty[..., place] for place in range(len(penalties))],
        "similar genes": [two_steps(pairs, labels)[rows]],
        "expression": [np.repeat(pairs.mean_expression[None, :], len(rows), axis=0)],
        "correlation": [pairs.correlation[rows]],
    }
    if pairs.likeness_of_letters is not None:
        parts["letters"] = [pairs.likeness_of_letters[rows]]
    own = pairs.regulators[rows]
    return {name: [_within(part, own) for part in each] for name, each in parts.items()}


def _blend(
    parts: Mapping[str, Sequence[Floats]], place: int, weights: Mapping[str, float]
) -> Floats:
    """Return the weighted sum of the parts, with the penalty at one place of the list."""
    chosen = {name: each[place if name == "features" else 0] for name, each in parts.items()}
    return sum((weight * chosen[name] for name, weight in weights.items()), np.zeros(1))


def _within(scores: Floats, own: NDArray[np.int64]) -> Floats:
    """Standardise each regulator's scores over all genes but itself, which gets 0."""
    scores = scores.astype(np.float64)
    itself = (np.arange(len(own)), own)
    scores[itself] = np.nan
    scores -= np.nanmean(scores, axis=1, keepdims=True)
    spread = np.nanstd(scores, axis=1, keepdims=True)
    spread[spread < 1e-9] = np.inf
    scores[itself] = 0
    return scores / spread


def _without_letters(blends: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    return [{name: of for name, of in each.items() if name != "letters"} for each in blends]
