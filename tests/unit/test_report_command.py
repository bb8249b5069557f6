"""``python -m grn_exp.report``."""

import io
import re
import subprocess
import sys

import pandas as pd
import pytest

from grn_exp.report import figures
from grn_exp.report.__main__ import main
from tests.messages import lines_naming, naming


@pytest.fixture
def outputs(write_run, tmp_path):
    for split in range(3):
        for model, value in (("deepsem", 0.3), ("infosem_b", 0.4)):
            values = {"test_seen": value + 0.1, "test_unseen": value + 0.01 * split}
            write_run(values, model=model, split=split, experiment="table_2")
    (write_run({"test_unseen": 0.9}, experiment="other") / "metrics.json").write_text("{")
    return tmp_path / "outputs"


@pytest.fixture
def in_outputs(outputs, monkeypatch) -> None:
    monkeypatch.chdir(outputs.parent)


@pytest.fixture
def command(monkeypatch, capsys):
    def run(*arguments) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["report", *map(str, arguments)])
        main()
        captured = capsys.readouterr()
        return captured.out, captured.err

    return run


def test_collect(command, outputs, tmp_path):
    out, err = command("collect", outputs, "-o", tmp_path / "rows.parquet")
    assert "6 runs, 12 rows, 1 problems" in out
    assert "unreadable" in out
    assert err == ""
    assert len(pd.read_parquet(tmp_path / "rows.parquet")) == 12


def test_collect_writes_nothing_unasked(command, outputs):
    before = sorted(outputs.parent.rglob("*"))
    out, _ = command("collect", outputs)
    assert "6 runs, 12 rows, 1 problems" in out
    assert sorted(outputs.parent.rglob("*")) == before


def test_table(command, outputs):
    options = ("table", outputs, "--metric", "ap", "--subset", "test_unseen")
    out, err = command(*options)
    assert "0.410 ± 0.006 *" in out
    assert lines_naming(err, "1 unreadable")
    out, err = command(*options, "--experiment", "table_2", "--format", "latex")
    assert r"InfoSEM-B & \textbf{0.410 $\pm$ 0.006} \\" in out
    assert err == ""
    assert "**0.410 ± 0.006**" in command(*options, "--format", "markdown")[0]
    frame = pd.read_csv(io.StringIO(command(*options, "--format", "csv")[0]))
    assert frame["mean"].tolist() == pytest.approx([0.31, 0.41])
    alone = (*options, "--data", "hesc", "--model", "deepsem", "--format", "csv")
    assert pd.read_csv(io.StringIO(command(*alone)[0]))["model"].tolist() == ["deepsem"]


def test_other_tables(command, outputs, write_run):
    options = ("table", outputs, "--subset", "test_unseen")
    out, _ = command(*options, "--show", "tests", "--reference", "deepsem")
    assert "InfoSEM-B" in out
    assert "Holm" in out
    out, _ = command(*options, "--show", "paper")
    assert "InfoSEM, table 2" in out
    assert "0.410 | 0.331 (+1.4)" in out
    write_run({"test_unseen": 0.5}, split=0, seed=1, experiment="table_2")
    out, _ = command(*options, "--show", "seeds")
    assert "0.141" in out  # of 0.3 and 0.5


def test_a_table_of_pairs_and_of_sets_has_the_metric_of_each(command, outputs, write_run):
    write_run({"test": 0.7}, model="pairs2", data="toy_sets", metric="exact_match")
    frame = pd.read_csv(io.StringIO(command("table", outputs, "--format", "csv")[0]))
    assert set(zip(frame["dataset"], frame["metric"], strict=True)) == {
        ("hesc", "ap"),
        ("toy_sets", "exact_match"),
    }
    only = ("--experiment", "e", "--format", "csv")
    frame = pd.read_csv(io.StringIO(command("table", outputs, *only)[0]))
    assert frame["metric"].tolist() == ["exact_match"]


def test_figures(command, outputs, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "WIDTHS", {"column": 3.3})
    names = ("seen_against_unseen", "run_time")
    options = ("-o", tmp_path / "figures", "--experiment", "table_2", "--only", *names)
    out, err = command("figures", outputs, *options)
    assert err == ""
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {
        f"{figure}_column.{ending}"
        for figure in ("seen_against_unseen", "run_time")
        for ending in ("png", "pdf")
    }
    assert len(out.splitlines()) == len(names)


def test_only_the_figures_that_the_rows_allow(command, write_run, tmp_path):
    write_run({"test_unseen": 0.5})
    out, _ = command("figures", tmp_path / "outputs", "-o", tmp_path / "figures")
    assert "seen_against_unseen: no dataset" in out
    assert lines_naming(out, "embeddings_compared", "infosem_b")
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("table", "missing"), ["missing", "paths.outputs"]),
        (("table", "outputs", "--metric", "app"), ["--metric app", "'ap'"]),
        (("table", "outputs", "--data", "hescc"), ["--data hescc", "'hesc'"]),
        (("figures", "outputs", "-o", "f", "--model", "deepsm"), ["--model deepsm", "'deepsem'"]),
        (("table", "outputs", "--experiment", "table_3"), ["--experiment table_3", "'table_2'"]),
        (("collect", "missing"), ["missing", "paths.outputs"]),
        (("collect", "outputs", "-o", "outputs"), ["-o outputs", ".parquet"]),
        (("collect", "outputs", "-o", "README.md"), ["-o README.md", ".parquet"]),
        (("table", "outputs", "--reference", "deepsem"), ["--reference", "--show tests"]),
    ],
)
def test_bad_input_is_one_line(command, in_outputs, capsys, arguments, parts):
    with pytest.raises(SystemExit) as error:
        command(*arguments)
    assert error.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.match(naming("error", *parts), last)


def test_publishing_says_what_was_sent(command, outputs, monkeypatch):
    monkeypatch.setattr("grn_exp.engine.loggers.publish.publish", lambda *_, **__: None)
    out, _ = command("publish", outputs, "--to", "tensorboard")
    for part in ("6 runs", "tensorboard", str(outputs)):
        assert part in out


def test_runs_without_a_result_are_no_reason_to_fail(command, write_run, tmp_path):
    (write_run() / "status.json").unlink()
    out, _ = command("collect", tmp_path / "outputs", "-o", tmp_path / "rows.parquet")
    assert "0 runs, 0 rows, 1 problems" in out


@pytest.mark.parametrize("asked", [("table",), ("figures", "-o", "figures")])
def test_what_needs_a_run_says_that_there_is_none(command, write_run, tmp_path, capsys, asked):
    (write_run() / "status.json").unlink()
    name, *options = asked
    with pytest.raises(SystemExit) as error:
        command(name, tmp_path / "outputs", *options)
    assert error.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.match(naming("error", "grn_exp.report collect"), last)


def test_no_published_number_is_said_to_be_none(command, write_run, tmp_path, capsys):
    write_run({"test_unseen": 0.5}, model="covariance")
    with pytest.raises(SystemExit) as error:
        command("table", tmp_path / "outputs", "--show", "paper")
    assert error.value.code == 2
    assert re.match(naming("error", "papers"), capsys.readouterr().err.splitlines()[-1])


def test_the_report_imports_neither_torch_nor_hydra():
    code = (
        "import sys, grn_exp.report.__main__, grn_exp.report.published as p; p.published();"
        "heavy = {'torch', 'hydra', 'omegaconf', 'pytorch_lightning', 'matplotlib'};"
        "found = heavy & {*sys.modules};"
        "sys.exit(str(found) if found else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
