"""EdgeScores, EdgeSplit, GeneEmbedding and TrainView: invariants and alignment by name."""

import io

import numpy as np
import pytest

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.scores import EdgeScores
from grn_exp.core.splits import SUBSETS, EdgeSplit
from grn_exp.core.views import GeneEmbedding, TrainView
from tests.messages import naming


def scores(values, regulators="AB", genes="ABC"):
    return EdgeScores(
        regulators=GeneIndex(regulators, name="regulators"),
        genes=GeneIndex(genes, name="genes"),
        values=np.asarray(values, dtype=np.float32),
    )


# -- EdgeScores ----------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_names_the_pair(bad):
    with pytest.raises(InputError, match=naming(bad, "B -> C", "learning")):
        scores([[0, 1, 2], [3, 4, bad]])


def test_the_pair_of_a_gene_with_itself_may_hold_anything():
    held = scores([[np.nan, 1, 2], [3, -np.inf, 5]])
    rows, columns = held.ranked(10)
    pairs = list(zip(rows.tolist(), columns.tolist(), strict=True))
    assert pairs == [(1, 2), (1, 0), (0, 2), (0, 1)]


@pytest.mark.parametrize("values", [np.zeros((3, 2)), np.zeros((2, 2)), np.zeros(6)])
def test_scores_of_another_shape_are_refused(values):
    with pytest.raises(InputError, match=naming(values.shape, "float32(2, 3)")):
        scores(values)


def test_scores_are_aligned_by_name():
    held = scores([[0, 1, 2, 3], [4, 5, 6, 7]], regulators="BA", genes="DBCA")
    aligned = held.align(GeneIndex("AB"), GeneIndex("ABCD"))
    # A -> B is row 1, column 1; B -> D row 0, column 0
    assert aligned.tolist() == [[7, 5, 6, 4], [3, 1, 2, 0]]
    again = scores(aligned, genes="ABCD").align(GeneIndex("BA"), GeneIndex("DBCA"))
    np.testing.assert_array_equal(again, held.values)


def test_alignment_to_a_gene_without_scores_is_refused():
    with pytest.raises(InputError, match=naming("genes", "'Z'")):
        scores(np.zeros((2, 3))).align(GeneIndex("A"), GeneIndex("AZ"))


def test_ranked_is_best_first_and_leaves_out_self_pairs():
    held = scores([[9, 1, 3], [2, 9, 1]])
    rows, columns = held.ranked(3)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 2), (1, 0), (0, 1)]


def test_ties_keep_the_order_of_rows_and_columns():
    rows, columns = scores(np.full((2, 3), 0.5)).ranked(10)
    pairs = list(zip(rows.tolist(), columns.tolist(), strict=True))
    assert pairs == [(0, 1), (0, 2), (1, 0), (1, 2)]


def test_ranked_equals_a_plain_sort():
    genes = GeneIndex([f"g{i}" for i in range(30)])
    values = np.random.default_rng(0).integers(0, 9, (30, 30)).astype(np.float32)
    rows, columns = EdgeScores(genes, genes, values).ranked(100)
    pairs = [(r, c) for r in range(30) for c in range(30) if r != c]
    expected = sorted(pairs, key=lambda pair: -values[pair])[:100]
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == expected


# -- EdgeSplit -----------------------------------------------------------------------------


def split(**pairs):
    """Build a split over regulators A, B, C and genes A..F from "A>D B>E" texts."""
    regulators, genes = GeneIndex("ABC"), GeneIndex("ABCDEF")
    masks = {}
    for subset in SUBSETS:
        mask = np.zeros((3, 6), dtype=bool)
        for pair in pairs.get(subset, "").split():
            regulator, target = pair.split(">")
            mask["ABC".index(regulator), "ABCDEF".index(target)] = True
        masks[subset] = mask
    return EdgeSplit(regulators=regulators, genes=genes, seed=3, **masks)


def test_a_proper_split_is_taken_and_saved_without_pickle():
    held = split(train="A>D A>E", val="B>D", test_seen="B>E", test_unseen="C>F")
    stream = io.BytesIO()
    np.savez(stream, **held.arrays())
    stream.seek(0)
    with np.load(stream, allow_pickle=False) as arrays:
        assert arrays["seed"] == 3
        assert arrays["regulators"].tolist() == list("ABC")
        for subset in SUBSETS:
            np.testing.assert_array_equal(arrays[subset], held.mask(subset))


def test_overlapping_subsets_name_the_pair():
    with pytest.raises(InputError, match=naming("split", "A -> E")):
        split(train="A>D A>E", test_seen="A>E")


