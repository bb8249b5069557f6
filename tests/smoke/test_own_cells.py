"""Own cells from the command line: a network for each group, half-samples, cross-validation."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from grn_exp.runs.edges import COLUMNS, read_edges
from grn_exp.runs.folder import RunFolder
from tests.messages import lines_naming

REGULATORS = [f"TF{i}" for i in range(8)]
GENES = [*REGULATORS, *(f"G{i}" for i in range(22))]


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> list[str]:
    """Return the options of a data set of 70 cells in two groups, one of them small."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    drive = rng.gamma(2.0, 2.0, size=(70, len(REGULATORS)))
    weights = rng.random((len(REGULATORS), 22)) * (rng.random((len(REGULATORS), 22)) < 0.3)
    rates = np.concatenate([drive, drive @ weights + 0.5], axis=1)
    cells = ad.AnnData(rng.poisson(rates).astype(np.float32))
    cells.var_names = GENES
    cells.obs["kind"] = ["big one"] * 60 + ["tiny/1"] * 10
    cells.write_h5ad(folder / "mine.h5ad")
    (folder / "tfs.txt").write_text("\n".join([*REGULATORS, "ABSENT"]) + "\n")
    known = [f"{REGULATORS[r]},{GENES[8 + g]}" for r, g in zip(*np.nonzero(weights), strict=True)]
    (folder / "known.csv").write_text("\n".join(["source,target", *known]) + "\n")
    path, regulators = folder / "mine.h5ad", folder / "tfs.txt"
    return ["data=anndata", f"data.path={path}", f"data.regulators={regulators}"]


def folder_of(outcome) -> Path:
    """Return the folder that the output names."""
    (line,) = (line for line in outcome.out.splitlines() if line.startswith("files: "))
    return Path(line.removeprefix("files: ").strip())


def test_a_network_of_own_cells(command, own):
    outcome = command("model=grnboost2", "model.n_estimators=10", *own)
    assert outcome.code == 0, outcome.err
    assert folder_of(outcome).parts[-3] == "mine"
    assert lines_naming(outcome.err, 8, 9)  # regulators found of those asked for
    edges = read_edges(RunFolder(folder_of(outcome)))
    assert tuple(edges.columns) == COLUMNS
    assert len(edges) == 8 * 30 - 8
    assert edges["stability"].isna().all()
    assert edges["known"].isna().all()
    assert np.array_equal(np.sign(edges["correlation"]), edges["sign"])
    short = pd.read_csv(folder_of(outcome) / "network.csv.gz")
    assert short["source"].tolist() == edges["source"].tolist()
    audit = pd.read_csv(folder_of(outcome) / "audit.csv")
    assert audit.set_index("gene").loc["ABSENT", "status"] == "not in the matrix"
    assert json.loads((folder_of(outcome) / "metrics.json").read_text())["rows"] == []
    again = command("model=grnboost2", "model.n_estimators=10", *own)
    assert again.code == 0
    assert lines_naming(again.err, "already", "done:", str(folder_of(outcome)))


def test_each_group_is_a_job(command, own, tmp_path):
    outcome = command("model=pearson", *own, "data.groupby=kind")
    assert outcome.code == 0, outcome.err
    assert lines_naming(outcome.err, "tiny/1 (10)")
    folders = [path.name for path in (tmp_path / "outputs" / "runs").iterdir()]
    assert folders == ["mine-big_one"]


def test_stability_counts_the_half_samples_that_have_an_edge(command, own):
    outcome = command("model=pearson", *own, "stability=4")
    assert outcome.code == 0, outcome.err
    edges = read_edges(RunFolder(folder_of(outcome)))
    facts = json.loads((folder_of(outcome) / "provenance.json").read_text())["network"]
    assert (facts["stability_fits"], facts["top_edges"]) == (4, 100)
    assert set(edges["stability"] * 4) <= {0, 1, 2, 3, 4}
    halves = [path for path in folder_of(outcome).parent.iterdir() if path != folder_of(outcome)]
    assert len(halves) == 4
    top = [read_edges(RunFolder(path)).iloc[:100] for path in halves]
    first = edges.iloc[0]
    hits = [
        ((t["source"] == first["source"]) & (t["target"] == first["target"])).any() for t in top
    ]
    assert first["stability"] == np.mean(hits)


# killed as it puts its n-th file in place
_KILLED = """
import os, pathlib, signal, sys
left, replace = int(sys.argv.pop(1)), pathlib.Path.replace
def counting(self, target):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
pathlib.Path.replace = counting
from grn_exp.cli import main
main()
"""


