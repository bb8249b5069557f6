"""``report.html`` holds what the runs hold, leads to them, and escapes what files say."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pandas as pd
import pytest

from grn_exp.core.errors import InputError
from grn_exp.report import figures
from grn_exp.report.__main__ import main
from grn_exp.report.html.page import write_report
from tests.messages import lines_naming, naming

EVIL = "<script>alert('x')</script>"


class Reader(HTMLParser):
    """Tables by id, as rows of (text, attributes of the row, links); all links; all tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tables, self.links, self.tags, self.ids = {}, [], [], []
        self._row, self._table, self._in_cell = None, None, False

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        self.ids.append(found.get("id"))
        if tag == "table":
            self._table = self.tables.setdefault(found["id"], [])
        if tag == "tr":
            self._row = {"cells": [], "links": [], **found}
            self._table.append(self._row)
        if tag in ("td", "th"):
            self._row["cells"].append("")
            self._in_cell = True
        if tag == "a":
            self.links.append(found["href"])
            if self._in_cell:
                self._row["links"].append((self._row["cells"][-1], found))

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data):
        if self._in_cell:
            self._row["cells"][-1] += data

    def lines(self, table) -> list[dict[str, str]]:
        """Return a table's lines, cells by the texts of the header."""
        header, *rows = self.tables[table]
        return [dict(zip(header["cells"], row["cells"], strict=True)) for row in rows]


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr(figures, "FIGURES", {})


@pytest.fixture
def outputs(write_run, tmp_path):
    for split in range(3):
        for model, value in (("deepsem", 0.3), ("infosem_b", 0.4)):
            values = {"test_seen": value + 0.1, "test_unseen": value + 0.01 * split}
            write_run(values, model=model, split=split, experiment="table_2")
    return tmp_path / "outputs"


def read(path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text())
    return reader


def report(outputs, **options) -> Reader:
    write_report(outputs, outputs / "report.html", **options)
    return read(outputs / "report.html")


def test_means_lead_to_runs_that_lead_to_their_folders(outputs):
    page = report(outputs)
    lines = {line["method"]: line for line in page.lines("table_2-test_unseen-ap")}
    assert lines["InfoSEM-B"]["AUPRC (averageprecision)"] == "0.410 ± 0.006"
    (row,) = [r for r in page.tables["table_2-test_unseen-ap"] if r["cells"][0] == "InfoSEM-B"]
    ((_, link),) = row["links"]
    runs = [r for r in page.tables["all-runs"] if r.get("data-group") == link["data-group"]]
    assert [r["cells"][2] for r in runs] == ["InfoSEM-B"] * 3
    assert sorted(r["cells"][8] for r in runs) == ["0.400", "0.410", "0.420"]
    assert runs[0]["id"] == link["href"].removeprefix("#")
    for run in runs:
        folder, config = (outputs / unquote(found["href"]) for _, found in run["links"])
        assert folder.is_dir()
        assert config.is_file()
        assert config.parent == folder


def test_links_are_relative_to_the_page(outputs, tmp_path, write_run):
    folder = write_run(experiment="a b%", data="hesc")
    page = tmp_path / "elsewhere" / "deep" / "r.html"
    write_report(outputs, page)
    links = [link for link in read(page).links if folder.name in link]
    assert f"../../outputs/a%20b%25/hesc/deepsem/{folder.name}/" in links
    assert all((page.parent / unquote(link)).exists() for link in links)


def test_every_anchor_is_there_once(outputs, write_run):
    write_run(experiment="second", model="deepsem")
    page = report(outputs)
    ids = [name for name in page.ids if name]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(ids)


