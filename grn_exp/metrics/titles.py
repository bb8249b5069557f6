"""What the metrics are called in tables, figures and logs, and which are shares."""

from collections.abc import Mapping
from typing import Any

TITLES = {
    "ap": "AUPRC (average precision)",
    "ap_ratio": "AUPRC, ratio to prevalence",
    "auprc_trapezoid": "AUPRC (trapezoid)",
    "auroc": "AUROC",
    "hit_at_1pct": "Hit@1%",
    "epr": "early precision ratio",
    "recall_at_half": "recall at half the top score",
    "ap_per_regulator": "AUPRC, mean over regulators",
    "coverage": "coverage of the capped pool",
    "exact_match": "exact match, unconditional",
    "exact_match_covered": "exact match, covered targets",
    "jaccard": "Jaccard index of the sets",
    "f1": "F1 of the sets",
    "shared_set_share": "share of sets seen in training",
    "found_optimum": "decoder found the best set",
    "score_gap": "mean gap to the best set's score",
    "recall_at_k": "recall@{k}",
    "strict_coverage_at_k": "strict coverage@{k}",
    "edge_recall_at_k": "edge recall@{k}",
}

# what is a share, and so lies in [0, 1]
SHARES = frozenset(TITLES) - {"ap_ratio", "epr", "score_gap"}


def title(metric: str, k: int | None = None) -> str:
    """Return a metric's title; its name where it has none."""
    return TITLES.get(metric, metric).format(k=k)


def key_of(row: Mapping[str, Any]) -> str:
    """Return the name under which loggers show a row of ``metrics.json``: ``test_unseen/ap``.

    Rows that differ in k or set size have names of their own: ``test/recall@80/R=2``. The k of
    other metrics is the length of a list, which differs between splits; it is not in the name.
    """
    metric, k, size = row["metric"], row.get("k"), row.get("set_size")
    stem = metric.removesuffix("_at_k")
    at = f"@{k}" if stem != metric else ""
    return f"{row['subset']}/{stem}{at}" + ("" if size is None else f"/R={size}")
