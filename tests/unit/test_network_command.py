"""``python -m grn_exp.network``: its commands, and how bad input ends."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from grn_exp.network.__main__ import main
from grn_exp.network.export import FORMS
from tests.messages import lines_naming
from tests.networks import leave_network


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed, model in enumerate(("deepsem", "grnboost2")):
        folder = tmp_path / "outputs/runs/pbmc" / model / "k"
        leave_network(
            folder, seed=seed, rank_mean=np.full((3, 12), 0.1 * seed), means=np.arange(12.0)
        )
    return tmp_path / "outputs"


@pytest.fixture
def command(monkeypatch, capsys):
    """Return ``command(*words)``: exit code, output, errors."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["network", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        return (code, *capsys.readouterr())

    return run


@pytest.mark.parametrize("form", FORMS)
def test_several_runs_are_a_file_each(form, outputs, command, tmp_path):
    code, out, _ = command("export", outputs, "--to", form, "-o", "files")
    assert code == 0
    names = {f"pbmc_{model}{FORMS[form]}" for model in ("deepsem", "grnboost2")}
    assert {path.name for path in (tmp_path / "files").iterdir()} == names
    assert all(lines_naming(out, name) for name in names)


def test_a_folder_of_one_run_is_a_folder_too(outputs, command, tmp_path):
    assert command("export", outputs / "runs/pbmc/deepsem", "--to", "gmt", "-o", "nets")[0] == 0
    assert [path.name for path in (tmp_path / "nets").iterdir()] == ["pbmc_deepsem.gmt"]


def test_one_run_is_the_file_that_is_named(outputs, command, tmp_path):
    run = outputs / "runs/pbmc/deepsem/k"
    assert command("export", run, "--to", "sif", "-o", "new/net.txt")[0] == 0
    assert (tmp_path / "new/net.txt").is_file()
    assert command("export", run, "--to", "sif")[0] == 0
    assert (tmp_path / "pbmc_deepsem.sif").is_file()


def test_compare_prints_and_writes(outputs, command, tmp_path):
    runs = [outputs / "runs/pbmc" / model for model in ("deepsem", "grnboost2")]
    code, out, _ = command("compare", *runs, "-o", "differ.csv.gz")
    assert code == 0
    assert lines_naming(out, "deepsem", "grnboost2")
    table = pd.read_csv(tmp_path / "differ.csv.gz")
    assert {"source", "target", "z", "p", "q"} <= set(table)
    for path in outputs.rglob("stability.npz"):
        path.unlink()
    code, out, _ = command("compare", *runs, "-o", "ranks.csv")
    assert code == 0
    assert "stability=20" in out
    assert "q" not in pd.read_csv(tmp_path / "ranks.csv")


def test_consensus_prints_and_writes(outputs, command, tmp_path):
    code, out, _ = command("consensus", outputs, "-o", "mean.csv")
    assert code == 0
    assert lines_naming(out, "deepsem", "grnboost2")
    assert {"deepsem", "grnboost2", "mean_rank"} <= set(pd.read_csv(tmp_path / "mean.csv"))


def test_evaluate_prints_in_each_form(outputs, command, tmp_path):
    (tmp_path / "truth.csv").write_text("Gene1,Gene2\nG0,G5\ng1,g6\n")
    words = ("evaluate", outputs, "--truth", "truth.csv", "--format")
    assert lines_naming(command(*words, "text")[1], "random ranking")
    assert command(*words, "markdown")[1].startswith("| ranking |")
    rows = json.loads(command(*words, "json")[1])
    assert {row["ranking"] for row in rows} >= {"deepsem", "grnboost2", "mean expression"}


@pytest.mark.parametrize("ending", ["png", "pdf", "html"])
def test_show_draws_what_the_ending_says(ending, outputs, command, tmp_path):
    run = outputs / "runs/pbmc/deepsem/k"
    assert command("show", run, "--gene", "g1", "G7", "-o", f"a.{ending}")[0] == 0
    start = {"png": b"\x89PNG", "pdf": b"%PDF", "html": b"<!doctype html>"}[ending]
    assert (tmp_path / f"a.{ending}").read_bytes().startswith(start)


def test_show_names_its_file_itself(outputs, command, tmp_path):
    run = outputs / "runs/pbmc/deepsem/k"
    command("show", run, "--gene", "g1")
    command("show", run, "--degrees")
    names = {path.name for path in tmp_path.glob("*.png")}
    assert names == {"pbmc_deepsem_g1.png", "pbmc_deepsem_degrees.png"}


RUN = "outputs/runs/pbmc/deepsem/k"
BAD = {
    "no command": ((), ()),
    "no such run": (("show", "outputs/absent"), ("outputs/absent",)),
    "unknown form": (("export", RUN, "--to", "gexf"), ("gexf", "graphml")),
    "unknown gene": (("show", RUN, "--gene", "G99"), ("--gene G99", "'G9'")),
    "unknown ending": (("show", RUN, "-o", "a.svg"), ("a.svg", ".png")),
    "no count": (("export", RUN, "--to", "sif", "--top", "0"), ("--top", "'0'")),
    "no share": (("export", RUN, "--to", "sif", "--stability", "2"), ("--stability", "'2'")),
    "h5ad in part": (("export", RUN, "--to", "h5ad", "--top", "5"), ("--to h5ad", "--top")),
    "no truth": (("evaluate", RUN, "--truth", "absent.csv"), ("absent.csv",)),
    "the same run": (("compare", RUN, RUN), (RUN,)),
    "several runs": (("compare", "outputs", RUN), ("outputs", "2")),
    "one run": (("consensus", RUN), (RUN,)),
    "no csv": (("consensus", "outputs", "-o", "a.txt"), ("a.txt", ".csv")),
    "file is there": (("export", RUN, "--to", "sif", "-o", "there"), ("there", "--force")),
    "degrees of a gene": (("show", RUN, "--degrees", "--gene", "G1"), ("--degrees", "--gene")),
    "a page of degrees": (("show", RUN, "--degrees", "-o", "a.html"), ("a.html", ".png")),
    "a pair without cells": (("show", RUN, "--pair", "G1", "G2"), ("config.yaml",)),
    "a pair of unknown genes": (("show", RUN, "--pair", "G1", "H2"), ("--pair H2",)),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_code_2(case, outputs, command, tmp_path):
    words, parts = BAD[case]
    (tmp_path / "there").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert lines_naming(err, "error", *parts) == err.splitlines()
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there").read_text() == "mine"


def test_force_replaces_a_file(outputs, command, tmp_path):
    (tmp_path / "there").write_text("mine")
    assert command("export", RUN, "--to", "sif", "-o", "there", "--force")[0] == 0
    assert (tmp_path / "there").read_text() != "mine"


@pytest.mark.parametrize("name", ["network.parquet", "scores.npz", "stability.npz", "audit.csv"])
def test_a_broken_file_is_named(name, outputs, command, tmp_path):
    (outputs / "runs/pbmc/deepsem/k" / name).write_bytes(b"PK\x03\x04broken")
    (tmp_path / "truth.csv").write_text("TF,target\nG0,G5\n")
    words = {
        "network.parquet": ("show", RUN),
        "scores.npz": ("evaluate", RUN, "--truth", "truth.csv"),
        "stability.npz": ("compare", RUN, "outputs/runs/pbmc/grnboost2"),
        "audit.csv": ("evaluate", RUN, "--truth", "truth.csv"),
    }[name]
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert lines_naming(err, "error", name) == err.splitlines()
