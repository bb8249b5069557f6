"""The divisions of targets: the paper's counts, and that nothing leaks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.sets import ROLES, TargetSets
from grn_exp.data.sets.splitting import (
    TargetCountSplitter,
    TargetSplitter,
    occurs_in_training,
    shared_share,
)
from grn_exp.simulate.sergio import read_sergio
from tests.messages import lines_naming, naming


def sets_of(groups: dict[tuple[int, ...], int], *, seed: int | None = None) -> TargetSets:
    """So many targets of each set, mixed if there is a seed."""
    members = [key for key, count in groups.items() for _ in range(count)]
    if seed is not None:
        members = [members[i] for i in np.random.default_rng(seed).permutation(len(members))]
    return TargetSets(
        candidates=GeneIndex([f"r{i}" for i in range(40)]),
        targets=GeneIndex([f"t{i}" for i in range(len(members))]),
        members=tuple(np.asarray(each) for each in members),
    )


def random_sets(seed: int, n: int = 60, n_regulators: int = 6) -> TargetSets:
    rng = np.random.default_rng(seed)
    drawn = [
        tuple(sorted(rng.choice(n_regulators, size=1 + i % 2, replace=False).tolist()))
        for i in range(n)
    ]
    return sets_of({key: drawn.count(key) for key in sorted(set(drawn))}, seed=seed)


def ds3(real_data) -> TargetSets:
    folder = real_data("sergio/DS3/interactions.txt", "sergio/DS3/master_regulators.txt")
    files = [folder / f"sergio/DS3/{name}.txt" for name in ("interactions", "master_regulators")]
    kinetic = read_sergio(*files)
    sets = TargetSets.from_network(kinetic.network(), candidates=kinetic.genes)
    return sets.take(np.flatnonzero(np.isin(sets.sizes, [2, 3, 4])))


@pytest.mark.parametrize("seed", [42, 43, 44])
def test_the_papers_counts_on_ds3(real_data, seed):
    sets = ds3(real_data)
    split = TargetSplitter(seed=seed).split(sets)
    counts = [int((split.test & (sets.sizes == size)).sum()) for size in (2, 3, 4)]
    assert counts == [57, 39, 19]
    assert [int((sets.sizes == size).sum()) for size in (2, 3, 4)] == [281, 192, 92]
    assert not split.val.any()


def test_a_random_split_of_ds3_shares_most_sets_and_the_other_kind_none(real_data):
    sets = ds3(real_data)
    shared = shared_share(sets, TargetSplitter().split(sets))
    assert min(shared.values()) > 0.5
    split = TargetSplitter(kind="unseen_set").split(sets)
    assert set(shared_share(sets, split).values()) == {0.0}
    for size in (2, 3, 4):
        share = split.test[sets.sizes == size].mean()
        assert 0.2 <= share <= 0.3


def test_random_is_scikit_learns_division_of_each_stratum():
    sets = sets_of({(0,): 11, (1, 2): 23, (3, 4): 8}, seed=1)
    split = TargetSplitter(seed=7, validation_fraction=0.1).split(sets)
    for size in (1, 2):
        rows = np.flatnonzero(sets.sizes == size)
        rest, test = train_test_split(np.arange(len(rows)), test_size=0.2, random_state=7)
        _, val = train_test_split(rest, test_size=0.1 / 0.8, random_state=7)
        assert set(rows[test]) == set(split.positions("test")) & set(rows)
        assert set(rows[val]) == set(split.positions("val")) & set(rows)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**31),
    st.sampled_from(["random", "unseen_set"]),
    st.floats(0.05, 0.4),
    st.sampled_from([0.0, 0.1, 0.2]),
)
def test_every_target_has_one_role_and_every_stratum_every_role(seed, kind, test, val):
    sets = random_sets(seed)
    splitter = TargetSplitter(seed=seed, kind=kind, test_fraction=test, validation_fraction=val)
    try:
        split = splitter.split(sets)
    except InputError:  # too few sets for three roles
        return
    assert (sum(split.mask(role).astype(int) for role in ROLES) == 1).all()
    for size in np.unique(sets.sizes):
        inside = sets.sizes == size
        assert split.train[inside].any()
        assert split.test[inside].any()
        assert split.val[inside].any() == bool(val)
    if kind == "unseen_set":
        keys = sets.keys()
        by_role = [{keys[row] for row in split.positions(role)} for role in ROLES]
        assert not by_role[0] & by_role[1]
        assert not by_role[0] & by_role[2]
        assert not by_role[1] & by_role[2]
        assert not (occurs_in_training(sets, split) & ~split.train).any()
    train = sets.take(split.positions("train"))
    folds = splitter.folds(train, seed)
    assert folds.shape == (len(train),)
    assert set(folds.tolist()) == set(range(folds.max() + 1))
    if kind == "unseen_set":
        of_set: dict[tuple[int, ...], set[int]] = {}
        for key, fold in zip(train.keys(), folds.tolist(), strict=True):
            of_set.setdefault(key, set()).add(fold)
        assert {len(each) for each in of_set.values()} == {1}


def test_random_folds_are_even_in_every_stratum():
    sets = sets_of({(0,): 13, (1, 2): 29}, seed=3)
    folds = TargetSplitter(n_folds=4).folds(sets, 0)
    for size in (1, 2):
        counts = np.bincount(folds[sets.sizes == size], minlength=4)
        assert np.ptp(counts) <= 1
    assert np.ptp(np.bincount(folds)) <= 1
    assert (folds != TargetSplitter(n_folds=4).folds(sets, 1)).any()


def test_a_huge_group_is_held_out_only_if_nothing_else_suffices():
    sets = sets_of({(0, 1): 50, (2, 3): 4, (4, 5): 4, (6, 7): 4, (8, 9): 4})
    for seed in range(20):
        split = TargetSplitter(seed=seed, kind="unseen_set").split(sets)
        assert split.train[:50].all()
        assert split.test.sum() == 16  # 13.2 wanted; the huge group would be 3 times too much
    only = sets_of({(0, 1): 6, (2, 3): 6})
    assert TargetSplitter(kind="unseen_set").split(only).test.sum() == 6


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    sets = random_sets(0)
    for kind in ("random", "unseen_set"):
        one, again, other = (
            TargetSplitter(seed=seed, kind=kind).split(sets).test for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(one, again)
        assert (one != other).any()


def test_shared_share_by_hand():
    sets = sets_of({(0,): 2, (1, 2): 2, (3, 4): 2})
    split = TargetSplitter().split(sets_of({(0,): 5}))
    masks = {"test": np.asarray([0, 1, 0, 1, 1, 1], dtype=bool), "val": np.zeros(6, dtype=bool)}
    split = type(split)(targets=sets.targets, train=~masks["test"], seed=0, **masks)
    # (0,) is in training; of the three test targets of size 2 one shares (1, 2)
    assert shared_share(sets, split) == {1: 1.0, 2: pytest.approx(1 / 3)}


@pytest.mark.parametrize(
    ("groups", "kind", "parts"),
    [
        ({(0,): 9, (1, 2): 4}, "random", ["4 targets", "2 regulators"]),
        ({(0,): 5, (9,): 5, (1, 2): 4}, "unseen_set", ["4 targets", "2 regulators"]),
        ({(0, 1): 9}, "unseen_set", ["split.kind=unseen_set", "9 targets", 1]),
    ],
)
def test_a_stratum_that_cannot_be_divided_is_named(groups, kind, parts):
    with pytest.raises(InputError, match=naming("data.set_sizes", *parts)):
        TargetSplitter(kind=kind).split(sets_of(groups))


def test_shares_that_leave_nothing_for_training_are_named():
    with pytest.raises(InputError, match=naming("split.test_fraction=0.95", "6 targets")):
        TargetSplitter(test_fraction=0.95).split(sets_of({(0,): 6}))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"test_fraction": 0.0}, "split.test_fraction=0.0"),
        ({"test_fraction": float("nan")}, "split.test_fraction=nan"),
        ({"validation_fraction": 0.8}, "split.validation_fraction=0.8"),
        ({"validation_fraction": -0.1}, "split.validation_fraction=-0.1"),
        ({"seed": -1}, "split.seed=-1"),
        ({"seed": 2**32}, "split.seed=4294967296"),
        ({"n_folds": 1}, "split.n_folds=1"),
    ],
)
def test_options_out_of_range_are_named(options, name):
    with pytest.raises(InputError, match=naming(name)):
        TargetSplitter(**options)


def test_counts_of_targets_as_asked_for_and_the_rest_left_out():
    sets = random_sets(1, n=60)
    split = TargetCountSplitter(n_train=20, n_test=10, n_validation=5).split(sets)
    assert [int(split.mask(role).sum()) for role in ROLES] == [20, 5, 10]
    assert len(split.targets) == 35
    order = sets.targets.positions(split.targets)
    assert (np.diff(order) > 0).all()  # in the genes' order
    other = TargetCountSplitter(n_train=20, n_test=10, n_validation=5, seed=1).split(sets)
    assert other.targets != split.targets


def test_with_fewer_targets_the_shares_stay(caplog):
    sets = random_sets(1, n=55)
    with caplog.at_level("INFO"):
        split = TargetCountSplitter().split(sets)
    assert [int(split.mask(role).sum()) for role in ROLES] == [40, 0, 15]
    assert lines_naming(caplog.text, "55 targets", 5500, 40)
    assert TargetCountSplitter().folds(sets, 0).max() == 4


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"n_train": 0}, "split.n_train=0"),
        ({"n_test": 0}, "split.n_test=0"),
        ({"n_validation": -1}, "split.n_validation=-1"),
    ],
)
def test_counts_out_of_range_are_named(options, name):
    with pytest.raises(InputError, match=naming(name)):
        TargetCountSplitter(**options)
