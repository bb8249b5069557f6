"""Gene embeddings: the right vector for the right gene, the mean for the others."""

import gzip
import json
import pickle
import re
import shlex
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.priors.base import fill_missing
from grn_exp.priors.published import PublishedBioBertPrior
from grn_exp.priors.table import TablePrior
from grn_exp.priors.uninformative import OneHotPrior, RandomPrior
from grn_exp.storage import store
from tests.messages import naming

BIOBERT = [
    f"biobert/{name}/{file}"
    for name in ("hESC500", "mESC500")
    for file in ("Target.csv", "biovect768.npy")
]
VECTORS = {"A": [1.0, 2.0], "B": [3.0, 5.0], "Z": [100.0, 100.0]}


# -- a gene without a vector ---------------------------------------------------------------


def test_a_gene_without_a_vector_gets_the_mean_of_those_found():
    vectors = {gene: np.array(v, dtype=np.float32) for gene, v in VECTORS.items()}
    found = fill_missing(vectors, GeneIndex("BXA"), source="test")
    assert found.values.tolist() == [[3, 5], [2, 3.5], [1, 2]]  # Z is not in the matrix
    assert found.known.tolist() == [True, False, True]


@pytest.mark.parametrize("vectors", [{}, {"Z": np.ones(2, dtype=np.float32)}])
def test_no_gene_in_common_names_examples(vectors):
    with pytest.raises(InputError, match=naming("test", "2 genes", "'A', 'B'")):
        fill_missing(vectors, GeneIndex("AB"), source="test")


# -- BioBERT as published ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hESC500", "mESC500"])
def test_row_0_of_the_published_vectors_is_the_header_word(real_data, make_expression, name):
    folder = real_data(*BIOBERT)
    values = np.load(folder / f"biobert/{name}/biovect768.npy")
    names = pd.read_csv(folder / f"biobert/{name}/Target.csv", dtype=str)["Gene"].tolist()
    assert len(values) == len(names) + 1
    # the same symbol has the same vector in both files, which the header row would shift
    other = "mESC500" if name == "hESC500" else "hESC500"
    other_values = np.load(folder / f"biobert/{other}/biovect768.npy")
    other_names = pd.read_csv(folder / f"biobert/{other}/Target.csv", dtype=str)["Gene"].tolist()
    np.testing.assert_allclose(values[0], other_values[0], atol=1e-4)
    shared = sorted(set(names) & set(other_names))
    for symbol in shared[:20]:
        mine, theirs = names.index(symbol), other_names.index(symbol)
        np.testing.assert_allclose(values[mine + 1], other_values[theirs + 1], atol=1e-4)
    positions = [0, 1, len(names) // 2, len(names) - 1]
    expected = values[[position + 1 for position in positions]]
    chosen = [names[position].upper() for position in positions]
    embedding = PublishedBioBertPrior().embed(make_expression(chosen))
    assert embedding.values.shape == (4, 768)
    assert embedding.known.all()
    np.testing.assert_allclose(embedding.values, expected, atol=1e-4)


def test_published_vectors_are_found_whatever_the_case(real_data, make_expression):
    real_data(*BIOBERT)
    embedding = PublishedBioBertPrior().embed(
        make_expression(["Nanog", "NANOG", "SOX2", "no-such"])
    )
    assert embedding.known.tolist() == [True, True, True, False]
    np.testing.assert_array_equal(embedding.values[0], embedding.values[1])
    mean = embedding.values[:3].mean(axis=0)
    np.testing.assert_allclose(embedding.values[3], mean, rtol=1e-5)


def test_files_that_do_not_fit_each_other_are_refused(monkeypatch, tmp_path, make_expression):
    np.save(tmp_path / "biovect768.npy", np.ones((3, 768)))
    (tmp_path / "Target.csv").write_text("Gene,index\nA,0\nB,1\nC,2\n")
    monkeypatch.setattr(
        "grn_exp.priors.published.fetch", lambda key: tmp_path / key.rsplit("/", 1)[-1]
    )
    with pytest.raises(InputError, match=naming("hESC500", "2 vectors", "3 symbols")):
        PublishedBioBertPrior().embed(make_expression("ABC"))


@pytest.mark.usefixtures("no_data")
def test_without_the_files_the_message_says_where_to_put_them(monkeypatch, make_expression):
    entries = {key: store.KnownFile(key, f"http://127.0.0.1:9/{key}", "0" * 40) for key in BIOBERT}
    monkeypatch.setattr(store, "registry", lambda: entries)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(InputError, match=naming("ConnectionError", BIOBERT[1], "GRN_EXP_DATA")):
        PublishedBioBertPrior().embed(make_expression("ABC"))


# -- a table of the user's -----------------------------------------------------------------


def write_table(folder, ending, genes, vectors):
    path = folder / f"vectors{ending}"
    frame = pd.DataFrame(vectors, index=pd.Index(genes, name="gene"))
    frame.columns = [f"v{i}" for i in range(frame.shape[1])]
    if ending == ".npz":
        np.savez(path, genes=np.array(genes), vectors=np.array(vectors))
    elif ending == ".parquet":
        frame.to_parquet(path)
    elif ending == ".json":
        path.write_text(json.dumps(dict(zip(genes, np.asarray(vectors).tolist(), strict=True))))
    elif ending == ".json.gz":
        text = json.dumps(dict(zip(genes, np.asarray(vectors).tolist(), strict=True)))
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
    elif ending == ".column.parquet":
        frame.reset_index().to_parquet(path, index=False)
    else:
        frame.to_csv(path)
    return path


@pytest.mark.parametrize(
    "ending", [".npz", ".csv", ".csv.gz", ".parquet", ".column.parquet", ".json", ".json.gz"]
)
def test_every_kind_of_table_gives_the_same_vectors(tmp_path, make_expression, ending):
    path = write_table(tmp_path, ending, list(VECTORS), list(VECTORS.values()))
    embedding = TablePrior(path=str(path), width=2).embed(make_expression("BXA"))
    assert embedding.values.tolist() == [[3, 5], [2, 3.5], [1, 2]]
    assert embedding.values.dtype == np.float32
    assert embedding.known.tolist() == [True, False, True]


def table_fails(path, expression, *parts, width=None):
    with pytest.raises(InputError, match=naming(path.name, *parts)):
        TablePrior(path=str(path), width=width).embed(expression)


def test_a_pickle_is_refused_whatever_its_name(tmp_path, make_expression):
    for name in ("vectors.npz", "vectors.json", "vectors.csv"):
        path = tmp_path / name
        path.write_bytes(pickle.dumps({"A": [1.0]}))
        table_fails(path, make_expression("A"), "pickle", "prior.path=")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("gene,a,b\n", "no rows"),
        ("gene\ta\nA\t1\nB\t2\n", "tabs"),
        ("gene;a\nA;1\nB;2\n", "semicolons"),
    ],
)
def test_a_table_without_values_is_refused(tmp_path, make_expression, content, part):
    path = tmp_path / "vectors.csv"
    path.write_text(content)
    table_fails(path, make_expression("AB"), part)


