"""What the text prior refuses before it loads a model, and its cache on disk."""

import numpy as np
import pytest
import torch

from grn_exp.core.errors import InputError
from grn_exp.priors import text
from grn_exp.priors.text import TextPrior
from grn_exp.storage.atomic import write_npz
from tests.messages import naming


def fails(prior, expression, *parts):
    with pytest.raises(InputError, match=naming(*parts)):
        prior.embed(expression)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("gene,description\nX,text\n", ["2 genes", "'A', 'B'"]),
        ("gene,description\n", ["2 genes"]),
        ("gene,summary\nA,text\n", ["prior.text_column=description", "gene, summary"]),
        ("symbol,description\nA,x\n", ["prior.gene_column=gene", "symbol, description"]),
        ("gene,description\nA,x\nA,y\n", ["gene 'A'"]),
        ("gene,description\nA,x,y,z\n1,2\n1,2,3,4,5,6\n", ["line 4"]),
        ("", []),
    ],
)
def test_a_table_of_descriptions_that_cannot_be_used(tmp_path, make_expression, content, parts):
    path = tmp_path / "texts.csv"
    path.write_text(content)
    prior = TextPrior(descriptions=str(path))
    fails(prior, make_expression("AB"), "texts.csv", *parts)


def test_a_missing_table_and_another_ending_are_named(tmp_path, make_expression):
    (tmp_path / "texts.xlsx").write_text("x")
    for name, part in (("none.csv", "prior.descriptions="), ("texts.xlsx", ".parquet")):
        prior = TextPrior(descriptions=str(tmp_path / name))
        fails(prior, make_expression("AB"), name, part)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"model": "/no/such/folder"}, ["prior.model=/no/such/folder", "Hugging Face"]),
        ({"model": "a/b/c"}, ["prior.model=a/b/c", "Hugging Face"]),
        ({"revision": "main"}, ["prior.revision=main", "prior.model="]),
        ({"device": "no_such"}, ["prior.device=no_such", "auto", "cpu", "cuda"]),
        ({"batch_size": 0}, ["prior.batch_size=0"]),
        ({"max_length": 0}, ["prior.max_length=0"]),
    ],
)
def test_options_that_do_not_fit_are_named(tmp_path, make_expression, options, parts):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    fails(TextPrior(**{"model": str(folder), **options}), make_expression("AB"), *parts)


def test_no_flipped_byte_gives_another_vector(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((2, 5)).astype(np.float32)
    chunk = tmp_path / "chunk.npz"
    write_npz(chunk, {"hashes": np.array(["one", "two"]), "vectors": vectors})
    content = chunk.read_bytes()
    n_broken = 0
    for place in range(0, len(content), 3):
        flipped = bytearray(content)
        flipped[place] ^= 255
        chunk.write_bytes(flipped)
        found = text._read_vectors(tmp_path)
        if found.keys() >= {"one", "two"}:
            np.testing.assert_array_equal([found["one"], found["two"]], vectors)
        else:
            n_broken += 1
    assert n_broken > len(content) / 6  # the rest of the bytes says nothing


def test_a_cache_that_cannot_be_written_is_one_line(make_expression, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRN_EXP_CACHE", str(tmp_path / "file"))
    fails(
        TextPrior(model="some/model"),
        make_expression("AB"),
        str(tmp_path / "file"),
        "GRN_EXP_CACHE",
    )


@pytest.mark.parametrize(("has_amx", "chosen"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_half_precision_where_the_processor_gains(monkeypatch, has_amx, chosen):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_amx, raising=False)
    assert TextPrior(device="cpu").found_precision() == chosen
    assert TextPrior(device="cpu", precision="float16").found_precision() == "float16"
