"""What mirrors are told: names of metrics, curves, edges, one row an epoch."""

import json

import numpy as np
import pytest

from grn_exp.core.genes import GeneIndex
from grn_exp.core.scores import EdgeScores
from grn_exp.core.splits import SUBSETS
from grn_exp.engine.artefacts import write_results
from grn_exp.engine.edges import EdgeTable, write_edges
from grn_exp.engine.loggers import EpochLogger, flat_metrics
from grn_exp.engine.loggers.results import cost, precision_recall, top_edges
from grn_exp.metrics.ranking import average_precision
from grn_exp.runs.folder import RunFolder


def row(metric, value, *, k=None, set_size=None, prevalence=None, subset="test"):
    names = {"metric": metric, "subset": subset, "k": k, "set_size": set_size}
    return {**names, "value": value, "prevalence": prevalence}


def test_rows_that_differ_in_k_or_set_size_have_names_of_their_own():
    rows = [
        row("recall_at_k", 0.1, k=5),
        row("recall_at_k", 0.2, k=80),
        row("recall_at_k", 0.3, k=80, set_size=2),
        row("exact_match", 0.4),
        row("exact_match", 0.5, set_size=3),
        row("ap", 0.6, prevalence=0.25),
        row("shared_set_share", 0.7, set_size=3),
    ]
    assert flat_metrics(rows) == {
        "test/recall@5": 0.1,
        "test/recall@80": 0.2,
        "test/recall@80/R=2": 0.3,
        "test/exact_match": 0.4,
        "test/exact_match/R=3": 0.5,
        "test/ap": 0.6,
        "test/shared_set_share/R=3": 0.7,
        "test/prevalence": 0.25,  # whatever rows without pairs come after
    }


def test_the_length_of_a_list_is_no_part_of_a_name():
    rows = [row("hit_at_1pct", 0.5, k=17, prevalence=0.1, subset="test_unseen")]
    assert flat_metrics(rows)["test_unseen/hit_at_1pct"] == 0.5


def test_no_epoch_is_logged_twice():
    logged = []
    logger = EpochLogger(object(), lambda values, epoch: logged.append((epoch, values.get("a"))))
    for epoch, value in [(0, 1.0), (1, 2.0), (1, 3.0), (0, 4.0), (2, 5.0)]:
        logger.log_metrics({"a": value, "epoch": float(epoch)}, step=99)
    assert logged == [(0, 1.0), (1, 2.0), (2, 5.0)]
    logger.log_metrics({"val/b": 6.0, "a": 7.0, "epoch": 2})
    assert logged[3:] == [(2, None)]  # what is new of that epoch
    later = []
    logger = EpochLogger(object(), lambda values, epoch: later.append(epoch), first_epoch=2)
    for epoch in range(4):
        logger.log_metrics({"epoch": epoch})
    assert later == [2, 3]


# -- a run folder -------------------------------------------------------------------------


def folder_with(path, scores, labels, masks) -> RunFolder:
    """Write a run of an edge method; the split has its genes in another order than the scores."""
    n_regulators, n_genes = scores.shape
    genes = [f"g{i}" for i in range(n_genes)]
    made = EdgeScores(
        regulators=GeneIndex(genes[:n_regulators]),
        genes=GeneIndex(genes),
        values=scores.astype(np.float32),
    )
    facts = {"seconds": {"fit": 1.5}, "peak_memory_mb": 200.0, "git_commit": "abc"}
    folder = RunFolder(path)
    write_results(folder, prediction=made, tables={}, history=[], facts=facts, rows=[])
    blank = np.zeros(made.values.shape)
    order = np.argsort(-np.where(made.self_pairs(), -np.inf, made.values), axis=None)
    known = blank.astype(np.int8)
    table = EdgeTable(made, order[: (~made.self_pairs()).sum()], known, blank, None, known)
    write_edges(folder, table, n_top=1000, all_edges=False)
    arrays = {"labels": labels, **masks}
    np.savez(
        folder / "split.npz",
        regulators=genes[:n_regulators][::-1],
        genes=genes[::-1],
        seed=0,
        **{name: array[::-1, ::-1] for name, array in arrays.items()},
    )
    return folder


@pytest.fixture
def run(tmp_path):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(20, 300))
    labels = rng.random(scores.shape) < 0.3
    part = rng.integers(0, 4, size=scores.shape)
    part[np.arange(20), np.arange(20)] = -1  # no gene with itself
    masks = {name: part == i for i, name in enumerate(SUBSETS)}
    return folder_with(tmp_path, scores, labels, masks), scores, labels, masks


def test_curves_are_short_and_keep_their_area(run):
    folder, scores, labels, masks = run
    curves = precision_recall(folder)
    assert list(curves) == ["val", "test_seen", "test_unseen"]
    for subset, (recall, precision) in curves.items():
        assert len(recall) <= 1000
        assert (recall[0], recall[-1]) == (0, 1)
        area = float(np.trapezoid(precision, recall))
        expected = average_precision(
            scores[masks[subset]].astype(np.float32), labels[masks[subset]]
        )
        assert area == pytest.approx(expected, abs=0.005)


def test_a_curve_by_hand(tmp_path):
    scores = np.array([[9.0, 4.0, 3.0, 2.0, 1.0]])
    labels = np.array([[False, True, False, True, False]])
    none = np.zeros_like(labels)
    test = np.array([[False, True, True, True, True]])
    masks = {"train": none, "val": none, "test_seen": none, "test_unseen": test}
    curves = precision_recall(folder_with(tmp_path, scores, labels, masks))
    assert list(curves) == ["test_unseen"]  # the others have no positive pair
    recall, precision = curves["test_unseen"]
    assert recall.tolist() == [0, 0.5, 0.5, 0.5, 0.5, 1, 1, 1]
    assert precision.tolist() == pytest.approx([1, 1, 1 / 2, 1 / 2, 2 / 3, 2 / 3, 1 / 2, 1 / 2])
    assert np.trapezoid(precision, recall) == pytest.approx((1 + 2 / 3) / 2)


def test_scores_that_all_tie_give_a_flat_curve(run, tmp_path):
    _, scores, labels, masks = run
    folder = folder_with(tmp_path / "ties", np.zeros_like(scores), labels, masks)
    recall, precision = precision_recall(folder)["test_unseen"]
    prevalence = labels[masks["test_unseen"]].mean()
    assert precision.tolist() == pytest.approx([prevalence] * len(precision))
    assert (recall[0], recall[-1]) == (0, 1)


def test_the_best_hundred_edges(run):
    folder, scores, _, _ = run
    header, rows = top_edges(folder)
    assert header == ["source", "target", "score"]
    assert len(rows) == 100
    found = [float(score) for _, _, score in rows]
    assert found == sorted(found, reverse=True)
    masked = np.where(np.eye(20, 300, dtype=bool), -np.inf, scores)
    best = np.unravel_index(masked.argmax(), masked.shape)
    assert rows[0][:2] == (f"g{best[0]}", f"g{best[1]}")


def test_a_method_that_chooses_sets_has_neither(tmp_path):
    folder = RunFolder(tmp_path)
    assert precision_recall(folder) == {}
    assert top_edges(folder) is None


def test_a_benchmark_that_holds_out_targets_has_no_curve(run):
    folder, _, labels, _ = run
    np.savez(folder / "split.npz", targets=["a"], train=[True], test=[False], labels=labels)
    assert precision_recall(folder) == {}


def test_cost(run):
    folder = run[0]
    facts = json.loads((folder / "provenance.json").read_text())
    assert cost(facts) == {"seconds/fit": 1.5, "peak_memory_mb": 200.0}