def test_nothing_of_a_file_is_markup(write_run, tmp_path):
    folder = write_run(experiment="e&<b>", config={"data.network": EVIL, "model.alpha": EVIL})
    write_run(experiment="e&<b>", split=1, config={"data.network": EVIL, "model.alpha": 2})
    facts = {"git_commit": EVIL, "host": {EVIL: EVIL}, "data": {"files": {EVIL: EVIL}, EVIL: EVIL}}
    old = json.loads((folder / "provenance.json").read_text())
    (folder / "provenance.json").write_text(json.dumps({**old, **facts}))
    bad = write_run(experiment="e&<b>", split=2)
    (bad / "status.json").write_text(json.dumps({"state": "failed", "error": EVIL}))
    page = report(tmp_path / "outputs")
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "b" not in {tag for tag, _ in page.tags}
    text = (tmp_path / "outputs" / "report.html").read_text()
    assert EVIL not in text
    assert EVIL in page.lines("left-out")[0]["reason"]
    assert EVIL in {line["value or hash"] for line in page.lines("data")}


def test_one_file_that_asks_the_network_for_nothing(outputs):
    page = report(outputs)
    for tag, found in page.tags:
        assert tag not in ("link", "iframe", "object", "base")
        source = found.get("src", "data:")
        assert source.startswith("data:")
    assert not any(re.match(r"[a-z]+:|//", link) for link in page.links)
    assert "url(" not in (outputs / "report.html").read_text()


def test_what_was_run(outputs, write_run):
    folder = write_run(experiment="second", data="mdc", split=7, seed=3)
    facts = json.loads((folder / "provenance.json").read_text())
    facts |= {"git_commit": "c" * 40, "python": "3.11.7", "host": {"name": "box"}}
    facts |= {"data": {"n_genes": 5, "files": {"m.csv": "abc123"}}}
    facts |= {"seconds": {"fit": 1800.0, "evaluate": 1800.0}, "versions": {"torch": "2.13.0"}}
    (folder / "provenance.json").write_text(json.dumps(facts))
    page = report(outputs)
    lines = {line["experiment"]: line for line in page.lines("experiments")}
    assert (lines["table_2"]["runs"], lines["table_2"]["splits"]) == ("6", "0 to 2")
    assert lines["table_2"]["methods"] == "2"
    assert (lines["second"]["hours"], lines["second"]["model seeds"]) == ("1.00", "3")
    data = [tuple(line.values()) for line in page.lines("data")]
    assert data == [("mDC", "file m.csv", "abc123", "1"), ("mDC", "n_genes", "5", "1")]
    versions = [tuple(line.values()) for line in page.lines("versions")]
    assert ("git_commit", "c" * 40, "1") in versions
    assert ("git_commit", "not recorded", "6") in versions
    assert ("torch", "2.13.0", "1") in versions


def test_what_was_left_out_is_listed_and_in_no_table(outputs, write_run):
    failed = write_run({"test_unseen": 0.9}, experiment="table_2", split=9)
    (failed / "status.json").write_text('{"state": "failed", "error": "out of memory"}')
    half = write_run({"test_unseen": 0.9}, experiment="table_2", split=8)
    (half / "metrics.json").write_text('{"schema": 1, "rows": [{')
    old = write_run({"test_unseen": 0.9}, experiment="table_2", split=7)
    (old / "provenance.json").write_text('{"results_version": 0}')
    write_run({"test_unseen": 0.9}, experiment="table_2", at="2020-01-01T00:00:00+00:00")
    page = report(outputs)
    lines = page.lines("left-out")
    assert sorted(line["kind"] for line in lines) == ["duplicate", "failed", "stale", "unreadable"]
    assert "out of memory" in {line["reason"] for line in lines}
    assert str(failed) in {line["folder"] for line in lines}
    assert len(page.lines("all-runs")) == 6
    assert page.lines("experiments")[0]["left out"] == "4"


def test_a_run_of_two_experiments_is_in_both(write_run, tmp_path):
    for experiment in ("first", "second"):
        write_run(key="aaa", experiment=experiment)
    page = report(tmp_path / "outputs")
    assert len(page.lines("all-runs")) == 2
    assert "left-out" not in page.tables
    one = report(tmp_path / "outputs", experiment="second")
    assert len(one.lines("all-runs")) == 1