@pytest.mark.slow
def test_killed_at_random_a_stability_run_ends_as_an_unbroken_one(command, own, tmp_path):
    words = ["model=grnboost2", "model.n_estimators=3", *own, "stability=4"]
    unbroken = folder_of(command(*words))
    again = [*words, f"paths.outputs={tmp_path / 'again'}"]
    rng = np.random.default_rng()
    for place in rng.integers(2, 25, size=3).tolist():
        killed = subprocess.run([sys.executable, "-c", _KILLED, str(place), *again], check=False)
        assert killed.returncode == -signal.SIGKILL, place
    outcome = command(*again)
    assert outcome.code == 0, outcome.err
    repeated = folder_of(outcome)
    assert repeated.name == unbroken.name
    for name in ("network.parquet", "network.csv.gz", "audit.csv", "metrics.json"):
        assert (repeated / name).read_bytes() == (unbroken / name).read_bytes()
    assert len(list(repeated.parent.iterdir())) == 5


def test_known_interactions_are_learnt_from_and_a_split_of_them_is_judged(command, own):
    known = own[1].split("=")[1].replace("mine.h5ad", "known.csv")
    fast = ["trainer.max_epochs=3", "prior=random", "prior.width=8"]
    options = ["model=infosem_bc", *own, f"data.known={known}", *fast]
    outcome = command(*options)
    assert outcome.code == 0, outcome.err
    edges = read_edges(RunFolder(folder_of(outcome)))
    n_known = len(pd.read_csv(known))
    assert (edges["known"] == 1).sum() == n_known
    judged = command(*options, "split=seen_unseen", "split.validation_fraction=0")
    assert judged.code == 0, judged.err
    shown = read_edges(RunFolder(folder_of(judged)))
    assert 0 < (shown["known"] == 1).sum() < n_known
    rows = json.loads((folder_of(judged) / "metrics.json").read_text())["rows"]
    subsets = {row["subset"] for row in rows}
    assert subsets == {"test_seen", "test_unseen"}


def test_sets_of_own_cells_are_learnt_from_known_ones(command, tmp_path):
    """The example of docs/regulator-sets.md, on cells that scanpy brings."""
    import scanpy as sc

    cells = sc.datasets.pbmc68k_reduced().raw.to_adata()
    cells.write_h5ad(tmp_path / "cells.h5ad")
    rng = np.random.default_rng(0)
    regulators, targets = cells.var_names[:20], cells.var_names[20:40]
    known = [(tf, gene) for gene in targets for tf in rng.choice(regulators, 2, replace=False)]
    pd.DataFrame(known, columns=["source", "target"]).to_csv(tmp_path / "known.csv", index=False)
    outcome = command(
        "model=pairs2",
        "data=anndata_sets",
        f"data.path={tmp_path / 'cells.h5ad'}",
        f"data.known={tmp_path / 'known.csv'}",
        "data.targets=[NKG7,GZMB]",
        "data.set_size=2",
        "trainer.max_epochs=2",
        "retriever=nearest_targets",
    )
    assert outcome.code == 0, outcome.err
    sets = pd.read_csv(folder_of(outcome) / "sets.csv")
    assert set(sets["target"]) == {"NKG7", "GZMB"}
    assert sets["predicted"].str.split(";").map(set(regulators).issuperset).all()
    assert (sets["margin"] >= 0).all()
    assert sets["true"].isna().all()
    assert (folder_of(outcome) / "audit.csv").is_file()
    elsewhere = command("model=pairs2", "data=anndata", f"data.path={tmp_path / 'cells.h5ad'}")
    assert elsewhere.code == 2


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["data=anndata", "data.regulators=human"], ["data.path"]),
        (["data=anndata", "data.path=none.h5ad", "data.regulators=human"], ["none.h5ad"]),
        (["model=pearson", "data=toy", "stability=4"], ["stability=4"]),
        (["model=pearson", "data=toy", "stability=1"], ["stability=1"]),
    ],
)
def test_what_cannot_be_used_is_one_line_and_leaves_nothing(command, words, parts, tmp_path):
    outcome = command("model=pearson", *words)
    assert outcome.code == 2
    assert lines_naming(outcome.err, *parts)
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("exists", [True, False])
def test_a_file_in_place_of_a_data_set(command, own, exists):
    path = own[1].split("=", 1)[1] if exists else "/none/x.h5ad"
    outcome = command("model=pearson", f"data={path}")
    assert outcome.code == 2
    assert lines_naming(outcome.err, f"data.path={path}")
