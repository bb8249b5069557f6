"""``report.html`` and the page of a network in a browser."""

import sys

import pytest

from grn_exp.network.__main__ import main as network
from grn_exp.report.__main__ import main
from tests.browser import CHROMIUM, Page
from tests.networks import leave_network

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH"),
]


@pytest.fixture
def page(tmp_path):
    found = Page(tmp_path / "profile")
    yield found
    found.close()


@pytest.fixture
def report(command, outputs, monkeypatch):
    """Return the report of six real runs, one of them with a half-written file."""
    done = command("-m", "model=degree,one_hot_lr,random", "data=toy", "split.seed=0,1")
    assert done.code == 0, done.err
    (random, _) = [folder for folder in done.folders if folder.parent.name == "random"]
    (random / "metrics.json").write_text('{"schema"')
    monkeypatch.setattr(sys, "argv", ["report", str(outputs)])
    main()
    return outputs / "report.html"


COLUMN = """[...document.querySelectorAll("#all-runs tbody tr")].map(
    (row) => row.cells[%d].textContent)"""
SORT = 'document.querySelectorAll("#all-runs thead button")[%d]'
INDEX = """[...document.querySelectorAll("#all-runs thead th")].findIndex(
    (header) => header.textContent === "%s")"""


def test_the_report_in_a_browser(page, report):
    page.open(report, 1280)
    # numbers are sorted as numbers, by a click and by the keyboard
    seconds = page.run(INDEX % "seconds")
    page.run(f"{SORT % seconds}.click()")
    found = [float(text) for text in page.run(COLUMN % seconds)]
    assert len(found) == 5
    assert found == sorted(found, reverse=True)
    page.run(f"{SORT % seconds}.focus()")
    page.press("Enter")
    found = [float(text) for text in page.run(COLUMN % seconds)]
    assert found == sorted(found)
    header = f"{SORT % seconds}.parentNode.getAttribute('aria-sort')"
    assert page.run(header) == "ascending"
    method = page.run(INDEX % "method")
    page.run(f"{SORT % method}.click()")
    texts = page.run(COLUMN % method)
    assert texts == sorted(texts)
    assert page.run(header) == "none"
    # the filter hides what lacks a word
    box = 'document.querySelector("#all-runs").closest(".table")'
    page.run(
        f'{box}.querySelector("input").value = "DEGREE toy";'
        f'{box}.querySelector("input").dispatchEvent(new Event("input", {{bubbles: true}}))'
    )
    hidden = '[...document.querySelectorAll("#all-runs tbody tr")].map((row) => row.hidden)'
    assert page.run(hidden) == [text != "Degree" for text in texts]
    assert page.run(f'{box}.querySelector("output").textContent') == "2 of 5 lines"
    # a value leads to its runs, whatever the filter was
    page.run("""[...document.querySelectorAll("section[id^=experiment] tbody tr")]
        .find((row) => row.cells[0].textContent === "One-hot LR").querySelector("a").click()""")
    assert page.run(hidden) == [text != "One-hot LR" for text in texts]
    assert page.run(f'{box}.querySelector(".tools button").click(), 0') == 0
    assert page.run(hidden) == [False] * 5
    for width in (1280, 360):
        _fits_its_screen(page, report, width)
    assert page.complaints() == []


def _fits_its_screen(page, report, width):
    page.open(report, width)
    page.run('document.querySelectorAll("details").forEach((fold) => { fold.open = true; })')
    assert page.run("document.documentElement.scrollWidth") <= width
    wide = '[...document.querySelectorAll(".scroll")].filter((box) => box.scrollWidth > %d).length'
    if width == 360:
        assert page.run(wide % width) > 0  # wide tables scroll in their boxes
    loaded = "[...document.images].map((image) => image.complete && image.naturalWidth > 0)"
    assert len(page.run(loaded)) > 0
    assert all(page.run(loaded))


def test_complaints_are_heard(page, tmp_path):
    (tmp_path / "bad.html").write_text(
        "<!doctype html><script>console.error('a'); fetch('http://127.0.0.1:9/'); b.c</script>"
    )
    page.open(tmp_path / "bad.html", 800)
    page.run("0")
    methods = {event["method"] for event in page.complaints()}
    assert {"Runtime.exceptionThrown", "Runtime.consoleAPICalled"} <= methods
    assert "Network.requestWillBeSent" in methods or "Log.entryAdded" in methods


def test_the_page_of_a_network_in_a_browser(page, tmp_path, monkeypatch):
    run = leave_network(tmp_path / "runs/pbmc/grnboost2/k", n_regulators=4, n_genes=30)
    path = tmp_path / "network.html"
    monkeypatch.setattr(sys, "argv", ["network", "show", str(run), "--top", "40", "-o", str(path)])
    network()
    page.open(path, 1280)
    rows = (
        '[...document.querySelectorAll("#panel tbody tr")].map((row) => row.cells[0].textContent)'
    )
    assert len(page.run(rows)) == 40
    # a gene's edges, whatever the case that it is sought in
    sought = """document.getElementById("gene").value = "%s";
        document.getElementById("gene").dispatchEvent(new Event("change"))"""
    page.run(sought % "g2")
    found = page.run(rows)
    assert 0 < len(found) < 40
    assert all("G2" in row.split() for row in found)
    # the best edges alone, without genes that none of them has
    page.run("""document.getElementById("least").value = "5";
        document.getElementById("least").dispatchEvent(new Event("input"))""")
    assert len(page.run(rows)) == 5
    assert page.run('graph.edges().not(".off").length') == 5
    assert page.run('graph.nodes().not(".off").length') <= 10
    assert page.run("graph.nodes().filter((n) => isNaN(n.position('x'))).length") == 0
    page.open(path, 360)
    assert page.run("document.documentElement.scrollWidth") <= 360
    assert page.run('document.getElementById("graph").clientHeight') > 200
    assert page.complaints() == []
