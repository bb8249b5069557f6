"""Figures of tidy rows: ``FIGURES`` names a function ``(rows, *, width) -> Figure`` each.

``rows`` are those of :func:`~grn_exp.report.collect.collect`, ``width`` is in inches. Some take
more by name: ``run_key`` and ``dataset`` say which run or dataset is shown where a figure holds
one, by default the dataset with most methods; ``subset`` says which pairs are judged. Figures that
need more than rows read the run folders that rows name. All raise ``InputError`` where the rows do
not allow the figure, and say which command makes the runs.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from grn_exp.report.figures.bars import (
    downsampled_training,
    early_precision,
    exact_matches,
    seen_against_unseen,
)
from grn_exp.report.figures.bias import class_imbalance, predicted_probabilities
from grn_exp.report.figures.curves import pr_curves, training_curves
from grn_exp.report.figures.embeddings import embeddings_compared
from grn_exp.report.figures.networks import heat_map, network_view
from grn_exp.report.figures.options import add_options, asked_for
from grn_exp.report.figures.regulators import regulator_precision
from grn_exp.report.figures.retrieval import retrieval_coverage, retrieval_scaling
from grn_exp.report.figures.scaling import fewer_cells, run_time
from grn_exp.report.figures.style import WIDTHS, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "WIDTHS", "add_options", "asked_for", "save"]

FIGURES: dict[str, Callable[..., "Figure"]] = {
    "seen_against_unseen": seen_against_unseen,  # InfoSEM figure 3a
    "class_imbalance": class_imbalance,  # 3b
    "predicted_probabilities": predicted_probabilities,  # 3c
    "embeddings_compared": embeddings_compared,  # 4
    "downsampled_training": downsampled_training,  # 5
    "fewer_cells": fewer_cells,  # 6
    "retrieval_coverage": retrieval_coverage,  # Residual HOS2 figure 2
    "retrieval_scaling": retrieval_scaling,  # 3
    "exact_matches": exact_matches,
    "pr_curves": pr_curves,
    "early_precision": early_precision,
    "regulator_precision": regulator_precision,
    "training_curves": training_curves,
    "run_time": run_time,
    "heat_map": heat_map,
    "network_view": network_view,
}
