"""The readings of InfoSEM's threshold, worked by hand."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.recall_readings import main, recalls
from grn_exp.core.genes import GeneIndex
from grn_exp.core.splits import EdgeSplit
from grn_exp.report.bias.run import ScoredRun
from tests.unit.test_report_figures_runs import add_scores

REGULATORS, GENES = GeneIndex(["A", "B"]), GeneIndex(["A", "B", "c", "d"])
SCORES = np.array([[9.0, 0.5, 4.0, 1.0], [0.25, 9.0, 1.0, 0.5]], np.float32)  # 9: itself


def test_recalls_by_hand():
    none, unseen = np.zeros((2, 4), bool), np.zeros((2, 4), bool)
    unseen[:, 2:] = True
    split = EdgeSplit(REGULATORS, GENES, none, none, none, unseen, seed=0)
    labels = np.array([[0, 0, 1, 1], [1, 0, 1, 1]], bool)
    run = ScoredRun(Path(), {}, split, labels, SCORES)
    # the positives 4, 1 (A) and 1, 0.5 (B); of all six pairs the mean is 1.21, the deviation 1.28
    assert recalls(run) == {
        "of the best": 1 / 4,
        "of its regulator": 3 / 4,
        "z": 1 / 4,
        "rank": 3 / 4,
    }


def test_the_first_reading_is_the_metric(write_run, tmp_path, capsys):
    write = {"model": "deepsem", "data": "mdc", "metric": "recall_at_half"}
    config = {"data.network": "non_specific", "data.dataset": "mDC"}
    add_scores(write_run({"test_unseen": 0.5}, **write, config=config))
    main([str(tmp_path / "outputs")])
    assert "DeepSEM" in capsys.readouterr().out


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_the_unit_of_the_scores_does_not_matter(factor):
    none, unseen = np.zeros((2, 4), bool), np.ones((2, 4), bool)
    split = EdgeSplit(REGULATORS, GENES, none, none, none, unseen & (SCORES < 9), seed=0)
    labels = np.ones((2, 4), bool)
    first, second = (
        ScoredRun(Path(), {}, split, labels, SCORES * scale) for scale in (1.0, factor)
    )
    assert recalls(first) == recalls(second)
