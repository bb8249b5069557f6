"""Folds of the training labels: even, a partition of them, and without any test label."""

import numpy as np
import pytest

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.sets import TargetSets
from grn_exp.core.splits import EdgeTruth
from grn_exp.data.edges.splitting import SeenUnseenSplitter
from grn_exp.data.folds import grouped_folds, random_folds
from grn_exp.data.sets.splitting import TargetCountSplitter, TargetSplitter
from tests.messages import naming


def random_truth(seed: int, *, n_regulators=12, n_targets=60) -> EdgeTruth:
    """Regulators of very different numbers of targets."""
    rng = np.random.default_rng(seed)
    shares = rng.beta(1, 4, n_regulators)[:, None]
    genes = GeneIndex([f"g{i}" for i in range(n_regulators + n_targets)])
    labels = np.zeros((n_regulators, len(genes)), dtype=bool)
    labels[:, n_regulators:] = rng.random((n_regulators, n_targets)) < shares
    universe = np.zeros_like(labels)
    universe[:, labels.any(axis=0)] = True
    return EdgeTruth(genes.take(range(n_regulators)), genes, labels, universe)


def random_sets(seed: int, n=90) -> TargetSets:
    rng = np.random.default_rng(seed)
    members = [rng.choice(7, size=1 + i % 3, replace=False) for i in range(n)]
    return TargetSets(
        candidates=GeneIndex([f"r{i}" for i in range(7)]),
        targets=GeneIndex([f"t{i}" for i in range(n)]),
        members=tuple(np.sort(each) for each in members),
    )


@pytest.mark.parametrize("downsample", ["none", "per_regulator"])
def test_the_folds_of_pairs_are_a_partition_of_the_training_pairs(downsample):
    for seed in range(8):
        truth = random_truth(seed)
        whole = SeenUnseenSplitter(seed=seed).split(truth)
        pairs = whole.train | whole.val
        splits = [
            SeenUnseenSplitter(seed=seed, cv_fold=k, cv_folds=4, downsample=downsample).split(
                truth
            )
            for k in range(4)
        ]
        # each pair is validated once and, unless sampled away, trained on three times
        np.testing.assert_array_equal(sum(s.val.astype(int) for s in splits), pairs.astype(int))
        for split in splits:
            assert not split.test_seen.any()
            assert not split.test_unseen.any()
            others = pairs & ~split.val
            if downsample == "none":
                np.testing.assert_array_equal(split.train, others)
                continue
            assert not (split.train & ~others).any()
            np.testing.assert_array_equal(split.train & truth.labels, others & truth.labels)
            n_positive = (split.train & truth.labels).sum(axis=1)
            assert ((split.train & ~truth.labels).sum(axis=1) <= n_positive).all()


def test_every_regulators_pairs_are_even_over_the_folds_class_by_class():
    for seed in range(8):
        truth = random_truth(seed)
        vals = [
            SeenUnseenSplitter(seed=seed, cv_fold=k, cv_folds=5).split(truth).val for k in range(5)
        ]
        for of_class in (truth.labels, ~truth.labels):
            counts = np.stack([(val & of_class).sum(axis=1) for val in vals])
            assert np.ptp(counts, axis=0).max() <= 1  # of each regulator
            assert np.ptp(counts.sum(axis=1)) <= 1  # of all


def test_a_run_on_a_fold_is_judged_by_training_labels_alone():
    truth = random_truth(1)
    whole = SeenUnseenSplitter(seed=1)
    plain = whole.split(truth)
    assert whole.judged(truth, plain) is truth
    fold = SeenUnseenSplitter(seed=1, cv_fold=0, cv_folds=3)
    judged = fold.judged(truth, fold.split(truth))
    shown = plain.train | plain.val
    np.testing.assert_array_equal(judged.universe, shown)
    np.testing.assert_array_equal(judged.labels, truth.labels & shown)
    held = plain.test_seen | plain.test_unseen
    assert (truth.labels & held).any()
    assert not (judged.labels & held).any()


def test_other_seeds_have_other_folds():
    truth = random_truth(2)
    one, again = (SeenUnseenSplitter(seed=3, cv_fold=1, cv_folds=3).split(truth) for _ in "ab")
    np.testing.assert_array_equal(one.val, again.val)
    # the pairs that both seeds train on are not validated together
    other = SeenUnseenSplitter(seed=4, cv_fold=1, cv_folds=3).split(truth)
    both = (one.train | one.val) & (other.train | other.val)
    assert (one.val & both).any()
    assert ((one.val & both) != (other.val & both)).any()


def test_too_many_folds_for_the_positives_are_named():
    truth = random_truth(0)
    n_positive = int((truth.labels & truth.universe).sum())
    with pytest.raises(InputError, match=naming("split.seed=0", "val has 0", n_positive)):
        SeenUnseenSplitter(cv_fold=n_positive - 1, cv_folds=n_positive).split(truth)


