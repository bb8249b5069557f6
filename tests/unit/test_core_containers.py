"""GeneIndex, Expression and Network: what they refuse, and that names align everything."""

import numpy as np
import pytest
from scipy import sparse

from grn_exp.core.errors import InputError, close_matches
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.network import Network
from tests.messages import naming


def expression(values, symbols="AB", transform="log"):
    return Expression(
        values=np.asarray(values, dtype=np.float32), genes=GeneIndex(symbols), transform=transform
    )


# -- GeneIndex -----------------------------------------------------------------------------


def test_a_duplicate_gene_is_named_with_both_positions():
    with pytest.raises(InputError, match=naming("matrix", "'B'", 1, 3)):
        GeneIndex(["A", "B", "C", "B"], name="matrix")


@pytest.mark.parametrize("symbol", ["", "  ", "nan", "NA", "<NA>", float("nan"), None])
def test_a_missing_symbol_is_refused_at_its_position(symbol):
    with pytest.raises(InputError, match=naming("genes", "position 1")):
        GeneIndex(["A", symbol, "B"])


def test_case_matters():
    genes = GeneIndex(["Sox2", "SOX2"])
    assert "sox2" not in genes
    assert genes.positions(["SOX2", "Sox2"]).tolist() == [1, 0]


def test_positions_follow_the_order_asked_for():
    genes = GeneIndex("DACB")
    assert genes.positions("ABCD").tolist() == [1, 3, 2, 0]
    assert genes.take(genes.positions("BD")) == GeneIndex("BD")
    assert genes.array.tolist() == list("DACB")


def test_an_unknown_symbol_is_named_and_counted():
    with pytest.raises(InputError, match=naming("matrix", "'X'", "2 of 3")):
        GeneIndex("AB", name="matrix").positions(["A", "X", "Y"])


def test_indices_are_equal_by_symbols_in_order():
    assert GeneIndex("AB", name="one") == GeneIndex("AB", name="two")
    assert hash(GeneIndex("AB")) == hash(GeneIndex("AB", name="two"))
    assert GeneIndex("AB") != GeneIndex("BA")
    assert GeneIndex("AB") != ("A", "B")


def test_close_matches_name_the_likely_choice_or_nothing():
    assert "'hhep'" in close_matches("hehp", ["hhep", "mdc"])
    assert close_matches("zzz", ["hhep", "mdc"]) == ""


# -- Expression ----------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_named(bad):
    with pytest.raises(InputError, match=naming(bad, "gene 'B'", "cell 1")):
        expression([[1, 2], [3, bad]], transform="zscore")


@pytest.mark.parametrize("transform", ["counts", "log", "log1p", "clean"])
def test_a_negative_value_is_refused_on_a_scale_that_has_none(transform):
    with pytest.raises(InputError, match=naming("-0.5", "gene 'A'", "cell 1", transform)):
        expression([[1, 2], [-0.5, 1]], transform=transform)


@pytest.mark.parametrize("transform", ["zscore", "zscore_nonzero"])
def test_a_z_score_may_be_negative(transform):
    assert expression([[1, 2], [-0.5, 1]], transform=transform).values[1, 0] == -0.5


@pytest.mark.parametrize("n_cells", [0, 1])
def test_fewer_than_two_cells_are_refused(n_cells):
    with pytest.raises(InputError, match=naming(n_cells, "at least 2")):
        expression(np.ones((n_cells, 2)))


@pytest.mark.parametrize("shape", [(2, 3), (4,), (2, 2, 1)])
def test_a_shape_that_does_not_fit_the_genes_is_refused(shape):
    with pytest.raises(InputError, match=naming(shape, "2 genes")):
        expression(np.ones(shape))


def test_another_dtype_is_refused():
    with pytest.raises(InputError, match=naming("float64", "float32")):
        Expression(values=np.ones((2, 2)), genes=GeneIndex("AB"), transform="log")


