"""Figures: what is drawn where, not how it looks."""

import argparse
import json
import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.container import BarContainer, ErrorbarContainer

from grn_exp.core.errors import InputError
from grn_exp.report.__main__ import draw_figures
from grn_exp.report.collect import collect
from grn_exp.report.figures import FIGURES, WIDTHS, add_options, asked_for, choose, save
from grn_exp.report.figures.bars import (
    downsampled_training,
    early_precision,
    exact_matches,
    seen_against_unseen,
)
from grn_exp.report.figures.embeddings import embeddings_compared
from grn_exp.report.figures.scaling import fewer_cells, run_time
from grn_exp.runs.methods import colour, display_name
from tests.messages import naming

ONE_HOT = {"_target_": "grn_exp.priors.uninformative.OneHotPrior"}


@pytest.fixture
def rows(write_run, tmp_path):
    """Two datasets, two splits; two embeddings with two seeds each, a reference, the controls."""
    for data in ("hesc", "mdc"):
        for split in range(2):
            shift = 0.1 * split
            for seed in range(2):
                value = 0.4 + shift + 0.02 * seed
                write_run(
                    {"test_seen": 0.8, "test_unseen": value},
                    model="infosem_b",
                    data=data,
                    split=split,
                    seed=seed,
                )
                write_run(
                    {"test_seen": 0.7, "test_unseen": 0.3},
                    model="infosem_b",
                    data=data,
                    split=split,
                    seed=seed,
                    config={"prior": ONE_HOT},
                )
            for model, value in (("deepsem", 0.25), ("random", 0.2), ("oracle", 1.0)):
                values = {"test_seen": value, "test_unseen": value}
                write_run(values, model=model, data=data, split=split)
    return collect(tmp_path / "outputs").rows


def bars(axes):
    return [item for item in axes.containers if isinstance(item, BarContainer)]


@pytest.mark.parametrize("width", WIDTHS.values())
def test_seen_against_unseen(rows, width):
    figure = seen_against_unseen(rows, width=width)
    assert figure.get_figwidth() == width
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        f"{data}, {genes} genes" for data in ("hESC", "mDC") for genes in ("seen", "unseen")
    ]
    for axes in figure.axes:
        (container,) = bars(axes)
        assert len(container) == 3
        assert axes.get_xlim()[0] == 0
        (dashed,) = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert np.allclose(dashed.get_xdata(), [0.2, 0.2])
    figure.draw_without_rendering()
    names = [text.get_text() for text in figure.axes[2].get_yticklabels()]
    of_b = [f"{display_name('infosem_b')}, {prior}" for prior in ("biobert published", "one hot")]
    assert [name.replace("\n", " ") for name in names] == [display_name("deepsem"), *of_b]
    lengths = [bar.get_width() for bar in bars(figure.axes[1])[0]]
    assert lengths == pytest.approx([0.25, 0.46, 0.3])
    assert figure.axes[0].yaxis_inverted()
    assert "AUPRC (average precision)" in figure.get_supxlabel()


def test_bars_of_fewer_splits_say_so_and_error_bars_end_inside(write_run, tmp_path):
    for model, split, value in (("deepsem", 0, 0.3), ("deepsem", 1, 0.1), ("scgreat", 0, 0.2)):
        write_run({"test_seen": 0.05, "test_unseen": value}, model=model, split=split)
    figure = seen_against_unseen(collect(tmp_path / "outputs").rows)
    figure.draw_without_rendering()
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    # by family, as in the tables
    assert names == [f"{display_name('scgreat')} (n=1)", display_name("deepsem")]
    assert all(axes.get_xlim()[1] > 0.3 for axes in figure.axes)  # 0.2 and its error of 0.1


def test_a_dataset_with_one_subset_is_left_out(rows):
    some = rows[(rows["data"] == "hesc") | (rows["subset"] == "test_seen")]
    assert len(seen_against_unseen(some).axes) == 2
    with pytest.raises(
        InputError, match=naming("ap", "test_seen", "test_unseen", "python -m grn_exp")
    ):
        seen_against_unseen(rows[rows["subset"] == "test_seen"])


