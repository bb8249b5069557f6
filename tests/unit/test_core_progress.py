"""Long work says how far it is where no terminal is watching."""

from grn_exp.core import progress
from grn_exp.core.progress import track
from tests.messages import lines_naming


def test_a_log_gets_lines_with_the_time_left(monkeypatch, caplog):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    with caplog.at_level("INFO"):
        assert list(track((each for each in "abc"), title="Genes", total=3)) == ["a", "b", "c"]
        assert list(track("de", title="Sets")) == ["d", "e"]
    assert len(lines_naming(caplog.text, "Genes", 2, 3, "0:00:00")) == 1
    assert len(lines_naming(caplog.text, "Sets", 1, 2)) == 1


def test_lines_come_now_and_then(caplog):
    with caplog.at_level("INFO"):
        assert len(list(track(range(1000), title="Genes"))) == 1000
    assert not caplog.text
