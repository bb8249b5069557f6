"""Reading matrices and networks: every broken file ends in one line that says what to do."""

import bz2
import gzip
import re
import subprocess
import sys

import numpy as np
import pytest

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.data.readers import read_expression, read_network
from tests.messages import naming

MATRIX = "gene,c1,c2,c3\nA,1,2,3\nB,0,0.5,2\nC,1,4,1\n"
CELLS_BY_GENES = [[1, 0, 1], [2, 0.5, 4], [3, 2, 1]]


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(read, path, *parts):
    with pytest.raises(InputError, match=naming(path.name, *parts)):
        read(path)


def read_abc(path):
    return read_network(path, GeneIndex("ABC", name="expression matrix"))


# -- expression ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.csv", MATRIX),
        ("m.csv", MATRIX.replace("\n", "\r\n")),
        ("m.csv", b"\xef\xbb\xbf" + MATRIX.encode()),
        ("m.csv", MATRIX.replace("gene,", "", 1)),  # as R writes row names
        ("m.csv.gz", gzip.compress(MATRIX.encode(), mtime=0)),
        ("m.csv", gzip.compress(MATRIX.encode(), mtime=0)),  # what the ending does not say
        ("m.csv.gz", MATRIX),
        ("M.CSV", MATRIX),
        ("m.csv", MATRIX.replace("A,", " A\xa0,").replace("B,", "B\t,")),
        ("m.csv", "\n\n" + MATRIX),
        ("m.csv", MATRIX.replace("gene,", ",").replace("\n", ",\n")),  # an empty last column
        ("m.csv", MATRIX + ",,,\n"),  # and row, as spreadsheets write them
        ("m.csv", MATRIX.replace("gene,", "c1,")),
        ("m.csv", MATRIX.replace("c1,c2,c3", "0,1,2")),  # names that are numbers
    ],
)
def test_genes_by_cells_become_cells_by_genes(tmp_path, name, content):
    matrix = read_expression(write(tmp_path, name, content))
    assert matrix.genes == GeneIndex("ABC")
    assert matrix.values.dtype == np.float32
    assert matrix.values.tolist() == CELLS_BY_GENES
    assert matrix.values.flags.c_contiguous


def test_h5ad_is_cells_by_genes(tmp_path):
    matrix = read_expression(write(tmp_path, "m.csv", MATRIX))
    matrix.to_anndata().write_h5ad(tmp_path / "m.h5ad")
    again = read_expression(tmp_path / "m.h5ad", transform="log1p")
    assert again.values.tolist() == CELLS_BY_GENES
    assert again.genes == matrix.genes
    assert again.transform == "log1p"


def test_the_order_of_rows_does_not_matter(tmp_path):
    header, *rows = MATRIX.strip().split("\n")
    other = "\n".join([header, *reversed(rows)]) + "\n"
    matrix = read_expression(write(tmp_path, "m.csv", other))
    assert matrix.genes == GeneIndex("ABC")
    assert matrix.values.tolist() == CELLS_BY_GENES
    shuffled = matrix.take_genes(GeneIndex("CAB")).to_anndata()
    shuffled.write_h5ad(tmp_path / "m.h5ad")
    assert read_expression(tmp_path / "m.h5ad").values.tolist() == CELLS_BY_GENES


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.98])
def test_a_truncated_h5ad_is_refused(tmp_path, make_expression, share):
    whole = tmp_path / "whole.h5ad"
    make_expression([f"g{i}" for i in range(50)], n_cells=200).to_anndata().write_h5ad(whole)
    content = whole.read_bytes()
    path = write(tmp_path, "m.h5ad", content[: int(share * len(content))])
    refused(read_expression, path, "AnnData", "truncated")


def test_an_h5_file_that_is_no_anndata_is_refused(tmp_path):
    import h5py

    with h5py.File(tmp_path / "m.h5ad", "w") as file:
        file["X"] = np.ones((2, 2))
        file["X"].attrs["encoding-type"] = "unheard-of"
        file["X"].attrs["encoding-version"] = "9"
        file.attrs["encoding-type"] = "anndata"
        file.attrs["encoding-version"] = "0.1.0"
    refused(read_expression, tmp_path / "m.h5ad", "AnnData", "'unheard-of'")


