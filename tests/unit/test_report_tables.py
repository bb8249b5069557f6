"""Means, errors, ranks and labels, worked by hand; text, Markdown and LaTeX."""

import math

import pytest
from rich.console import Console

from grn_exp.core.errors import InputError
from grn_exp.report.collect import collect
from grn_exp.report.layout import Table, paper_table, plain_table
from grn_exp.report.render import latex, markdown, rich_tables
from grn_exp.report.tables import (
    labelled,
    only,
    per_split,
    select,
    spread_over_seeds,
    summarise,
)
from tests.messages import naming


@pytest.fixture
def rows(rows_of):
    return rows_of(
        {
            "deepsem": [0.1, 0.2, 0.6],
            "infosem_b": [0.4, 0.4, 0.4],
            "grnboost2": [0.2, 0.3],
            "oracle": [1.0, 1.0, 1.0],
            "random": [0.9, 0.9, 0.9],
        }
    )


def printed(table, width=140) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        for part in rich_tables(table, width):
            console.print(part)
    return capture.get()


def test_mean_and_standard_error_over_splits(rows):
    summary = summarise(rows).set_index("method")
    assert summary.loc["deepsem", "mean"] == pytest.approx(0.3)
    # squared differences 0.04, 0.01, 0.09: variance 0.07 with ddof 1
    assert summary.loc["deepsem", "standard_error"] == pytest.approx(math.sqrt(0.07 / 3))
    assert summary.loc["infosem_b", "standard_error"] == 0
    assert summary.loc["grnboost2", "standard_error"] == pytest.approx(0.05)
    assert summary["n_splits"].to_dict() == {
        "deepsem": 3,
        "infosem_b": 3,
        "grnboost2": 2,
        "oracle": 3,
        "random": 3,
    }


def test_controls_have_no_place(rows):
    places = summarise(rows).set_index("method")["place"].to_dict()
    # grnboost2 lacks a split that the others have
    assert places == {"infosem_b": 1, "deepsem": 2, "grnboost2": 0, "oracle": 0, "random": 0}


def test_a_method_that_lacks_a_split_is_not_ranked(rows_of):
    rows = rows_of({"complete": [0.3, 0.1], "lucky": [0.4], "worse": [0.2, 0.1]})
    places = summarise(rows).set_index("method")["place"].to_dict()
    assert places == {"complete": 1, "lucky": 0, "worse": 2}


def test_what_is_printed_as_equal_has_no_place(rows_of):
    rows = rows_of({"a": [0.3351], "b": [0.3354]})
    assert summarise(rows)["place"].tolist() == [0, 0]


def test_a_prior_is_told_where_one_dataset_has_several(write_run, tmp_path):
    for data, prior in (("hesc", "one_hot"), ("toy", "random")):
        target = "OneHotPrior" if prior == "one_hot" else "RandomPrior"
        path = f"grn_exp.priors.uninformative.{target}"
        write_run(data=data, config={"prior": {"_target_": path}})
    found = labelled(collect(tmp_path / "outputs").rows)
    assert set(found["method"]) == {"deepsem"}
    write_run(data="toy", config={"prior": {"_target_": "grn_exp.priors.base.DatasetPrior"}})
    found = labelled(collect(tmp_path / "outputs").rows)
    assert len(set(found.loc[found["data"] == "toy", "method"])) == 2


def test_no_spread_over_seeds_without_several(rows_of):
    with pytest.raises(InputError, match=naming("seeds", "ensemble=10")):
        spread_over_seeds(rows_of({"a": [0.1, 0.2]}))


def test_equals_have_no_place_and_a_gap_is_better_if_small(rows_of):
    rows = rows_of({"a": [0.5], "b": [0.5], "c": [0.1]}, metric="score_gap")
    assert summarise(rows).set_index("method")["place"].to_dict() == {"c": 1, "a": 0, "b": 0}


