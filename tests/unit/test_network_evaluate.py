"""Networks against true edges."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from grn_exp.core.errors import InputError
from grn_exp.network.evaluate import CONTROLS, evaluate
from grn_exp.network.runs import one_run
from grn_exp.network.truth import Truth, read_truth
from tests.messages import naming
from tests.networks import leave_network

EDGES = [("G0", "G5"), ("G0", "G7"), ("G1", "G5"), ("g1", "g9"), ("G9", "G3"), ("X", "G2")]


@pytest.fixture
def run(tmp_path):
    return one_run(
        leave_network(tmp_path / "e/pbmc/deepsem/k", means=np.linspace(0, 2, 12), seed=3)
    )


def row(table, name):
    (found,) = table[table["ranking"] == name].to_dict("records")
    return found


@pytest.mark.parametrize(
    ("within", "targets"),
    [("truth", [2, 3, 5, 7, 9]), ("run", [5, 7, 9]), ("all", list(range(12)))],
)
def test_pairs_are_the_truths_regulators_and_targets(run, within, targets):
    table = evaluate([run], Truth(EDGES), known_within=within)
    rows, columns = np.meshgrid([0, 1], targets, indexing="ij")
    different = rows != columns
    labels = np.isin(rows * 100 + columns, [5, 7, 105, 109])[different]
    scores = run.scores.values[rows, columns][different]
    found = row(table, "deepsem")
    assert found["regulators"] == 2
    assert found["targets"] == len(targets)
    assert found["edges"] == 4
    assert found["prevalence"] == pytest.approx(labels.mean())
    assert found["ap"] == pytest.approx(average_precision_score(labels, scores))
    assert found["ap_ratio"] == pytest.approx(found["ap"] / found["prevalence"])
    top = np.argsort(-scores)[:4]
    assert found["epr"] == pytest.approx(labels[top].mean() / labels.mean())
    each = [
        average_precision_score(labels[rows[different] == r], scores[rows[different] == r])
        for r in (0, 1)
    ]
    assert found["ap_per_regulator"] == pytest.approx(np.mean(each))


def test_controls_need_no_method(run):
    table = evaluate([run], Truth(EDGES), known_within="all")
    assert table["ranking"].tolist() == ["deepsem", *CONTROLS]
    chance = row(table, CONTROLS[0])
    rng = np.random.default_rng(0)
    labels = np.arange(22) < 4
    drawn = [average_precision_score(labels, rng.random(22)) for _ in range(4000)]
    assert chance["ap"] == pytest.approx(np.mean(drawn), rel=0.05)
    assert chance["epr"] == 1
    ranked = [(r, c) for r in (0, 1) for c in range(12) if r != c]
    labels = [pair in [(0, 5), (0, 7), (1, 5), (1, 9)] for pair in ranked]
    means = [c for _, c in ranked]
    assert row(table, CONTROLS[1])["ap"] == pytest.approx(average_precision_score(labels, means))
    correlation = run.edges.set_index(["source", "target"])["correlation"].abs()
    values = [correlation[f"G{r}", f"G{c}"] for r, c in ranked]
    assert row(table, CONTROLS[2])["ap"] == pytest.approx(average_precision_score(labels, values))


def test_controls_that_a_run_has_no_numbers_for_are_left_out(tmp_path):
    run = one_run(leave_network(tmp_path / "d/m/k", whole=False))
    assert evaluate([run], Truth(EDGES))["ranking"].tolist() == ["m", CONTROLS[0]]


def test_controls_of_the_same_pairs_stand_once(run, tmp_path):
    means = np.linspace(0, 2, 12)
    same = one_run(leave_network(tmp_path / "e/pbmc/other/k", means=means, seed=3))
    table = evaluate([run, same], Truth(EDGES))
    assert table["ranking"].tolist() == ["deepsem", "other", *CONTROLS]
    more = one_run(leave_network(tmp_path / "e/pbmc/more/k", n_genes=6))
    names = evaluate([run, more], Truth(EDGES))["ranking"]
    assert f"{CONTROLS[0]} (more)" in set(names)


FORMS = {
    "beeline.csv": "Gene1,Gene2\nA,B\nC,D\n",
    "decoupler.csv": "source,target,weight\nA,B,1\nC,D,-1\n",
    "columns in another order.csv": "score,Target,TF\n1,B,A\n2,D,C\n",
    "tabs.tsv": "regulator\ttarget\nA\tB\nC\tD\n",
    "mccalla.txt": "A\tB\nC\tD\n",
    "weights.txt": "A\tB\t1\nC\tD\t2\n",
    "windows.txt": "A\tB\r\nC\tD\r\n",
    "loops.csv": "TF,target\nA,a\nA,B\nA,B\nC,D\n",
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("zipped", [False, True])
def test_true_edges_come_in_several_forms(name, zipped, tmp_path):
    path = tmp_path / f"{name}{'.gz' * zipped}"
    content = FORMS[name].encode()
    path.write_bytes(gzip.compress(content) if zipped else content)
    assert read_truth(path).edges == {("a", "b"), ("c", "d")}


@pytest.mark.parametrize(
    "content", [None, "", "a,b\nA,B\n", "A;B\nC;D\n", "one\nA\n", "TF,target\nA,A\n", b"\x1f\x8bx"]
)
def test_what_holds_no_edges_is_named(content, tmp_path):
    path = tmp_path / "truth.csv"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=naming(path)):
        read_truth(path)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file that cannot be read")
def test_a_truth_that_cannot_be_read_is_named():
    with pytest.raises(InputError, match=naming("/proc/self/mem")):
        read_truth(Path("/proc/self/mem"))


def test_a_truth_without_a_common_edge_says_what_genes_are_called(run):
    with pytest.raises(InputError, match=naming("--truth", run.folder.path, "G0", "ensmusg2")):
        evaluate([run], Truth([("ENSMUSG1", "ENSMUSG2")]))


def test_mccallas_networks_are_read(real_data):
    folder = real_data("mccalla/mESC/chipunion.txt")
    truth = read_truth(folder / "mccalla/mESC/chipunion.txt")
    lines = pd.read_csv(
        folder / "mccalla/mESC/chipunion.txt", sep="\t", header=None, dtype=str,
        keep_default_na=False,
    ).drop_duplicates()  # fmt: skip
    assert len(truth.edges) == pytest.approx(len(lines), rel=0.01)
    assert "cdx2" in truth.regulators
