"""Retrieval of regulators from a real network: no sets are chosen, regulators are ranked."""

from typing import Any, ClassVar

import numpy as np

from grn_exp.core.scores import EdgeScores
from grn_exp.core.sets import Role, TargetSets
from grn_exp.data.benchmark import own_file
from grn_exp.data.edges import mccalla
from grn_exp.data.edges.beeline import BeelineFiles, Dataset
from grn_exp.data.sets.base import SetDataModule
from grn_exp.data.sets.judging import Row, ap_row, ranks_of
from grn_exp.data.sets.splitting import TargetCountSplitter
from grn_exp.metrics.regulator_sets import edge_recall_rows, recall_rows

PAPER_KS = (100, 120, 140, 160, 180, 200)
PAPER_REGULATORS = 229


class RankedRegulators(SetDataModule):
    """Rank a network's regulators for each target; no sets are chosen.

    With fewer regulators than the paper's 229 the lists are as long in proportion.
    """

    tasks: ClassVar[tuple[str, ...]] = ("edges",)
    by_size: ClassVar[bool] = False

    @property
    def list_lengths(self) -> list[int]:
        """The K of the paper, in proportion where there are fewer regulators than in it."""
        n = len(self.sets.candidates)
        share = min(1.0, n / PAPER_REGULATORS)
        lengths = sorted({max(1, round(k * share)) for k in PAPER_KS})
        return [k for k in lengths if k < n]

    def _judge_scores(self, scores: EdgeScores, sets: TargetSets, role: Role) -> list[Row]:
        ranks, ks = ranks_of(scores, sets), self.list_lengths
        strict = recall_rows(
            ranks, sets, ks, subset=role, metric="strict_coverage_at_k", by_size=False
        )
        share = edge_recall_rows(ranks, sets, ks, subset=role, by_size=False)
        return [*strict, *share, ap_row(scores, sets, subset=role)]

    def describe(self) -> dict[str, object]:
        """Return facts for the run's provenance, with the in-degrees of the targets."""
        sizes = self.sets.sizes
        mean, median, most = float(sizes.mean()), float(np.median(sizes)), int(sizes.max())
        in_degree = {"mean": mean, "median": median, "max": most}
        return {**super().describe(), "in_degree": in_degree}


class NetworkRetrieval(RankedRegulators):
    """A published network's regulators, ranked; which targets are judged is the splitter's.

    Parameters
    ----------
    splitter, split_seed
        Divides the targets; the seed where no ``splitter`` is given.
    """

    def __init__(
        self, *, splitter: TargetCountSplitter | None = None, split_seed: int = 0
    ) -> None:
        super().__init__(
            splitter=splitter or TargetCountSplitter(seed=split_seed), candidates="known"
        )


class RetrievalDataModule(BeelineFiles, NetworkRetrieval):
    """Rank a network's regulators for each target (Residual HOS2, appendix I).

    The candidates are the network's regulators that the matrix holds, the targets all genes with
    a regulator. The paper's matrix has 18,386 genes and 229 regulators.

    Parameters
    ----------
    network_file
        A network of the user's in place of the dataset's: csv with the columns ``Gene1``
        (regulator) and ``Gene2`` (target).
    dataset, gene_set, network, expression
        As in :class:`BeelineFiles`.
    splitter, split_seed
        As in :class:`NetworkRetrieval`.
    """

    def __init__(
        self, dataset: Dataset, *, network_file: str | None = None, **options: Any
    ) -> None:
        super().__init__(dataset, **options)
        self.network_path = own_file(network_file)


class McCallaRetrieval(mccalla.McCallaFiles, NetworkRetrieval):
    """The same on one of McCalla et al.'s datasets, of about the size of the paper's.

    Binding in mouse embryonic stem cells (``semrau``, ``chip``) has 49 regulators and 9,825
    targets, their perturbation 111 and 7,093.

    Parameters
    ----------
    dataset, network, min_cells, variable_genes
        As in :class:`~grn_exp.data.edges.mccalla.McCallaFiles`.
    splitter, split_seed
        As in :class:`NetworkRetrieval`.
    """
