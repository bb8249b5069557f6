"""From a paper's table, or an experiment's name, to the runs that are for it."""

import sys

import pytest

from grn_exp.core.errors import InputError
from grn_exp.report.__main__ import main
from grn_exp.report.collect import collect
from grn_exp.report.experiments import experiment
from grn_exp.report.published import published, table_of
from grn_exp.report.usual import contents
from grn_exp.storage.conf import conf_dir
from tests.messages import lines_naming, naming
from tests.unit.test_report_compare import ATTENTION, HOS2

DOT = "grn_exp.models.edges.dot_product.DotProductRetriever"
NAMES = [path.stem for path in (conf_dir() / "experiment").glob("[!_]*.yaml")]


@pytest.mark.parametrize("name", [*NAMES, *(f"smoke/{name}" for name in NAMES)])
def test_every_experiment_tells_its_folder_and_what_it_sweeps_over(name):
    found = experiment(name)
    assert found.folder.startswith("smoke_") == name.startswith("smoke/")
    assert {"model", "data"} <= found.wanted.keys()
    assert not {"seed", "split.seed"} & found.wanted.keys()


def test_what_an_experiment_builds_on_counts_too():
    table3, oracle = experiment("infosem_table3"), experiment("hos2_table3")
    assert table3 == experiment("infosem_table2")
    assert oracle.wanted["data"] == ("sergio_ds3_oracle",)
    assert oracle.wanted["split.kind"] == ("random",)
    assert experiment("infosem_table6").wanted["data.network"] == ("non_specific",)
    assert experiment("mine") is None


@pytest.mark.parametrize(
    ("paper", "title"), [("infosem", "InfoSEM"), ("residual_hos2", "Residual HOS2")]
)
def test_every_published_table_has_its_experiment(paper, title):
    entries = published()
    for table in entries.loc[entries["paper"] == title, "table"].unique():
        entries, name = table_of(paper, table)
        assert set(entries["model"]) <= set(experiment(name).wanted["model"]) | {""}


@pytest.fixture
def shared(write_run, tmp_path):
    """Runs of two experiments in one folder: PairS2 on the pools of both retrievers."""
    for model, target in (("pairs2", ATTENTION), ("pairs2", DOT), ("deep_pairs2", ATTENTION)):
        for split in (42, 43):
            write_run(
                {"val": 0.9, "test": 0.1 * (split - 41)},
                model=model,
                data="sergio_ds3",
                experiment="hos2_ds3",
                metric="exact_match",
                config={
                    **HOS2,
                    "split.seed": split,
                    "model._target_": contents("model", model)[-1]["model"]["_target_"],
                    "retriever": {"model": {"_target_": target}},
                },
                row={"set_size": 2},
            )
    return tmp_path / "outputs"


def test_an_experiment_finds_its_runs_in_a_folder_that_others_share(shared):
    def runs(name):
        rows = collect(shared, name).rows
        return set(rows[["model", "retriever"]].itertuples(index=False, name=None))

    attention = ("pairs2", "context_attention")
    assert runs("hos2_table2") == {attention}
    assert runs("hos2_table6") == {attention, ("pairs2", "dot_product")}
    assert runs("hos2_table5") == {attention, ("deep_pairs2", "context_attention")}
    with pytest.raises(InputError, match=naming("hos2_table1")):
        runs("hos2_table1")
    with pytest.raises(InputError, match=naming("--experiment hos2_table99", "hos2_table2")):
        runs("hos2_table99")


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({}, 2),
        ({"data.network": "non_specific"}, 1),
        ({"data.cell_fraction": 0.5}, 1),
        ({"model.variant": "fast_als"}, 1),
        ({"model.rank": 128}, 2),
        ({"split.downsample": "per_regulator"}, 1),
        ({"prior": {"_target_": "grn_exp.priors.uninformative.OneHotPrior"}}, 1),
        ({"ensemble": 3}, 1),
        ({"split.known_within": "none"}, 1),
        ({"split.validation_fraction": 0.1}, 1),
        ({"data.gene_set": "tfs500"}, 2),
        ({"data.gene_set": "tfs1000"}, 1),
        ({"data.expression": "own.csv"}, 2),
        ({"split.seed": 7, "seed": 3, "trainer.accelerator": "gpu"}, 2),
    ],
)
def test_runs_that_differ_in_any_key_that_counts_are_not_the_experiment_s(
    write_run, tmp_path, changed, wanted
):
    target = contents("model", "matcomp")[-1]["_target_"]
    usual = {"model": {"_target_": target, "rank": 128}, "data.dataset": "hESC"}
    folder = "infosem_cell_type_specific"
    write_run(model="matcomp", experiment=folder, config=usual)
    write_run(model="matcomp", experiment=folder, split=1, config={**usual, **changed})
    assert len(collect(tmp_path / "outputs", "infosem_table2").runs) == wanted
    assert len(collect(tmp_path / "outputs", folder).runs) == 2