def test_seeds_are_averaged_before_splits(write_run, tmp_path):
    # split 0: 0.1 and 0.3; split 1: 0.6, 0.8 and 1.0
    for split, values in ((0, (0.1, 0.3)), (1, (0.6, 0.8, 1.0))):
        for seed, value in enumerate(values):
            write_run({"test_unseen": value}, split=split, seed=seed)
    rows = collect(tmp_path / "outputs").rows
    assert per_split(rows)["n_seeds"].tolist() == [2, 3]
    found = summarise(rows).iloc[0]
    assert found["n_splits"] == 2
    assert found["mean"] == pytest.approx((0.2 + 0.8) / 2)
    assert found["standard_error"] == pytest.approx(0.3)
    spread = spread_over_seeds(rows).iloc[0]
    # variances within the splits: 0.02 and 0.04
    assert spread["seed_sd"] == pytest.approx(math.sqrt(0.03))
    assert spread["n_splits"] == 2


def test_one_seed_has_no_spread_and_an_ensemble_that_of_its_members(write_run, tmp_path):
    write_run({"test_unseen": 0.2})
    write_run({"test_unseen": 0.3}, config={"ensemble": 5}, row={"member_sd": 0.05})
    rows = collect(tmp_path / "outputs").rows
    spread = spread_over_seeds(rows)
    assert spread["method"].tolist() == ["deepsem x5"]
    assert spread["seed_sd"].tolist() == pytest.approx([0.05])
    assert len(summarise(rows)) == 2


def test_a_list_length_tells_columns_apart_only_where_it_is_a_choice(write_run, tmp_path):
    for split, k in ((0, 7), (1, 9)):
        write_run({"test_unseen": 0.2}, split=split, metric="hit_at_1pct", row={"k": k})
    rows = collect(tmp_path / "outputs").rows
    assert summarise(rows)["n_splits"].tolist() == [2]
    assert sorted(summarise(rows.assign(metric="recall_at_k"))["k"]) == [7, 9]


def test_names_say_no_more_than_is_needed(write_run, tmp_path):
    retrievers = {
        "dot_product": "grn_exp.models.edges.dot_product.DotProductRetriever",
        "context_attention": "grn_exp.models.edges.context_attention.ContextAttentionRetriever",
    }
    for target in retrievers.values():
        write_run(model="pairs2", config={"retriever": {"model": {"_target_": target}}})
    write_run(config={"data.network": "non_specific"})
    write_run(data="mdc")
    found = labelled(collect(tmp_path / "outputs").rows)
    assert set(found["method"]) == {"pairs2<dot_product", "pairs2<context_attention", "deepsem"}
    assert set(found["dataset"]) == {"hesc cell_type_specific", "hesc non_specific", "mdc"}
    # a part keeps the names of the whole
    assert labelled(found[found["network"] == "non_specific"])["dataset"].tolist() == [
        "hesc non_specific"
    ]


def test_a_default_is_not_spelled_out_beside_a_method(write_run, tmp_path):
    for alpha in (0.1, 2.0):  # 0.1 is what the preset has for hESC
        write_run(config={"data.dataset": "hESC", "model.alpha": alpha})
    found = labelled(collect(tmp_path / "outputs").rows)
    assert set(found["method"]) == {"deepsem", "deepsem model.alpha=2.0"}
    table = paper_table(summarise(found))
    assert [line[0].text for line in table.lines] == ["DeepSEM", "DeepSEM (1)"]
    assert table.notes[1:] == ["(1) model.alpha=2.0"]


def test_choosing(rows):
    assert len(select(rows, metrics=["ap"], subsets=["test_unseen"])) == len(rows)
    with pytest.raises(InputError, match=naming("--metric app", "'ap'")):
        select(rows, metrics=["app"])
    with pytest.raises(InputError, match=naming("--k 80")):
        select(rows, ks=[80])


