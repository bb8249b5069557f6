"""Figure 3 of InfoSEM from run folders: alignment, imbalance, probabilities, and their figures."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.special import expit
from scipy.stats import rankdata

from grn_exp.core.errors import InputError
from grn_exp.core.versions import RESULTS_VERSION
from grn_exp.report.bias import imbalance
from grn_exp.report.bias.imbalance import (
    extreme_regulators,
    imbalance_and_coefficients,
    predicted_probabilities,
)
from grn_exp.report.bias.run import read_run
from grn_exp.report.figures.bias import imbalance_figure, probability_figure
from tests.messages import lines_naming, naming

REGULATORS = ["A", "B", "C"]
GENES = ["A", "B", "C", "T", "U", "V", "W", "X", "Y", "Z"]
# A regulates all of its training targets, B half of them, C none; Y and Z are unseen with C
TRAIN = {"A": "TUVW", "B": "TUVW"}
TEST_SEEN = {"A": "BX", "B": "AX"}
TEST_UNSEEN = {"C": "YZ"}
EDGES = {"A": "TUVWX", "B": "TUA", "C": "Y"}


def table_of(pairs) -> np.ndarray:
    return np.asarray([[g in pairs.get(r, "") for g in GENES] for r in REGULATORS])


def write_run(folder, *, scores=None, shuffle=False, leave_out=(), model="m", seed=0):
    path = folder / "runs" / "toy" / model / f"key{seed}"
    path.mkdir(parents=True)
    if scores is None:
        scores = np.random.default_rng(seed).random((3, 10))
    rows, columns = np.arange(3), np.arange(10)
    if shuffle:
        rows, columns = rows[::-1], np.random.default_rng(5).permutation(10)
    split = {
        "regulators": np.asarray(REGULATORS),
        "genes": np.asarray(GENES),
        "seed": np.asarray(3),
        "train": table_of(TRAIN),
        "val": table_of({}),
        "test_seen": table_of(TEST_SEEN),
        "test_unseen": table_of(TEST_UNSEEN),
        "labels": table_of(EDGES),
    }
    scored = {
        "regulators": np.asarray(REGULATORS)[rows],
        "genes": np.asarray(GENES)[columns],
        "scores": np.asarray(scores, np.float32)[np.ix_(rows, columns)],
    }
    np.savez(path / "split.npz", **{k: v for k, v in split.items() if k not in leave_out})
    np.savez(path / "scores.npz", **scored)
    config = {"data": {"network": "planted"}, "split": {"seed": 3}, "seed": seed}
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    (path / "status.json").write_text('{"state": "finished", "at": ""}')
    (path / "provenance.json").write_text(json.dumps({"results_version": RESULTS_VERSION}))
    return write_metrics(path, ("ap", "test_seen", 0.5, 0.5))


def write_coefficients(path, lines, header="gene,role,coefficient,n_train,n_positive"):
    (path / "coefficients.csv").write_text("\n".join([header, *lines]) + "\n")
    return path


def write_metrics(path, *rows, schema=1):
    keys = ("metric", "subset", "value", "prevalence")
    found = [{**dict(zip(keys, row, strict=True)), "n": 4} for row in rows]
    content = {"schema": schema, "rows": found}
    (path / "metrics.json").write_text(json.dumps(content))
    return path


def test_a_run_is_read_with_its_name(tmp_path):
    run = read_run(write_run(tmp_path, seed=4))
    assert run.name == {
        "model": "m", "data": "toy", "network": "planted",
        "split_seed": 3, "seed": 4, "run_key": "key4",
    }  # fmt: skip
    assert run.labels.sum() == 9
    assert run.has_both_classes("test_seen")
    assert not run.has_both_classes("val")


def test_scores_are_aligned_by_symbol(tmp_path):
    plain = read_run(write_run(tmp_path / "plain"))
    shuffled = read_run(write_run(tmp_path / "shuffled", shuffle=True))
    np.testing.assert_array_equal(plain.scores, shuffled.scores)
    pd.testing.assert_frame_equal(
        predicted_probabilities(plain, ["B"]), predicted_probabilities(shuffled, ["B"])
    )


def test_training_imbalance_counts_training_pairs_only(tmp_path):
    table = read_run(write_run(tmp_path)).training_imbalance()
    # C has pairs in the unseen test only, X and A are no training targets
    assert table.to_dict("list") == {
        "regulator": ["A", "B"],
        "n_train": [4, 4],
        "n_positive": [4, 2],
        "imbalance": [1.0, 0.5],
    }


def assert_one_line(error, *parts):
    assert re.search(naming(*parts), str(error.value))


def test_labels_that_an_older_run_did_not_leave(tmp_path):
    path = write_run(tmp_path, leave_out=["labels"])
    with pytest.raises(InputError) as error:
        read_run(path)
    assert_one_line(error, str(path), "labels", "force=true")


@pytest.mark.parametrize("name", ["split.npz", "scores.npz", "config.yaml"])
def test_a_missing_file_is_named(tmp_path, name):
    path = write_run(tmp_path)
    (path / name).unlink()
    with pytest.raises(InputError) as error:
        read_run(path)
    assert_one_line(error, str(path), name)


@pytest.mark.parametrize("name", ["split.npz", "scores.npz", "config.yaml"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"[1"])
def test_a_broken_file_is_named(tmp_path, name, content):
    path = write_run(tmp_path)
    (path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        read_run(path)
    assert_one_line(error, str(path), name, "force=true")


def test_other_runs_are_refused(tmp_path):
    path = write_run(tmp_path, leave_out=["val"])
    with pytest.raises(InputError, match=naming("'val'", "force=true")):
        read_run(path)
    np.savez(path / "split.npz", targets=np.asarray(GENES), train=np.ones(10, bool))
    with pytest.raises(InputError, match=naming(path, "sets")):
        read_run(path)


def test_a_gene_without_a_score_is_an_error(tmp_path):
    path = write_run(tmp_path)
    with np.load(path / "scores.npz") as arrays:
        fewer = {**arrays, "genes": arrays["genes"][:9], "scores": arrays["scores"][:, :9]}
    np.savez(path / "scores.npz", **fewer)
    with pytest.raises(InputError, match=naming("scores.npz", "gene 'Z'")):
        read_run(path)


# figure 3b


def test_spearman_of_imbalance_and_coefficient(tmp_path):
    rng = np.random.default_rng(0)
    n_positive, coefficient = rng.integers(1, 40, 25), rng.normal(size=25)
    lines = [
        f"R{i},regulator,{c},40,{p}"
        for i, (c, p) in enumerate(zip(coefficient, n_positive, strict=True))
    ]
    lines += ["R0,target,99,3,1", "NA,regulator,-9,10,0", "None,regulator,5,0,0"]
    folder = write_coefficients(write_run(tmp_path), lines)
    table = imbalance_and_coefficients(folder)
    # the target and the regulator without training pairs are left out, the gene NA is not
    assert len(table) == 26
    assert table["regulator"].iloc[-1] == "NA"
    x, y = [*n_positive / 40, 0.0], [*coefficient, -9.0]
    np.testing.assert_allclose(table["imbalance"], x)
    np.testing.assert_allclose(table["coefficient"], y)
    # ties share their mean rank
    expected = np.corrcoef(rankdata(x), rankdata(y))[0, 1]
    assert f"Spearman {expected:.2f}" in imbalance_figure(folder).get_suptitle()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["A,regulator,1,4,2", "B,regulator,2,4,3"], "2 regulators"),
        ([f"{g},regulator,{i},4,2" for i, g in enumerate("ABC")], "imbalance 0.5"),
        ([f"{g},regulator,0,4,{i}" for i, g in enumerate("ABC")], "coefficient 0"),
    ],
)
def test_a_correlation_that_is_not_defined(tmp_path, lines, message):
    path = write_coefficients(write_run(tmp_path), lines)
    with pytest.raises(InputError) as error:
        imbalance_and_coefficients(path)
    assert_one_line(error, message)


def test_coefficients_must_be_there(tmp_path):
    path = write_run(tmp_path)
    with pytest.raises(InputError, match=naming(path / "coefficients.csv")):
        imbalance_and_coefficients(path)
    write_coefficients(path, ["A,regulator,1"], header="gene,role,coefficient")
    with pytest.raises(InputError, match=naming("coefficients.csv", "'n_train'", "force=true")):
        imbalance_and_coefficients(path)


# figure 3c


@pytest.mark.parametrize(
    ("fewest", "parts"),
    [
        ((4, 2), ()),
        ((5, 2), ("0 regulators", "5 training pairs")),
        ((4, 3), ("0 regulators", "3 in test_seen")),
    ],
)
def test_extreme_regulators_need_enough_pairs(tmp_path, monkeypatch, fewest, parts):
    run = read_run(write_run(tmp_path))
    for name, value in zip(("_MIN_TRAIN", "_MIN_TEST"), fewest, strict=True):
        monkeypatch.setattr(imbalance, name, value)
    if not parts:
        assert extreme_regulators(run) == ("A", "B")
        return
    with pytest.raises(InputError, match=naming(*parts)):
        extreme_regulators(run)


def test_probabilities_of_chosen_regulators(tmp_path):
    scores = np.linspace(0, 1, 30).reshape(3, 10)
    table = predicted_probabilities(read_run(write_run(tmp_path, scores=scores)), ["B", "A"])
    assert table["regulator"].tolist() == ["B", "B", "A", "A"]
    assert table["target"].tolist() == ["A", "X", "B", "X"]
    assert table["imbalance"].tolist() == [0.5, 0.5, 1.0, 1.0]
    np.testing.assert_allclose(table["probability"], scores[[1, 1, 0, 0], [0, 7, 1, 7]], rtol=1e-6)


def test_scores_outside_0_and_1_are_logits_or_estimates_of_the_label(tmp_path, caplog):
    # the one score outside is of a training pair of another regulator
    scores = np.full((3, 10), 0.25)
    scores[1, 3] = -2.0
    run = read_run(write_run(tmp_path, scores=scores))
    assert predicted_probabilities(run, ["A"])["probability"].to_numpy() == pytest.approx(
        expit(0.25)
    )
    assert lines_naming(caplog.text, "WARNING", "logits")
    scores[1, 0] = -2.0
    run = read_run(write_run(tmp_path, scores=scores, model="matcomp"))
    assert predicted_probabilities(run, ["B"])["probability"].tolist() == [0, 0.25]


def test_scores_of_no_pair_do_not_decide(tmp_path):
    scores = np.full((3, 10), 0.5)
    scores[0, 0], scores[2, 3] = np.nan, 7.0  # a gene with itself; a pair of no subset
    table = predicted_probabilities(read_run(write_run(tmp_path, scores=scores)), ["A"])
    assert set(table["probability"]) == {0.5}


@pytest.mark.parametrize("regulator", ["Q", "C"])
def test_wrong_choices_are_named(tmp_path, regulator):
    with pytest.raises(InputError) as error:
        predicted_probabilities(read_run(write_run(tmp_path)), [regulator])
    assert_one_line(error, f"'{regulator}'")


# figures


def test_the_imbalance_figure_prints_the_correlation(tmp_path):
    lines = [f"R{i},regulator,{i},10,{i}" for i in range(8)]
    folder = write_coefficients(write_run(tmp_path), lines)
    figure = imbalance_figure(folder, title="hHEP")
    assert re.search(r"hHEP\nSpearman 1.00 \(p < 0.0001\), 8 regulators", figure.get_suptitle())
    scatter, histogram = figure.axes
    np.testing.assert_allclose(
        scatter.collections[0].get_offsets(), [[i, i / 10] for i in range(8)]
    )
    assert sum(bar.get_width() for bar in histogram.patches) == 8
    assert "coefficient" in scatter.get_xlabel()
    assert "imbalance" in scatter.get_ylabel()
    figure.savefig(tmp_path / "figure.png")


def test_the_probability_figure_has_a_panel_per_regulator_and_method(tmp_path, monkeypatch):
    for name, value in (("_MIN_TRAIN", 4), ("_MIN_TEST", 2)):
        monkeypatch.setattr(imbalance, name, value)
    runs = [read_run(write_run(tmp_path, model=name)) for name in ("x", "y")]
    table = pd.concat([predicted_probabilities(run, ["A", "B"]) for run in runs])
    figure = probability_figure(runs, ["x", "y"])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["x", "y"]
    assert [axes.get_title() for axes in figure.axes][:2] == ["A\nimbalance 1", "B\nimbalance 0.5"]
    for axes, (_, pairs) in zip(
        figure.axes, table.groupby(["model", "regulator"], sort=False), strict=True
    ):
        heights = [bar.get_height() for bar in axes.patches]
        assert sum(heights) == pytest.approx(1)
        first = (pairs["probability"] < 0.05).mean()
        assert heights[0] == pytest.approx(first)
    figure.savefig(tmp_path / "figure.png")
