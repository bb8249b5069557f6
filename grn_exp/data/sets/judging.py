"""Hold a prediction against the true sets of some targets: rows and tables."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from grn_exp.core.scores import EdgeScores
from grn_exp.core.sets import RegulatorSets, TargetSets
from grn_exp.core.tables import Table
from grn_exp.metrics.ranking import RankingRow, average_precision
from grn_exp.metrics.regulator_sets import (
    Ranks,
    SetRow,
    exact_matches,
    own_positions,
    rank_candidates,
    recall_curve,
    rows_of,
    selection_rows,
    worst_ranks,
)
from grn_exp.runs.sets import COLUMNS

Row = SetRow | RankingRow

RETRIEVAL_KS = (5, 10, 20, 40, 60, 80, 100, 150, 200)
_SAME_SCORE = 1e-6  # relative: the same set may be scored in another batch


def ranks_of(scores: EdgeScores, sets: TargetSets) -> Ranks:
    """Rank the candidates of ``sets`` for its targets; ``(n_targets, n_candidates)``."""
    values = scores.align(sets.candidates, sets.targets)
    return rank_candidates(values, sets.candidates, sets.targets)


def ap_row(scores: EdgeScores, sets: TargetSets, *, subset: str) -> RankingRow:
    """Average precision over all candidate, target pairs, no gene with itself."""
    values = scores.align(sets.candidates, sets.targets).T
    labels = sets.membership().T
    own = own_positions(sets.candidates, sets.targets)
    universe = np.arange(len(sets.candidates)) != own[:, None]
    n, n_positive = int(universe.sum()), int(labels.sum())
    ap = average_precision(values[universe], labels[universe])
    return RankingRow("ap", subset, ap, n, n_positive, n_positive / n)


def judge_sets(prediction: RegulatorSets, sets: TargetSets, *, subset: str) -> list[SetRow]:
    """Judge chosen sets, the pools they came from, and the search for them.

    Where an approximate decoder was compared with exact enumeration: ``found_optimum``, the
    share of targets whose chosen set scores as high as the best one, and ``score_gap``, the mean
    of the difference.
    """
    found, pools = prediction.aligned(sets), prediction.pools
    covered = None if pools is None else pools.covers(sets)
    rows = selection_rows(found, sets, subset=subset, covered=covered)
    if prediction.best_scores is None:
        return rows
    theirs = prediction.targets.positions(sets.targets)
    best, own = prediction.best_scores[theirs], prediction.scores[theirs]
    compared = np.isfinite(best)
    gap, sizes = (best - own)[compared], sets.sizes[compared]
    same = gap <= _SAME_SCORE * np.maximum(np.abs(best[compared]), 1)
    rows += rows_of("found_optimum", same, sizes, subset=subset)
    return rows + rows_of("score_gap", np.maximum(gap, 0), sizes, subset=subset)


def recall_table(scores: EdgeScores, held: Mapping[str, TargetSets], *, by_size: bool) -> Table:
    """Return Recall@K for every K below the number of candidates; no set size = all of them."""
    rows: list[Sequence[object]] = []
    for subset, sets in held.items():
        ranks, sizes = ranks_of(scores, sets), sets.sizes
        for size in [None, *(np.unique(sizes).tolist() if by_size else [])]:
            inside = np.flatnonzero(np.ones(len(sets)) if size is None else sizes == size)
            curve = recall_curve(ranks[inside], [sets.members[row] for row in inside])
            shown = "" if size is None else size
            rows += [
                (subset, shown, k, recall) for k, recall in enumerate(curve[:-1].tolist(), start=1)
            ]
    return ["subset", "set_size", "k", "recall"], rows


def ranks_table(scores: EdgeScores, held: Mapping[str, TargetSets]) -> Table:
    """Return one line per target: the K from which its whole set is among the first K."""
    rows: list[Sequence[object]] = []
    for subset, sets in held.items():
        worst = worst_ranks(ranks_of(scores, sets), sets.members).tolist()
        of_target = zip(sets.targets.symbols, sets.sizes.tolist(), worst, strict=True)
        rows += [(subset, *each) for each in of_target]
    return ["subset", "target", "set_size", "worst_rank"], rows


def _text(margin: Any) -> float | str:
    """Return a margin for a table: nothing where the method compared no sets."""
    return "" if np.isnan(margin) else float(margin)


def sets_table(
    prediction: RegulatorSets, held: Mapping[str, TargetSets], others: Collection[str] = ()
) -> Table:
    """Return one line per target: what was chosen, what is true.

    ``others`` are targets whose true sets nobody knows; they come last, the surest first.
    """
    rows: list[Sequence[object]] = []
    for subset, sets in held.items():
        found, pools = prediction.aligned(sets), prediction.pools
        covered = None if pools is None else pools.covers(sets)
        exact = exact_matches(found, sets.members)
        theirs = prediction.targets.positions(sets.targets)
        scores, margins = prediction.scores[theirs], prediction.margins[theirs]
        for place, target in enumerate(sets.targets.symbols):
            chosen, true = (
                ";".join(sets.candidates.take(each).symbols)
                for each in (found[place], sets.members[place])
            )
            is_covered = "" if covered is None else int(covered[place])
            size, score, margin = int(sets.sizes[place]), scores[place], margins[place]
            rest = (float(score), _text(margin), true, int(exact[place]), is_covered)
            rows.append((subset, target, size, chosen, *rest))
    places = prediction.targets.positions(others)
    margins = prediction.margins
    for place in places[np.argsort(-margins[places], kind="stable")].tolist():
        members = prediction.members[place]
        chosen = ";".join(prediction.candidates.take(members).symbols)
        numbers = float(prediction.scores[place]), _text(margins[place])
        target = prediction.targets.symbols[place]
        rows.append(("asked", target, len(members), chosen, *numbers, "", "", ""))
    return list(COLUMNS), rows