def test_a_parquet_without_symbols_is_refused(tmp_path, make_expression):
    path = tmp_path / "vectors.parquet"
    pd.DataFrame({"a": [1.5, 2.0], "b": [0.5, 1.0]}).to_parquet(path)
    table_fails(path, make_expression("AB"), "first column", "1.5")


def test_zeros_alone_are_refused_where_they_stand_for_no_vector(tmp_path, make_expression):
    path = write_table(tmp_path, ".npz", list("AB"), np.zeros((2, 2)))
    with pytest.raises(InputError, match=naming("vectors.npz", "2 vectors", "zero")):
        TablePrior(path=str(path), zeros_are_missing=True).embed(make_expression("AB"))


def test_a_csv_without_a_header_would_lose_its_first_gene(tmp_path, make_expression):
    path = tmp_path / "vectors.csv"
    path.write_text("A,0.5,-1.25,3\nB,0.25,1.5,2\n")
    table_fails(path, make_expression("AB"), "header")


@pytest.mark.parametrize("ending", [".npz", ".csv", ".parquet"])
@pytest.mark.parametrize(
    ("genes", "vectors", "width", "parts"),
    [
        ("ABC", np.ones((3, 2)), 3, ["width 2", "prior.width=3"]),
        ("XYZ", np.ones((3, 2)), None, ["3 genes", "'A', 'B'"]),
        ("ABA", np.ones((3, 2)), None, ["gene 'A'", "twice"]),
        ("ABC", np.full((3, 2), np.nan), None, ["'A'", "NaN"]),
        ("ABC", np.full((3, 2), 1e300), None, ["'A'", "infinite"]),
        ("ABC", np.ones((3, 0)), None, ["shape (3, 0)"]),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(
    tmp_path, make_expression, *, ending, genes, vectors, width, parts
):
    path = write_table(tmp_path, ending, list(genes), vectors)
    table_fails(path, make_expression("ABC"), *parts, width=width)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("column", [["x", "y", "z"], [True, False, True]])
def test_a_column_without_numbers_is_named(tmp_path, make_expression, ending, column):
    frame = pd.DataFrame({"v0": [1.0, 2.0, 3.0], "kind": column}, index=list("ABC"))
    path = tmp_path / f"vectors{ending}"
    frame.to_csv(path) if ending == ".csv" else frame.to_parquet(path)
    table_fails(path, make_expression("ABC"), "'kind'")


@pytest.mark.parametrize(
    ("arrays", "part"),
    [
        ({"vectors": np.ones((3, 2))}, "['vectors']"),
        ({"genes": np.array(list("ABC"))}, "['genes']"),
        ({"genes": np.array(list("ABC")), "vectors": np.ones((2, 2))}, "3 genes"),
        ({"genes": np.array(list("ABC")), "vectors": np.ones(3)}, "shape (3,)"),
        ({"genes": np.array([b"A", b"B", b"C"]), "vectors": np.ones((3, 2))}, "'genes'"),
        ({"genes": np.array(list("ABC")), "vectors": np.array([["x"]] * 3)}, "'x'"),
        ({"genes": np.array("A"), "vectors": np.ones((1, 2))}, "'genes'"),
    ],
)
def test_an_npz_of_another_form_is_refused(tmp_path, make_expression, arrays, part):
    np.savez(tmp_path / "vectors.npz", **arrays)
    table_fails(tmp_path / "vectors.npz", make_expression("ABC"), part)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("v.npz", b""),
        ("v.npz", b"no zip at all"),
        ("v.npz", b"PK\x03\x04 broken"),
        ("v.csv", b""),
        ("v.csv", b"gene,v0\nA,1\nB,2,3,4\n"),
        ("v.csv.gz", gzip.compress(b"gene,v0\nA,1\nB,2\n", mtime=0)[:-6]),
        ("v.csv.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\xff" * 40),
        ("v.parquet", b"PAR1 broken PAR1"),
        ("v.parquet", b""),
    ],
)
def test_an_unreadable_table_is_one_line(tmp_path, make_expression, name, content):
    (tmp_path / name).write_bytes(content)
    table_fails(tmp_path / name, make_expression("AB"))


