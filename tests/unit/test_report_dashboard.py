"""The workspace: what it shows, of which runs; what it refuses."""

import argparse
import importlib.util
import json

import pytest

from grn_exp.core.errors import InputError
from grn_exp.report import dashboard
from tests.messages import naming

installed = pytest.mark.skipif(
    importlib.util.find_spec("wandb_workspaces") is None, reason="needs the extra dashboard"
)


def asked(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    dashboard.add_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> dict:
    path = tmp_path_factory.mktemp("dashboard") / "workspace.json"
    words = ("-o", str(path), "--experiment", "infosem_table2", "--data", "mesc", "hesc")
    dashboard.write_dashboard(asked(*words))
    return json.loads(path.read_text())


def panels(definition: dict) -> dict[str, list[dict]]:
    sections = definition["spec"]["section"]["panelBankConfig"]["sections"]
    return {section["name"]: section["panels"] for section in sections}


@installed
def test_it_shows_what_a_run_mirrors(written):
    shown = panels(written)
    bars = [panel["config"] for panel in shown["Unseen genes"]]
    assert bars[0]["metrics"] == ["summary_metrics.test_unseen/ap"]
    assert {bar["groupBy"] for bar in bars} == {"label.value"}
    assert {bar["groupAgg"] for bar in bars} == {"mean"}
    against = shown["Seen against unseen"][0]["config"]
    axes = against["xAxis"], against["yAxis"]
    assert axes == ("summary:test_seen/ap", "summary:test_unseen/ap")
    curves = [panel["config"] for panel in shown["Curves"]]
    assert [(c["xAxis"], c["metrics"]) for c in curves] == [
        ("epoch", ["train/loss"]),
        ("epoch", ["val/ap"]),
    ]
    pr_curves = json.dumps(shown["Precision against recall"])
    for subset in ("test_unseen", "test_seen"):
        assert f"pr_curve/{subset}_table" in pr_curves
    assert "top_edges" in json.dumps(shown["Edges"])
    assert "system.cpu" in json.dumps(shown["System"])
    assert "test/exact_match" in json.dumps(shown["Regulator sets"])


@installed
def test_it_groups_and_filters(written):
    (runs,) = written["spec"]["section"]["runSets"]
    assert [key["name"] for key in runs["grouping"]] == ["benchmark.value", "method.value"]
    filters = [(f["key"]["name"], f["op"], f["value"]) for f in runs["filters"]["filters"]]
    group, (key, _, methods), data = filters
    assert group == ("group", "=", "infosem_cell_type_specific")  # the folder, shared with others
    assert (key, data) == ("method", ("benchmark", "IN", ["mesc", "hesc"]))
    assert {"infosem_bc", "one_hot_lr", "random"} <= set(methods)
    assert runs["runFeed"]["columnPinned"]["config:split_seed.value"]


@installed
def test_without_an_experiment_it_shows_all_runs(tmp_path):
    path = tmp_path / "all.json"
    dashboard.write_dashboard(asked("-o", str(path)))
    made = json.loads(path.read_text())
    assert made["displayName"] == "grn_exp"
    assert made["spec"]["section"]["runSets"][0]["filters"]["filters"] == []


@pytest.mark.parametrize(
    ("words", "parts"),
    [((), ["-o FILE"]), (("-o", "workspace.txt"), ["-o workspace.txt", ".json"])],
)
def test_what_it_refuses(words, parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=naming(*parts)):
        dashboard.write_dashboard(asked(*words))
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_one_line(tmp_path, lack):
    lack("wandb_workspaces")
    with pytest.raises(InputError, match=naming("dashboard", "pip install 'grn_exp[dashboard]'")):
        dashboard.write_dashboard(asked("-o", str(tmp_path / "workspace.json")))
    assert not list(tmp_path.iterdir())


@installed
def test_saving_without_a_server_is_one_line(monkeypatch, tmp_path):
    wandb = pytest.importorskip("wandb")

    class Refused:
        def __init__(self):
            raise wandb.errors.CommError("no such\nserver")

    monkeypatch.setattr(wandb, "Api", Refused)
    with pytest.raises(
        InputError, match=naming("dashboard --save", "no such server", "WANDB_API_KEY")
    ):
        dashboard.write_dashboard(asked("--save"))
