"""Pools: what a retriever ranks first, capped; with the answer put in for the oracle."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.scores import EdgeScores
from grn_exp.core.sets import TargetSets
from grn_exp.core.views import UNKNOWN
from grn_exp.data.sets.pools import OraclePool, RetrievedPool
from grn_exp.data.sets.splitting import TargetSplitter
from grn_exp.data.sets.toy import ToySetsDataModule
from grn_exp.models.sets.training_sets import NearestTargetSet
from tests.messages import naming

GENES = GeneIndex("ABCDEF")
TARGETS = GeneIndex(["A", "F"])
# a gene's score of itself is highest and must not count
VALUES = np.asarray(
    [[9, 1], [5, 2], [4, 3], [3, 4], [2, 5], [1, 9]], dtype=np.float32
)  # A: B C D E F; F: E D C B A
SCORES = EdgeScores(GENES, TARGETS, VALUES)
SETS = TargetSets(GENES, TARGETS, (np.asarray([1, 5]), np.asarray([0, 1])))


def names(pools) -> list[str]:
    return ["".join(GENES.take(each).symbols) for each in pools.members]


def test_best_first_capped_without_the_target():
    pools = RetrievedPool(size=4, caps={2: 3}).build(SCORES, GENES, TARGETS, SETS.sizes)
    assert names(pools) == ["BCD", "EDC"]
    assert pools.covers(SETS).tolist() == [False, False]
    uncapped = RetrievedPool(size=80, caps={}).build(SCORES, GENES, TARGETS, SETS.sizes)
    assert names(uncapped) == ["BCDEF", "EDCBA"]


def test_targets_may_be_some_in_any_order_and_caps_follow_the_sizes():
    pool = RetrievedPool(size=5, caps={1: 1, 2: 4})
    order = GeneIndex(["F", "A"])
    assert names(pool.build(SCORES, GENES, order, np.asarray([1, 2]))) == ["E", "BCDE"]


def test_only_the_oracle_takes_the_truth():
    asked = inspect.get_annotations(RetrievedPool.build)
    assert TargetSets not in asked.values()
    assert inspect.get_annotations(OraclePool.build_from_truth)["truth"] is TargetSets
    assert not isinstance(RetrievedPool(), OraclePool)
    assert not isinstance(OraclePool(), RetrievedPool)


def test_oracle_injects_and_trims_from_the_end_passing_over_the_truth():
    # A is retrieved B C D; F (5th) is injected; trimmed to 3 from the end: D goes, not F
    pools = OraclePool(size=3, caps={2: 3}).build_from_truth(SCORES, SETS)
    assert names(pools) == ["BCF", "EBA"]
    # room for what was retrieved beside the injected: the retriever's order is kept
    pools = OraclePool(size=4, caps={2: 4}).build_from_truth(SCORES, SETS)
    assert names(pools) == ["BCDF", "EDBA"]


def test_a_pool_is_no_longer_than_its_cap_even_with_everything_injected():
    pools = OraclePool(size=2, caps={2: 2}).build_from_truth(SCORES, SETS)
    assert names(pools) == ["BF", "BA"]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 12), st.integers(3, 30))
def test_oracle_pools_always_cover(seed, cap, size):
    rng = np.random.default_rng(seed)
    genes = GeneIndex([f"g{i}" for i in range(20)])
    members = tuple(
        np.setdiff1d(rng.choice(20, size=3, replace=False), [i])[:2] for i in range(20)
    )
    sets = TargetSets(genes, genes, members)
    scores = EdgeScores(genes, genes, rng.integers(4, size=(20, 20)).astype(np.float32))
    oracle = OraclePool(size=size, caps={2: cap}).build_from_truth(scores, sets)
    assert oracle.covers(sets).all()
    retrieved = RetrievedPool(size=size, caps={2: cap}).build(scores, genes, genes, sets.sizes)
    for with_truth, without, target in zip(
        oracle.members, retrieved.members, range(20), strict=True
    ):
        assert len(with_truth) <= min(cap, 19)
        assert target not in with_truth
        assert target not in without
        # what is not injected was retrieved
        assert set(with_truth) - set(members[target]) <= set(without)
    covered = retrieved.covers(sets)
    for row in np.flatnonzero(covered):  # where nothing is missing, nothing changes
        np.testing.assert_array_equal(oracle.members[row], retrieved.members[row])


def test_ties_do_not_follow_the_order_of_the_genes():
    flat = EdgeScores(GENES, TARGETS, np.zeros((6, 2), dtype=np.float32))
    order = [3, 5, 0, 2, 1, 4]
    moved_genes = GENES.take(order)
    pool = RetrievedPool(size=3, caps={})
    one = pool.build(flat, GENES, TARGETS, SETS.sizes)
    two = pool.build(flat, moved_genes, TARGETS, SETS.sizes)
    assert names(one) == ["".join(moved_genes.take(each).symbols) for each in two.members]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"size": 0}, "pool.size=0"),
        ({"caps": {4: 3}}, "pool.caps.4=3"),
        ({"caps": {"x": 3}}, "pool.caps.x=3"),
        ({"caps": {2: "many"}}, "pool.caps.2=many"),
        ({"caps": {0: 3}}, "pool.caps.0=3"),
    ],
)
@pytest.mark.parametrize("kind", [RetrievedPool, OraclePool])
def test_a_pool_that_cannot_hold_its_set_is_refused(kind, options, part):
    with pytest.raises(InputError, match=naming(part)):
        kind(**options)


def test_caps_are_the_papers_and_sizes_without_one_have_the_pools():
    pool = RetrievedPool()
    assert [pool.cap(size) for size in (1, 2, 3, 4, 5)] == [80, 80, 80, 55, 80]
    # a larger set needs a longer list, as far as the pool goes
    longer = {size: RetrievedPool(size=130).cap(size) for size in (1, 4, 5, 6, 8)}
    assert longer == {1: 130, 4: 55, 5: 100, 6: 120, 8: 130}
    assert RetrievedPool(size=130, caps={6: 40}).cap(6) == 40
    assert RetrievedPool(caps={"4": 40}).cap(4) == 40  # a configuration's keys are texts
    assert RetrievedPool(size=10).cap(2) == 10
    with pytest.raises(InputError, match=naming("pool.size=10", "sets of 11")):
        RetrievedPool(size=10).cap(11)


# -- pools of training targets from retrievers that did not see their sets ---------------------


def toy(**options):
    data = ToySetsDataModule(
        splitter=TargetSplitter(seed=1, validation_fraction=0.2, n_folds=3, **options),
        pool=RetrievedPool(size=6, training="out_of_fold"),
        set_sizes=(1, 2),
        n_genes=120,
        n_cells_per_type=4,
    )
    data.setup()
    return data


def random_scores(data, seed):
    sets, genes = data.sets, data.expression.genes
    values = np.random.default_rng(seed).random((len(sets.candidates), len(genes)))
    return EdgeScores(sets.candidates, genes, values.astype(np.float32))


def test_each_folds_pools_come_from_the_retriever_fitted_without_it():
    data = toy()
    full, *by_fold = (random_scores(data, seed) for seed in range(4))
    data.use_candidates(full, by_fold)
    view = data.set_view(data._retrieved)
    folds = data.splitter.pool_folds(view.train)
    sources = [by_fold[fold] for fold in folds] + [full] * len(view.queries)
    targets = [*view.train.targets.symbols, *view.queries.symbols]
    for symbol, scores in zip(targets, sources, strict=True):
        one = GeneIndex([symbol])
        alone = RetrievedPool(size=6).build(scores, view.regulators, one, np.asarray([2]))
        np.testing.assert_array_equal(view.pools.of(one)[0], alone.members[0])


@pytest.mark.parametrize("n_given", [0, 2])
def test_another_number_of_fold_retrievers_is_refused(n_given):
    data = toy()
    scores = random_scores(data, 0)
    with pytest.raises(InputError, match=naming(f"{n_given} folds", "out_of_fold", "3")):
        data.use_candidates(scores, [scores] * n_given)


def test_a_folds_retriever_sees_no_label_of_the_fold_nor_of_held_out_targets():
    data = toy()
    train = data.set_view(random_scores(data, 0)).train.targets
    folds = data.splitter.pool_folds(data.sets.take(data.split.positions("train")))
    for fold in range(3):
        labels = toy(pool_fold=fold).view(labels=True).labels
        known = (labels != UNKNOWN).any(axis=0)
        shown = set(data.expression.genes.array[known].tolist())
        assert shown == set(train.array[folds != fold].tolist())


# -- labels of targets with sets of other sizes ------------------------------------------------


def other_targets(**options):
    data = ToySetsDataModule(
        splitter=TargetSplitter(seed=1, validation_fraction=0.2, **options),
        set_sizes=(2,),
        n_genes=120,
        n_cells_per_type=4,
        retriever_targets="all",
    )
    data.setup()
    return data


@pytest.mark.parametrize("options", [{}, {"cv_fold": 0, "cv_folds": 3}, {"pool_fold": 1}])
def test_retrievers_may_learn_from_targets_of_all_sizes_but_never_from_held_out_ones(options):
    data = other_targets(**options)
    _, network = data.load()
    genes = data.expression.genes
    everyone = TargetSets.from_network(network, candidates=genes)
    labels = data.view(labels=True).labels
    shown = set(genes.array[(labels != UNKNOWN).any(axis=0)].tolist())
    other = set(everyone.targets.array[everyone.sizes != 2].tolist())
    train = set(data.split.targets.array[data.split.train].tolist())
    assert shown == other | train
    columns = genes.positions(everyone.targets)
    known = labels[:, columns] != UNKNOWN
    np.testing.assert_array_equal((labels[:, columns] == 1)[known], everyone.membership()[known])


def test_methods_that_choose_sets_and_the_judgement_do_not_meet_the_other_targets():
    data = other_targets()
    view = data.set_view(None)
    assert view.labels is not None
    shown = set(view.genes.array[(view.labels != UNKNOWN).any(axis=0)].tolist())
    assert shown == set(view.train.targets.symbols)
    assert set(data.sets.sizes.tolist()) == {2}


def test_a_method_without_a_retriever_has_none_to_train_on_other_targets():
    data = other_targets()
    with pytest.raises(InputError, match=naming("data.retriever_targets=all", "NearestTargetSet")):
        data.view_for(NearestTargetSet())


def test_there_are_no_other_targets_where_all_sizes_are_asked_for():
    with pytest.raises(InputError, match=naming("data.retriever_targets=all", "set_sizes")):
        ToySetsDataModule(set_sizes=None, retriever_targets="all")