@pytest.mark.parametrize("width", WIDTHS.values())
def test_embeddings_compared(rows, width):
    figure = embeddings_compared(rows, width=width)
    (axes,) = figure.axes
    containers = bars(axes)
    assert [container.get_label() for container in containers] == [
        "biobert published",
        "one hot",
        f"{display_name('deepsem')} (no embedding)",
    ]
    assert [len(container) for container in containers] == [2, 2, 2]
    heights = [bar.get_height() for container in containers for bar in container]
    assert heights == pytest.approx([0.46, 0.46, 0.3, 0.3, 0.25, 0.25])
    colours = {container.patches[0].get_facecolor() for container in containers}
    assert len(colours) == 3
    # the standard error of the points
    spreads = [item for item in axes.containers if isinstance(item, ErrorbarContainer)]
    segment = spreads[0].lines[2][0].get_segments()[0]
    assert segment[:, 1].tolist() == pytest.approx([0.46 - 0.05, 0.46 + 0.05])
    points = [item.get_offsets() for item in axes.collections if len(item.get_offsets()) == 2]
    assert len(points) == 6
    assert points[0][:, 1].tolist() == pytest.approx([0.41, 0.51])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["hESC", "mDC"]
    assert axes.get_ylabel() == "AUPRC\nunseen genes"
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert np.allclose([line.get_ydata() for line in dashed], [[0.2, 0.2], [0.2, 0.2]])


@pytest.mark.slow
def test_nothing_lies_on_anything_else(rows):
    """Legend, axes and labels stay inside the figure, the legend above the axes."""
    for draw in (seen_against_unseen, embeddings_compared, run_time):
        for width in WIDTHS.values():
            figure = draw(rows, width=width)
            figure.draw_without_rendering()
            whole = figure.bbox
            for axes in figure.axes:
                box = axes.get_tightbbox()
                assert box.x0 >= whole.x0 - 1
                assert box.x1 <= whole.x1 + 1
                assert box.y0 >= whole.y0 - 1
                assert box.y1 <= whole.y1 + 1
            for legend in figure.legends:
                top = max(axes.get_tightbbox().y1 for axes in figure.axes)
                assert legend.get_window_extent().y0 >= top - 1
                assert legend.get_window_extent().x1 <= whole.x1 + 1


def test_a_dataset_without_all_embeddings_is_left_out(rows):
    some = rows[~((rows["data"] == "mdc") & (rows["prior"] == "one_hot"))]
    figure = embeddings_compared(some)
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["hESC"]


def test_a_reference_under_several_priors_is_one_run(rows, write_run, tmp_path):
    write_run({"test_unseen": 0.25}, config={"prior": ONE_HOT})
    figure = embeddings_compared(collect(tmp_path / "outputs").rows)
    assert len(bars(figure.axes[0])) == 3


def test_what_cannot_be_told_apart_is_refused(rows, write_run, tmp_path):
    with pytest.raises(InputError, match=naming("infosem_b", "python -m grn_exp")):
        embeddings_compared(rows[rows["model"] == "deepsem"])
    write_run({"test_unseen": 0.5}, model="infosem_b", config={"model.alpha": 2.0})
    with pytest.raises(
        InputError, match=naming("infosem_b", "model.alpha=1.0", "model.alpha=2.0")
    ):
        embeddings_compared(collect(tmp_path / "outputs").rows)


def test_a_method_has_one_colour_everywhere(rows):
    deepsem = to_rgba(colour("deepsem"))
    assert bars(seen_against_unseen(rows).axes[0])[0].patches[0].get_facecolor() == deepsem
    reference = bars(embeddings_compared(rows).axes[0])[-1]
    assert reference.patches[0].get_facecolor() == deepsem
    points = {item.get_label(): item for item in run_time(rows).axes[0].containers}
    assert to_rgba(points[display_name("deepsem")].lines[0].get_color()) == deepsem
    variants = {item.lines[0].get_color() for name, item in points.items() if "," in name}
    assert len(variants) == 2  # two embeddings, both in shades of the method's colour