def test_tables_beside_the_paper_tests_and_seeds(outputs, write_run):
    write_run({"test_unseen": 0.5}, model="deepsem", seed=1, experiment="table_2")
    page = report(outputs)
    found = {line["method"]: line for line in page.lines("table_2-paper-0")}
    cell = found["InfoSEM-B"]["AUPRC (averageprecision)"]
    ours, published, difference = re.split(r" \| | \(", cell.rstrip(")"))
    assert (ours, published) == ("0.410", "0.331")
    assert float(difference) == pytest.approx(0.079 / (0.055**2 + 0.0058**2) ** 0.5, abs=0.06)
    assert {line["n splits"] for line in page.lines("table_2-tests")} == {"3"}
    assert page.lines("table_2-seeds")[0]["seed sd"] == "0.141"
    everything = page.lines("table_2-all")
    assert len(everything) == 4
    decided, untested = page.lines("claims-table"), page.lines("claims-untested")
    assert {line["decision"] for line in untested} == {"cannot be tested here"}
    assert not {line["decision"] for line in decided} & {"cannot be tested here"}
    text = (outputs / "report.html").read_text()
    (headline,) = re.findall('<p class="headline">(.*?)</p>', text)
    assert all(
        part in headline for part in ("AUPRC", "unseen genes", "InfoSEM-B", "0.410", "hESC")
    )


def test_an_experiment_has_a_heading_and_its_main_table_comes_first(write_run, tmp_path):
    for split in range(2):
        for model, value in (("deepsem", 0.3), ("infosem_b", 0.4)):
            values = {"test_seen": 0.5, "test_unseen": value}
            write_run(values, model=model, split=split, experiment="infosem_cell_type_specific")
    report(tmp_path / "outputs")
    text = (tmp_path / "outputs" / "report.html").read_text()
    headings = re.findall("<h2>(.*?)</h2>", text)
    for part in ("InfoSEM", "2, 3", "hESC"):
        assert part in headings[0]
    first, *_ = re.findall("<h3>(.*?)</h3>", text)
    assert "unseen genes" in first
    assert headings.index("The papers&#39; claims") < headings.index("What was run")


def test_regulator_sets_show_one_length_of_the_list(write_run, tmp_path):
    folder = write_run(model="context_attention", data="sergio_ds3", config={"prior": None})
    rows = [
        {"metric": "recall_at_k", "subset": "test", "value": k / 200, "n": 9, "k": k}
        for k in (40, 80, 100)
    ]
    (folder / "metrics.json").write_text(json.dumps({"schema": 1, "rows": rows}))
    page = report(tmp_path / "outputs")
    assert page.lines("e-test-recall_at_k")[0]["recall@80"] == "0.400"
    assert len(page.lines("e-all")) == 3
    text = (tmp_path / "outputs" / "report.html").read_text()
    (heading,) = re.findall("<h3>(recall.*?)</h3>", text)
    assert "SERGIO DS3" in heading
    assert page.lines("all-runs")[0]["main number"] == "0.400"


def test_the_same_runs_give_the_same_page(outputs):
    write_report(outputs, outputs / "a.html")
    write_report(outputs, outputs / "b.html")
    assert (outputs / "a.html").read_bytes() == (outputs / "b.html").read_bytes()


def test_only_problems_are_a_page_too(write_run, tmp_path):
    (write_run() / "status.json").unlink()
    page = report(tmp_path / "outputs")
    assert page.lines("left-out")[0]["kind"] == "unfinished"
    assert len(page.tables["all-runs"]) == 1


def test_judged_runs_are_not_among_the_networks(outputs):
    assert "networks" not in report(outputs).tables


def test_networks_without_a_judgement_are_listed_and_halves_of_cells_are_no_runs(
    write_run, tmp_path
):
    own = {"data": {"path": "x.h5ad", "network": "own"}}
    folder = write_run({}, data="x-B", model="pearson", config=own)
    write_run({}, data="x-B", model="pearson", config={"data": {**own["data"], "half": 0}})
    page = report(tmp_path / "outputs")
    (line,) = page.lines("networks")
    assert (line["dataset"], line["run"]) == ("x-B", folder.name)
    assert len(page.tables["versions"]) > 1
    assert {line["runs"] for line in page.lines("versions")} == {"1"}