def test_a_duplicate_gene_in_an_h5ad_is_named_without_a_warning(tmp_path, make_expression):
    adata = make_expression("ABC").to_anndata()
    adata.var_names = ["A", "B", "A"]
    adata.write_h5ad(tmp_path / "m.h5ad")
    refused(read_expression, tmp_path / "m.h5ad", "gene 'A'", 0, 2)


@pytest.mark.parametrize("cut", [5, 100, 400])
def test_a_truncated_gz_is_refused(tmp_path, cut):
    rows = "".join(f"g{i},{i},{i * 7 % 13},1\n" for i in range(300))
    content = gzip.compress(("gene,c1,c2,c3\n" + rows).encode())
    path = write(tmp_path, "m.csv.gz", content[:-cut])
    refused(read_expression, path, "end-of-stream")


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("m.csv", MATRIX[:-5], ["gene 'C'", "1 of 3"]),
        ("m.csv", MATRIX[:-3], ["gene 'C'", "2 of 3"]),
        ("m.csv", MATRIX + "D,1,2,3,4\n", ["Expected 4 fields in line 5, saw 5"]),
        ("m.csv", MATRIX.replace("0.5", "low"), ["'low'", "gene 'B'", "cell 'c2'"]),
        ("m.csv", MATRIX.replace("0.5", "1+2j"), ["'1+2j'", "gene 'B'", "cell 'c2'"]),
        ("m.csv", "gene,c1,c2\nA,True,1\nB,False,2\n", ["'True'", "gene 'A'", "cell 'c1'"]),
        ("m.csv", MATRIX.replace("0.5", ""), ["nan", "gene 'B'", "cell 1"]),
        ("m.csv", MATRIX.replace("0.5", "inf"), ["inf", "gene 'B'", "cell 1"]),
        ("m.csv", MATRIX.replace("0.5", "1e39"), ["inf", "gene 'B'", "cell 1"]),
        ("m.csv", MATRIX.replace("0.5", "-1"), [-1, "gene 'B'", "cell 1"]),
        ("m.csv", MATRIX.replace("C,", "A,"), ["gene 'A'", 0, 2]),
        ("m.csv", MATRIX.replace("C,", ","), ["position 2"]),
        ("m.csv", MATRIX.replace("C,", "NA,"), ["position 2"]),
        ("m.csv", "gene,c1\nA,1\nB,2\n", [1, "at least 2"]),
        ("m.csv", MATRIX.replace(",", ";"), ["semicolons", "commas"]),
        ("m.csv", MATRIX.replace(",", "\t"), ["tabs", "commas"]),
        ("m.csv", MATRIX.replace(",", " "), ["blanks", "commas"]),
        ("m.csv", MATRIX.replace(",", ";").replace(".", ","), ["semicolons"]),
        ("m.csv", MATRIX.replace("0.5", '"0,5"'), ["'0,5'", "gene 'B'", "point"]),
        ("m.csv", "sep=,\n" + MATRIX, ["'sep=,'"]),
        ("m.csv", "# cells of day 4\n" + MATRIX, ["'# cells of day 4'"]),
        ("m.csv", "# day 4, batch 2\n" + MATRIX, ["'# day 4, batch 2'"]),
        ("m.csv", '"sep=,"\n' + MATRIX, ["sep=,"]),
        ("m.csv", MATRIX.replace("B,", "# batch 2\nB,"), ["'# batch 2'"]),
        ("m.csv", "Cells of day 4\n" + MATRIX, ["'Cells of day 4'", "title"]),
        ("m.csv", MATRIX.replace("0.5", '"1.234,5"'), ["'1.234,5'", "point"]),
        ("m.csv", MATRIX.replace("0.5", '"1,234.5"'), ["'1,234.5'", "thousands"]),
        ("m.csv", MATRIX.replace("0.5", "\u22120.5"), ["gene 'B'", "minus"]),
        ("m.csv", MATRIX.replace("0.5", "'0.5'"), ["gene 'B'", "quotes"]),
        ("m.csv", b"\xd0\xcf\x11\xe0" + bytes(9), ["Excel"]),
        ("m.csv", b"PAR1\x15\x04", ["parquet"]),
        ("m.csv", gzip.compress(b"X\n\0\0\0\3", mtime=0), ["R file"]),
        ("m.csv.gz", gzip.compress(b"<html>", mtime=0), ["web page"]),
        ("m.csv", "<?xml version='1.0'?><Error/>", ["XML"]),
        ("m.csv", '{"message": "Not Found"}', ["JSON"]),
        ("m.csv.gz", gzip.compress(gzip.compress(MATRIX.encode(), mtime=0), mtime=0), ["twice"]),
        ("m.csv", bytes(257) + b"ustar", ["tar"]),
        ("m.csv", "a\n,\n", ["no rows"]),
        # its header is lost
        ("m.csv", "B,0,0.5,2\nC,1,4,1\n", ["(B,0,0.5,2,...)", "header"]),
        ("m.csv", "B,0,0,2\nC,1,4,1\n", ["(B,0,0,2,...)", "header"]),
        ("m.csv", MATRIX.splitlines()[0], ["no rows"]),
        ("m.csv", "", ["empty"]),
        ("m.csv", "\n\n", ["empty"]),
        ("m.csv", MATRIX.encode("utf-16"), ["UTF-8"]),
        ("m.csv", MATRIX.replace("C,", "\xe9,").encode("latin-1"), ["UTF-8"]),
        ("m.csv", b"\x89HDF\r\n\x1a\n", ["HDF5", ".h5ad"]),
        ("m.csv", MATRIX.encode("utf-16-le"), ["UTF-8"]),
        ("m.csv", b"PK\x03\x04xlsx", ["zip"]),
        ("m.csv", bz2.compress(MATRIX.encode()), ["gzip"]),
        ("m.csv", "<!DOCTYPE html>\n<p>Not found</p>", ["web page"]),
        ("m.csv", "version https://git-lfs.github.com/spec/v1\nsize 5\n", ["git lfs pull"]),
        ("m.h5ad", MATRIX, ["HDF5", ".csv"]),
        ("m.h5ad", gzip.compress(b"\x89HDF", mtime=0), ["gzipped", "gunzip"]),
        ("m.txt", MATRIX, [".csv", ".csv.gz", ".h5ad"]),
    ],
)
def test_a_broken_matrix_is_refused(tmp_path, name, content, parts):
    refused(read_expression, write(tmp_path, name, content), *parts)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    refused(read_expression, tmp_path / "none.csv", "expression")
    refused(read_abc, tmp_path / "none.csv", "network")
    refused(read_expression, tmp_path)