def test_an_npy_under_the_name_of_an_npz_is_one_line(tmp_path, make_expression):
    with (tmp_path / "v.npz").open("wb") as stream:
        np.save(stream, np.ones((2, 2)))
    table_fails(tmp_path / "v.npz", make_expression("AB"))


def test_an_empty_table_a_missing_file_and_another_ending_are_refused(tmp_path, make_expression):
    expression = make_expression("AB")
    pd.DataFrame({"gene": [], "v0": []}).to_parquet(tmp_path / "v.parquet")
    table_fails(tmp_path / "v.parquet", expression)
    (tmp_path / "v.csv").write_text("gene,v0\n")
    table_fails(tmp_path / "v.csv", expression)
    table_fails(tmp_path / "none.csv", expression, f"prior.path={tmp_path / 'none.csv'}")
    (tmp_path / "v.txt").write_text("A 1")
    table_fails(tmp_path / "v.txt", expression, "'.txt'", ".npz")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ('{"A": [1, 2], "B": [1]}', "gene 'B', 2 for 'A'"),
        ('{"A": [1, 2], "A": [3, 4]}', "gene 'A'"),
        ('{"A": [1, 2], "B": ["1", "2"]}', "gene 'B'"),
        ('{"A": [1, 2], "B": [true, false]}', "gene 'B'"),
        ('{"A": [1, 2], "B": [1, null]}', "gene 'B'"),
        ('{"A": {"x": 1, "y": 2}}', "gene 'A'"),
        ('{"A": [[1, 2]]}', "gene 'A'"),
        ('{"A": 1}', "gene 'A'"),
        ('{"A": [1, NaN]}', "'A' has a NaN"),
        ('{"A": []}', "shape (1, 0)"),
        ("[[1, 2]]", '{"symbol": [numbers], ...}'),
        ("{}", "gene"),
        ('{"A": [1, 2', "line 1 column 12"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_json_of_another_form_is_refused(tmp_path, make_expression, content, part):
    (tmp_path / "v.json").write_text(content)
    table_fails(tmp_path / "v.json", make_expression("AB"), part)


def test_a_vector_of_zeros_is_a_vector_unless_it_stands_for_none(tmp_path, make_expression):
    path = write_table(tmp_path, ".npz", list("ABC"), [[2, 4], [0, 0], [4, 8.0]])
    expression = make_expression("ABC")
    kept = TablePrior(path=str(path)).embed(expression)
    assert kept.values.tolist() == [[2, 4], [0, 0], [4, 8]]
    assert kept.known.all()
    filled = TablePrior(path=str(path), zeros_are_missing=True).embed(expression)
    assert filled.values.tolist() == [[2, 4], [3, 6], [4, 8]]
    assert filled.known.tolist() == [True, False, True]


def test_vectors_that_are_all_zero_are_refused(tmp_path, make_expression):
    path = write_table(tmp_path, ".csv", list("ABC"), np.zeros((3, 2)))
    table_fails(path, make_expression("AB"), "2 genes", "zero")


# -- GenePT --------------------------------------------------------------------------------


def test_the_same_symbol_goes_before_the_same_letters(tmp_path, make_expression):
    genes, vectors = ["GATA1", "SOX2", "Sox2", "C1orf9"], [[1.0], [2.0], [3.0], [4.0]]
    path = write_table(tmp_path, ".npz", genes, vectors)
    expression = make_expression(["Gata1", "SOX2", "Sox2", "C1ORF9", "Tp53"])
    found = TablePrior(path=str(path), case_sensitive=False).embed(expression)
    assert found.values[:, 0].tolist() == [1, 2, 3, 4, 2.5]
    assert found.known.tolist() == [True, True, True, True, False]
    exact = TablePrior(path=str(path)).embed(expression)
    assert exact.known.tolist() == [False, True, True, False, False]


def test_two_symbols_that_fit_alike_are_named(tmp_path, make_expression):
    path = write_table(tmp_path, ".npz", ["SOX2", "Sox2"], [[1.0], [2.0]])
    with pytest.raises(
        InputError, match=naming("'SOX2'", "'Sox2'", "'sox2'", "prior.case_sensitive=true")
    ):
        TablePrior(path=str(path), case_sensitive=False).embed(make_expression(["sox2"]))


class Harmful:
    def __reduce__(self):
        return (open, ("harm_done", "w"))


@pytest.mark.parametrize("name", ["v.pickle", "v.pkl", "v.pickle.gz"])
def test_a_pickle_is_never_opened(tmp_path, monkeypatch, make_expression, name):
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps(Harmful())
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    table_fails(tmp_path / name, make_expression("AB"), "pickle", "prior.path=", "v.npz")
    assert not (tmp_path / "harm_done").exists()


@pytest.mark.parametrize("name", ["GenePT.v2.pickle", "GenePT.pickle.gz"])
def test_the_command_in_the_message_converts_a_pickle(tmp_path, make_expression, name):
    content = pickle.dumps({"A": [1.0, 2.0], "B": np.array([3.0, 5.0])})
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(InputError) as caught:
        TablePrior(path=str(path)).embed(make_expression("AB"))
    (code,) = re.findall(r"python -c ('[^']*')", str(caught.value))
    subprocess.run([sys.executable, "-c", *shlex.split(code)], check=True)
    found = TablePrior(path=str(tmp_path / "GenePT.npz")).embed(make_expression("AB"))
    assert found.values.tolist() == [[1, 2], [3, 5]]


# -- controls ------------------------------------------------------------------------------


def test_one_hot_gives_every_gene_its_own_direction(make_expression):
    embedding = OneHotPrior().embed(make_expression("CAB"))
    np.testing.assert_array_equal(embedding.values, np.eye(3))
    assert embedding.genes == GeneIndex("CAB")


def test_random_vectors_follow_their_seed_and_have_about_unit_length(make_expression):
    expression = make_expression([f"g{i}" for i in range(200)])
    one, again, other = (RandomPrior(seed=s).embed(expression).values for s in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).all()
    assert one.shape == (200, 768)
    lengths = (one.astype(float) ** 2).sum(axis=1)
    # a chi-square over its degrees of freedom: mean 1, variance 2 / 768
    assert abs(lengths.mean() - 1) < 5 * np.sqrt(2 / 768 / 200)


@pytest.mark.parametrize(
    ("prior", "name"),
    [
        (RandomPrior(width=0), "prior.width=0"),
        (RandomPrior(seed=-1), "prior.seed=-1"),
    ],
)
def test_options_out_of_range_are_named(make_expression, prior, name):
    with pytest.raises(InputError, match=naming(name)):
        prior.embed(make_expression("AB"))
