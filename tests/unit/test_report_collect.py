"""Run folders become rows, or problems that are named and never averaged in."""

import json
import os

import pandas as pd
import pytest
import yaml

from grn_exp.core.errors import InputError
from grn_exp.core.versions import RESULTS_VERSION
from grn_exp.report.collect import COLUMNS, collect
from grn_exp.report.tables import summarise
from grn_exp.runs.choices import choice_name
from tests.messages import naming


@pytest.fixture
def outputs(tmp_path):
    return tmp_path / "outputs"


def change(folder, name, **values):
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def kinds(collected) -> list[str]:
    return sorted(collected.problems["kind"])


def test_a_run_s_columns(write_run, outputs):
    folder = write_run(
        {"test_seen": 0.7, "test_unseen": 0.3},
        split=4,
        seed=2,
        row={"low": 0.1, "high": 0.9, "k": 5},
    )
    collected = collect(outputs)
    assert list(collected.rows.columns) == list(COLUMNS)
    assert len(collected.runs) == 1
    assert collected.problems.empty
    first = collected.rows.iloc[0].to_dict()
    expected = {
        "experiment": "e",
        "data": "hesc",
        "network": "cell_type_specific",
        "gene_set": "tfs500",
        "model": "deepsem",
        "retriever": "",
        "prior": "biobert_published",
        "split_kind": "seen_unseen",
        "split_seed": 4,
        "seed": 2,
        "ensemble": 1,
        "run_key": folder.name,
        "metric": "ap",
        "subset": "test_seen",
        "k": 5,
        "value": 0.7,
        "low": 0.1,
        "n_positive": 20,
        "fit_seconds": 1.5,
        "folder": str(folder),
    }
    assert {name: first[name] for name in expected} == expected
    assert collected.rows["set_size"].isna().all()
    assert collected.rows["member_sd"].isna().all()


def test_a_set_selector_s_retriever_and_kind_of_split(write_run, outputs):
    retriever = {"_target_": "grn_exp.models.edges.context_attention.ContextAttentionRetriever"}
    config = {
        "retriever": {"model": retriever},
        "prior": None,
        "split.kind": "unseen_set",
        "ensemble": 3,
    }
    write_run(model="pairs2", config=config, row={"set_size": 2, "member_sd": 0.1})
    row = collect(outputs).rows.iloc[0]
    assert row["retriever"] == "context_attention"
    assert row["split_kind"] == "unseen_set"
    assert row["prior"] == ""
    assert (row["ensemble"], row["set_size"], row["member_sd"]) == (3, 2, 0.1)


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ({}, ""),
        ({"_target_": "grn_exp.priors.uninformative.RandomPrior", "width": 768}, "random"),
        ({"_target_": "grn_exp.priors.uninformative.RandomPrior", "seed": 3}, "random(seed=3)"),
        ({"_target_": "grn_exp.priors.table.TablePrior", "path": "a/mine.npz"}, "(mine)"),
        ({"_target_": "elsewhere.OwnPrior", "seed": 3}, "OwnPrior"),
    ],
)
def test_names_of_priors(node, name):
    found = choice_name("prior", node, parameters=True)
    assert found == name or (name.startswith("(") and found.endswith(name))


