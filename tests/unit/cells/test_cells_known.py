"""Own cells: interactions that are known of them."""

import numpy as np
import pytest

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.network import likely_cause
from grn_exp.core.views import UNKNOWN
from grn_exp.data.edges.splitting import SeenUnseenSplitter
from grn_exp.models.edges.genelink import GENELink
from grn_exp.models.edges.grnboost2 import GRNBoost2
from grn_exp.models.edges.infosem import InfoSEMBC
from grn_exp.models.edges.one_hot_lr import OneHotLR
from tests.messages import lines_naming, naming
from tests.unit.cells.conftest import GENES, N_CELLS, module, refused, written


@pytest.mark.parametrize(
    ("name", "header"),
    [("k.csv", "Gene1,Gene2"), ("k.csv", "source,target"), ("k.tsv", "TF\ttarget")],
)
def test_known_interactions_are_the_labels_and_other_pairs_unknown(
    name, header, counts, regulators, tmp_path
):
    separator = "\t" if name.endswith("tsv") else ","
    pairs = [("SPI1", "GENE0"), ("spi1", "gene1"), ("GATA1", "SPI1"), ("GATA1", "NONE")]
    lines = [header, *(separator.join(pair) for pair in pairs)]
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    path = written(counts, tmp_path / "x.h5ad")
    data = module(path, regulators, known=str(tmp_path / name))
    view = data.view_for(InfoSEMBC())
    rows, columns = np.nonzero(view.labels == 1)
    found = {
        (view.regulators.symbols[r], view.genes.symbols[c])
        for r, c in zip(rows, columns, strict=True)
    }
    assert found == {("SPI1", "GENE0"), ("SPI1", "GENE1"), ("GATA1", "SPI1")}
    assert set(np.unique(view.labels)) == {UNKNOWN, 1}
    negative = module(path, regulators, known=str(tmp_path / name), unlisted="negative")
    labels = negative.view_for(InfoSEMBC()).labels
    assert (labels == 0).sum() == 2 * 3 - 1 - 3  # 2 regulators x 3 targets, less SPI1 -> SPI1
    assert not data.can_judge("test_seen")


def test_symbols_that_are_left_out_are_named_with_the_likely_cause(
    counts, regulators, tmp_path, caplog
):
    (tmp_path / "k.csv").write_text("Gene1,Gene2\nSPI1,GENE0\nSPI1,GENE1.1\nSPI1,SPI1\n")
    path = written(counts, tmp_path / "x.h5ad")
    with caplog.at_level("INFO"):
        module(path, ["SPI1", "GATA-1"], known=str(tmp_path / "k.csv")).setup("fit")
    assert lines_naming(caplog.text, "k.csv", "1 of 3", "'GENE1.1'", "'GENE1'")
    assert lines_naming(caplog.text, "1 of 2", "'GATA-1'", "'GATA1'")


def test_a_symbol_that_is_a_gene_as_it_stands_has_no_other_spelling():
    genes = GeneIndex(["SPI1", "GENE1"])
    assert likely_cause({"SPI1"}, genes) == ""
    assert "'gene1'" in likely_cause({"SPI1", "gene1"}, genes)


def test_signs_and_absent_edges_of_known_interactions(counts, regulators, tmp_path):
    text = "source,target,weight\nSPI1,GENE0,0.5\nSPI1,GENE1,-2\nSPI1,GENE2,0\n"
    (tmp_path / "k.csv").write_text(text)
    data = module(written(counts, tmp_path / "x.h5ad"), regulators, known=str(tmp_path / "k.csv"))
    view, signs = data.view_for(OneHotLR()), data.known_signs()
    row = view.regulators.positions(["SPI1"])[0]
    columns = view.genes.positions(["GENE0", "GENE1", "GENE2"])
    assert view.labels[row, columns].tolist() == [1, 1, 0]
    assert signs[row, columns].tolist() == [1, -1, 0]


