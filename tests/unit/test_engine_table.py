"""The table at the end of a run, in 80 columns."""

import pytest

from grn_exp.engine.spec import RunIdentity
from grn_exp.engine.table import show
from grn_exp.metrics.titles import title

PAIRS = ("ap", "ap_ratio", "auprc_trapezoid", "auroc", "epr", "recall_at_half", "ap_per_regulator")
SPREAD = {"member_mean": 0.321, "member_sd": 0.0123}
INTERVAL = {"low": 0.31, "high": 0.57}


@pytest.fixture
def printed(monkeypatch, capsys, tmp_path):
    """Return ``printed(rows)``: the lines of the table, the one that names the folder left out."""
    monkeypatch.setenv("COLUMNS", "80")

    def call(rows):
        show(rows, RunIdentity("runs", "mesc", "infosem_bc", "a", tmp_path, {}))
        *table, last = capsys.readouterr().out.splitlines()
        assert str(tmp_path) in last
        return table

    return call


def pairs(**more):
    """Rows of a benchmark with a million pairs."""
    return [
        {"metric": metric, "subset": subset, "value": place / 1000 + 0.4}
        | {"n": 1_234_567, "n_positive": 123_456, "prevalence": 0.1, **more}
        for subset in ("val", "test_seen", "test_unseen")
        for place, metric in enumerate(PAIRS)
    ]


def sets(n_sizes):
    """Rows of a benchmark of sets: all sizes together, and each of them."""
    return [
        {"metric": "exact_match", "subset": "test", "value": (size or 0) / 1000 + 0.4}
        | {"n": 100, "n_positive": None, "prevalence": None, "set_size": size, **INTERVAL}
        for size in (None, *range(1, n_sizes + 1))
    ]


@pytest.mark.parametrize("more", [{}, SPREAD], ids=["one seed", "ensemble"])
def test_a_table_of_pairs_fits_with_its_random_columns(printed, more):
    rows = pairs(**more)
    table = printed(rows)
    assert max(map(len, table)) <= 80
    text = "\n".join(table)
    assert text.count("random") == 3
    for row in rows:
        assert text.count(f"{row['value']:.3f}") == 3  # in each subset
        assert title(row["metric"]).split()[-1] in text  # long titles are folded, not cut
    assert "…" not in text
    assert text.count("0.321±0.012") == (len(rows) if more else 0)


@pytest.mark.parametrize("n_sizes", [1, 3, 9])
def test_a_table_of_sets_fits_with_its_intervals(printed, n_sizes):
    rows = sets(n_sizes)
    table = printed(rows)
    assert max(map(len, table)) <= 80
    text = "\n".join(table)
    assert text.count("0.31-0.57") == len(rows)
    assert all(f"{row['value']:.3f}" in text for row in rows)
    assert "random" not in text