def test_what_cannot_be_used_is_listed_and_not_averaged(write_run, outputs):
    write_run({"test_unseen": 0.5})
    failed = write_run({"test_unseen": 0.9}, split=1)
    change(failed, "status.json", state="failed", error="ZeroDivisionError: x")
    running = write_run({"test_unseen": 0.9}, split=2)
    change(running, "status.json", state="running")
    silent = write_run({"test_unseen": 0.9}, split=3)
    change(silent, "status.json", state="running")
    os.utime(silent / "status.json", (1.0, 1.0))
    (write_run({"test_unseen": 0.9}, split=4) / "metrics.json").unlink()
    (write_run({"test_unseen": 0.9}, split=5) / "status.json").unlink()
    change(write_run({"test_unseen": 0.9}, split=6), "metrics.json", schema=99)
    old = write_run({"test_unseen": 0.9}, split=7)
    change(old, "provenance.json", results_version=RESULTS_VERSION - 1)
    (write_run({"test_unseen": 0.9}, split=8) / "metrics.json").write_text('{"schema": 1, "ro')
    collected = collect(outputs)
    assert kinds(collected) == [
        "failed",
        "running",
        "stale",
        "stale",
        "unfinished",
        "unfinished",
        "unfinished",
        "unreadable",
    ]
    reasons = dict(zip(collected.problems["folder"], collected.problems["reason"], strict=True))
    assert reasons[str(failed)] == "ZeroDivisionError: x"
    assert f"results version {RESULTS_VERSION - 1}" in reasons[str(old)]
    assert summarise(collected.rows)["mean"].tolist() == [0.5]


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("metrics.json", "[]", ()),
        ("metrics.json", '{"schema": 1, "rows": []}', ()),
        ("metrics.json", '{"schema": 1, "rows": [1]}', ("row 0",)),
        ("metrics.json", '{"schema": 1, "rows": [{"subset": "val"}]}', ("row 0", "metric")),
        (
            "metrics.json",
            '{"schema": 1, "rows": [{"metric": "ap", "subset": "val", "value": "0.5"}]}',
            ("row 0", "ap", "value", "'0.5'"),
        ),
        (
            "metrics.json",
            '{"schema": 1, "rows": [{"metric": "ap", "subset": "val", "value": NaN}]}',
            ("row 0", "ap", "value", "nan"),
        ),
        (
            "metrics.json",
            '{"schema": 1, "rows": [{"metric": "ap", "subset": "val", "value": 0.5}]}',
            ("row 0", "ap", "n is None"),
        ),
        (
            "metrics.json",
            '{"schema": 1, "rows": [{"metric": "", "subset": "", "value": 1, "n": 2, "k": 0.5}]}',
            ("row 0", "k", "0.5"),
        ),
        (
            "metrics.json",
            '{"schema": 1, "rows": [{"metric": "ap", "subset": "val", "value": 5.0, "n": 9}]}',
            ("row 0", "ap", "value 5.0"),
        ),
        ("config.yaml", "a: [", ()),
        ("config.yaml", "seed: x", ("seed='x'",)),
        ("status.json", '{"state": "asleep"}', ("'asleep'",)),
        ("provenance.json", "{", ()),
    ],
)
def test_an_unreadable_run_does_not_stop_the_others(write_run, outputs, name, text, named):
    write_run()
    (write_run(split=1) / name).write_text(text)
    collected = collect(outputs)
    assert len(collected.runs) == 1
    assert kinds(collected) == ["unreadable"]
    assert all(word in collected.problems["reason"][0] for word in (name, *named))
    assert "\n" not in collected.problems["reason"][0]


def test_of_two_runs_of_one_configuration_the_newer_counts(write_run, outputs):
    write_run({"test_unseen": 0.1}, at="2026-01-01T00:00:00+00:00")
    hardware = {"trainer.num_threads": 8, "paths.outputs": "elsewhere"}
    newer = write_run({"test_unseen": 0.2}, at="2026-01-02T00:00:00+00:00", config=hardware)
    collected = collect(outputs)
    assert kinds(collected) == ["duplicate"]
    assert str(newer) in collected.problems["reason"][0]
    assert summarise(collected.rows)["mean"].tolist() == [0.2]


def test_a_run_of_two_experiments_counts_once(write_run, outputs):
    write_run(key="aaa", experiment="first")
    write_run(key="aaa", experiment="second")
    both = collect(outputs)
    assert (len(both.runs), kinds(both)) == (1, ["duplicate"])
    assert "the same run" in both.problems["reason"][0]
    for experiment in ("first", "second"):
        one = collect(outputs, experiment)
        assert (len(one.runs), kinds(one)) == (1, [])


def test_seeds_and_splits_are_no_duplicates(write_run, outputs):
    for seed in range(2):
        for split in range(2):
            write_run(seed=seed, split=split)
    collected = collect(outputs)
    assert (len(collected.runs), kinds(collected)) == (4, [])


def test_runs_that_differ_in_a_parameter_are_kept_apart(write_run, outputs):
    write_run({"test_unseen": 0.1})
    write_run({"test_unseen": 0.3}, config={"model.alpha": 2.0})
    write_run({"test_unseen": 0.7}, config={"data.genes": "with_embedding"})
    write_run({"test_unseen": 0.5}, data="mdc", config={"model.alpha": 3.0})
    collected = collect(outputs)
    assert kinds(collected) == []
    rows = collected.rows.set_index("value")
    assert rows["method_variant"].to_dict() == {
        0.1: "model.alpha=1.0",
        0.3: "model.alpha=2.0",
        0.7: "model.alpha=1.0",
        0.5: "model.alpha=3.0",
    }
    assert rows.loc[0.7, "benchmark_variant"] == "data.genes=with_embedding"
    assert rows.loc[0.1, "benchmark_variant"] == ""
    assert len(summarise(collected.rows)) == 4