def test_panels_that_are_compared_have_one_scale(rows):
    for draw in (seen_against_unseen, run_time):
        axes = draw(rows).axes
        assert len({each.get_xlim() for each in axes}) == 1 < len(axes)
        assert draw is seen_against_unseen or len({each.get_ylim() for each in axes}) == 1


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("deepsem model.encoder._target_=grn_exp.nn.x.Wide; model.n_steps=3",
         "DeepSEM, encoder=Wide, n steps=3"),
        ("pairs2<dot_product x10", "PairS2 on Dot product, x10"),
        ("mine", "mine"),
    ],
)  # fmt: skip
def test_labels_have_names_and_no_paths(rows, label, shown):
    model = re.split("[ <]", label)[0]
    some = rows.assign(method=label, model=model, dataset="d")
    assert set(choose.ordered(some)["method"]) == {shown}


def test_saving(rows, tmp_path):
    figure = seen_against_unseen(rows, width=3.3)
    before = dict(mpl.rcParams)
    png, pdf = save(figure, tmp_path / "figures" / "a.b")
    assert (png.name, pdf.name) == ("a.b.png", "a.b.pdf")
    assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(png.read_bytes()[16:20], "big") == 660  # 3.3 in of 200 dots
    assert pdf.read_bytes()[:5] == b"%PDF-"
    first = pdf.read_bytes()
    save(figure, tmp_path / "figures" / "a.b")
    assert pdf.read_bytes() == first
    assert (
        sorted(path.name for path in (tmp_path / "figures").iterdir())
        == [png.name, pdf.name][::-1]
    )
    assert dict(mpl.rcParams) == before


def contents(figure):
    """Bars, lines and labels."""
    found = []
    for axes in figure.axes:
        found += [axes.get_title(loc="left"), axes.get_title()]
        found += [patch.get_bbox().bounds for patch in axes.patches]
        found += [
            (line.get_label(), np.asarray(line.get_xydata()).tolist()) for line in axes.lines
        ]
        found += [np.asarray(item.get_offsets()).tolist() for item in axes.collections]
    return found


@pytest.mark.slow
def test_the_order_of_the_rows_changes_nothing(rows):
    shuffled = rows.sample(frac=1.0, random_state=3)
    for draw in (seen_against_unseen, embeddings_compared, run_time):
        assert contents(draw(rows)) == contents(draw(shuffled))


def test_what_the_command_line_may_ask(rows):
    parser = argparse.ArgumentParser()
    add_options(parser, FIGURES)
    given = parser.parse_args(["--only", "network_view", "run_time", "--gene", "A", "--run", "b"])
    chosen = asked_for(given, FIGURES)
    assert list(chosen) == ["network_view", "run_time"]
    assert contents(chosen["run_time"](rows)) == contents(run_time(rows))
    with pytest.raises(InputError, match=naming("--run b")):
        chosen["network_view"](rows)
    assert list(asked_for(parser.parse_args([]), FIGURES)) == list(FIGURES)
    with pytest.raises(InputError, match=naming("--gene A", "run_time", "network_view")):
        asked_for(parser.parse_args(["--only", "run_time", "--gene", "A"]), FIGURES)


@pytest.mark.slow
def test_each_experiment_has_its_own_figures(write_run, tmp_path):
    # two embeddings in two experiments are no figure of embeddings
    for experiment, prior in (("one", None), ("two", ONE_HOT)):
        for model in ("infosem_b", "deepsem"):
            config = {"prior": prior} if prior else {}
            values = {"test_seen": 0.5, "test_unseen": 0.4}
            write_run(values, model=model, config=config, experiment=experiment)
    outputs, target = tmp_path / "outputs", tmp_path / "figures"
    names = ["seen_against_unseen", "embeddings_compared"]
    given = argparse.Namespace(
        outputs=outputs, experiment=None, output=target, only=names, run_key=None, dataset=None,
        gene=None, data=[], model=[],
    )  # fmt: skip
    with pytest.raises(InputError, match=naming("embeddings_compared", "infosem_b", "ap")):
        draw_figures(given)
    found = sorted(str(path.relative_to(target)) for path in target.rglob("*.png"))
    sizes = [f"seen_against_unseen_{size}.png" for size in sorted(WIDTHS)]
    assert found == [f"{experiment}/{name}" for experiment in ("one", "two") for name in sizes]
    given.experiment, given.only = "one", names[:1]
    draw_figures(given)
    assert sorted(path.name for path in target.glob("*.png")) == sizes