def test_published_scores_are_means_of_trainings(write_run, tmp_path):
    """Of ten for DeepSEM, whose members are not the experiment's; mDC has the larger gene set."""
    folder = "infosem_cell_type_specific"
    for model, ensemble, gene_set in (
        ("deepsem", 1, "tfs1000"),
        ("deepsem", 10, "tfs1000"),
        ("deepsem", 10, "tfs500"),
        ("random", 1, "tfs1000"),
    ):
        more = {} if ensemble == 1 else {"ensemble": ensemble}
        content = contents("model", model)[-1]
        more["model._target_"] = content.get("model", content)["_target_"]
        write_run(
            model=model,
            data="mdc",
            experiment=folder,
            config={"data.dataset": "mDC", "data.gene_set": gene_set, "trainer": {}, **more},
        )
    rows = collect(tmp_path / "outputs", "infosem_table2").rows
    assert set(rows[["model", "ensemble", "gene_set"]].itertuples(index=False, name=None)) == {
        ("deepsem", 10, "tfs1000"),
        ("random", 1, "tfs1000"),
    }


@pytest.fixture
def table(monkeypatch, capsys):
    def run(*arguments) -> str:
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(sys, "argv", ["report", "table", *map(str, arguments)])
        main()
        return capsys.readouterr().out

    return run


def test_a_paper_s_table_by_its_number(table, shared):
    asked = (shared, "--paper", "residual_hos2", "--table", "6")
    lines = table(*asked).splitlines()
    assert max(map(len, lines)) <= 80
    assert "val" not in lines[0]
    rows = {line[:21].strip(): line[21:].strip() for line in lines}
    assert rows["PairS2 (Context-Attn)"] == rows["PairS2 (Dot product)"] == "0.150 ± 0.050"
    assert r"PairS2 (Dot product) & 0.150 $\pm$ 0.050 \\" in table(*asked, "--format", "latex")
    text = table(*asked, "--show", "paper")
    assert max(map(len, text.splitlines())) <= 80
    assert "0.150 | 0.251 (-1.7)" in text
    assert "table 2" not in text


def test_settings_that_differ_are_footnotes(table, write_run, tmp_path):
    for alpha, value in ((1.0, 0.2), (2.0, 0.3)):
        write_run({"test_unseen": value}, config={"model.alpha": alpha})
    out = table(tmp_path / "outputs").splitlines()
    assert [line.split()[:2] for line in out if "DeepSEM" in line] == [
        ["DeepSEM", "(1)"],
        ["DeepSEM", "(2)"],
    ]
    assert "(1) model.alpha=1.0. (2) model.alpha=2.0" in " ".join(" ".join(out).split())


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ((), ("outputs", "--help")),
        (("missing",), ("missing", "paths.outputs")),
        ((".",), ("InfoSEM, table 4", "experiment=infosem_table4")),
    ],
)
def test_a_table_without_runs_is_one_line(table, tmp_path, capsys, words, parts):
    with pytest.raises(SystemExit) as error:
        table(*(tmp_path / word for word in words), "--paper", "infosem", "--table", "4")
    assert error.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(part in line for part in parts)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--paper", "infosem"), "--table"),
        (("--paper", "infosm", "--table", "2"), "'infosem'"),
        (("--paper", "infosem", "--table", "9"), "--table 9"),
    ],
)
def test_what_no_paper_has_is_refused(table, shared, capsys, words, part):
    with pytest.raises(SystemExit):
        table(shared, *words)
    assert lines_naming(capsys.readouterr().err, "error", part)