ODD = [
    ["007", "7", "1e5"],
    ["8.1", "8.10", "08.1"],
    ["1E3", "1000.0", "Q1E10"],
    ["True", "False", "TRUE"],
    ["NULL", "null", "N/A"],
    ["-", "inf", "2024-01-02"],
]


@pytest.mark.parametrize("symbols", ODD, ids=[names[0] for names in ODD])
@pytest.mark.parametrize("corner", ["gene,", ",", ""])
def test_symbols_that_pandas_takes_for_other_things_stay_text(tmp_path, symbols, corner):
    rows = "".join(f"{symbol},{row}.5,1,2\n" for row, symbol in enumerate(symbols))
    matrix = read_expression(write(tmp_path, "m.csv", f"{corner}c1,c2,c3\n{rows}"))
    assert matrix.genes.symbols == tuple(sorted(symbols))
    pairs = "".join(f"{a},{b}\n" for a in symbols for b in symbols if a != b)
    network = read_network(write(tmp_path, "n.csv", "Gene1,Gene2\n" + pairs), matrix.genes)
    assert len(network) == 6
    assert network.n_foreign == network.n_duplicates == 0


def test_sparse_half_precision_names_the_type(tmp_path):
    import anndata
    import scipy.sparse

    values = scipy.sparse.csr_matrix(np.array(CELLS_BY_GENES, dtype=np.float32))
    half = anndata.AnnData(X=values)
    half.var_names = list("ABC")
    half.write_h5ad(tmp_path / "m.h5ad")
    import h5py

    with h5py.File(tmp_path / "m.h5ad", "r+") as file:
        numbers = file["X/data"][:].astype(np.float16)
        del file["X/data"]
        file["X/data"] = numbers
    refused(read_expression, tmp_path / "m.h5ad", "float16", "float32")