def test_every_figure_says_which_runs_are_missing(rows):
    none = rows.iloc[:0]
    for draw in FIGURES.values():
        with pytest.raises(InputError, match=naming("python -m grn_exp")):
            draw(none)


def test_exact_matches(write_run, tmp_path):
    options = {"data": "sergio_ds3", "metric": "exact_match"}
    for model, split, value in (("pairs2", 0, 0.2), ("pairs2", 1, 0.4), ("random", 0, 0.1)):
        folder = write_run({"test": value}, model=model, split=split, **options)
        content = json.loads((folder / "metrics.json").read_text())
        content["rows"].append({**content["rows"][0], "set_size": 2, "value": 0.9})
        (folder / "metrics.json").write_text(json.dumps(content))
    (axes,) = exact_matches(collect(tmp_path / "outputs").rows).axes
    (container,) = bars(axes)
    assert [bar.get_width() for bar in container] == pytest.approx([0.3])
    assert "SERGIO DS3" in axes.get_title(loc="left")


def test_early_precision(write_run, tmp_path):
    for split, value in ((0, 2.0), (1, 4.0)):
        write_run({"test_seen": 8.0, "test_unseen": value}, split=split, metric="epr")
    figure = early_precision(collect(tmp_path / "outputs").rows)
    seen, unseen = figure.axes
    assert [bar.get_width() for axes in (seen, unseen) for bar in bars(axes)[0]] == [8.0, 3.0]
    # the standard error of 2 and 4 is 1
    segment = bars(unseen)[0].errorbar.lines[2][0].get_segments()[0]
    assert segment[:, 0].tolist() == pytest.approx([2.0, 4.0])
    dashed = [line.get_xdata()[0] for axes in (seen, unseen) for line in axes.lines[-1:]]
    assert dashed == [1.0, 1.0]


@pytest.mark.parametrize("both", [True, False])
def test_downsampled_training(write_run, tmp_path, both):
    settings = {"per_regulator": 0.3, "none": 0.6} if both else {"per_regulator": 0.3}
    for setting, value in settings.items():
        for model, more in (("one_hot_lr", 0.0), ("matcomp", 0.1)):
            write_run(
                {"test_seen": value + more, "test_unseen": 0.2},
                model=model,
                config={"split.downsample": setting},
            )
    figure = downsampled_training(collect(tmp_path / "outputs").rows)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "hESC, seen genes",
        "hESC, unseen genes",
    ]
    seen = figure.axes[0]
    assert [bar.get_width() for bar in bars(seen)[0]] == pytest.approx([0.3, 0.4])
    circles = [line for line in seen.lines if line.get_marker() == "o"]
    assert [line.get_xdata().tolist() for line in circles] == ([[0.6, 0.7]] if both else [])
    assert ("circles" in figure.get_supxlabel()) == both


def test_runs_that_were_not_downsampled_are_no_figure_5(write_run, tmp_path):
    write_run({"test_seen": 0.5, "test_unseen": 0.4}, config={"split.downsample": "none"})
    with pytest.raises(
        InputError, match=naming("split.downsample=per_regulator", "experiment=infosem_figure5")
    ):
        downsampled_training(collect(tmp_path / "outputs").rows)