def test_a_value_that_only_datasets_differ_in_is_no_variant(write_run, outputs):
    write_run(data="hesc")
    write_run(data="mdc", config={"model.alpha": 2.0})
    assert set(collect(outputs).rows["method_variant"]) == {""}


def test_parquet_gives_the_rows_back(write_run, outputs, tmp_path):
    write_run({"test_seen": 0.5}, row={"set_size": 3, "low": 0.1})
    write_run({"test_seen": 0.25}, split=1)
    rows = collect(outputs).rows
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "rows.parquet"), rows)


def test_no_runs(outputs, write_run, tmp_path):
    with pytest.raises(InputError, match=naming(outputs, "paths.outputs")):
        collect(outputs)
    outputs.mkdir()
    with pytest.raises(InputError, match=naming(outputs, "paths.outputs", "<run key>")):
        collect(outputs)
    write_run(experiment="hos2_sets")
    (outputs / ".sweeps" / "a" / "b" / "c").mkdir(parents=True)
    (outputs / ".sweeps" / "a" / "b" / "c" / "config.yaml").write_text("")
    (outputs / "hos2_sets" / "note.txt").write_text("")
    assert len(collect(outputs).runs) == 1
    with pytest.raises(InputError, match=naming("--experiment hos2_set", "'hos2_sets'")):
        collect(outputs, "hos2_set")


def test_only_problems(write_run, outputs):
    folder = write_run()
    change(folder, "status.json", state="failed")
    collected = collect(outputs)
    assert collected.rows.empty
    assert list(collected.rows.columns) == list(COLUMNS)
    assert kinds(collected) == ["failed"]


def test_a_list_is_one_parameter(write_run, outputs):
    for sizes in ([2, 3], [2, 4]):
        folder = write_run()
        config = yaml.safe_load((folder / "config.yaml").read_text())
        config["data"]["set_sizes"] = sizes
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
    found = collect(outputs).rows["benchmark_variant"]
    assert found.tolist() == ["data.set_sizes=[2, 3]", "data.set_sizes=[2, 4]"]


def test_files_of_one_name_are_two_priors(write_run, tmp_path):
    prior = "grn_exp.priors.table.TablePrior"
    for folder in ("a", "b"):
        write_run(config={"prior": {"_target_": prior, "path": f"{folder}/mine.npz"}})
    rows = collect(tmp_path / "outputs").rows
    assert set(rows["prior"]) == {"genept(mine)"}
    assert set(rows["method_variant"]) == {"prior.path=a/mine.npz", "prior.path=b/mine.npz"}


def test_what_differs_beside_the_prior_is_told(write_run, tmp_path):
    """Else a longer training passes for a better embedding."""
    prior = "grn_exp.priors.uninformative"
    short = {"prior": {"_target_": f"{prior}.OneHotPrior"}, "trainer.max_epochs": 2}
    write_run(config=short)
    write_run(config={"prior": {"_target_": f"{prior}.RandomPrior"}, "trainer.max_epochs": 60})
    variants = set(collect(tmp_path / "outputs").rows["method_variant"])
    assert variants == {"trainer.max_epochs=2", "trainer.max_epochs=60"}


def test_a_run_without_provenance_is_told_as_such(write_run, outputs):
    write_run()
    (write_run(split=1) / "provenance.json").unlink()
    collected = collect(outputs)
    assert kinds(collected) == ["stale"]
    assert "no provenance.json" in collected.problems["reason"][0]
    assert "force=true" in collected.problems["reason"][0]


def test_members_of_an_ensemble_are_collected_and_not_shown(write_run, outputs):
    members = [write_run(seed=seed, key=f"member{seed}") for seed in range(2)]
    alone = write_run(seed=2, key="alone")
    ensemble = write_run(config={"ensemble": 2}, key="ensemble")
    facts = json.loads((ensemble / "provenance.json").read_text())
    facts["members"] = [folder.name for folder in members]
    (ensemble / "provenance.json").write_text(json.dumps(facts))
    found = collect(outputs)
    assert len(found.rows) == 4
    assert set(found.shown["folder"]) == {str(alone), str(ensemble)}
