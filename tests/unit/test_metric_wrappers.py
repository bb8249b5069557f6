"""The torchmetrics shells give what the NumPy functions give, however the pairs arrive."""

import copy
import functools
import pickle

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from torchmetrics import MetricCollection
from torchmetrics.classification import BinaryAveragePrecision

from grn_exp.core.errors import InputError
from grn_exp.metrics import ranking
from grn_exp.metrics.wrappers import AreaUnderROC, AveragePrecision, RankingMetric
from tests.messages import naming


@pytest.fixture
def pairs():
    generator = torch.Generator().manual_seed(5)
    labels = torch.rand(300, generator=generator) < 0.2
    return torch.randn(300, generator=generator) + labels, labels


def test_two_updates_are_one_ranking(pairs):
    scores, labels = pairs
    metric = AveragePrecision()
    metric.update(scores[:90], labels[:90])
    metric.update(scores[90:], labels[90:])
    expected = ranking.average_precision(scores.numpy(), labels.numpy())
    value = metric.compute()
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected, abs=1e-6)
    batches = [
        ranking.average_precision(scores[s], labels[s]) for s in (slice(90), slice(90, 300))
    ]
    assert value.item() != pytest.approx(np.mean(batches), abs=1e-4)  # no mean over batches


def test_forward_returns_the_batch_and_keeps_the_rest(pairs):
    scores, labels = pairs
    metric = AreaUnderROC()
    batch = metric(scores[:90], labels[:90])
    assert batch.item() == pytest.approx(ranking.auroc(scores[:90], labels[:90]), abs=1e-6)
    metric(scores[90:], labels[90:])
    assert metric.compute().item() == pytest.approx(ranking.auroc(scores, labels), abs=1e-6)


def test_reset_forgets(pairs):
    scores, labels = pairs
    metric = AveragePrecision()
    metric.update(scores, ~labels)
    metric.compute()
    metric.reset()
    assert metric.scores == []
    metric.update(scores, labels)
    expected = ranking.average_precision(scores.numpy(), labels.numpy())
    assert metric.compute().item() == pytest.approx(expected, abs=1e-6)


def test_unbounded_scores_do_not_saturate():
    # sigmoid(50) and sigmoid(40) are both 1 in float32: torchmetrics' own metric sees a tie
    scores = torch.tensor([50.0, 40.0, 30.0, -1.0])
    labels = torch.tensor([0, 1, 0, 0])
    expected = average_precision_score(labels.numpy(), scores.numpy())
    metric = AveragePrecision()
    metric.update(scores, labels)
    theirs = BinaryAveragePrecision()
    theirs.update(scores, labels)
    assert expected == 0.5
    assert metric.compute().item() == expected
    assert theirs.compute().item() == pytest.approx(1 / 3)


def test_collection_shares_the_pairs(pairs):
    scores, labels = pairs
    functions = {
        "ap": ranking.average_precision,
        "auroc": ranking.auroc,
        "epr": ranking.early_precision_ratio,
        "hit_at_5pct": functools.partial(ranking.hit_at_fraction, fraction=0.05),
    }
    metrics = {name: RankingMetric(function) for name, function in functions.items()}
    collection = MetricCollection(metrics, prefix="val/")
    for _ in range(2):
        collection.update(scores[:100], labels[:100])
        collection.update(scores[100:], labels[100:])
        assert len(collection.compute_groups) == 1
        values = collection.compute()
        assert set(values) == {f"val/{name}" for name in functions}
        for name, function in functions.items():
            expected = function(scores.numpy(), labels.numpy())
            assert values[f"val/{name}"].item() == pytest.approx(expected, rel=1e-6)
        collection.reset()


@pytest.mark.parametrize(
    "metric", [AveragePrecision(), AreaUnderROC(), RankingMetric(ranking.ap_ratio)], ids=repr
)
@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])  # noqa: S301
def test_copies_go_on_counting(metric, clone, pairs):
    scores, labels = pairs
    metric.reset()
    metric.update(scores[:90], labels[:90])
    twin = clone(metric)
    twin.update(scores[90:], labels[90:])
    expected = metric.function(scores.numpy(), labels.numpy())
    assert twin.compute().item() == pytest.approx(expected, rel=1e-6)
    assert len(metric.scores) == 1


def test_synchronised_states_are_tensors(pairs):
    # after a gather over processes torchmetrics leaves one concatenated tensor, not a list
    scores, labels = pairs
    metric = AveragePrecision()
    metric.update(scores, labels)
    metric.scores, metric.labels = scores, labels
    expected = ranking.average_precision(scores.numpy(), labels.numpy())
    assert metric.compute().item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float_and_gradients(dtype, pairs):
    scores, labels = pairs
    scores = scores.to(dtype).requires_grad_()
    metric = AveragePrecision()
    metric.update(scores, labels.long())
    assert not metric.scores[0].requires_grad
    expected = ranking.average_precision(scores.detach().double().numpy(), labels.numpy())
    assert metric.compute().item() == pytest.approx(expected, abs=1e-6)


def test_shapes_are_checked_at_once():
    with pytest.raises(InputError, match=naming("(3,)", "(2,)")):
        AveragePrecision().update(torch.zeros(3), torch.zeros(2))
    with pytest.raises(InputError, match=naming("(3, 1)")):
        AveragePrecision().update(torch.zeros(3, 1), torch.zeros(3, 1))


def test_values_are_checked_in_compute():
    metric = AveragePrecision()
    metric.update(torch.tensor([1.0, torch.nan]), torch.tensor([0, 1]))
    with pytest.raises(InputError, match=naming("scores[1]", "nan")):
        metric.compute()


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric")  # torchmetrics' own notice
def test_compute_before_update():
    with pytest.raises(InputError, match=naming("update", "compute")):
        AveragePrecision().compute()
