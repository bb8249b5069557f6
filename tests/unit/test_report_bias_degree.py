"""What degrees explain: the fits against plain least squares, planted scores, a real run."""

import json

import numpy as np
import pytest
import yaml
from scipy.optimize import least_squares

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.scores import EdgeScores
from grn_exp.core.splits import EdgeSplit
from grn_exp.core.versions import RESULTS_VERSION
from grn_exp.data.edges.splitting import SeenUnseenSplitter
from grn_exp.data.edges.toy import ToyDataModule
from grn_exp.metrics.ranking import average_precision
from grn_exp.priors.base import DatasetPrior
from grn_exp.report.bias.degree import additive_fit, compare_runs, rank_one_fit
from grn_exp.report.bias.run import ScoredRun, read_run
from tests.messages import naming


def masked(seed, shape=(7, 11), density=0.6):
    rng = np.random.default_rng(seed)
    values, mask = rng.normal(size=shape), rng.random(shape) < density
    return np.where(mask, values, np.nan), mask  # what is outside must not be read


def design_of(mask):
    """One column per regulator and per target, one row per pair."""
    rows, columns = np.nonzero(mask)
    design = np.zeros((len(rows), sum(mask.shape)))
    design[np.arange(len(rows)), rows] = 1
    design[np.arange(len(rows)), mask.shape[0] + columns] = 1
    return design