def test_genes_and_cells_are_taken_by_name_and_position():
    matrix = expression([[1, 2, 3], [4, 5, 6], [7, 8, 9]], "ABC")
    assert matrix.take_genes(GeneIndex("CA")).values.tolist() == [[3, 1], [6, 4], [9, 7]]
    assert matrix.take_cells(np.array([2, 0])).values.tolist() == [[7, 8, 9], [1, 2, 3]]
    with pytest.raises(InputError, match=naming("gene 'Z'")):
        matrix.take_genes(GeneIndex("Z"))


def test_anndata_round_trip(make_expression):
    matrix = make_expression("CAB")
    adata = matrix.to_anndata()
    assert adata.shape == (matrix.n_cells, 3)
    assert adata.uns["transform"] == "log"
    back = Expression.from_anndata(adata, transform=adata.uns["transform"], source="back")
    assert back.genes == matrix.genes
    assert back.values.dtype == np.float32
    np.testing.assert_array_equal(back.values, matrix.values)


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_sparse_x_equals_dense_x(make_expression, form):
    adata = make_expression("CAB").to_anndata()
    adata.X[adata.X < 1] = 0
    dense = adata.X.copy()
    adata.X = form(dense)
    back = Expression.from_anndata(adata, transform="log", source="sparse")
    np.testing.assert_array_equal(back.values, dense)


def test_anndata_without_numbers_is_refused(make_expression):
    adata = make_expression("AB").to_anndata()
    adata.X = adata.X > 1
    with pytest.raises(InputError, match=naming("mine", "X", "bool")):
        Expression.from_anndata(adata, transform="log", source="mine")
    del adata.X
    with pytest.raises(InputError, match=naming("mine", "AnnData", "X")):
        Expression.from_anndata(adata, transform="log", source="mine")


def test_a_number_beyond_float32_is_refused_not_wrapped(make_expression):
    adata = make_expression("AB").to_anndata()
    adata.X = adata.X.astype(np.float64)
    adata.X[0, 1] = 1e300
    with pytest.raises(InputError, match=naming("inf", "gene 'B'", "cell 0")):
        Expression.from_anndata(adata, transform="log", source="mine")


# -- Network -------------------------------------------------------------------------------


def test_edges_are_pairs_of_positions(make_network):
    network = make_network("CAB", "A>B C>A")
    assert network.regulator.tolist() == [1, 0]
    assert network.target.tolist() == [2, 1]
    expected = np.zeros((3, 3), dtype=bool)
    expected[1, 2] = expected[0, 1] = True
    np.testing.assert_array_equal(network.adjacency(), expected)
    assert network.regulators == GeneIndex("CA")
    assert network.targets == GeneIndex("AB")


def test_what_does_not_belong_is_left_out_and_counted(make_network):
    network = make_network("ABC", "A>B A>A A>B B>C X>A A>Y X>X A>B")
    assert len(network) == 2
    assert network.n_self_loops == 1
    assert network.n_duplicates == 2
    assert network.n_foreign == 3
    # nothing vanishes without being counted
    assert 2 + 1 + 2 + 3 == 8


def test_the_reverse_edge_is_no_duplicate(make_network):
    assert len(make_network("AB", "A>B B>A")) == 2


def test_no_gene_in_common_names_examples():
    genes = GeneIndex(["SOX2", "NANOG", "MYC", "KLF4"], name="expression matrix")
    parts = ("net.csv", "2 edges", "'Sox2' -> 'Nanog'", "'SOX2', 'NANOG'", "species")
    with pytest.raises(InputError, match=naming(*parts)):
        Network.from_names(genes, ["Sox2", "Myc"], ["Nanog", "Klf4"], source="net.csv")


@pytest.mark.parametrize(
    ("regulator", "target", "parts"),
    [
        ([0, 1], [1, 1], ["self-loop", "'B'"]),
        ([0, 0], [1, 1], ["twice"]),
        ([0], [3], ["position 3", "0..2"]),
        ([-1], [0], ["position -1", "0..2"]),
        ([0, 1], [1], ["(2,)", "(1,)"]),
    ],
)
def test_broken_positions_are_refused(regulator, target, parts):
    with pytest.raises(InputError, match=naming(*parts)):
        Network(
            genes=GeneIndex("ABC"),
            regulator=np.array(regulator, dtype=np.int64),
            target=np.array(target, dtype=np.int64),
        )