def test_a_figure_is_in_the_page_or_says_what_it_lacks(outputs, monkeypatch):
    def drawn(rows, *, width):
        """Draw one thing (figure 1)."""
        from matplotlib.figure import Figure

        return Figure(figsize=(width, 1.0))

    def refused(rows, *, width):
        raise InputError("needs other runs")

    monkeypatch.setattr(figures, "FIGURES", {"one_thing": drawn, "another": refused})
    page = report(outputs)
    ((_, image),) = [found for found in page.tags if found[0] == "img"]
    assert image["src"].startswith("data:image/png;base64,iVBOR")
    assert image["alt"] == "One thing (figure 1): hESC"
    assert "another: needs other runs" in (outputs / "report.html").read_text()


# -- the command -------------------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch, capsys):
    def run(*arguments) -> tuple[str, str]:
        monkeypatch.setattr("sys.argv", ["report", *map(str, arguments)])
        main()
        captured = capsys.readouterr()
        return captured.out, captured.err

    return run


@pytest.mark.slow
def test_without_a_command_the_page_is_written(command, outputs, write_run):
    (write_run(experiment="other") / "metrics.json").write_text("{")
    out, err = command(outputs)
    assert out.strip() == str(outputs / "report.html")
    assert lines_naming(err, "1 unreadable")
    assert len(read(outputs / "report.html").lines("all-runs")) == 6
    out, err = command("html", outputs, "-o", outputs / "x.html", "--experiment", "table_2")
    assert err == ""
    assert "table_2" in (outputs / "x.html").read_text()
    command(outputs)  # its own page is written again


def test_the_claims_as_text_and_as_csv(command, outputs, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")  # in 80 the verdict takes two lines
    out, _ = command("claims", outputs)
    assert "cannot be tested here" in out
    out, _ = command("claims", outputs, "--format", "csv", "--checks")
    assert out.splitlines()[0] == "where,claim,comparison,outcome,numbers"
    assert "| where |" in command("claims", outputs, "--format", "markdown")[0]


@pytest.fixture
def in_outputs(outputs, monkeypatch):
    monkeypatch.chdir(outputs.parent)
    (outputs.parent / "mine.html").write_text("<p>mine")
    return outputs


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("missing",), ["missing", "paths.outputs", "html", "claims"]),
        (("html", "a/missing"), ["a/missing"]),
        (("html", "outputs", "-o", "page.txt"), ["-o page.txt", ".html"]),
        (("html", "outputs", "-o", "mine.html"), ["mine.html", "-o"]),
        (("html", "outputs", "--experiment", "table_3"), ["--experiment table_3", "'table_2'"]),
        (("claims", "missing"), ["missing"]),
    ],
)
def test_bad_input_is_one_line(command, in_outputs, capsys, arguments, parts):
    outputs = in_outputs
    with pytest.raises(SystemExit) as error:
        command(*arguments)
    assert error.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.match(naming("error", *parts), last)
    assert (outputs.parent / "mine.html").read_text() == "<p>mine"
    assert not (outputs / "report.html").exists()


def test_a_page_of_many_runs_is_small(rows_of, tmp_path):
    rows = rows_of({f"m{i}": [0.1 * i, 0.2] for i in range(5)})
    assert isinstance(rows, pd.DataFrame)
    few = write_size(tmp_path)
    rows_of({f"n{i}": [0.1, 0.2] for i in range(20)})
    many = write_size(tmp_path)
    assert (many - few) / 40 < 2000  # bytes a run


def write_size(tmp_path) -> int:
    page = tmp_path / "size.html"
    write_report(tmp_path / "outputs", page)
    return page.stat().st_size
