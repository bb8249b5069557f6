"""Runs' networks against a list of true edges, beside what needs no method."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.metrics.ranking import Ranking, macro_average_precision, random_average_precision
from grn_exp.network.export import edge_matrix
from grn_exp.network.runs import Matrix, NetworkRun, distinct_names
from grn_exp.network.truth import Truth

Within = Literal["truth", "run", "all"]
CONTROLS = ("random ranking", "mean expression", "|correlation|")
NUMBERS = ("ap", "ap_ratio", "epr", "ap_per_regulator", "prevalence")


class _Judged(NamedTuple):
    """The pairs of a run that are judged: which rows and columns, and their labels."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    labels: NDArray[np.bool_]
    different: NDArray[np.bool_]  # not a gene with itself

    def flat(self, values: Matrix) -> NDArray[np.float64]:
        """Return a matrix's values of these pairs."""
        return values[np.ix_(self.rows, self.columns)][self.different].astype(np.float64)


def evaluate(
    runs: Sequence[NetworkRun], truth: Truth, *, known_within: Within = "truth"
) -> pd.DataFrame:
    """Judge runs by true edges.

    The pairs are regulators of the truth x its targets, as far as the run scored them; those that
    the truth does not list count as no edges.

    Parameters
    ----------
    known_within
        Which genes are targets: those with an edge in the truth, those with an edge from a
        regulator that the run has, or all that the run has.

    Returns
    -------
    DataFrame
        ``ranking``: the run's name or a control (in brackets of which run, where it has other
        pairs); ``regulators``, ``targets``, ``edges``; ``ap`` (AUPRC), ``ap_ratio`` (over
        ``prevalence``, the share of edges among the pairs), ``epr`` (early precision ratio) and
        ``ap_per_regulator`` (mean over regulators with edges). The random ranking is what is to
        be expected.

    Raises
    ------
    InputError
        If a run scored no edge of the truth.
    """
    names = distinct_names(runs)
    methods, controls = [], []
    for name, run in zip(names, runs, strict=True):
        judged = _judged(run, truth, known_within)
        methods.append({"ranking": name, **_numbers(judged, judged.flat(run.scores.values))})
        controls += [{"run": name, **row} for row in _controls(run, judged)]
    rows = pd.DataFrame(controls).drop_duplicates(["ranking", *NUMBERS])
    rows = rows.sort_values("ranking", key=lambda name: name.map(CONTROLS.index), kind="stable")
    several = rows.duplicated("ranking", keep=False)
    rows.loc[several, "ranking"] += " (" + rows.loc[several, "run"] + ")"
    return pd.concat([pd.DataFrame(methods), rows.drop(columns="run")], ignore_index=True)


def _judged(run: NetworkRun, truth: Truth, known_within: Within) -> _Judged:
    regulators, genes = run.scores.regulators, run.scores.genes
    rows = np.array([symbol.casefold() in truth.regulators for symbol in regulators]).nonzero()[0]
    here = {regulators.symbols[row].casefold() for row in rows}
    targets = truth.targets
    if known_within == "run":
        targets = {target for regulator, target in truth.edges if regulator in here}
    columns = np.array(
        [known_within == "all" or symbol.casefold() in targets for symbol in genes]
    ).nonzero()[0]
    names = regulators.take(rows), genes.take(columns)
    different = names[0].array[:, None] != names[1].array[None, :]
    labels = truth.labels(*(index.symbols for index in names))[different]
    if not labels.any():
        raise InputError(
            f"--truth: {run.folder.path} scored none of its {len(truth.edges):,} edges: of "
            f"{len(truth.regulators):,} regulators it has {len(rows)}; the run's genes are called "
            f"{', '.join(genes.symbols[:3])}, the truth's {', '.join(sorted(truth.targets)[:3])}"
        )
    return _Judged(rows, columns, labels, different)


def _numbers(judged: _Judged, scores: NDArray[np.float64]) -> dict[str, Any]:
    ranking = Ranking.of(scores, judged.labels)
    per_regulator = macro_average_precision(scores, judged.labels, _groups(judged)).value
    ap = ranking.average_precision()
    return _row(judged, ap, ranking.early_precision_ratio(), per_regulator)


def _row(judged: _Judged, ap: float, epr: float, per_regulator: float) -> dict[str, Any]:
    prevalence = float(judged.labels.mean())
    numbers = (ap, ap / prevalence, epr, per_regulator, prevalence)
    counts = {
        "regulators": len(judged.rows),
        "targets": len(judged.columns),
        "edges": int(judged.labels.sum()),
    }
    return counts | dict(zip(NUMBERS, numbers, strict=True))


def _groups(judged: _Judged) -> NDArray[np.intp]:
    return np.nonzero(judged.different)[0]


def _controls(run: NetworkRun, judged: _Judged) -> list[dict[str, Any]]:
    found = [{"ranking": CONTROLS[0], **_random(judged)}]
    means = run.means
    if means is not None:
        values = np.array([means.get(gene, np.nan) for gene in run.scores.genes], np.float32)
        last = float(np.nanmin(values, initial=0.0)) - 1  # of a gene that the cells lack
        values = np.nan_to_num(values, nan=last)
        everywhere = np.broadcast_to(values, run.scores.values.shape)
        found.append({"ranking": CONTROLS[1], **_numbers(judged, judged.flat(everywhere))})
    if run.has_all_edges:
        correlation = np.abs(edge_matrix(run, "correlation"))
        values = np.nan_to_num(judged.flat(correlation))
        found.append({"ranking": CONTROLS[2], **_numbers(judged, values)})
    return found


def _random(judged: _Judged) -> dict[str, Any]:
    """Return what a random ranking is to be expected to reach."""
    groups = _groups(judged)
    sizes = np.bincount(groups, minlength=len(judged.rows))
    positives = np.bincount(groups, weights=judged.labels, minlength=len(judged.rows)).astype(int)
    usable = (positives > 0) & (positives < sizes)
    each = [
        random_average_precision(int(n), int(k))
        for n, k in zip(sizes[usable], positives[usable], strict=True)
    ]
    ap = random_average_precision(len(judged.labels), int(judged.labels.sum()))
    return _row(judged, ap, 1.0, float(np.mean(each)) if each else np.nan)