@pytest.mark.parametrize("kind", ["random", "unseen_set"])
def test_the_folds_of_targets_are_a_partition_of_the_training_targets(kind):
    for seed in range(8):
        sets = random_sets(seed)
        options = {"seed": seed, "kind": kind, "validation_fraction": 0.1}
        whole = TargetSplitter(**options).split(sets)
        shown = set(whole.targets.array[whole.train | whole.val].tolist())
        validated: list[str] = []
        for k in range(4):
            split = TargetSplitter(**options, cv_fold=k, cv_folds=4).split(sets)
            assert set(split.targets.symbols) == shown  # the test targets do not occur
            assert not split.test.any()
            validated += split.targets.array[split.val].tolist()
            own = sets.take(sets.targets.positions(split.targets))
            keys = np.asarray([str(members) for members in own.members])
            if kind == "unseen_set":
                assert not set(keys[split.train]) & set(keys[split.val])
            else:
                counts = [int(split.val[own.sizes == size].sum()) for size in (1, 2, 3)]
                wanted = [(own.sizes == size).sum() / 4 for size in (1, 2, 3)]
                assert np.abs(np.subtract(counts, wanted)).max() < 1
        assert sorted(validated) == sorted(shown)


def test_the_folds_of_counted_targets_are_a_partition_too():
    sets = random_sets(0)
    options = {"n_train": 40, "n_test": 20, "n_validation": 6}
    whole = TargetCountSplitter(**options).split(sets)
    shown = set(whole.targets.array[whole.train | whole.val].tolist())
    validated: list[str] = []
    for k in range(3):
        split = TargetCountSplitter(**options, cv_fold=k, cv_folds=3).split(sets)
        assert set(split.targets.symbols) == shown
        assert not split.test.any()
        validated += split.targets.array[split.val].tolist()
    assert len(shown) == 46
    assert sorted(validated) == sorted(shown)


@pytest.mark.parametrize("kind", ["random", "unseen_set"])
@pytest.mark.parametrize("cv", [{}, {"cv_fold": 1, "cv_folds": 3}])
def test_the_folds_of_pools_divide_what_is_trained_on_and_show_nothing_else(kind, cv):
    sets = random_sets(3)
    options = {"seed": 3, "kind": kind, "validation_fraction": 0.2, "n_folds": 2, **cv}
    whole = TargetSplitter(**options).split(sets)
    shown = set(whole.targets.array[whole.train].tolist())
    train = sets.take(sets.targets.positions(whole.targets.take(whole.positions("train"))))
    folds = TargetSplitter(**options).pool_folds(train)
    for k in range(2):
        split = TargetSplitter(**options, pool_fold=k).split(sets)
        assert set(split.targets.symbols) == shown
        assert set(split.targets.array[split.val]) == set(train.targets.array[folds == k])
        assert not split.test.any()


def test_a_fold_of_pools_without_a_target_of_some_size_is_named():
    members = [(0, 1)] * 8 + [(0, 1, 2)] * 2
    sets = TargetSets(
        candidates=GeneIndex("ABC"),
        targets=GeneIndex([f"t{i}" for i in range(10)]),
        members=tuple(map(np.asarray, members)),
    )
    assert set(TargetSplitter(n_folds=2).pool_folds(sets).tolist()) == {0, 1}
    words = ("split.n_folds=3", "2 training targets", "3 regulators", "data.set_sizes")
    with pytest.raises(InputError, match=naming(*words)):
        TargetSplitter(n_folds=3).pool_folds(sets)
    with pytest.raises(InputError, match=naming("split.pool_fold=2", "0 to 1")):
        TargetSplitter(n_folds=2, pool_fold=2)


def test_more_folds_than_there_are_sets_are_named():
    keys = [(0,), (1,), (2,)]
    sets = TargetSets(
        candidates=GeneIndex("ABC"),
        targets=GeneIndex([f"t{i}" for i in range(12)]),
        members=tuple(np.asarray(keys[i % 3]) for i in range(12)),
    )
    with pytest.raises(InputError, match=naming("split.cv_folds", "fold 3", "8 training targets")):
        TargetSplitter(kind="unseen_set", cv_fold=3, cv_folds=4).split(sets)


@pytest.mark.parametrize("splitter", [SeenUnseenSplitter, TargetSplitter, TargetCountSplitter])
@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"cv_fold": 0}, ["split.cv_fold=0", "split.cv_folds=None"]),
        ({"cv_folds": 5}, ["split.cv_fold=None", "split.cv_folds=5"]),
        ({"cv_fold": 5, "cv_folds": 5}, ["split.cv_fold=5", "0 to 4"]),
        ({"cv_fold": -1, "cv_folds": 5}, ["split.cv_fold=-1", "0 to 4"]),
        ({"cv_fold": 0, "cv_folds": 1}, ["split.cv_folds=1", 2]),
    ],
)
def test_a_fold_that_does_not_exist_is_named(splitter, options, parts):
    with pytest.raises(InputError, match=naming(*parts)):
        splitter(**options)


def test_random_folds_by_hand():
    strata = np.asarray([0, 0, 0, 1, 1])
    folds = random_folds(strata, 2, np.random.default_rng(0))
    # three of the first stratum begin with fold 0, so the second begins with fold 1
    assert sorted(folds[:3].tolist()) == [0, 0, 1]
    assert sorted(folds[3:].tolist()) == [0, 1]


def test_grouped_folds_by_hand():
    keys = [(1,), (1,), (1,), (2,), (2,), (3,)]
    folds = grouped_folds(keys, 2, np.random.default_rng(0))
    # three of one set against two and one of the others
    assert len(set(folds[:3].tolist())) == 1
    assert (folds[3:] == 1 - folds[0]).all()
