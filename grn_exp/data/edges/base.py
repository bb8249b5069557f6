"""What every edge benchmark does: split, show the training part, judge."""

import logging
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.network import Network
from grn_exp.core.scores import EdgeScores, Scored, scores_of
from grn_exp.core.splits import EdgeSplit, EdgeTruth, Mask, Subset
from grn_exp.core.views import GeneEmbedding
from grn_exp.data.benchmark import Benchmark
from grn_exp.data.edges.splitting import SeenUnseenSplitter
from grn_exp.metrics.ranking import RankingRow, evaluate_ranking
from grn_exp.priors.base import DatasetPrior, Prior

log = logging.getLogger(__name__)

EVALUATED: tuple[Subset, ...] = ("val", "test_seen", "test_unseen")


class EdgeDataModule(Benchmark):
    """An expression matrix, a network, a split, and the only place that knows the labels.

    A dataset implements :meth:`load`. The regulators are the network's regulators, the labelled
    pairs are its regulators x its targets without self-pairs.

    Parameters
    ----------
    splitter
        Divides the labelled pairs; None for the paper's division with ``split_seed``.
    prior
        Gives the genes' prior embedding, when a model asks for one; None for the dataset's usual.
    genes
        ``all``: a gene without a vector of its own gets the mean of the others'.
        ``with_embedding``: it is dropped, for every model, as the InfoSEM paper does.
    split_seed
        Seed of the division where no ``splitter`` is given.
    """

    tasks: ClassVar[tuple[str, ...]] = ("edges",)
    tested: ClassVar[tuple[str, ...]] = EVALUATED[1:]
    usual_prior: ClassVar[type[Prior] | type[DatasetPrior]] = DatasetPrior

    def __init__(
        self,
        *,
        splitter: SeenUnseenSplitter | None = None,
        prior: Prior | DatasetPrior | None = None,
        genes: Literal["all", "with_embedding"] = "all",
        split_seed: int = 0,
    ) -> None:
        super().__init__()
        self.splitter = splitter or SeenUnseenSplitter(seed=split_seed)
        self.prior = prior or self.usual_prior()
        self.gene_choice = genes
        self._embedding: GeneEmbedding | None = None

    def own_embedding(self) -> GeneEmbedding | None:
        """Return the embedding that the dataset itself brings, if any.

        It covers at least the genes that :meth:`load` returns, and must not call :meth:`setup`,
        which may call it.
        """
        return None

    def divide(
        self, expression: Expression, network: Network
    ) -> tuple[Expression, EdgeTruth, EdgeSplit]:
        """Drop genes without a vector, if asked to, and divide the labelled pairs."""
        if self.gene_choice == "with_embedding":
            embedding = self._embed(expression)
            kept = expression.genes.take(np.flatnonzero(embedding.known))
            expression, names = expression.take_genes(kept), network.genes.array
            network = Network.from_names(
                kept, names[network.regulator], names[network.target], source=network.source
            )
        truth = truth_of(network, every_gene=self.splitter.known_within == "none")
        split = self.splitter.split(truth)
        return expression, self.splitter.judged(truth, split), split

    @property
    def truth(self) -> EdgeTruth:
        """Every label. For judging, and for the oracle control; never for a model."""
        return self._require().labelled

    def training_pairs(self) -> Mask:
        """Say which pairs' labels are for training, shape ``(n_regulators, n_genes)``."""
        return self.split.train

    def embedding(self) -> GeneEmbedding:
        """Return the prior embedding of the genes."""
        if self._embedding is None:
            self._embedding = self._embed(self.expression)
            n_known, n_genes = int(self._embedding.known.sum()), len(self._embedding.known)
            if n_known < n_genes:
                log.info(
                    "%s: %d of %d genes have a vector, the others get the mean of these",
                    *(self._embedding.source, n_known, n_genes),
                )
        return self._embedding

    def _embed(self, expression: Expression) -> GeneEmbedding:
        if not isinstance(self.prior, DatasetPrior):
            return self.prior.embed(expression)
        own = self.own_embedding()
        if own is None:
            raise InputError(
                "prior=dataset: this dataset brings no embedding; choose "
                "prior=biobert_published, prior=biobert, prior=table or prior=expression_pca"
            )
        return own.take(expression.genes)

    def evaluate(
        self, prediction: EdgeScores | Scored, subsets: Sequence[Any] | None = None
    ) -> list[RankingRow]:
        """Judge scores, or an inferred network, on every subset that holds both classes."""
        truth = self.truth
        if not truth.universe.any():
            return []
        values = scores_of(prediction).align(truth.regulators, truth.genes)
        scale = float(values[truth.universe].max())
        rows: list[RankingRow] = []
        for subset in EVALUATED if subsets is None else subsets:
            mask = self.split.mask(subset)
            if self.can_judge(subset):
                rows += evaluate_ranking(
                    values[mask],
                    truth.labels[mask],
                    np.nonzero(mask)[0],
                    subset=subset,
                    scale=scale,
                )
        return rows

    def can_judge(self, subset: Any) -> bool:
        """Say whether a subset holds both edges and pairs without one."""
        labels = self.truth.labels[self.split.mask(subset)]
        return bool(labels.any() and not labels.all())

    def describe(self) -> dict[str, object]:
        """Return facts for the run's provenance."""
        truth, embedding = self.truth, self._embedding
        return {
            **super().describe(),
            "n_regulators": len(truth.regulators),
            "n_targets": int(truth.universe.any(axis=0).sum()),
            "n_positive": int(truth.labels.sum()),
            "n_pairs": int(truth.universe.sum()),
            **({} if embedding is None else {"n_embedded": int(embedding.known.sum())}),
        }


def truth_of(network: Network, *, every_gene: bool = False) -> EdgeTruth:
    """Label the pairs of a network's regulators and its targets, or every gene as a target."""
    regulators = network.regulators
    # no row for the other genes: n_genes x n_genes is too much for a genome
    labels = np.zeros((len(regulators), len(network.genes)), dtype=np.bool_)
    rows = np.searchsorted(np.unique(network.regulator), network.regulator)
    labels[rows, network.target] = True
    is_target = np.asarray(labels.any(axis=0)) | every_gene
    universe = np.repeat(is_target[None, :], len(regulators), axis=0)
    universe[np.arange(len(regulators)), network.genes.positions(regulators)] = False
    return EdgeTruth(regulators=regulators, genes=network.genes, labels=labels, universe=universe)
