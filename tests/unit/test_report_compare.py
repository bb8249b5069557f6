"""Tests between methods, and the published numbers."""

import numpy as np
import pandas as pd
import pytest

from grn_exp.core.errors import InputError
from grn_exp.report.collect import collect
from grn_exp.report.compare import PAPER_NOTE, beside_paper, holm, paired_tests
from grn_exp.report.layout import comparison_tables
from grn_exp.report.published import published
from tests.messages import naming

HOS2 = {
    "split": {"_target_": "grn_exp.data.sets.splitting.TargetSplitter", "kind": "random"},
    "data": {"network": "simulated"},
    "prior": None,
}
ATTENTION = "grn_exp.models.edges.context_attention.ContextAttentionRetriever"


def test_holm_by_hand():
    # sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04 -> 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]).shape == (0,)


def test_paired_tests_on_common_splits(rows_of):
    rows = rows_of(
        {
            "a": [0.5, 0.6, 0.7, 0.8, 0.9, 0.3],
            "b": [0.4, 0.4, 0.4, 0.4, 0.4],
            "c": [0.4, 0.4, 0.4, 0.4, 0.4],
        }
    )
    found = paired_tests(rows).set_index(["method", "other"])
    assert found["n_splits"].tolist() == [5, 5, 5]
    assert found.loc[("a", "b"), "mean_difference"] == pytest.approx(0.3)
    # all five differences are positive: 2 of 32 sign patterns are as extreme
    assert found.loc[("a", "b"), "p"] == pytest.approx(2 / 32)
    assert found.loc[("b", "c"), "p"] == 1.0
    assert found["p_holm"].tolist() == pytest.approx([3 / 16, 3 / 16, 1.0])


def test_a_reference_asks_for_fewer_tests(rows_of):
    rows = rows_of({"a": [0.5, 0.6], "b": [0.4, 0.4], "c": [0.1, 0.1]})
    found = paired_tests(rows, reference="b")
    assert set(found["other"]) == {"b"}
    differences = dict(zip(found["method"], found["mean_difference"], strict=True))
    assert differences == pytest.approx({"a": 0.15, "c": -0.3})
    with pytest.raises(InputError, match=naming("--reference d", "a, b, c")):
        paired_tests(rows, reference="d")


def test_columns_are_corrected_apart(write_run, tmp_path):
    for model, value in (("a", 0.2), ("b", 0.3)):
        for split in range(5):
            write_run({"test_seen": value, "test_unseen": value}, model=model, split=split)
    found = paired_tests(collect(tmp_path / "outputs").rows)
    assert len(found) == 2
    assert found["p_holm"].tolist() == found["p"].tolist()


def test_nothing_to_test(rows_of):
    with pytest.raises(InputError, match=naming("two methods", "split")):
        paired_tests(rows_of({"a": [0.5]}))


# paper, table, what is looked up, value, standard error
TYPED = [
    ("InfoSEM", "2", {"model": "one_hot_lr", "data": "hesc", "metric": "ap"}, 0.210, 0.018),
    ("InfoSEM", "2", {"model": "deepsem", "data": "mdc", "metric": "hit_at_1pct"}, 0.292, 0.095),
    ("InfoSEM", "2", {"model": "infosem_bc", "data": "mesc", "metric": "ap"}, 0.408, 0.020),
    ("InfoSEM", "2", {"model": "random", "data": "mesc", "metric": "hit_at_1pct"}, 0.351, None),
    ("InfoSEM", "3", {"model": "one_hot_lr", "data": "hesc", "metric": "ap"}, 0.600, 0.028),
    ("InfoSEM", "3", {"model": "scgreat", "data": "mdc", "metric": "ap"}, 0.249, 0.011),
    ("InfoSEM", "3", {"model": "random", "data": "mesc", "metric": "hit_at_1pct"}, 0.344, None),
    ("InfoSEM", "4", {"model": "one_hot_lr", "data": "hesc", "metric": "ap"}, 0.159, 0.001),
    ("InfoSEM", "4", {"model": "matcomp", "data": "mdc", "metric": "hit_at_1pct"}, 0.563, 0.015),
    ("InfoSEM", "4", {"model": "random", "data": "mesc", "metric": "hit_at_1pct"}, 0.014, None),
    ("InfoSEM", "5", {"model": "one_hot_lr", "data": "hesc", "metric": "ap"}, 0.025, 0.002),
    (
        "InfoSEM",
        "5",
        {"model": "grnboost2", "data": "hhep", "metric": "hit_at_1pct"},
        0.027,
        0.009,
    ),
    (
        "InfoSEM",
        "5",
        {"model": "infosem_bc", "data": "mesc", "metric": "hit_at_1pct"},
        0.045,
        0.007,
    ),
    ("InfoSEM", "6", {"model": "deepsem", "data": "hesc"}, 0.10, 0.04),
    ("InfoSEM", "6", {"model": "infosem_bc", "data": "mesc"}, 0.21, 0.11),
    ("Residual HOS2", "1", {"model": "dot_product", "set_size": 2}, 0.6491, None),
    ("Residual HOS2", "1", {"model": "context_attention", "set_size": 4}, 1.0, None),
    (
        "Residual HOS2",
        "2",
        {"model": "stage1_top_r", "metric": "coverage", "set_size": 2},
        0.895,
        0.018 / 3**0.5,
    ),
    (
        "Residual HOS2",
        "2",
        {"model": "pairs2", "metric": "exact_match", "set_size": 3},
        0.222,
        0.015 / 3**0.5,
    ),
    (
        "Residual HOS2",
        "2",
        {"model": "residual_hos2", "metric": "exact_match_covered", "set_size": 4},
        0.209,
        0.126 / 3**0.5,
    ),
    ("Residual HOS2", "3", {"model": "pairs2", "set_size": 2}, 0.2456, None),
    ("Residual HOS2", "3", {"model": "residual_hos2", "set_size": 4}, 0.3684, None),
    ("Residual HOS2", "4", {"setting": "", "set_size": 2}, 0.0877, None),
    (
        "Residual HOS2",
        "4",
        {"setting": "model.learning_rate=0.0001", "set_size": 4},
        0.0526,
        None,
    ),
    ("Residual HOS2", "5", {"model": "deep_pairs2", "set_size": 3}, 0.179, None),
    (
        "Residual HOS2",
        "6",
        {"retriever": "dot_product", "metric": "coverage", "set_size": 2},
        0.731,
        0.037 / 3**0.5,
    ),
    (
        "Residual HOS2",
        "6",
        {"retriever": "context_attention", "metric": "exact_match_covered", "set_size": 4},
        0.153,
        0.072 / 3**0.5,
    ),
    (
        "Residual HOS2",
        "7",
        {"model": "dot_product", "metric": "strict_coverage_at_k", "k": 100},
        0.0627,
        None,
    ),
    (
        "Residual HOS2",
        "7",
        {"model": "context_attention", "metric": "edge_recall_at_k", "k": 200},
        0.9998,
        None,
    ),
]


