"""Figures that read run folders: curves, regulators, heat map, network view, retrieval."""

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from grn_exp.core.errors import InputError
from grn_exp.report.collect import collect
from grn_exp.report.figures.bias import class_imbalance, predicted_probabilities
from grn_exp.report.figures.curves import pr_curves, training_curves
from grn_exp.report.figures.networks import heat_map, network_view
from grn_exp.report.figures.regulators import regulator_precision
from grn_exp.report.figures.retrieval import retrieval_coverage, retrieval_scaling
from grn_exp.runs.methods import display_name
from tests.messages import naming

REGULATORS = [f"R{number}" for number in range(6)]
GENES = [*REGULATORS, *(f"G{number:02d}" for number in range(24))]
SHAPE = (len(REGULATORS), len(GENES))
OWN = np.eye(*SHAPE, dtype=bool)
HISTORY = "epoch,train/loss,val/ap\n0,{},\n1,{},0.25\n"


def masks():
    """Regulators and genes of the last third are unseen."""
    rows, columns = np.arange(SHAPE[0])[:, None], np.arange(SHAPE[1])[None, :]
    seen = (rows < 4) & (columns >= 6) & (columns < 18)
    held = (rows + columns) % 3 == 0
    train, test_seen = seen & ~held, seen & held
    test_unseen = (rows >= 4) & (columns >= 18)
    return {"train": train, "val": np.zeros(SHAPE, bool), "test_seen": test_seen} | {
        "test_unseen": test_unseen
    }


def add_scores(folder, seed=0, scores=None):
    """Write split and scores of a run; the labels are the same for all."""
    labels = (np.random.default_rng(7).random(SHAPE) < 0.4) & ~OWN
    if scores is None:
        scores = np.random.default_rng(seed).random(SHAPE).round(1)  # with ties
    names = {"regulators": np.asarray(REGULATORS), "genes": np.asarray(GENES)}
    np.savez(folder / "split.npz", **names, **masks(), labels=labels, seed=np.asarray(0))
    np.savez(folder / "scores.npz", **names, scores=np.asarray(scores, np.float32))
    return labels, np.asarray(scores, np.float32)


@pytest.fixture
def runs(write_run, tmp_path):
    """Two methods on two splits, all with scores and histories; rows, labels, scores by key."""
    found = {}
    for number, (model, value) in enumerate((("deepsem", 0.3), ("infosem_b", 0.6))):
        for split in range(2):
            values = {"test_seen": value, "test_unseen": value + 0.1 * split}
            folder = write_run(values, model=model, split=split, key=f"{model}{split}")
            found[f"{model}{split}"] = add_scores(folder, seed=10 * number + split)
            (folder / "history.csv").write_text(HISTORY.format(3 + split, 1 + split))
    return collect(tmp_path / "outputs").rows, found


def area(line) -> float:
    x, y = line.get_data()
    assert line.get_drawstyle() == "steps-pre"
    return float((np.diff(x) * y[1:]).sum())


def precision_of(labels, scores, name):
    mask = masks()[name]
    return average_precision_score(labels[mask], scores[mask])


def test_the_area_below_a_curve_is_the_mean_average_precision(runs):
    rows, found = runs
    figure = pr_curves(rows)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [axes.get_title() for axes in figure.axes] == ["seen genes", "unseen genes"]
    for axes, subset in zip(figure.axes, ("test_seen", "test_unseen"), strict=True):
        for line, method, text in zip(axes.lines, ("deepsem", "infosem_b"), texts, strict=False):
            of_splits = [precision_of(*found[f"{method}{split}"], subset) for split in range(2)]
            assert area(line) == pytest.approx(np.mean(of_splits))
            error = abs(of_splits[0] - of_splits[1]) / 2
            assert f"{np.mean(of_splits):.3f} ± {error:.3f}" in text
        dashed = axes.lines[-1].get_ydata()
        assert dashed[0] == pytest.approx(found["deepsem0"][0][masks()[subset]].mean())
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_one_run_and_only_what_is_drawn_is_read(runs, tmp_path):
    rows, found = runs
    for name in ("deepsem0", "deepsem1", "infosem_b0"):
        (path,) = tmp_path.rglob(f"{name}/scores.npz")
        path.write_bytes(b"broken")
    figure = pr_curves(rows, run_key="infosem_b1")
    expected = precision_of(*found["infosem_b1"], "test_seen")
    assert area(figure.axes[0].lines[0]) == pytest.approx(expected)
    assert len(figure.legends[0].get_texts()) == 1
    for draw in (heat_map, network_view, regulator_precision):
        draw(rows, run_key="infosem_b1")
        with pytest.raises(InputError, match=naming("scores.npz", "force=true")):
            draw(rows)
        with pytest.raises(InputError, match=naming("--run infosem_b2", "'infosem_b1'")):
            draw(rows, run_key="infosem_b2")


