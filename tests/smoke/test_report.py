"""From real runs to tables and figures."""

import csv

import pytest

from grn_exp.report.__main__ import main


def report(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["report", *map(str, arguments)])
    main()


def test_what_degrees_explain_of_real_runs(command, tmp_path, monkeypatch):
    names = ("one_hot_lr", "random")
    folders = [command(f"model={name}", outputs=tmp_path / name).folder for name in names]
    report(monkeypatch, "bias", *folders, "-o", tmp_path / "bias")
    with (tmp_path / "bias" / "degrees.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    found = {(r["model"], r["subset"], r["metric"]): float(r["value"]) for r in rows}
    # log-odds that are sums over the two genes; the probability bends them a little
    fit = found["one_hot_lr", "test_seen", "ap_additive_fit"]
    assert fit == pytest.approx(found["one_hot_lr", "test_seen", "ap"], abs=0.05)
    written = {path.name for path in (tmp_path / "bias").iterdir()}
    assert {"probabilities.png", f"imbalance_{folders[0].name}.pdf"} <= written
