"""Controls that can only answer with a set that some training target has."""

import abc
import math
from collections import Counter

import numpy as np
import torch

from grn_exp.core.sets import Positions, RegulatorSets
from grn_exp.metrics.regulator_sets import own_positions
from grn_exp.models.closed_form import ClosedFormModel
from grn_exp.models.sets.base import SetSelector
from grn_exp.models.sets.linear_evidence import LinearEvidence


class TrainingSetSelector(SetSelector, ClosedFormModel):
    """Base: scores the distinct training sets of the size asked for, answers with the best.

    What such a control reaches, a split gives away: where no test set occurs in training it can
    reach nothing.

    Notes
    -----
    A control. Reads expression and training sets. Costs a correlation of all genes, ``n_genes^2
    n_cells`` operations, and one look at each distinct training set a target.

    References
    ----------
    - None: a control of this framework, against which to read Residual HOS2, section 5.
    """

    def fit(self) -> None:
        """Collect the distinct training sets by size, the frequent first, and correlations."""
        symbols = self.view.regulators.symbols
        self.counts = counts = Counter(self.view.train.keys())
        self.sets_by_size: dict[int, list[tuple[int, ...]]] = {}
        # ties go by the genes' names, so that their order in the matrix decides nothing
        for each in sorted(counts, key=lambda s: (-counts[s], sorted(symbols[m] for m in s))):
            self.sets_by_size.setdefault(len(each), []).append(each)
        self.evidence = LinearEvidence(self.view)

    @abc.abstractmethod
    def score(self, target: int, sets: list[tuple[int, ...]]) -> list[float]:
        """Score training sets for the gene at position ``target``."""

    def predict(self) -> RegulatorSets:
        """Choose for every query the training set that scores best; the first of equals."""
        members: list[Positions] = []
        scores: list[float] = []
        seconds: list[float] = []
        view = self.view
        genes = view.genes.positions(view.queries)
        owns = own_positions(view.regulators, view.queries)
        for own, gene, size in zip(owns, genes, view.sizes, strict=True):
            sets = [each for each in self.sets_by_size[int(size)] if own not in each]
            values = self.score(int(gene), sets)
            best = int(np.argmax(values))
            others = [*values[:best], *values[best + 1 :]]
            seconds.append(max(others, default=-math.inf))
            members.append(np.asarray(sets[best], dtype=np.int64))
            scores.append(values[best])
        return self.as_sets(members, scores, second_scores=seconds)


class MostFrequentSet(TrainingSetSelector):
    """The commonest training set of that size, whatever the target."""

    def score(self, target: int, sets: list[tuple[int, ...]]) -> list[float]:
        """Return how many training targets have each set."""
        return [float(self.counts[each]) for each in sets]


class NearestTargetSet(TrainingSetSelector):
    """The set of the training target (of the same set size) whose expression correlates most."""

    def fit(self) -> None:
        """Collect which training genes have which set."""
        super().fit()
        genes = self.view.genes.positions(self.view.train.targets)
        self.genes_of: dict[tuple[int, ...], list[int]] = {}
        for gene, each in zip(genes, self.view.train.keys(), strict=True):
            self.genes_of.setdefault(each, []).append(int(gene))

    def score(self, target: int, sets: list[tuple[int, ...]]) -> list[float]:
        """Return the best absolute correlation with a training target of each set."""
        row = self.evidence.correlations[target].abs()
        return [float(row[self.genes_of[each]].max()) for each in sets]


class SetDictionary(TrainingSetSelector):
    """The training set with the best multiple correlation with the target."""

    def score(self, target: int, sets: list[tuple[int, ...]]) -> list[float]:
        """Return R^2 of the regression of the target on each set (log scale, linear)."""
        everyone = np.arange(len(self.view.regulators))
        evaluate = self.evidence.for_pool(self.view.genes.symbols[target], everyone)
        return evaluate(torch.tensor(sets)).tolist()