@pytest.mark.slow
def test_the_order_of_the_rows_changes_no_figure_of_runs(runs):
    rows, _ = runs
    shuffled = rows.sample(frac=1.0, random_state=1)
    for draw in (pr_curves, regulator_precision, training_curves, heat_map, network_view):
        plain, other = (contents(draw(table)) for table in (rows, shuffled))
        assert plain == other


def contents(figure):
    """Lines, points, images and texts."""
    found = [figure.get_suptitle(), figure.get_supxlabel()]
    for axes in figure.axes:
        found += [np.asarray(line.get_xydata()).tolist() for line in axes.lines]
        found += [np.asarray(item.get_offsets()).tolist() for item in axes.collections]
        found += [np.ma.filled(item.get_array(), -1).tolist() for item in axes.images]
        found += [text.get_text() for text in axes.texts]
    return json.dumps(found)


def test_precision_of_each_regulator(runs):
    rows, found = runs
    figure = regulator_precision(rows)
    mask = masks()["test_unseen"]
    labels, scores = found["deepsem0"]
    expected = [
        average_precision_score(labels[row, mask[row]], scores[row, mask[row]]) for row in (4, 5)
    ]
    axes = figure.axes[1]
    assert axes.get_title() == "unseen genes\n2 regulators"
    assert axes.collections[0].get_offsets()[:, 0].tolist() == pytest.approx(expected)
    quartiles, diamond = axes.lines[0], axes.lines[1]
    assert diamond.get_xdata()[0] == pytest.approx(np.mean(expected))
    low, high = sorted(expected)
    spread = [low + 0.25 * (high - low), low + 0.75 * (high - low)]
    assert quartiles.get_xdata().tolist() == pytest.approx(spread)


def test_training_curves(runs, tmp_path):
    rows, _ = runs
    figure = training_curves(rows)
    titles = [axes.get_title(loc="left").replace("\n", " ") for axes in figure.axes]
    names = [display_name(name) for name in ("deepsem", "infosem_b")]
    assert titles == [f"{name}: {what}" for name in names for what in ("loss", "AUPRC")]
    loss, score = figure.axes[:2]
    assert [line.get_ydata().tolist() for line in loss.lines] == [[3, 1], [4, 2], [3.5, 1.5]]
    assert score.lines[0].get_xydata().tolist() == [[1, 0.25]]
    assert "epoch" in figure.get_supxlabel()
    one = training_curves(rows, run_key="deepsem1")
    assert [line.get_ydata().tolist() for line in one.axes[0].lines] == [[4, 2]]
    for path in tmp_path.rglob("history.csv"):
        path.write_text("epoch\n")
    with pytest.raises(InputError, match=naming("history.csv", "python -m grn_exp")):
        training_curves(rows)


def test_heat_map(write_run, tmp_path):
    scores = np.arange(np.prod(SHAPE), dtype=float).reshape(SHAPE)
    folder = write_run({"test_seen": 0.4, "test_unseen": 0.3})
    labels, _ = add_scores(folder, scores=scores)
    figure = heat_map(collect(tmp_path / "outputs").rows, width=7.0)
    axes = figure.axes[0]
    regulators = [text.get_text() for text in axes.get_yticklabels()]
    targets = [text.get_text() for text in axes.get_xticklabels()]
    assert regulators == REGULATORS[::-1]  # the last row has the highest scores
    assert len(set(targets)) == 28 < len(GENES)
    image = axes.images[0].get_array()
    n_pairs = SHAPE[0] * SHAPE[1] - SHAPE[0]
    for row, regulator in enumerate(regulators):
        for column, target in enumerate(targets):
            if regulator == target:
                assert image.mask[row, column]
                continue
            value = scores[REGULATORS.index(regulator), GENES.index(target)]
            n_better = (scores[~OWN] >= value).sum()
            assert image[row, column] == pytest.approx(100 * n_better / n_pairs)
    dots = {(regulators[int(y)], targets[int(x)]) for x, y in axes.collections[0].get_offsets()}
    edges = {(REGULATORS[row], GENES[column]) for row, column in np.argwhere(labels)}
    assert dots == {(regulator, target) for regulator, target in edges if target in targets}