def test_a_file_that_another_program_writes_is_called_that(tmp_path, make_expression):
    import h5py

    path = tmp_path / "m.h5ad"
    make_expression("ABC").to_anndata().write_h5ad(path)
    code = (
        f"import h5py, sys; f = h5py.File({str(path)!r}, 'r+'); print('open', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "open\n"
    refused(read_expression, path, "open", "writing")
    other.communicate("\n")
    assert h5py.is_hdf5(path)


def test_cells_by_genes_by_mistake_end_in_no_gene_in_common(tmp_path):
    text = "cell,A,B,C\ncell1,1.5,2,3\ncell2,0,1,2\ncell3,1,1,1\n"
    matrix = read_expression(write(tmp_path, "transposed.csv", text))
    network = write(tmp_path, "n.csv", "Gene1,Gene2\nA,B\n")
    parts = ("'A' -> 'B'", "transposed.csv", "'cell1', 'cell2'")
    refused(lambda path: read_network(path, matrix.genes), network, *parts)


@pytest.mark.parametrize(
    ("row", "parts"),
    [("1,2,3", ["counts"]), ("1.5,200.5,3", ["200.5"]), ("0.5,0.5,0.5", ["3 cells"])],
)
def test_values_that_are_on_no_log_scale(tmp_path, row, parts):
    path = write(tmp_path, "m.csv", f"gene,c1,c2,c3\nA,{row}\nB,{row}\n")
    refused(read_expression, path, *parts)
    assert read_expression(path, transform="counts").n_genes == 2


def test_a_matrix_may_have_tabs_and_no_name_of_its_first_column(tmp_path):
    tabs = write(tmp_path, "m.tsv.gz", gzip.compress(b"c1\tc2\nB\t1\t0.5\nA\t2\t0\n"))
    matrix = read_expression(tabs)
    assert matrix.genes == GeneIndex("AB")
    np.testing.assert_array_equal(matrix.values, [[2, 1], [0, 0.5]])


# -- networks ------------------------------------------------------------------------------


def test_a_network_is_read_regulator_first_whatever_the_column_order(tmp_path):
    path = write(tmp_path, "n.csv", "Score,Gene2,Gene1\n0.5,B,A\n0.1,A,C\n")
    network = read_abc(path)
    assert network.regulators == GeneIndex("AC")
    assert network.targets == GeneIndex("AB")


def test_na_and_nan_in_a_network_are_symbols_that_the_matrix_lacks(tmp_path):
    path = write(tmp_path, "n.csv", "Gene1,Gene2\nNA,A\nA,nan\nnull,B\nA,B\n")
    network = read_abc(path)
    assert len(network) == 1
    assert network.n_foreign == 3


def test_a_gene_called_null_is_a_gene(tmp_path):
    path = write(tmp_path, "n.csv", "Gene1,Gene2\nnull,A\nA,01\n")
    network = read_network(path, GeneIndex(["A", "null", "01", "1"]))
    assert network.regulator.tolist() == [1, 0]
    assert network.target.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("n.csv", "TF,target\nA,B\n", ["'Gene1'", "TF, target"]),
        ("n.csv", "A,B\nB,C\n", ["'Gene1'", "header", "A, B"]),
        ("n.csv", "Gene1,target\nA,B\n", ["'Gene2'", "Gene1, target"]),
        ("n.csv", "Gene1\tGene2\nA\tB\n", ["tabs"]),
        ("n.csv", "Gene1,Gene2,Gene1\nA,B,C\n", ["'Gene1'", "twice"]),
        ("n.csv", "Gene1,Gene2\n", ["no rows"]),
        ("n.csv", "", ["empty"]),
        # read with the first column as an index, these would be the edge B -> C
        ("n.csv", "Gene1,Gene2\nA,B,C\n", ["header", "Gene1,Gene2"]),
        ("n.csv", "Gene1,Gene2\nA,B\nB,C,A\n", ["Expected 2 fields in line 3, saw 3"]),
        ("n.csv", "Gene1,Gene2\nA,B\nB", ["'B' -> ''", "truncated"]),
        ("n.csv", "Gene1,Gene2\nX,Y\n", ["'X' -> 'Y'", "expression matrix", "species"]),
        ("n.csv", "Gene1,Gene2\na,b\n", ["'a' -> 'b'", "symbols"]),
        ("n.csv", "Gene1,Gene2\nA,A\n", ["'A' -> 'A'", "1 edges"]),
        ("n.csv.gz", gzip.compress(b"Gene1,Gene2\nA,B\n", mtime=0)[:-3], ["end-of-stream"]),
    ],
)
def test_a_broken_network_is_refused(tmp_path, name, content, parts):
    refused(read_abc, write(tmp_path, name, content), *parts)


