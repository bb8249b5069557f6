"""Networks beside each other: what differs between two, what several agree on."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.genes import GeneIndex
from grn_exp.network.runs import NetworkRun, common_pairs, distinct_names

FDR = 0.05  # edges that differ: below this share of false ones

Values = NDArray[np.float64]


def agreement(runs: Sequence[NetworkRun], *, top: int | None = None) -> pd.DataFrame:
    """Compare runs two by two, over the pairs that all of them scored.

    Parameters
    ----------
    top
        How many best edges of each are compared; as many as count as top in the smaller one by
        itself.

    Returns
    -------
    DataFrame
        ``first``, ``second``, ``pairs``, ``spearman``, ``top`` and ``jaccard``: of the ``top``
        best edges of both, the share that both have.
    """
    _, _, ranks = _common_ranks(runs)
    n_top = min(top or min(run.n_top for run in runs), len(ranks[0]))
    best = [set(np.argpartition(each, n_top - 1)[:n_top].tolist()) for each in ranks]
    names = distinct_names(runs)
    rows = []
    for i, j in itertools.combinations(range(len(runs)), 2):
        varies = min(np.ptp(ranks[i]), np.ptp(ranks[j])) > 0
        rows.append(
            {
                "first": names[i],
                "second": names[j],
                "pairs": len(ranks[i]),
                # of ranks, so it is Spearman's
                "spearman": np.corrcoef(ranks[i], ranks[j])[0, 1] if varies else np.nan,
                "top": n_top,
                "jaccard": len(best[i] & best[j]) / len(best[i] | best[j]),
            }
        )
    return pd.DataFrame(rows)


def consensus(runs: Sequence[NetworkRun]) -> pd.DataFrame:
    """Return every common pair with its mean rank over runs, best first.

    Returns
    -------
    DataFrame
        ``source``, ``target``, ``rank`` (from 1), ``mean_rank`` and each run's own rank among
        these pairs by its name.
    """
    regulators, genes, ranks = _common_ranks(runs)
    table = _pairs(regulators, genes)
    mean = np.mean(ranks, axis=0)
    table["mean_rank"] = mean
    for name, each in zip(distinct_names(runs), ranks, strict=True):
        table[name] = each
    table = table.iloc[np.argsort(mean, kind="stable")].reset_index(drop=True)
    table.insert(2, "rank", np.arange(1, len(table) + 1))
    return table


def differences(a: NetworkRun, b: NetworkRun) -> pd.DataFrame:
    """Return every common pair, those first that differ most between two runs.

    With fits to halves of the cells in both, a difference is measured by what the choice of the
    cells does: the spread of half-sample fits is the standard error of the fit to all cells (the
    delete-half jackknife). The spread itself is estimated from a few fits, which Student's
    distribution allows for (Welch's degrees of freedom). The two halves of one division lie on
    opposite sides of the whole, so two fits are one degree of freedom.

    Returns
    -------
    DataFrame
        ``source``, ``target``, ``rank_a``, ``rank_b`` (shares of all pairs: 0 is the best) and
        ``difference`` (b - a); with stability in both ``z``, ``p`` and ``q``
        (Benjamini-Hochberg).
    """
    if a.stability is None or b.stability is None:
        regulators, genes, (rank_a, rank_b) = _common_ranks([a, b])
        last = max(len(rank_a) - 1, 1)
        table = _pairs(regulators, genes)
        table = table.assign(rank_a=(rank_a - 1) / last, rank_b=(rank_b - 1) / last)
        table["difference"] = table["rank_b"] - table["rank_a"]
        return table.iloc[np.argsort(-table["difference"].abs(), kind="stable")]
    regulators, genes = common_pairs([a, b])
    between = _different(regulators, genes)
    (mean_a, sd_a), (mean_b, sd_b) = (
        [
            of.of(name, regulators, genes)[between].astype(np.float64)
            for name in ("rank_mean", "rank_sd")
        ]
        for of in (a.stability, b.stability)
    )
    table = _pairs(regulators, genes).assign(rank_a=mean_a, rank_b=mean_b)
    table["difference"] = mean_b - mean_a
    z, p = _test(mean_b - mean_a, (sd_a, sd_b), (a.stability.n_fits, b.stability.n_fits))
    return _with_q(table.assign(z=z, p=p))


def _test(
    difference: Values, spreads: tuple[Values, Values], n_fits: tuple[int | None, int | None]
) -> tuple[Values, Values]:
    """Return z and its two-sided p; a difference without any spread is certain."""
    from scipy import stats

    variances = [spread**2 for spread in spreads]
    total = variances[0] + variances[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(difference == 0, 0.0, difference / np.sqrt(total))
        if None in n_fits:
            return z, 2 * stats.norm.sf(np.abs(z))
        parts = [v**2 / max((n or 0) / 2, 1) for v, n in zip(variances, n_fits, strict=True)]
        freedom = np.nan_to_num(total**2 / (parts[0] + parts[1]), nan=1.0)
    return z, 2 * stats.t.sf(np.abs(z), freedom)


def _with_q(table: pd.DataFrame) -> pd.DataFrame:
    from scipy import stats

    table["q"] = stats.false_discovery_control(table["p"])
    order = np.lexsort((-table["difference"].abs(), table["p"]))
    return table.iloc[order].reset_index(drop=True)


def _common_ranks(
    runs: Sequence[NetworkRun],
) -> tuple[GeneIndex, GeneIndex, list[Values]]:
    """Return each run's ranks of the common pairs, 1 the best; ties have their mean."""
    from scipy.stats import rankdata

    regulators, genes = common_pairs(runs)
    between = _different(regulators, genes)
    values = [run.scores.align(regulators, genes)[between] for run in runs]
    return regulators, genes, [rankdata(-each) for each in values]


def _different(regulators: GeneIndex, genes: GeneIndex) -> NDArray[np.bool_]:
    return regulators.array[:, None] != genes.array[None, :]


def _pairs(regulators: GeneIndex, genes: GeneIndex) -> pd.DataFrame:
    rows, columns = np.nonzero(_different(regulators, genes))
    return pd.DataFrame({"source": regulators.array[rows], "target": genes.array[columns]})