@pytest.mark.parametrize(("paper", "table", "of", "value", "error"), TYPED)
def test_published_numbers(paper, table, of, value, error):
    found = published()
    for name, wanted in {"paper": paper, "table": table, **of}.items():
        found = found[found[name] == wanted]
    assert len(found) == 1
    assert found["value"].item() == value
    assert found["standard_error"].item() == pytest.approx(error or np.nan, nan_ok=True)


def test_published_tables_are_whole():
    counts = published().groupby(["paper", "table"]).size().to_dict()
    assert counts == {
        ("InfoSEM", "2"): 72,
        ("InfoSEM", "3"): 56,
        ("InfoSEM", "4"): 56,
        ("InfoSEM", "5"): 72,
        ("InfoSEM", "6"): 12,
        ("Residual HOS2", "1"): 6,
        ("Residual HOS2", "2"): 21,
        ("Residual HOS2", "3"): 9,
        ("Residual HOS2", "4"): 9,
        ("Residual HOS2", "5"): 3,
        ("Residual HOS2", "6"): 18,
        ("Residual HOS2", "7"): 24,
    }
    names = published()[["data", "model", "metric", "subset", "split_kind"]]
    for name in set(names.to_numpy().ravel()):
        assert name == name.lower()
        assert name
        assert " " not in name
    infosem = published().query("paper == 'InfoSEM'")
    assert set(infosem["network"]) == {"cell_type_specific", "non_specific"}
    assert set(infosem.query("data == 'mdc'")["gene_set"]) == {"tfs1000"}


def test_ours_beside_the_paper_s(write_run, tmp_path):
    for split, value in enumerate((0.30, 0.34, 0.38)):
        write_run({"test_unseen": value}, model="infosem_b", split=split)
        write_run({"test_unseen": value}, model="infosem_b", data="mdc", split=split)
    one_hot = {"_target_": "grn_exp.priors.uninformative.OneHotPrior"}
    write_run({"test_unseen": 0.1}, model="infosem_b", config={"prior": one_hot})
    write_run({"test_unseen": 0.2}, model="own_method")
    found = beside_paper(collect(tmp_path / "outputs").rows)
    assert found["table"].tolist() == ["2", "2"]
    hesc = found[found["dataset"] == "hesc"].iloc[0]
    assert hesc["method"] == "infosem_b biobert_published"
    assert hesc["published"] == 0.331
    assert hesc["published_error"] == 0.055
    ours = 0.04 / 3**0.5
    assert hesc["standard_error"] == pytest.approx(ours)
    assert hesc["difference_in_errors"] == pytest.approx(0.009 / (ours**2 + 0.055**2) ** 0.5)
    (table,) = comparison_tables(found, note=PAPER_NOTE)
    assert [text.split("\n")[0] for text in table.header] == ["method", "hESC", "mDC†"]
    name, value = table.lines[0][:2]
    assert (name.text, value.text) == ("InfoSEM-B biobert_published", "0.340 | 0.331 (+0.2)")
    assert value.source == ("hesc", "infosem_b biobert_published")


def test_a_number_of_one_seed_joins_that_split(write_run, tmp_path):
    retriever = {"model": {"_target_": ATTENTION}}
    for split, value in ((42, 0.1), (43, 0.9)):
        write_run(
            {"test": value},
            model="deep_pairs2",
            data="sergio_ds3",
            config={**HOS2, "split.seed": split, "retriever": retriever},
            metric="exact_match",
            row={"set_size": 2},
        )
    found = beside_paper(collect(tmp_path / "outputs").rows)
    assert found[["table", "mean", "n_splits"]].to_numpy().tolist() == [["5", 0.1, 1]]
    assert found["difference_in_errors"].isna().all()


def test_another_split_or_retriever_joins_nothing(write_run, tmp_path):
    dot = "grn_exp.models.edges.dot_product.DotProductRetriever"
    for kind, target in (("unseen_set", ATTENTION), ("random", dot)):
        write_run(
            {"test": 0.5},
            model="residual_hos2",
            data="sergio_ds3",
            config={**HOS2, "split.kind": kind, "retriever": {"model": {"_target_": target}}},
            metric="exact_match",
            row={"set_size": 2},
        )
    found = beside_paper(collect(tmp_path / "outputs").rows)
    assert found.empty
    assert isinstance(found, pd.DataFrame)