def test_cells_of_the_toy_are_a_share_of_the_most(write_run, tmp_path):
    for number in (15, 60):
        config = {"data.n_cells_per_type": number}
        write_run({"test_unseen": number / 100}, config=config)
    (axes,) = fewer_cells(collect(tmp_path / "outputs").rows).axes
    line = axes.containers[0].lines[0]
    assert line.get_xydata().tolist() == [[25.0, 0.15], [100.0, 0.6]]


def test_fewer_cells(write_run, tmp_path):
    for share in (0.2, 1.0):
        for split in (0, 1):
            for model, value in (("deepsem", share / 2), ("infosem_b", 0.7)):
                write_run(
                    {"test_unseen": value + 0.1 * split},
                    model=model,
                    split=split,
                    config={"data.cell_fraction": share},
                )
    write_run({"test_unseen": 0.5}, model="infosem_bc", config={"data.cell_fraction": 1.0})
    figure = fewer_cells(collect(tmp_path / "outputs").rows)
    (axes,) = figure.axes
    assert axes.get_title() == "hESC"
    found = {item.get_label(): item for item in axes.containers}
    assert sorted(found) == sorted(
        map(display_name, ("deepsem", "infosem_b"))
    )  # infosem_bc was run with one share only
    line, _, (error,) = found[display_name("deepsem")].lines
    assert line.get_xdata().tolist() == [20.0, 100.0]
    assert line.get_ydata().tolist() == pytest.approx([0.15, 0.55])
    assert error.get_segments()[0][:, 1].tolist() == pytest.approx([0.1, 0.2])
    assert "(%)" in figure.get_supxlabel()
    few = collect(tmp_path / "outputs").rows.query("benchmark_variant == ''")
    with pytest.raises(
        InputError, match=naming("data.cell_fraction", "data.cell_fraction=0.2,0.4")
    ):
        fewer_cells(few)


def test_run_time(write_run, tmp_path):
    for model, seconds in (("deepsem", [1.0, 4.0, 100.0]), ("infosem_b", [2.0, 2.0, 2.0])):
        for split, value in enumerate(seconds):
            folder = write_run({"test_unseen": 0.2 + 0.1 * split}, model=model, split=split)
            facts = (folder / "provenance.json").read_text().replace("1.5", str(value))
            (folder / "provenance.json").write_text(facts)
    rows = collect(tmp_path / "outputs").rows
    (axes,) = run_time(rows).axes
    found = {item.get_label(): item for item in axes.containers}
    (x,), (y,) = found[display_name("deepsem")].lines[0].get_data()
    assert (x, y) == pytest.approx((4.0, 0.3))
    across, up = (item.get_segments()[0] for item in found[display_name("deepsem")].lines[2])
    assert across[:, 0].tolist() == pytest.approx([1.0, 100.0])
    assert np.ptp(up[:, 1]) == pytest.approx(2 * 0.1 / 3**0.5)
    assert axes.get_xscale() == "log"
    with pytest.raises(InputError, match=naming("two methods", "fit_seconds", "ap")):
        run_time(rows[rows["model"] == "deepsem"])


@pytest.mark.parametrize("width", WIDTHS.values())
def test_a_long_legend_leaves_the_panels_their_height(rows, width):
    def height(some):
        (axes, *_) = run_time(some, width=width).axes
        return axes.get_window_extent().height / axes.figure.dpi

    long = [rows["model"] + f"_that_has_a_long_name_{i}" for i in range(5)]
    many = [rows, *(rows.assign(model=names) for names in long)]
    assert height(pd.concat(many)) > 0.8 * height(rows)


def test_no_more_methods_than_fit(write_run, tmp_path):
    for number in range(22):
        value = 0.1 + 0.01 * number
        write_run({"test_seen": 0.5, "test_unseen": value}, model=f"m{number:02d}")
    figure = seen_against_unseen(collect(tmp_path / "outputs").rows)
    lengths = [bar.get_width() for bar in bars(figure.axes[1])[0]]
    assert lengths == pytest.approx([0.1 + 0.01 * number for number in range(2, 22)])
    assert "20 best of 22 methods" in figure.get_supxlabel()