def test_choosing_datasets_and_methods(rows):
    elsewhere = rows.assign(data="mdc", model=rows["model"].replace("deepsem", "mine"))
    both = {"a": rows, "b": elsewhere}
    assert only(both) == both
    assert list(only(both, data=["mdc"])) == ["b"]
    found = only(both, models=["mine", "infosem_b"])
    assert {name: set(part["model"]) for name, part in found.items()} == {
        "a": {"infosem_b"},
        "b": {"infosem_b", "mine"},
    }
    with pytest.raises(InputError, match=naming("--data mdcc", "'mdc'")):
        only(both, data=["mdcc"])
    # of that dataset there is no such method
    with pytest.raises(InputError, match=naming("--model mine", "infosem_b")):
        only(both, data=["hesc"], models=["mine"])


def test_the_laid_out_table(rows):
    table = paper_table(summarise(rows), name="e")
    assert table.header == ["method", "AUPRC (average\nprecision)"]
    assert [line[0].text for line in table.lines] == [
        "GRNBoost2",
        "DeepSEM",
        "InfoSEM-B",
        "Random",
        "Oracle",
    ]
    assert table.lines[1][1].text == "0.300 ± 0.153 (n=3)"
    assert [line[1].place for line in table.lines] == [0, 2, 1, 0, 0]
    same = rows[rows["model"] != "grnboost2"]
    assert paper_table(summarise(same)).lines[0][1].text == "0.300 ± 0.153"
    assert "3 splits" in paper_table(summarise(same)).notes[0]
    assert paper_table(summarise(rows[rows["split_seed"] == 0])).lines[1][1].text == "0.100"


def test_text(rows):
    text = printed(paper_table(summarise(rows), name="e"))
    assert "0.400 ± 0.000 (n=3) *" in text
    assert "0.300 ± 0.153 (n=3) +" in text
    assert "* best, + second best" in text


def test_a_wide_table_goes_on_below(write_run, tmp_path):
    for data in ("hesc", "hhep", "mdc", "mesc"):
        write_run(data=data)
    table = paper_table(summarise(collect(tmp_path / "outputs").rows))
    assert len(rich_tables(table, 200)) == 1
    parts = rich_tables(table, 80)
    assert len(parts) == 2
    text = printed(table, 80)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("DeepSEM") == 2
    assert all(data in text for data in ("hESC", "hHEP", "mDC", "mESC"))
    assert "…" not in text


def test_markdown(rows):
    text = markdown(paper_table(summarise(rows), name="e_1"))
    lines = text.splitlines()
    assert lines[1] == "| --- | ---: |"
    assert "| InfoSEM-B | **0.400 ± 0.000 (n=3)** |" in lines
    assert "| DeepSEM | *0.300 ± 0.153 (n=3)* |" in lines
    assert "e\\_1: hESC, unseen genes" in text


def test_latex(rows):
    text = latex(paper_table(summarise(rows), name="e_1"))
    assert r"InfoSEM-B & \textbf{0.400 $\pm$ 0.000 (n=3)} \\" in text
    assert r"DeepSEM & \underline{0.300 $\pm$ 0.153 (n=3)} \\" in text
    assert r"\shortstack{AUPRC (average\\precision)}" in text
    assert r"\caption{e\_1: hESC, unseen genes." in text
    assert "_" not in text.replace(r"\_", "")
    strange = latex(Table(r"50%_\&<", ["a"], []))
    assert r"\caption{50\%\_\textbackslash{}\&\textless{}.}" in strange


def test_a_plain_table_tells_what_was_measured_in_a_column(rows):
    frame = summarise(rows)[["dataset", "metric", "subset", "set_size", "k", "method", "mean"]]
    table = plain_table(frame, name="x")
    assert table.header == ["method", "mean"]
    assert [cell.text for cell in table.lines[0]] == ["DeepSEM", "0.3"]
    shared = "dataset: hESC; measure: AUPRC (average precision); subset: unseen genes"
    assert table.title == f"x; {shared}"
    assert plain_table(frame[:1], name="x").header[:3] == ["dataset", "measure", "subset"]