@pytest.mark.parametrize("density", [0.15, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_the_additive_fit_is_that_of_an_explicit_design(seed, density):
    # thin masks fall apart into groups of genes without a common pair, and have empty rows
    values, mask = masked(seed, density=density)
    design, observed = design_of(mask), values[mask]
    expected = design @ np.linalg.lstsq(design, observed, rcond=None)[0]
    np.testing.assert_allclose(additive_fit(values, mask), expected, atol=1e-10)


def test_the_rank_one_fit_of_a_full_matrix_is_its_leading_singular_pair():
    values, mask = masked(0, density=1.0)
    left, singular, right = np.linalg.svd(values)
    expected = singular[0] * np.outer(left[:, 0], right[0])
    np.testing.assert_allclose(rank_one_fit(values, mask), expected[mask], atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_the_rank_one_fit_with_missing_pairs_is_not_beaten(seed):
    rng = np.random.default_rng(seed)
    _, mask = masked(seed)
    values = np.outer(rng.uniform(0.5, 2, 7), rng.uniform(0.5, 2, 11)) + rng.normal(
        0, 0.1, (7, 11)
    )
    found = np.square(values[mask] - rank_one_fit(values, mask)).sum()

    def residual(factors):
        return (np.outer(factors[:7], factors[7:]) - values)[mask]

    best = min(2 * least_squares(residual, rng.uniform(0.5, 2, 18)).cost for _ in range(5))
    assert found == pytest.approx(best, rel=1e-5)


def test_both_fits_find_what_was_planted():
    _, mask = masked(3)
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=7), rng.normal(size=11)
    np.testing.assert_allclose(
        additive_fit(a[:, None] + b, mask), (a[:, None] + b)[mask], atol=1e-12
    )
    np.testing.assert_allclose(rank_one_fit(np.outer(a, b), mask), np.outer(a, b)[mask], atol=1e-4)


def test_a_group_apart_is_fitted_too():
    # two blocks without a common gene: the singular vector alone is zero on the smaller one
    values, mask = np.zeros((4, 5)), np.zeros((4, 5), bool)
    mask[:2, :3], mask[2:, 3:] = True, True
    values[:2, :3], values[2:, 3:] = np.outer([1, 2], [3, 4, 5]), np.outer([0.1, 0.3], [0.2, 0.1])
    np.testing.assert_allclose(rank_one_fit(values, mask), values[mask], atol=1e-6)


def run_of(scores, labels, *, test_seen=None):
    """A run whose regulators are no targets; everything is in ``test_seen`` unless told."""
    n_regulators, n_targets = scores.shape
    regulators = GeneIndex([f"R{i}" for i in range(n_regulators)])
    genes = GeneIndex([*regulators, *(f"T{i}" for i in range(n_targets))])
    pad = np.zeros((n_regulators, n_regulators))
    none = np.zeros((n_regulators, len(genes)), bool)
    asked = np.ones(scores.shape, bool) if test_seen is None else test_seen
    mask = np.hstack([pad, asked]).astype(bool)
    split = EdgeSplit(regulators, genes, none, none, mask, none, seed=0)
    return ScoredRun(
        folder=None,  # type: ignore[arg-type]
        name={},
        split=split,
        labels=np.hstack([pad, labels]).astype(bool),
        scores=np.hstack([pad, scores]).astype(np.float32),
    )


def explained(run):
    table = compare_runs([run])
    assert set(table["subset"]) == {"test_seen"}
    return table.set_index("metric")["value"]


def test_additive_scores_are_explained_to_the_last_tie():
    rng = np.random.default_rng(0)
    # few levels, so that many pairs tie, and multiples of 1/64, so that float32 holds them
    a, b = rng.integers(0, 6, 12) / 64, rng.integers(0, 6, 60) / 64
    scores = a[:, None] + b
    labels = rng.random(scores.shape) < 4 * scores
    found = explained(run_of(scores, labels, test_seen=rng.random(scores.shape) < 0.5))
    assert found["ap"] > 1.2 * labels.mean()
    assert found["ap_additive_fit"] == found["ap"]


def test_multiplicative_scores_are_explained_by_the_rank_one_fit():
    rng = np.random.default_rng(0)
    scores = np.outer(rng.uniform(0, 1, 12), rng.uniform(0, 1, 60))
    labels = rng.random(scores.shape) < scores
    found = explained(run_of(scores, labels))
    assert found["ap_rank_one_fit"] == pytest.approx(found["ap"], abs=1e-6)


def test_scores_that_know_pairs_and_no_degrees_are_not_explained():
    rng = np.random.default_rng(0)
    # the lines of a projective plane: 8 positives for every regulator and every target, and two
    # regulators share one target, so that no low rank remains
    place = (np.arange(57)[:, None] + np.arange(57)) % 57
    labels = np.isin(place, [0, 1, 3, 13, 32, 36, 43, 52])
    assert (labels.astype(int) @ labels.T == 7 * np.eye(57) + 1).all()
    scores = labels + 0.1 * rng.normal(size=labels.shape)
    found = explained(run_of(scores, labels))
    assert found["ap"] > 0.99
    assert found["ap_within_regulator"] > 0.99
    assert found["ap_within_target"] > 0.99
    prevalence = 8 / 57
    for name in ("additive_fit", "rank_one_fit", "regulator_means", "target_means"):
        assert found[f"ap_{name}"] == pytest.approx(prevalence, abs=0.03)
    # degrees that are all alike tie, and a tie of everything is worth the prevalence
    for name in ("regulator_degree", "target_degree", "degree_fit"):
        assert found[f"ap_{name}"] == pytest.approx(prevalence)


def test_scores_that_know_degrees_and_no_pairs_rank_at_random_within():
    rng = np.random.default_rng(0)
    share = np.repeat([0.05, 0.3, 0.8], 10)
    labels = rng.random((30, 200)) < share[:, None]
    scores = share[:, None] + 1e-3 * rng.random(labels.shape)
    found = explained(run_of(scores, labels))
    assert found["ap"] > 0.7
    assert found["ap_regulator_means"] == pytest.approx(found["ap"], abs=0.03)
    assert found["ap_within_regulator"] == pytest.approx(share.mean(), abs=0.03)
    # the true shares, of which the planted ones are the expectation
    assert found["ap_regulator_degree"] >= found["ap_regulator_means"]


def test_means_by_hand():
    scores = np.asarray([[4.0, 0.0, 2.0], [1.0, 3.0, 9.0]])
    labels = np.asarray([[True, False, True], [False, True, False]])
    asked = np.asarray([[True, True, True], [True, True, False]])
    found = explained(run_of(scores, labels, test_seen=asked))
    y = [True, False, True, False, True]
    assert found["ap"] == average_precision([4, 0, 2, 1, 3], y)
    # means 2 and 2 tie: 3 of 5
    assert found["ap_regulator_means"] == pytest.approx(3 / 5)
    # target means 2.5, 1.5, 2: {0: + -} then {2: +} then {1: - +}
    assert found["ap_target_means"] == pytest.approx((1 / 2 + 2 / 3 + 3 / 5) / 3)
    # regulator shares 2/3 and 1/2
    assert found["ap_regulator_degree"] == pytest.approx((2 * 2 / 3 + 3 / 5) / 3)
    # target 2 has one class only; target 0 ranks its positive first, so does target 1
    assert found["ap_within_target"] == 1.0


def test_constant_scores_are_worth_the_prevalence_everywhere():
    labels = np.random.default_rng(0).random((6, 30)) < 0.3
    found = explained(run_of(np.full(labels.shape, 0.1), labels))
    for name in ("additive_fit", "rank_one_fit", "regulator_means", "target_means"):
        assert found[f"ap_{name}"] == pytest.approx(labels.mean())
    zero = explained(run_of(np.zeros(labels.shape), labels))
    assert zero["ap_rank_one_fit"] == pytest.approx(labels.mean())


def test_a_mean_over_no_group_is_left_out():
    labels = np.asarray([[True, True], [False, False]])
    found = explained(run_of(np.asarray([[1.0, 2.0], [0.0, 3.0]]), labels))
    assert "ap_within_regulator" not in found
    assert "ap_within_target" in found


# a run of the toy benchmark, judged by the benchmark itself


@pytest.fixture(scope="module")
def toy():
    return ToyDataModule(
        splitter=SeenUnseenSplitter(),
        prior=DatasetPrior(),
        n_genes=80,
        n_regulators=14,
        n_cell_types=3,
        n_cells_per_type=8,
    )


def write_toy_run(folder, toy, *, model, seed, order=None):
    truth = toy.truth
    rng = np.random.default_rng(seed)
    values = (rng.random(truth.labels.shape) + 0.5 * truth.labels).astype(np.float32)
    order = np.arange(len(truth.genes)) if order is None else order
    scores = EdgeScores(truth.regulators, truth.genes.take(order), values[:, order])
    path = folder / "runs" / "toy" / model / "key"
    path.mkdir(parents=True)
    np.savez(path / "split.npz", **{**toy.split.arrays(), "labels": truth.labels})
    arrays = {"regulators": scores.regulators.array, "genes": scores.genes.array}
    np.savez(path / "scores.npz", **arrays, scores=scores.values)
    (path / "config.yaml").write_text(yaml.safe_dump({"seed": seed, "split": {"seed": 0}}))
    rows = [row.as_dict() for row in toy.evaluate(scores)]
    (path / "status.json").write_text('{"state": "finished", "at": ""}')
    (path / "provenance.json").write_text(json.dumps({"results_version": RESULTS_VERSION}))
    (path / "metrics.json").write_text(json.dumps({"schema": 1, "rows": rows}))
    return path


def test_values_agree_with_the_metrics_of_the_runs(tmp_path, toy):
    order = np.random.default_rng(0).permutation(len(toy.truth.genes))
    paths = [
        write_toy_run(tmp_path, toy, model="plain", seed=0),
        write_toy_run(tmp_path, toy, model="shuffled", seed=0, order=order),
        write_toy_run(tmp_path, toy, model="other", seed=1),
    ]
    table = compare_runs(map(read_run, paths))
    assert table.columns[:6].tolist() == [
        "model", "data", "network", "split_seed", "seed", "run_key",
    ]  # fmt: skip
    values = table.set_index(["model", "subset", "metric"])["value"]
    names = {"ap": "ap", "ap_per_regulator": "ap_within_regulator"}
    n_compared = 0
    for path in paths:
        for row in json.loads((path / "metrics.json").read_text())["rows"]:
            if row["metric"] in names:
                key = (path.parent.name, row["subset"], names[row["metric"]])
                assert values[key] == pytest.approx(row["value"], abs=1e-12)
                n_compared += 1
    assert n_compared >= 12
    # the order of the genes in scores.npz says nothing
    np.testing.assert_allclose(values["plain"], values["shuffled"], rtol=1e-12)
    assert (values["plain"] != values["other"]).any()


def test_one_old_run_among_several_is_named(tmp_path, toy):
    path = write_toy_run(tmp_path, toy, model="old", seed=0)
    arrays = dict(np.load(path / "split.npz"))
    np.savez(path / "split.npz", **{k: v for k, v in arrays.items() if k != "labels"})
    with pytest.raises(InputError, match=naming(path / "split.npz", "labels", "force=true")):
        compare_runs(map(read_run, [path]))


def test_no_runs_give_an_empty_table():
    assert compare_runs([]).empty