def test_words_and_numbers_that_are_signs_and_those_that_are_none(
    counts, regulators, tmp_path, caplog
):
    signs = {"+": 1, "Activation": 1, "0.7": 1, "-0.2": -1, "\u2212": -1, "repression": -1}
    signs |= {"Unknown": 0, "0": 0, "": 0, "phosphorylates": 0, "inhibits": -1}
    lines = [f"SPI1,GENE{i},{sign}" for i, sign in enumerate(signs)]
    (tmp_path / "k.csv").write_text("\n".join(["source,target,mor", *lines]) + "\n")
    data = module(written(counts, tmp_path / "x.h5ad"), regulators, known=str(tmp_path / "k.csv"))
    found = data.known_signs()[data.truth.regulators.positions(["SPI1"])[0]]
    columns = data.expression.genes.positions(f"GENE{i}" for i in range(len(signs)))
    assert found[columns].tolist() == list(signs.values())
    assert lines_naming(caplog.text, "1 of 11", "mor", "'phosphorylates'")


def test_rows_that_contradict_each_other(counts, regulators, tmp_path):
    path = written(counts, tmp_path / "x.h5ad")
    known = tmp_path / "k.csv"
    known.write_text(
        "source,target,sign\nSPI1,GENE0,+\nSPI1,GENE0,-\nSPI1,GENE1,+\nSPI1,GENE1,?\n"
    )
    data = module(path, regulators, known=str(known))
    columns = data.expression.genes.positions(["GENE0", "GENE1"])
    row = data.truth.regulators.positions(["SPI1"])[0]
    assert data.known_signs()[row, columns].tolist() == [0, 1]
    known.write_text("source,target,weight\nSPI1,GENE0,1\nspi1,GENE0,0\n")
    refused(path, regulators, "'SPI1' -> 'GENE0'", "weight 0", known=str(known))
    known.write_text("source,Source,target\nSPI1,TAL1,GENE0\n")
    refused(path, regulators, "'source'", "twice", known=str(known))


@pytest.mark.parametrize("name", ["nan", "NA", "None", " "])
def test_a_gene_without_a_name_is_left_out_with_a_word(name, counts, regulators, tmp_path, caplog):
    counts.var_names = [*GENES[:-1], name]
    del counts.var["feature_name"]
    data = module(written(counts, tmp_path / "x.h5ad"), regulators)
    assert len(data.expression.genes) == len(GENES) - 1
    assert lines_naming(caplog.text, "1 of 24 genes", f"'{name}'")


def test_genes_that_vary_alike_have_no_most_variable_ones(counts, regulators, tmp_path):
    rng = np.random.default_rng(0)
    counts.X = np.stack([rng.permutation(N_CELLS) % 7 + 0.5 for _ in GENES], 1).astype(np.float32)
    path = written(counts, tmp_path / "x.h5ad")
    refused(path, regulators, "data.genes=null", genes=5, normalise="none")


def test_methods_that_need_labels_or_negatives_say_so(counts, regulators, tmp_path):
    path = written(counts, tmp_path / "x.h5ad")
    with pytest.raises(InputError, match=naming("InfoSEMBC", "data.known=FILE")):
        module(path, regulators).view_for(InfoSEMBC())
    (tmp_path / "k.csv").write_text("source,target\nSPI1,GENE0\nGATA1,GENE1\n")
    data = module(path, regulators, known=str(tmp_path / "k.csv"))
    for method in (GENELink(), OneHotLR()):
        with pytest.raises(InputError, match=naming("data.unlisted=negative")):
            data.view_for(method)


def test_a_split_of_known_interactions_is_judged_and_hides_what_it_holds_out(counts, tmp_path):
    rng = np.random.default_rng(1)
    regulators = GENES[:12]
    pairs = [f"{r},{g}" for r in regulators for g in GENES[12:] if rng.random() < 0.4]
    (tmp_path / "k.csv").write_text("\n".join(["source,target", *pairs]) + "\n")
    data = module(
        written(counts, tmp_path / "x.h5ad"),
        regulators,
        known=str(tmp_path / "k.csv"),
        splitter=SeenUnseenSplitter(validation_fraction=0.0),
    )
    view = data.view_for(InfoSEMBC())
    assert (view.labels[data.split.test_seen | data.split.test_unseen] == UNKNOWN).all()
    method = GRNBoost2(n_estimators=5).attach(data.view_for(GRNBoost2()))
    method.fit()
    subsets = {row.subset for row in data.evaluate(method.prediction())}
    assert subsets == {"test_seen", "test_unseen"}
    with pytest.raises(InputError, match=naming("data.known")):
        module(tmp_path / "x.h5ad", regulators, splitter=SeenUnseenSplitter())