@pytest.mark.parametrize("subset", SUBSETS)
def test_a_self_pair_names_the_gene(subset):
    with pytest.raises(InputError, match=naming(subset, "gene 'B'")):
        split(**{subset: "B>B"})


@pytest.mark.parametrize(
    ("subset", "seen", "unseen", "gene"),
    [
        ("train", "C>D", "C>F", "C"),  # the same regulator
        ("train", "A>F", "C>F", "F"),  # the same target
        ("train", "A>C", "C>F", "C"),  # regulator here, target there
        ("train", "B>D", "C>B", "B"),  # target here, regulator there
        ("val", "A>F", "C>F", "F"),
    ],
)
def test_an_unseen_gene_in_a_training_pair_is_named(subset, seen, unseen, gene):
    with pytest.raises(InputError, match=naming(f"gene '{gene}'", "test_unseen")):
        split(**{subset: seen, "test_unseen": unseen})


def test_masks_of_another_shape_or_type_and_unknown_subsets_are_refused():
    genes, empty = GeneIndex("AB"), np.zeros((2, 2), dtype=bool)
    good = {"val": empty, "test_seen": empty, "test_unseen": empty, "seed": 0}
    with pytest.raises(InputError, match=naming("train", "int64")):
        EdgeSplit(genes, genes, train=empty.astype(np.int64), **good)
    with pytest.raises(InputError, match=naming("train", "bool(1, 2)", "(2, 2)")):
        EdgeSplit(genes, genes, train=empty[:1], **good)
    with pytest.raises(InputError, match=naming("'test'", ", ".join(SUBSETS))):
        EdgeSplit(genes, genes, train=empty, **good).mask("test")
    with pytest.raises(InputError, match=naming("gene 'Z'")):
        EdgeSplit(GeneIndex("AZ"), genes, train=empty, **good)


# -- GeneEmbedding, TrainView --------------------------------------------------------------


def embedding(values, symbols="ABC", known=(True, True, True)):
    return GeneEmbedding(
        genes=GeneIndex(symbols),
        values=np.asarray(values, dtype=np.float32),
        known=np.asarray(known),
        source="vectors.npz",
    )


def test_vectors_are_taken_by_name_with_their_flags():
    taken = embedding([[1, 2], [3, 4], [5, 6]], known=(True, False, True)).take(GeneIndex("CB"))
    assert taken.values.tolist() == [[5, 6], [3, 4]]
    assert taken.known.tolist() == [True, False]
    assert taken.width == 2


@pytest.mark.parametrize(
    ("values", "known", "parts"),
    [
        (np.zeros((2, 4)), (True,) * 3, ["(2, 4)", "3 genes"]),
        (np.zeros((3, 0)), (True,) * 3, ["(3, 0)"]),
        (np.zeros(3), (True,) * 3, ["(3,)"]),
        ([[0], [np.nan], [0]], (True,) * 3, ["'B'", "NaN"]),
        ([[0], [0], [np.inf]], (True,) * 3, ["'C'", "infinite"]),
        (np.zeros((3, 1)), (False,) * 3, ["3 genes", "'A', 'B'"]),
        (np.zeros((3, 1)), (True,) * 2, ["float32"]),
        (np.zeros((3, 1)), (True,) * 3, ["3 genes", "zero"]),
        (np.ones((3, 2)), (True, False, False), ["3 genes", "same"]),
    ],
)
def test_broken_vectors_are_refused_with_their_source(values, known, parts):
    with pytest.raises(InputError, match=naming("vectors.npz", *parts)):
        embedding(values, known=known)


def test_a_view_knows_where_its_regulators_are(make_expression):
    view = TrainView(make_expression("ABCD"), GeneIndex("DB"), None, None)
    assert view.regulator_positions.tolist() == [3, 1]
    assert view.genes == GeneIndex("ABCD")


def test_a_view_refuses_what_does_not_fit_its_genes(make_expression):
    matrix = make_expression("ABC")
    with pytest.raises(InputError, match=naming("gene 'Z'")):
        TrainView(matrix, GeneIndex("AZ"), None, None)
    with pytest.raises(InputError, match=naming("labels", "(3, 2)")):
        TrainView(matrix, GeneIndex("AB"), np.zeros((3, 2), dtype=np.int8), None)
    with pytest.raises(InputError, match=naming("embedding", "expression")):
        TrainView(matrix, GeneIndex("A"), None, embedding(np.eye(3), "ACB"))
