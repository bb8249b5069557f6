"""Draw the pairs that are held out."""

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.ranges import require_in
from grn_exp.core.splits import EdgeSplit, EdgeTruth, Mask
from grn_exp.data.folds import check_fold, fold_generator, random_folds


@dataclasses.dataclass(frozen=True)
class SeenUnseenSplitter:
    """Seen and unseen genes, seen and unseen interactions (InfoSEM section 4.2, figure 2).

    Regulators and targets with known interactions are divided into seen and unseen ones. All
    pairs of an unseen regulator and an unseen target are ``test_unseen``. The pairs of seen
    regulators and seen targets are divided, regulator by regulator and in proportion to its
    positives and negatives, into ``train`` (with ``val`` taken out of it) and ``test_seen``. The
    pairs of a seen and an unseen gene belong to no subset.

    By default every gene of the matrix is a target. The paper's test sets have "genes with known
    interactions" only, which its experiments read block by block (``known_within="block"``): a
    target without any edge from the block's regulators is left out of that block. So read, the
    shares of positives come out as the paper's "Random" rows have them (mDC unseen 0.23, not
    0.09); ``known_within="network"`` keeps every target that has an edge from anywhere. Only the
    test sets are cut down so: were the training pairs too, their outline would reveal which
    targets have an edge among the held-out pairs.

    A gene that is regulator and target has one fate for both, or a gene of ``test_unseen``
    could occur in training in its other role; the pure targets are drawn so that the targets'
    ratio still comes out.

    Parameters
    ----------
    seed
        Seed of the division; no model reads it.
    seen_fraction
        Share of seen regulators, and of seen targets (paper: 3:1).
    train_fraction
        Share of seen x seen pairs that are for training (paper: 3:1).
    validation_fraction
        Share of the training pairs that becomes ``val``; 0 for none.
    known_within
        Where a target needs a known interaction to be counted in: its own ``block`` (seen x
        seen, unseen x unseen), the whole ``network``, or ``none``: every gene is a target. Which
        targets are counted in gives something away about held-out labels with the first two
        (see the control :class:`~grn_exp.models.edges.degree.BlockArtefact`), nothing with the
        last.
    downsample
        ``per_regulator``: of each regulator's negative training pairs as many are kept, at
        random, as it has positive ones, so that no regulator is imbalanced (InfoSEM appendix D);
        the others belong to no subset. All else is as with ``none``.
    cv_fold, cv_folds
        For the choice of hyper-parameters: the pairs of ``train`` and ``val`` are divided into
        ``cv_folds`` folds, regulator by regulator and in proportion to its positives and
        negatives; number ``cv_fold`` becomes ``val``, the others ``train``, and both test sets
        are empty. None: no folds, the usual run.

    Raises
    ------
    InputError
        If a fraction is out of range or, when splitting, a test set (or, with folds, ``val``)
        would be empty or of one class only.
    """

    seed: int = 0
    seen_fraction: float = 0.75
    train_fraction: float = 0.75
    validation_fraction: float = 0.1
    known_within: Literal["block", "network", "none"] = "none"
    downsample: Literal["none", "per_regulator"] = "none"
    cv_fold: int | None = None
    cv_folds: int | None = None

    def __post_init__(self) -> None:
        require_in("(0, 1)", "split", seen_fraction=self.seen_fraction)
        require_in("(0, 1)", "split", train_fraction=self.train_fraction)
        require_in("[0, 1)", "split", validation_fraction=self.validation_fraction)
        require_in("[0, inf)", "split", seed=self.seed)
        check_fold(self.cv_fold, self.cv_folds)

    def split(self, truth: EdgeTruth) -> EdgeSplit:
        """Divide the universe of ``truth``."""
        rng = np.random.default_rng([self.seed, 0x5917])
        rows_seen, columns_seen = self._seen_genes(truth, rng)
        seen = truth.universe & rows_seen[:, None] & columns_seen[None, :]
        unseen = truth.universe & ~rows_seen[:, None] & ~columns_seen[None, :]
        train, val, test_seen = (np.zeros_like(seen) for _ in range(3))
        for row in np.flatnonzero(rows_seen):
            positive = rng.permutation(np.flatnonzero(seen[row] & truth.labels[row]))
            negative = rng.permutation(np.flatnonzero(seen[row] & ~truth.labels[row]))
            columns = np.concatenate([positive, negative])
            for_training = _spread(len(columns), self.train_fraction, rng)
            test_seen[row, columns[~for_training]] = True
            columns = columns[for_training]
            for_validation = _spread(len(columns), self.validation_fraction, rng)
            val[row, columns[for_validation]] = True
            train[row, columns[~for_validation]] = True
        if self.known_within == "block":
            test_seen &= (seen & truth.labels).any(axis=0)
            unseen &= (unseen & truth.labels).any(axis=0)
        advice = "choose another split.seed, or a larger network"
        self._check(truth, advice, test_seen=test_seen, test_unseen=unseen)
        if self.cv_fold is not None and self.cv_folds is not None:
            train, val = self._fold(train | val, truth.labels, self.cv_fold, self.cv_folds)
            self._check(truth, f"take fewer folds than {self.cv_folds}", val=val)
            test_seen, unseen = np.zeros_like(seen), np.zeros_like(seen)
        if self.downsample == "per_regulator":
            train = self._balanced(train, truth.labels)
        return EdgeSplit(
            regulators=truth.regulators,
            genes=truth.genes,
            train=train,
            val=val,
            test_seen=test_seen,
            test_unseen=unseen,
            seed=self.seed,
        )

    def judged(self, truth: EdgeTruth, split: EdgeSplit) -> EdgeTruth:
        """Return the labels that a run is judged by: with folds no other than training labels."""
        if self.cv_fold is None:
            return truth
        shown = split.train | split.val
        return dataclasses.replace(
            truth, labels=truth.labels & shown, universe=truth.universe & shown
        )

    def _fold(self, pairs: Mask, labels: Mask, fold: int, n_folds: int) -> tuple[Mask, Mask]:
        """Divide the training pairs into those of the other folds and those of this one."""
        rows, columns = np.nonzero(pairs)
        # all positives first: their number is even over all regulators too
        strata = np.where(labels[rows, columns], rows, len(labels) + rows)
        held = random_folds(strata, n_folds, fold_generator(self.seed)) == fold
        val = np.zeros_like(pairs)
        val[rows[held], columns[held]] = True
        return pairs & ~val, val

    def _balanced(self, train: Mask, labels: Mask) -> Mask:
        """Keep as many negatives of each regulator as it has positives."""
        rng = np.random.default_rng([self.seed, 0xD05A])
        kept = train & labels
        for row in np.flatnonzero(train.any(axis=1)):
            negative = rng.permutation(np.flatnonzero(train[row] & ~labels[row]))
            kept[row, negative[: int(kept[row].sum())]] = True
        return kept

    def _seen_genes(self, truth: EdgeTruth, rng: np.random.Generator) -> tuple[Mask, Mask]:
        """Return which regulators and which columns are seen."""
        rows = rng.permutation(np.flatnonzero(truth.universe.any(axis=1)))
        rows_seen = np.zeros(len(truth.regulators), dtype=np.bool_)
        rows_seen[rows[: round(self.seen_fraction * len(rows))]] = True
        own_column = truth.genes.positions(truth.regulators)
        is_target = np.asarray(truth.universe.any(axis=0))
        columns_seen = np.zeros(len(truth.genes), dtype=np.bool_)
        columns_seen[own_column] = rows_seen
        columns_seen &= is_target
        is_pure_target = is_target.copy()
        is_pure_target[own_column] = False
        pure = rng.permutation(np.flatnonzero(is_pure_target))
        wanted = round(self.seen_fraction * int(is_target.sum())) - int(columns_seen.sum())
        columns_seen[pure[: max(wanted, 0)]] = True
        return rows_seen, columns_seen

    def _check(self, truth: EdgeTruth, advice: str, **masks: Mask) -> None:
        for subset, mask in masks.items():
            n_pairs, n_positive = int(mask.sum()), int(truth.labels[mask].sum())
            if n_positive in (0, n_pairs):
                raise InputError(
                    f"split.seed={self.seed}: {subset} has {n_positive} positives among "
                    f"{n_pairs} pairs ({len(truth.regulators)} regulators in all), so no score "
                    f"can be computed; {advice}"
                )


def _spread(n: int, fraction: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Mark a share of ``n`` places evenly, from a random start.

    Every place is marked with probability ``fraction``, and any run of places holds its share:
    with positives first and negatives after them, both are divided in proportion, and a
    regulator with a single positive has no preferred side.
    """
    marks = np.floor(rng.random() + fraction * np.arange(n + 1))
    return np.diff(marks) > 0
