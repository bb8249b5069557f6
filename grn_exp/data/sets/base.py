"""What every regulator-set benchmark does: hold out targets, show the others, judge."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.network import Network
from grn_exp.core.scores import EdgeScores, Scored, scores_of
from grn_exp.core.sets import (
    ROLES,
    CandidatePools,
    RegulatorSets,
    Role,
    SetView,
    TargetSets,
    TargetSplit,
)
from grn_exp.core.splits import EdgeTruth, Mask
from grn_exp.core.tables import Table
from grn_exp.core.views import UNKNOWN, GeneEmbedding, TrainView
from grn_exp.data.benchmark import Benchmark, Method
from grn_exp.data.sets.judging import (
    RETRIEVAL_KS,
    Row,
    ap_row,
    judge_sets,
    ranks_of,
    ranks_table,
    recall_table,
    sets_table,
)
from grn_exp.data.sets.pools import OraclePool, RetrievedPool
from grn_exp.data.sets.splitting import (
    TargetCountSplitter,
    TargetSplitter,
    occurs_in_training,
    shared_share,
)
from grn_exp.decode.base import Decoder
from grn_exp.metrics.regulator_sets import recall_rows, rows_of
from grn_exp.runs.sets import SETS

EVALUATED: tuple[Role, ...] = ("val", "test")


class SetDataModule(Benchmark):
    """An expression matrix, the targets' regulator sets, and a division of the targets.

    A dataset implements :meth:`load`. Both kinds of method have their view and their judgement
    here: those that score edges (:meth:`view`) and those that choose sets (:meth:`set_view`).
    What chooses from a pool needs a retriever's scores first (:meth:`use_candidates`).

    Parameters
    ----------
    splitter
        Divides the targets; None for the paper's division with ``split_seed``.
    pool
        Cuts a retriever's ranking down to pools.
    set_sizes
        The sizes of the sets that are asked for; None for all.
    candidates
        ``all``: every gene may be a regulator. ``known``: the genes that regulate something
        anywhere in the network, as from a list of transcription factors.
    retriever_targets
        Whose labels a method that scores edges is trained on. ``asked``: training targets with
        sets of the sizes asked for. ``all``: those, and every target with a set of another size,
        none of which is held out (not in the paper).
    split_seed
        Seed of the division where no ``splitter`` is given.

    Raises
    ------
    InputError
        If other targets are asked for and there are none.
    """

    tasks: ClassVar[tuple[str, ...]] = ("edges", "sets")
    tested: ClassVar[tuple[str, ...]] = EVALUATED[1:]
    by_size: ClassVar[bool] = True  # are there few enough set sizes to report each
    for_sets: ClassVar[tuple[str, ...]] = ()  # options that concern no method that scores pairs

    def __init__(
        self,
        *,
        splitter: TargetSplitter | TargetCountSplitter | None = None,
        pool: RetrievedPool | OraclePool | None = None,
        set_sizes: Sequence[int] | None = None,
        candidates: Literal["all", "known"] = "all",
        retriever_targets: Literal["asked", "all"] = "asked",
        split_seed: int = 42,
    ) -> None:
        super().__init__()
        if retriever_targets == "all" and set_sizes is None:
            raise InputError(
                "data.retriever_targets=all: data.set_sizes=null asks for the targets of every "
                "size already; drop one of the two"
            )
        self.splitter = splitter or TargetSplitter(seed=split_seed)
        self.pool = pool or RetrievedPool()
        self.set_sizes = None if set_sizes is None else list(set_sizes)
        self.candidate_choice = candidates
        self.retriever_targets = retriever_targets
        self._others: TargetSets | None = None  # sets of sizes that are not asked for
        self._retrieved: EdgeScores | None = None

    def divide(
        self, expression: Expression, network: Network
    ) -> tuple[Expression, TargetSets, TargetSplit]:
        """Collect the sets of the sizes asked for, and divide their targets."""
        everyone = TargetSets.from_network(network, candidates=self.candidates_of(network))
        sets = self.of_sizes_asked(everyone)
        if self.retriever_targets == "all":
            other = ~np.isin(everyone.sizes, np.unique(sets.sizes))
            self._others = everyone.take(np.flatnonzero(other))
        split = self.divide_targets(sets)
        sets = sets.take(sets.targets.positions(split.targets))
        if "sets" in self.tasks:
            for size in np.unique(sets.sizes).tolist():
                self.pool.cap(size)
            if self._n_fold_retrievers:
                self.splitter.pool_folds(sets.take(split.positions("train")))
        return expression, sets, split

    def candidates_of(self, network: Network) -> GeneIndex:
        """Return the genes that can be regulators."""
        return network.regulators if self.candidate_choice == "known" else network.genes

    def of_sizes_asked(self, sets: TargetSets) -> TargetSets:
        """Return the targets with sets of the sizes asked for."""
        return with_sizes(sets, self.set_sizes)

    def divide_targets(self, sets: TargetSets) -> TargetSplit:
        """Divide the targets."""
        return self.splitter.split(sets)

    def others_asked(self) -> dict[str, int]:
        """Return targets that are asked for though no set of theirs is known: the size of each."""
        return {}

    def _queries(self) -> tuple[GeneIndex, NDArray[np.int64]]:
        """Return the targets to predict, and how many regulators each is to get."""
        held = np.flatnonzero(self.split.val | self.split.test)
        return self._with_others(self.sets.take(held))

    def _with_others(self, sets: TargetSets) -> tuple[GeneIndex, NDArray[np.int64]]:
        """Return the targets of some sets and their sizes, and then those of ``others_asked``."""
        others = self.others_asked()
        targets = GeneIndex([*sets.targets.symbols, *others], name="targets asked for")
        return targets, np.asarray([*sets.sizes, *others.values()], dtype=np.int64)

    @property
    def sets(self) -> TargetSets:
        """The sets of all labelled targets. For judging, never for a model."""
        return self._require().labelled

    @property
    def truth(self) -> EdgeTruth:
        """Every label: candidates x labelled targets. For judging and the oracle control."""
        sets, genes = self.sets, self.expression.genes
        shape = (len(sets.candidates), len(genes))
        labels, universe = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
        for each in (sets, *self._other_sets):
            columns = genes.positions(each.targets)
            universe[:, columns] = True
            labels[:, columns] = each.membership()
        universe[np.arange(shape[0]), genes.positions(sets.candidates)] = False
        return EdgeTruth(sets.candidates, genes, labels, universe)

    @property
    def _other_sets(self) -> tuple[TargetSets, ...]:
        """The targets of sizes that are not asked for, where retrievers learn from them."""
        self._require()
        return () if self._others is None else (self._others,)

    # -- what is shown ---------------------------------------------------------------------------

    def view_for(self, method: Method) -> TrainView:
        """Return what a method may see, by its class attributes.

        Raises
        ------
        InputError
            If the benchmark is not for such methods, candidates are still to be retrieved, or an
            option is for retrievers and there is none.
        """
        if method.task != "sets" or "sets" not in self.tasks:
            return super().view_for(method)
        if self.retriever_targets == "all" and not method.reads_pools:
            raise InputError(
                f"data.retriever_targets=all: {type(method).__name__} has no retriever; drop it"
            )
        if method.reads_pools and self._retrieved is None:
            raise InputError(
                f"{type(method).__name__} chooses from retrieved candidates: give the scores of a "
                "method for edges to use_candidates() first"
            )
        return self.set_view(self._retrieved if method.reads_pools else None, seed=method.seed)

    def use_candidates(self, scores: EdgeScores, out_of_fold: Sequence[EdgeScores] = ()) -> None:
        """Take a retriever's scores, to draw the pools from that set methods choose from.

        They have to come from a fit to this benchmark's split: scores do not say what labels they
        were fitted to.

        Parameters
        ----------
        scores
            Of the retriever that was fitted to all training targets.
        out_of_fold
            For ``pool.training=out_of_fold``: those of the retriever that was fitted without each
            fold of the training targets (``split.pool_fold`` 0, 1, ...), which draw that fold's
            pools.

        Raises
        ------
        InputError
            If they are not scores of pairs, or not one for each fold.
        """
        for each in (scores, *out_of_fold):
            if not isinstance(each, EdgeScores):
                raise InputError(
                    f"use_candidates: a {type(each).__name__}, not scores of pairs; give "
                    "trainer.predict(...)[0] of a retriever"
                )
        n_wanted = self._n_fold_retrievers
        if len(out_of_fold) != n_wanted:
            raise InputError(
                f"use_candidates: scores of {len(out_of_fold)} folds' retrievers, and "
                f"pool.training={self.pool.training} takes {n_wanted}"
            )
        self._retrieved = self._by_fold(scores, out_of_fold) if n_wanted else scores

    @property
    def _n_fold_retrievers(self) -> int:
        return self.splitter.n_folds if self.pool.training == "out_of_fold" else 0

    def _by_fold(self, scores: EdgeScores, out_of_fold: Sequence[EdgeScores]) -> EdgeScores:
        """Return scores whose columns of training targets are those of their folds' retrievers."""
        genes, train = self.expression.genes, self._sets_of("train")
        values = scores.align(self.sets.candidates, genes)
        folds = self.splitter.pool_folds(train)
        for fold, held_out in enumerate(out_of_fold):
            targets = train.targets.take(np.flatnonzero(folds == fold))
            columns = genes.positions(targets)
            values[:, columns] = held_out.align(self.sets.candidates, targets)
        return EdgeScores(self.sets.candidates, genes, values)

    def training_pairs(self) -> Mask:
        """Say which pairs' labels are for training: the columns of the training targets."""
        train = self._sets_of("train"), *self._other_sets
        return self.truth.universe & np.any([self._columns_of(each) for each in train], axis=0)

    def _columns_of(self, sets: TargetSets) -> Mask:
        """Say which genes are targets of ``sets``, shape ``(n_genes,)``."""
        return np.isin(self.expression.genes.array, sets.targets.array)

    def embedding(self) -> GeneEmbedding:
        """Refuse, with InputError: this benchmark has none."""
        raise InputError(
            "data: this benchmark has no gene embedding; choose a model that reads none"
        )

    def set_view(self, scores: EdgeScores | None, *, seed: int = 0) -> SetView:
        """Return what a method that chooses sets may see.

        Parameters
        ----------
        scores
            A retriever's, to draw the pools from; None for a method that reads no pools.
        seed
            The method's seed, which draws the folds.
        """
        view = self.view(labels=True)
        train = self._sets_of("train")
        queries, asked_sizes = self._queries()
        labels = view.labels
        if labels is not None and self._others is not None:  # those are the retrievers' alone
            labels = np.where(self._columns_of(train), labels, np.int8(UNKNOWN))
        return SetView(
            expression=view.expression,
            regulators=view.regulators,
            labels=labels,
            embedding=None,
            train=train,
            folds=self.splitter.folds(train, seed),
            queries=queries,
            sizes=asked_sizes,
            pools=None if scores is None else self._pools(scores),
        )

    def _pools(self, scores: EdgeScores) -> CandidatePools:
        sets = self.sets
        if isinstance(self.pool, OraclePool):
            return self.pool.build_from_truth(scores, sets)
        return self.pool.build(scores, sets.candidates, *self._with_others(sets))

    def check_decoder(self, decoder: Decoder) -> None:
        """Ask a decoder whether it can search the pools of every set size."""
        queries, sizes = self._queries()
        candidates = self.sets.candidates
        # a target is no candidate of its own
        shortest = len(candidates) - any(symbol in candidates for symbol in queries.symbols)
        for size in np.unique(sizes).tolist():
            decoder.check(min(self.pool.cap(size), shortest), size)

    # -- judgement -------------------------------------------------------------------------------

    def evaluate(
        self, prediction: EdgeScores | RegulatorSets | Scored, subsets: Sequence[Any] | None = None
    ) -> Sequence[Row]:
        """Judge a prediction, or an inferred network, on the held-out targets of each role."""
        prediction = scores_of(prediction)
        rows: list[Row] = []
        for role in EVALUATED if subsets is None else subsets:
            if not self.can_judge(role):
                continue
            sets = self._sets_of(role)
            if isinstance(prediction, EdgeScores):
                rows += self._judge_scores(prediction, sets, role)
            else:
                rows += judge_sets(prediction, sets, subset=role)
            shared = occurs_in_training(self.sets, self.split)[self.split.mask(role)].astype(float)
            rows += rows_of(
                "shared_set_share", shared, sets.sizes, subset=role, by_size=self.by_size
            )
        return rows

    def _judge_scores(self, scores: EdgeScores, sets: TargetSets, role: Role) -> list[Row]:
        # no coverage: a retrieval is the same run whatever pool is cut from it
        ks = [k for k in RETRIEVAL_KS if k < len(sets.candidates)]
        rows = recall_rows(ranks_of(scores, sets), sets, ks, subset=role)
        return [*rows, ap_row(scores, sets, subset=role)]

    def can_judge(self, subset: Any) -> bool:
        """Say whether there are targets of a role."""
        return bool(self.split.mask(subset).any())

    def _sets_of(self, role: Role) -> TargetSets:
        return self.sets.take(self.split.positions(role))

    def tables(self, prediction: EdgeScores | RegulatorSets) -> dict[str, Table]:
        """Return this benchmark's own tables by file name: header and rows."""
        held = {role: self._sets_of(role) for role in EVALUATED if self.can_judge(role)}
        if isinstance(prediction, EdgeScores):
            curve = recall_table(prediction, held, by_size=self.by_size)
            return {"recall_curve.csv": curve, "ranks.csv": ranks_table(prediction, held)}
        return {SETS: sets_table(prediction, held, self.others_asked())}

    def describe(self) -> dict[str, object]:
        """Return facts for the run's provenance."""
        sets, split = self.sets, self.split
        sizes = sets.sizes
        by_size: dict[str, object] = {}
        for size in np.unique(sizes).tolist() if self.by_size else []:
            inside = sizes == size
            by_size[str(size)] = {r: int((split.mask(r) & inside).sum()) for r in ROLES}
        shared = shared_share(sets, split) if self.by_size else {}
        return {
            **super().describe(),
            "n_candidates": len(sets.candidates),
            "n_targets": len(sets),
            "n_other_targets": sum(map(len, self._other_sets)),
            "n_targets_by_role": {r: int(split.mask(r).sum()) for r in ROLES},
            "n_targets_by_size": by_size,
            "shared_set_share": {str(size): share for size, share in shared.items()},
        }


def with_sizes(sets: TargetSets, sizes: list[int] | None) -> TargetSets:
    """Return the targets whose sets are of ``sizes``."""
    if sizes is None:
        return sets
    present = np.unique(sets.sizes).tolist()
    if not sizes or len(set(sizes)) != len(sizes):
        raise InputError(f"data.set_sizes={sizes}: give each size once, as in [2,3,4]")
    for size in sizes:
        if size not in present:
            raise InputError(
                f"data.set_sizes={sizes}: no target has {size} regulators; the network has sets "
                f"of {', '.join(map(str, present))}"
            )
    return sets.take(np.flatnonzero(np.isin(sets.sizes, sizes)))
