"""Metrics files that were edited by hand are problems, not numbers."""

import json

import pytest

from grn_exp.report.collect import collect

ROW = {"metric": "ap", "subset": "val", "value": 0.5, "n": 9}


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([ROW, {**ROW, "value": 0.9}], ("row 1", "ap", "val", "row 0")),
        ([{**ROW, "k": 1}, {**ROW, "k": 2}], ("row 1", "ap", "val", "row 0")),
        ([ROW, {**ROW, "subset": "test", "value": 10**400}], ("row 1", "ap", "value", "1000")),
        ([{**ROW, "value": True}], ("row 0", "ap", "value", "True")),
        ([ROW, {**ROW, "subset": "test", "low": float("inf")}], ("row 1", "low", "inf")),
        ([{**ROW, "n": 2**60}], ("row 0", "n", str(2**60))),
        ([{**ROW, "metric": None}], ("row 0", "metric", "None")),
    ],
)
def test_what_no_run_writes(write_run, tmp_path, rows, named):
    write_run()
    folder = write_run(split=1)
    (folder / "metrics.json").write_text(json.dumps({"schema": 1, "rows": rows}))
    collected = collect(tmp_path / "outputs")
    assert len(collected.runs) == 1
    assert list(collected.problems["kind"]) == ["unreadable"]
    assert all(word in collected.problems["reason"][0] for word in ("metrics.json", *named))


def test_lists_of_several_lengths_and_sizes_are_several_measures(write_run, tmp_path):
    folder = write_run()
    recall = {**ROW, "metric": "recall_at_k"}
    rows = [{**recall, "k": 1}, {**recall, "k": 2}, {**ROW, "set_size": 2}, {**ROW, "low": 0.25}]
    (folder / "metrics.json").write_text(json.dumps({"schema": 1, "rows": rows}))
    collected = collect(tmp_path / "outputs")
    assert collected.problems.empty
    (run,) = collected.runs.values()
    assert [row["value"] for row in run.rows] == [0.5] * 4
    assert collected.rows["k"].tolist()[:2] == [1, 2]
    assert collected.rows["low"].isna().tolist() == [True, True, True, False]