@pytest.mark.parametrize(
    ("spell", "parts"),
    [
        (lambda symbol: symbol.replace("G", "\uff27"), ["punctuation", "'\uff2711'", "'G11'"]),
        (str.lower, ["case", "'g11'", "'G11'"]),
        (lambda symbol: symbol + ".1", ["'.1'", "'G11.1'", "'G11'"]),
        (lambda symbol: symbol.replace("G", "G-"), ["punctuation", "'G-11'", "'G11'"]),
        (lambda symbol: "Ensembl" + symbol, ["'EnsemblG11'"]),
    ],
)
def test_edges_that_the_matrix_lacks_are_said_with_their_cause(tmp_path, spell, parts):
    genes = GeneIndex([f"G{number}" for number in range(10, 40)], name="matrix")
    rows = [(f"G{a}", f"G{a + 1}") for a in range(10, 39)]
    half = [(spell(a), spell(b)) if i % 2 else (a, b) for i, (a, b) in enumerate(rows)]
    text = "Gene1,Gene2\n" + "".join(f"{a},{b}\n" for a, b in half)
    network = read_network(write(tmp_path, "n.csv", text), genes)
    loss = network.loss()
    assert re.search(naming("n.csv", "14 of 29 edges", "14 of 29 regulators", *parts), loss)


def test_numbers_that_r_puts_an_x_before(tmp_path):
    genes = GeneIndex(["7", "8", "A"])
    network = read_network(write(tmp_path, "n.csv", "Gene1,Gene2\nX7,A\n8,A\n"), genes)
    assert re.search(naming("'X'", "'X7'", "'7'"), network.loss())


def test_a_number_too_long_for_an_integer_is_a_number(tmp_path):
    text = MATRIX.replace("0.5", "99999999999999999999")
    refused(read_expression, write(tmp_path, "m.csv", text), "100000002004087734272", "log")


def test_rows_of_nothing_below_a_network_are_no_cut(tmp_path):
    assert len(read_abc(write(tmp_path, "n.csv", "Gene1,Gene2\nA,B\n,\n,\n"))) == 1


def test_a_folder_is_not_called_missing(tmp_path):
    (tmp_path / "x.csv").mkdir()
    refused(read_expression, tmp_path / "x.csv", "a folder")


def test_few_edges_outside_the_matrix_need_no_word(tmp_path):
    genes = GeneIndex([f"G{number}" for number in range(60)])
    text = "".join(f"G{a},G{a + 1}\n" for a in range(59)) + "X,G1\n"
    network = read_network(write(tmp_path, "n.csv", "Gene1,Gene2\n" + text), genes)
    assert network.n_foreign == 1
    assert network.loss() == ""