def arrows(figure):
    """Pairs of regulator and target by the arrows' ends, and their widths, best first."""
    axes = figure.axes[0]
    names = {tuple(text.xy): text.get_text() for text in axes.texts if text.get_text() and
             hasattr(text, "xy")}  # fmt: skip
    found = []
    for text in axes.texts:
        patch = getattr(text, "arrow_patch", None)
        if patch is not None:
            ends = [tuple(map(float, end)) for end in (text.xyann, text.xy)]
            pair = tuple(names.get(end, "hub") for end in ends)
            found.append((patch.get_linewidth(), pair))
    return sorted(found, reverse=True)


def test_network_view(write_run, tmp_path):
    scores = np.random.default_rng(5).permutation(np.prod(SHAPE)).reshape(SHAPE).astype(float)
    folder = write_run({"test_seen": 0.4, "test_unseen": 0.3}, key="one")
    add_scores(folder, scores=scores)
    rows = collect(tmp_path / "outputs").rows
    figure = network_view(rows, gene="R2")
    pairs = [
        (scores[r, g], REGULATORS[r], GENES[g])
        for r in range(SHAPE[0])
        for g in range(SHAPE[1])
        if REGULATORS[r] != GENES[g] and "R2" in (REGULATORS[r], GENES[g])
    ]
    best = sorted(pairs, reverse=True)[:20]
    expected = [tuple("hub" if name == "R2" else name for name in pair[1:]) for pair in best]
    found = arrows(figure)
    assert [pair for _, pair in found] == expected
    assert len({width for width, _ in found}) == 20
    heights = [text.xy for text in figure.axes[0].texts if hasattr(text, "xyann")]
    assert len(set(heights)) >= 10
    assert f"20 best of {len(pairs)} pairs of R2" in " ".join(figure.get_supxlabel().split())
    with pytest.raises(InputError, match=naming("--gene r2", "'R2'")):
        network_view(rows, gene="r2")


def test_the_gene_of_most_of_the_best_edges_is_shown(write_run, tmp_path):
    scores = np.random.default_rng(0).random(SHAPE)
    scores[3, 6:] += 1.0
    add_scores(write_run({"test_seen": 0.4, "test_unseen": 0.3}), scores=scores)
    figure = network_view(collect(tmp_path / "outputs").rows)
    assert figure.legends[0].get_title().get_text().startswith(f"R3: {display_name('deepsem')}")


def coefficients(folder):
    lines = [f"R{i},regulator,{i},10,{i}" for i in range(6)]
    header = "gene,role,coefficient,n_train,n_positive"
    (folder / "coefficients.csv").write_text("\n".join([header, *lines]) + "\n")


def test_figures_3b_and_3c_choose_their_runs(write_run, tmp_path):
    seen = {"test_seen": 0.4, "test_unseen": 0.3}
    for split in (1, 0):
        for model in ("one_hot_lr", "matcomp", "deepsem"):
            scores = np.random.default_rng(split).random(SHAPE) * (2 if model == "matcomp" else 1)
            folder = write_run(seen, model=model, split=split)
            add_scores(folder, scores=scores)
            if (model, split) == ("one_hot_lr", 0):
                coefficients(folder)
    rows = collect(tmp_path / "outputs").rows
    figure = class_imbalance(rows)
    assert figure.get_suptitle().startswith("hESC, split 0\nSpearman 1.00")
    offsets = figure.axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(offsets, [[i, i / 10] for i in range(6)])
    with pytest.raises(InputError, match=naming("one_hot_lr", "30 training pairs")):
        predicted_probabilities(rows)  # too few pairs in so small a network
    with pytest.raises(InputError, match=naming("model=one_hot_lr")):
        class_imbalance(rows[rows["model"] == "deepsem"])


