"""What the data command says: sizes beside the published ones, what is here, what is missing."""

import re
import sys

import pytest

from grn_exp.core.errors import InputError
from grn_exp.data import catalogue
from grn_exp.storage import store
from tests.messages import naming


def run_command(monkeypatch, capsys, *arguments):
    """Run ``python -m grn_exp.data`` in this process; return exit code, output and errors."""
    import runpy

    monkeypatch.setattr(sys, "argv", ["grn_exp.data", *arguments])
    code = 0
    try:
        runpy.run_module("grn_exp.data", run_name="__main__")
    except SystemExit as stop:
        code = stop.code
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.mark.parametrize("key", list(catalogue.PUBLISHED))
def test_published_counts_agree_with_each_other(key):
    """Tables B.1 and B.2: pairs are regulators x genes, and the degree is positives over them."""
    published = catalogue.PUBLISHED[key]
    n_pairs = published.n_positive + published.n_negative
    n_regulators = n_pairs / published.n_genes
    assert n_regulators == round(n_regulators)
    assert published.n_positive / n_regulators == pytest.approx(
        published.mean_regulator_degree, abs=0.06
    )


def test_counts_of_real_data(real_data):
    """hHEP TFs+500, as counted from the files by other means: 30 regulators, 948 genes."""
    real_data(
        "beeline/hHEP/tfs500/ExpressionData.csv.gz",
        "beeline/hHEP/tfs500/cell_type_specific/network.csv.gz",
    )
    counts = catalogue.count("hHEP", "tfs500", "cell_type_specific")
    assert counts is not None
    assert (counts.n_genes, counts.n_cells, counts.n_positive) == (948, 425, 9939)
    assert counts.n_positive + counts.n_negative == 30 * 948


def test_every_dataset_is_in_the_registry():
    for dataset in catalogue.datasets().values():
        for gene_set in catalogue.GENE_SETS:
            assert set(catalogue.keys(dataset, gene_set)) <= store.registry().keys()


def test_every_sergio_network_is_in_the_registry():
    assert {f"sergio_ds{n}" for n in (1, 2, 3)} == set(catalogue.sergio_networks())
    for network in catalogue.sergio_networks().values():
        assert set(catalogue.network_keys(network)) <= store.registry().keys()
        assert len(catalogue.published_keys(network)) == 15


def test_names_stand_for_the_files_of_a_benchmark():
    files = ["sergio/DS3/interactions.txt", "sergio/DS3/master_regulators.txt"]
    assert catalogue.keys_named("sergio_ds3") == files
    published = catalogue.keys_named("sergio_ds3_published")
    assert published[:2] == files
    assert len(published) == 17
    everything = catalogue.keys_named("all")
    assert {*files, *catalogue.keys_named("hesc")} <= set(everything)
    assert len(set(everything)) == len(everything)
    assert not any("simulated" in key for key in everything)


@pytest.mark.parametrize(
    ("name", "match"), [("hhepp", "hhep"), ("sergio_ds4", "sergio_ds1"), ("hesc_published", "all")]
)
def test_unknown_dataset_names_close_matches(name, match):
    with pytest.raises(InputError, match=naming(f"'{name}'", match)):
        catalogue.keys_named(name)


def test_list_shows_what_is_missing(monkeypatch, capsys, no_data):
    code, output, _ = run_command(monkeypatch, capsys, "list")
    assert code == 0
    assert "mhsc_gm" in output
    assert "5 of 5" in output  # mESC with its fourth network
    assert "0 of 4" in output
    assert re.search(r"sergio_ds3\W+no\W+no\W+0 of 15", output)


def test_check_says_what_is_not_here(monkeypatch, capsys, no_data):
    code, output, _ = run_command(monkeypatch, capsys, "check")
    assert code == 0
    assert output.count("not here") == 2 * len(catalogue.PUBLISHED)
    assert "40,083" in output


def test_check_shows_differences(monkeypatch, capsys, real_data):
    real_data(
        "beeline/hHEP/tfs500/ExpressionData.csv.gz",
        "beeline/hHEP/tfs500/cell_type_specific/network.csv.gz",
    )
    _, output, _ = run_command(monkeypatch, capsys, "check")
    assert "9,939 (+255)" in output  # 9,939 here, 9,684 in table B.1


def test_fetch_of_an_unknown_name_is_one_line(monkeypatch, capsys, no_data):
    code, _, errors = run_command(monkeypatch, capsys, "fetch", "mescc")
    assert code == 2
    assert re.search(naming("'mescc'", "'mesc'"), errors.strip())


@pytest.mark.parametrize("words", [(), ("fetch",), ("fecth", "hesc")])
def test_a_command_that_is_none_is_one_line(monkeypatch, capsys, words):
    code, _, errors = run_command(monkeypatch, capsys, *words)
    assert code == 2
    assert len(errors.splitlines()) == 1


def test_fetch_keeps_what_is_here(monkeypatch, capsys, real_data):
    real_data(
        "beeline/mDC/tfs500/ExpressionData.csv.gz", "beeline/mDC/tfs1000/ExpressionData.csv.gz"
    )
    code, output, _ = run_command(monkeypatch, capsys, "fetch", "mdc")
    assert code == 0
    assert "[1/12]" in output
    assert "mDC/tfs1000/string/network.csv.gz" in output
    assert not any(path.suffix == ".gz" for path in store.cache_dir().rglob("*"))


def test_fetch_of_a_sergio_network_leaves_the_published_matrices(monkeypatch, capsys, real_data):
    real_data("sergio/DS3/interactions.txt", "sergio/DS3/master_regulators.txt")
    code, output, _ = run_command(monkeypatch, capsys, "fetch", "sergio_ds3")
    assert code == 0
    assert "[2/2]" in output
    _, output, _ = run_command(monkeypatch, capsys, "list")
    assert re.search(r"sergio_ds3\W+yes\W+yes\W+\d+ of 15", output)
