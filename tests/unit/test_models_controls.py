"""The controls against hand-worked scores; the parts that every method shares."""

import numpy as np
import pytest
import torch

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.views import TrainView
from grn_exp.models.edges.degree import Degree
from grn_exp.models.edges.oracle import Oracle
from grn_exp.models.edges.random import Random
from grn_exp.nn.batches import ShuffledIndices, epoch_seed
from tests.messages import naming

GENES = GeneIndex("ABCDE")
REGULATORS = GeneIndex("CAE")  # not in the genes' order


def make_view(labels=None):
    values = np.arange(10, dtype=np.float32).reshape(2, 5)
    return TrainView(
        expression=Expression(values=values, genes=GENES, transform="log1p"),
        regulators=REGULATORS,
        labels=None if labels is None else np.asarray(labels, dtype=np.int8),
        embedding=None,
    )


def test_degree_by_hand():
    labels = [
        [1, 0, -1, 1, -1],  # C: 2 of 3
        [-1, 1, 0, 0, -1],  # A: 1 of 3
        [-1, -1, -1, -1, -1],  # E: unseen
    ]
    model = Degree().attach(make_view(labels))
    model.fit()
    scores = model.prediction()
    overall = 3 / 6
    of_regulator = np.array([2 / 3, 1 / 3, overall])
    of_target = np.array([1, 1 / 2, 0, 1 / 2, overall])  # E: unseen
    np.testing.assert_allclose(scores.values, of_regulator[:, None] + of_target, rtol=1e-6)
    assert scores.regulators == REGULATORS
    assert scores.genes == GENES


def test_degree_ties_all_pairs_of_unseen_genes():
    labels = -np.ones((3, 5))
    labels[0, [0, 1]] = 1, 0
    model = Degree().attach(make_view(labels))
    model.fit()
    unseen = model.prediction().values[1:, 2:]
    np.testing.assert_array_equal(unseen, 1.0)


def test_controls_that_were_not_fitted_or_shown_labels_say_so():
    with pytest.raises(RuntimeError, match="labels"):
        Degree().attach(make_view()).fit()
    with pytest.raises(InputError, match=naming("Degree", "fit")):
        Degree().attach(make_view(np.zeros((3, 5)))).prediction()


def test_random_scores_depend_on_the_seed_alone():
    first, again, other = (
        Random(seed=s).attach(make_view()).prediction().values for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.isclose(first, other).any()
    assert len(np.unique(first)) == first.size
    assert first.min() >= 0
    assert first.max() < 1


def test_oracle_scores_are_the_labels():
    labels = np.zeros((3, 5), dtype=np.bool_)
    labels[1, 3] = labels[2, 0] = True
    model = Oracle().attach(make_view(labels))
    np.testing.assert_array_equal(model.prediction().values, labels)


def test_scores_that_are_not_finite_are_refused():
    values = torch.zeros(3, 5)
    values[1, 2] = float("nan")
    with pytest.raises(InputError, match=naming("nan", "A -> C")):
        Random().attach(make_view()).as_scores(values)


def test_batches_hold_every_item_once_in_an_order_of_seed_and_epoch():
    epoch = 0
    batches = ShuffledIndices(10, batch_size=4, seed=3, epoch=lambda: epoch)
    assert len(batches) == 3
    first = list(batches)
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert sorted(torch.cat(first).tolist()) == list(range(10))
    assert torch.equal(torch.cat(list(batches)), torch.cat(first))
    epoch = 1
    assert not torch.equal(torch.cat(list(batches)), torch.cat(first))
    other = ShuffledIndices(10, batch_size=4, seed=4, epoch=lambda: 0)
    assert not torch.equal(torch.cat(list(other)), torch.cat(first))


def test_seeds_of_epochs_and_purposes_differ():
    seeds = {epoch_seed(s, e, stream=p) for s in range(5) for e in range(20) for p in (1, 2)}
    assert len(seeds) == 200
