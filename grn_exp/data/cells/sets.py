"""Regulator sets on own cells: known sets are learnt from, those of other genes are asked for."""

import logging
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from grn_exp.core.errors import InputError, close_matches
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.network import Network
from grn_exp.core.ranges import require_in
from grn_exp.core.scores import EdgeScores
from grn_exp.core.sets import RegulatorSets, TargetSets, TargetSplit
from grn_exp.core.tables import Table
from grn_exp.data.cells.known import read_interactions
from grn_exp.data.cells.own import OwnCells
from grn_exp.data.cells.symbols import find, read_symbols
from grn_exp.data.sets.base import SetDataModule, with_sizes
from grn_exp.data.sets.pools import RetrievedPool
from grn_exp.data.sets.splitting import MIN_STRATUM, TargetSplitter

log = logging.getLogger(__name__)


class CellSetsDataModule(OwnCells, SetDataModule):
    """Regulator sets of your own cells' genes, learnt from sets that are known.

    The known regulators of a gene are its whole set. Without a ``splitter`` all known sets are
    for training and nothing is judged; with one, part of them is held out to judge by.

    Parameters
    ----------
    targets
        The genes whose sets are asked for: symbols, or a file with a symbol a line. None: every
        gene of the matrix that ``known`` does not list as a target, or with a ``splitter`` none
        beside the held-out ones.
    set_size
        How many regulators each of them gets; None for the number that most training sets have.
    set_sizes
        Sizes of the sets to learn from; None for those of 2, 3, 4 and ``set_size`` of which
        there are enough.
    incomplete
        What becomes of a target that ``known`` gives a regulator which is not among the
        regulators used, so that its set is not whole: ``refuse``, or ``leave_out`` such targets.
    splitter, pool
        As in :class:`SetDataModule`; no ``splitter``, no judgement.
    path, options
        As in :class:`OwnCells`; ``known`` has to be given.

    Raises
    ------
    InputError
        Also if there are too few sets of a size, or a target that is asked for is not in the
        matrix or has a known set.
    """

    for_sets: ClassVar[tuple[str, ...]] = ("targets",)
    _usual_sizes: ClassVar[tuple[int, ...]] = (2, 3, 4)

    def __init__(
        self,
        path: str,
        *,
        targets: str | list[str] | None = None,
        set_size: int | None = None,
        set_sizes: Sequence[int] | None = None,
        incomplete: Literal["refuse", "leave_out"] = "refuse",
        splitter: TargetSplitter | None = None,
        pool: RetrievedPool | None = None,
        **options: Any,
    ) -> None:
        SetDataModule.__init__(self, splitter=splitter, pool=pool, set_sizes=set_sizes)
        OwnCells.__init__(self, path, **options)
        if self.known_path is None:
            raise InputError(
                "data.known: no value; give a file of known interactions, whose targets' "
                "regulators are the sets to learn from"
            )
        if set_size is not None:
            require_in("[1, inf)", "data", set_size=set_size)
        if splitter is None and self.pool.training == "out_of_fold":
            raise InputError(
                "pool.training=out_of_fold: the folds are a split's; add split=targets, or drop it"
            )
        self.divides = splitter is not None
        self.target_choice = targets
        self.set_size = set_size
        self.incomplete = incomplete
        self._listed: set[str] = set()  # targets that have a known regulator
        self._asked_for: dict[str, int] | None = None

    def load(self) -> tuple[Expression, Network]:
        """Read the cells, and the known sets among them that are whole."""
        cells = self.read_cells()
        expression, regulators = cells.expression, cells.regulators
        assert self.known_path is not None  # noqa: S101 - refused without
        listed = read_interactions(self.known_path)
        known = listed.among(regulators, expression.genes)
        broken = listed.regulators_not_used(regulators, expression.genes)
        rows, columns = np.nonzero(known.labels == 1)
        genes = expression.genes.array
        self._listed = {*genes[columns].tolist(), *broken}
        if broken and self.incomplete == "refuse":
            target, regulator = next(iter(broken.items()))
            raise InputError(
                f"data.known={self.known_path}: {target!r} is regulated by {regulator!r}, which "
                f"is none of the {len(regulators)} regulators used, so that its set is not whole "
                f"({len(broken)} of {len(self._listed)} targets); data.incomplete=leave_out "
                "leaves such targets out"
            )
        whole = ~np.isin(genes[columns], list(broken))
        if broken:
            log.warning(
                "%s: %d of %d targets have a regulator that is not used and were left out",
                *(self.known_path.name, len(broken), len(self._listed)),
            )
        places = expression.genes.positions(regulators)
        source = str(self.known_path)
        network = Network(expression.genes, places[rows[whole]], columns[whole], source=source)
        return expression, network

    def candidates_of(self, network: Network) -> GeneIndex:
        """Return the regulators, whether or not a set is known that has them."""
        del network
        return self.cells.regulators

    def of_sizes_asked(self, sets: TargetSets) -> TargetSets:
        """Return the targets with sets of the sizes to learn from."""
        sizes, counts = np.unique(sets.sizes, return_counts=True)
        n_of = dict(zip(sizes.tolist(), counts.tolist(), strict=True))
        present = ", ".join(f"{n} of {size}" for size, n in n_of.items()) or "none"
        if self.set_sizes is not None:
            chosen = self.set_sizes
        else:
            chosen = [size for size in self._usual_sizes if n_of.get(size, 0) >= MIN_STRATUM]
            if self.set_size is not None and self.set_size not in chosen:
                chosen = sorted([*chosen, self.set_size])
        for size in chosen:
            if n_of.get(size, 0) < MIN_STRATUM:
                raise InputError(
                    f"data.known: {n_of.get(size, 0)} targets have {size} regulators, too few to "
                    f"learn from (at least {MIN_STRATUM}); its sets: {present}"
                )
        if not chosen:
            raise InputError(
                f"data.known: no size of 2, 3 and 4 has {MIN_STRATUM} sets to learn from; its "
                f"sets: {present}; data.set_sizes takes others"
            )
        if self.set_size is not None and self.set_size not in chosen:
            raise InputError(
                f"data.set_size={self.set_size}: the sets to learn from have "
                f"{', '.join(map(str, chosen))}; add it to data.set_sizes"
            )
        return with_sizes(sets, list(chosen))

    def divide_targets(self, sets: TargetSets) -> TargetSplit:
        """Divide the targets with known sets; without a splitter all are for training."""
        if self.divides:
            return self.splitter.split(sets)
        everyone = np.ones(len(sets), dtype=np.bool_)
        nobody = ~everyone
        return TargetSplit(
            sets.targets, everyone, nobody, nobody.copy(), self.splitter.seed, judges=False
        )

    def others_asked(self) -> dict[str, int]:
        """Return the genes whose sets are asked for, and how many regulators each gets."""
        if self._asked_for is None:
            found = self._targets()
            sizes = self.sets.take(self.split.positions("train")).sizes
            size = int(np.bincount(sizes).argmax()) if self.set_size is None else self.set_size
            self._asked_for = dict.fromkeys(found, size)
            if found:
                log.info("sets of %d regulators are asked for, for %d genes", size, len(found))
        return self._asked_for

    def _targets(self) -> list[str]:
        genes = self.expression.genes
        if self.target_choice is None:
            if self.divides:
                return []
            found = [gene for gene in genes if gene not in self._listed]
            if not found:
                raise InputError(
                    "data.targets: every gene has a known regulator, so no set is asked for; "
                    "name some of them, or add split=targets to judge by"
                )
            return found
        given = read_symbols(self.target_choice, option="data.targets")
        meant = find(given, genes)
        for symbol, gene in zip(given, meant, strict=True):
            if gene is None:
                raise InputError(
                    f"data.targets: {symbol!r} is none of the {len(genes)} genes used; "
                    f"{close_matches(symbol, list(genes.symbols))}audit.csv of a run says what "
                    "became of a gene (data.genes=null uses all)"
                )
            if gene in self.sets.targets:
                raise InputError(
                    f"data.targets: {symbol!r} has a known set, which is learnt from; drop it "
                    "here or in data.known"
                )
        return list(dict.fromkeys(gene for gene in meant if gene is not None))

    def tables(self, prediction: EdgeScores | RegulatorSets) -> dict[str, Table]:
        """Return the sets, or how a retriever was judged, and the audit."""
        found = {name: table for name, table in super().tables(prediction).items() if table[1]}
        return {**found, **self.audit()}