@pytest.fixture
def curves(write_run, tmp_path):
    for model, values in (("dot_product", (0.2, 0.4)), ("regulator_frequency", (0.1, 0.1))):
        for split, value in enumerate(values):
            folder = write_run(
                {"test": value},
                model=model,
                data="sergio_ds3",
                split=split,
                metric="recall_at_k",
                row={"k": 5, "set_size": 2},
            )
            lines = [f"test,{size},{k},{value * k * 0.5}" for size in ("", 2, 3) for k in (1, 2)]
            text = "\n".join(["subset,set_size,k,recall", *lines, "val,2,1,0.9"])
            (folder / "recall_curve.csv").write_text(text + "\n")
    return collect(tmp_path / "outputs").rows


def test_coverage_over_the_pool(curves, tmp_path):
    figure = retrieval_coverage(curves)
    assert [axes.get_title() for axes in figure.axes] == ["R = 2", "R = 3"]
    for axes in figure.axes:
        first, second = axes.lines
        assert first.get_label() == display_name("dot_product")
        np.testing.assert_allclose(first.get_xydata(), [[1, 0.15], [2, 0.3]])
        np.testing.assert_allclose(second.get_ydata(), [0.05, 0.1])
        # the standard error of 0.1 and 0.2 is 0.05, of 0.2 and 0.4 0.1
        points = axes.collections[0].get_paths()[0].vertices
        assert np.ptp(points[points[:, 0] == 1][:, 1]) == pytest.approx(2 * 0.05)
        assert np.ptp(points[points[:, 0] == 2][:, 1]) == pytest.approx(2 * 0.1)
    next(tmp_path.rglob("recall_curve.csv")).unlink()
    with pytest.raises(InputError, match=naming("regulator_frequency", "recall_curve.csv")):
        retrieval_coverage(curves)


def test_coverage_and_recall_of_a_real_network(write_run, tmp_path):
    for split, shift in ((0, 0.0), (1, 0.2)):
        folder = write_run({"test": 0.0}, model="dot_product", data="mesc", split=split)
        measured = [("strict_coverage_at_k", 0.1), ("edge_recall_at_k", 0.5)]
        base = {"subset": "test", "n": 5, "set_size": None}
        lines = [
            {"metric": name, "value": value + shift + k / 1000, "k": k, **base}
            for name, value in measured
            for k in (10, 20)
        ]
        content = json.loads((folder / "metrics.json").read_text()) | {"rows": lines}
        (folder / "metrics.json").write_text(json.dumps(content))
        lines = [f"test,,{k},0.5" for k in range(1, 40)]  # of 40 regulators
        (folder / "recall_curve.csv").write_text("\n".join(["subset,set_size,k,recall", *lines]))
    rows = collect(tmp_path / "outputs").rows
    figure = retrieval_scaling(rows)
    for axes, value in zip(figure.axes, (0.2, 0.6), strict=True):
        line, _, (error,) = axes.containers[0].lines
        np.testing.assert_allclose(line.get_xydata(), [[0.25, value + 0.01], [0.5, value + 0.02]])
        assert np.ptp(error.get_segments()[0][:, 1]) == pytest.approx(2 * 0.1)
    with pytest.raises(InputError, match=naming("mesc_retrieval")):
        retrieval_scaling(rows[rows["metric"] == "edge_recall_at_k"])


def test_a_dataset_may_be_named(runs, write_run, tmp_path):
    folder = write_run({"test_seen": 0.4, "test_unseen": 0.3}, data="mdc")
    add_scores(folder)
    rows = collect(tmp_path / "outputs").rows
    assert "hESC" in pr_curves(rows).get_supxlabel()
    assert all("mDC" in pr_curves(rows, dataset=d).get_supxlabel() for d in ("mdc", "mDC"))
    with pytest.raises(InputError, match=naming("--dataset mcd", "'mdc'")):
        pr_curves(rows, dataset="mcd")
