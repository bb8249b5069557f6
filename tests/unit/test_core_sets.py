"""The containers of regulator sets: what they refuse, and how they are aligned."""

import numpy as np
import pytest

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.sets import CandidatePools, RegulatorSets, SetView, TargetSets, TargetSplit
from tests.messages import naming

GENES = GeneIndex("ABCDEF")
XY = GeneIndex(["E", "F"])


def arrays(*members):
    return tuple(np.asarray(each, dtype=np.int64) for each in members)


def predicted(**changes) -> RegulatorSets:
    options = {
        "candidates": GENES,
        "targets": XY,
        "members": arrays([0, 1], [2, 3]),
        "scores": np.asarray([1.0, 2.0]),
    }
    return RegulatorSets(**{**options, **changes})


def test_sets_of_a_network_in_the_order_of_the_genes(make_network):
    network = make_network("ABCD", "D>B A>B C>A")
    sets = TargetSets.from_network(network, candidates=network.genes)
    assert sets.targets.symbols == ("A", "B")
    assert sets.keys() == [(2,), (0, 3)]
    assert sets.sizes.tolist() == [1, 2]
    among_regulators = TargetSets.from_network(network, candidates=network.regulators)
    assert among_regulators.keys() == [(1,), (0, 2)]  # A, C, D
    assert among_regulators.take([1]).keys() == [(0, 2)]


def test_a_regulator_that_is_no_candidate_is_refused(make_network):
    network = make_network("ABCD", "D>B A>B")
    with pytest.raises(InputError, match=naming("gene 'D'")):
        TargetSets.from_network(network, candidates=GeneIndex("ABC"))


@pytest.mark.parametrize("kind", ["sets", "pools", "predicted"])
@pytest.mark.parametrize(
    ("members", "parts"),
    [
        (([0], []), ["'F'", "drop"]),
        (([0], [6]), ["'F'", "regulator 6", "candidate"]),
        (([0], [-1]), ["'F'", "regulator -1", "candidate"]),
        (([0], [1, 1]), ["'F'", "twice"]),
        (([0], [1, 5]), ["'F'", "own"]),
        (([0],), [1, "2 targets"]),
    ],
)
def test_members_that_are_no_set_are_refused(kind, members, parts):
    kinds = {
        "sets": lambda each: TargetSets(GENES, XY, each),
        "pools": lambda each: CandidatePools(GENES, XY, each),
        "predicted": lambda each: predicted(members=each),
    }
    with pytest.raises(InputError, match=naming(*parts)):
        kinds[kind](arrays(*members))


def test_sets_are_ascending_and_pools_keep_their_order():
    assert TargetSets(GENES, XY, arrays([3, 0], [1])).keys() == [(0, 3), (1,)]
    pools = CandidatePools(GENES, XY, arrays([3, 0], [1]))
    assert pools.members[0].tolist() == [3, 0]
    assert [each.tolist() for each in pools.of(GeneIndex(["F", "E"]))] == [[1], [3, 0]]


def test_a_pool_covers_a_set_that_it_holds_whole():
    sets = TargetSets(GENES, GeneIndex(["F", "E"]), arrays([1, 2], [0, 3]))
    pools = CandidatePools(GENES, XY, arrays([3, 4 - 2, 0], [1, 4]))
    assert pools.covers(sets).tolist() == [False, True]


@pytest.mark.parametrize(
    ("train", "val", "test", "parts"),
    [
        ([1, 1, 0], [0, 0, 0], [0, 0, 0], ["'C'", "role"]),
        ([1, 1, 0], [0, 1, 0], [0, 0, 1], ["'B'", "role"]),
        ([1, 1, 1], [0, 0, 0], [0, 0, 0], ["test", "fractions"]),
        ([0, 0, 0], [1, 0, 0], [0, 1, 1], ["train", "fractions"]),
    ],
)
def test_roles_are_disjoint_and_complete(train, val, test, parts):
    masks = [np.asarray(each, dtype=bool) for each in (train, val, test)]
    with pytest.raises(InputError, match=naming(*parts)):
        TargetSplit(GeneIndex("ABC"), *masks, seed=0)


def test_roles_as_masks_positions_and_arrays():
    masks = [np.asarray(each, dtype=bool) for each in ([1, 0, 0], [0, 0, 0], [0, 1, 1])]
    split = TargetSplit(GeneIndex("ABC"), *masks, seed=3)
    assert split.positions("test").tolist() == [1, 2]
    assert set(split.arrays()) == {"targets", "seed", "train", "val", "test"}
    with pytest.raises(InputError, match=naming("'tset'", "train, val, test")):
        split.mask("tset")


def test_a_score_that_is_no_number_names_its_target():
    with pytest.raises(InputError, match=naming("target 'F'", "learning")):
        predicted(scores=np.asarray([0.0, np.nan]))


def test_predictions_are_aligned_by_symbol():
    mirrored = GeneIndex("FEDCBA")
    truth = TargetSets(mirrored, GeneIndex(["F", "E"]), arrays([4, 5], [4, 5]))
    assert [each.tolist() for each in predicted().aligned(truth)] == [[2, 3], [4, 5]]


def test_a_prediction_of_the_wrong_size_or_without_a_target_is_refused():
    with pytest.raises(InputError, match=naming(2, "'E'", 1)):
        predicted().aligned(TargetSets(GENES, XY, arrays([0], [2, 3])))
    with pytest.raises(InputError, match=naming("gene 'D'")):
        predicted().aligned(TargetSets(GENES, GeneIndex("D"), arrays([0, 1])))


def test_a_view_shows_no_set_that_it_asks_for(make_expression):
    expression = make_expression("ABCDEF")
    options = {
        "expression": expression,
        "regulators": GENES,
        "labels": None,
        "embedding": None,
        "train": TargetSets(GENES, XY, arrays([0, 1], [2, 3])),
        "folds": np.zeros(2, dtype=np.int64),
        "queries": GeneIndex("A"),
        "sizes": np.asarray([2]),
        "pools": None,
    }
    SetView(**options)
    with pytest.raises(InputError, match=naming("view", "'E'")):
        SetView(**{**options, "queries": GeneIndex("E")})
    with pytest.raises(InputError, match=naming("view", "sizes", "targets")):
        SetView(**{**options, "sizes": np.asarray([2, 2])})
    with pytest.raises(InputError, match=naming("view", "candidates", "regulators")):
        SetView(**{**options, "regulators": GeneIndex("ABC")})
