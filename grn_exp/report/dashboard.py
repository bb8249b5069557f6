"""A W&B workspace for these experiments: ``python -m grn_exp.report dashboard``."""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from grn_exp.core import extras
from grn_exp.core.errors import InputError
from grn_exp.metrics.titles import title
from grn_exp.report import experiments
from grn_exp.storage.atomic import write_text

_EDGE_METRICS = ("ap", "ap_ratio", "auroc", "hit_at_1pct", "epr", "ap_per_regulator")
_SET_METRICS = ("exact_match", "exact_match_covered", "coverage", "jaccard", "f1")
_TESTS = {"test_unseen": "Unseen genes", "test_seen": "Seen genes, new pairs"}
_CURVES = {"train/loss": "Training loss", "val/ap": "Validation"}
_SYSTEM = {
    "system.cpu": "CPU, %",
    "system.proc.memory.rssMB": "Memory of the process, MB",
    "system.gpu.0.gpu": "GPU, %",
    "system.gpu.0.memoryAllocated": "GPU memory, %",
}
_COLUMNS = (
    *("run:displayName", "config:benchmark.value", "config:method.value"),
    *("config:split_seed.value", "config:seed.value"),
    *("summary:test_unseen/ap", "summary:test_seen/ap", "summary:test/exact_match"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the definition as JSON")
    parser.add_argument("--save", action="store_true", help="save it on the server (needs a key)")
    project, entity = (os.environ.get(f"WANDB_{name}") for name in ("PROJECT", "ENTITY"))
    parser.add_argument("--project", default=project or "grn_exp", help="of logger.project")
    parser.add_argument(
        "--entity", default=entity or "", help="user or team; with --save yours by default"
    )
    parser.add_argument("--experiment", help="show only this experiment's runs")
    parser.add_argument("--data", nargs="+", default=[], help="show only runs on these datasets")


def write_dashboard(arguments: argparse.Namespace) -> None:
    """Write the workspace to a file, or save it on the server, or both."""
    output, entity = arguments.output, arguments.entity
    if output is None and not arguments.save:
        raise InputError("dashboard: nothing to do; give -o FILE, --save or both")
    if output is not None and (output.suffix != ".json" or output.is_dir()):
        raise InputError(f"-o {output}: give the name of a file that ends in .json")
    if arguments.save and not entity:
        import wandb

        with _server():
            entity = str(wandb.Api().default_entity or "")
    made = _workspace(arguments, entity)
    if output is not None:
        view = made._to_model()  # the package has no public name for it
        content = json.loads(view.model_dump_json(by_alias=True, exclude_none=True))
        write_text(output, json.dumps(content, indent=1) + "\n")
        sys.stdout.write(f"{output}\n")
    if arguments.save:
        with _server():
            sys.stdout.write(f"{made.save().url}\n")


def _workspace(arguments: argparse.Namespace, entity: str) -> Any:  # noqa: ANN401
    """Return the workspace, a ``wandb_workspaces.workspaces.Workspace``."""
    ws = _package("workspaces")
    experiment, data = arguments.experiment, arguments.data
    shown: list[Any] = []
    if experiment:
        of = experiments.experiment(experiment)
        shown.append(ws.Metric("Group") == (of.folder if of else experiment))
        if of and "model" in of.wanted:
            shown.append(ws.Config("method").isin(list(of.wanted["model"])))
            data = data or list(of.wanted["data"])
    if data:
        shown.append(ws.Config("benchmark").isin(data))
    return ws.Workspace(
        entity=entity,
        project=arguments.project,
        name=f"grn_exp, {experiment}" if experiment else "grn_exp",
        sections=_sections(ws, _package("reports.v2")),
        settings=ws.WorkspaceSettings(x_axis="epoch", max_runs=50),
        runset_settings=ws.RunsetSettings(
            filters=ws.And(*shown) if shown else "",
            groupby=[ws.Config(name) for name in ("benchmark", "method")],
            order=[ws.Ordering(ws.Summary("test_unseen/ap"), ascending=False)],
            pinned_columns=list(_COLUMNS),
        ),
    )


def _sections(ws: Any, wr: Any) -> list[Any]:  # noqa: ANN401
    against = wr.ScatterPlot(
        title="Average precision: seen against unseen genes",
        x=wr.SummaryMetric("test_seen/ap"),
        y=wr.SummaryMetric("test_unseen/ap"),
        z=wr.Config("split_seed"),
        regression=False,
    )
    cost = wr.ScatterPlot(
        title="Average precision on unseen genes against seconds of fitting",
        x=wr.SummaryMetric("seconds/fit"),
        y=wr.SummaryMetric("test_unseen/ap"),
        log_x=True,
    )
    pr_curves = [
        wr.CustomChart(
            query={"summaryTable": {"tableKey": f"pr_curve/{subset}_table"}},
            chart_name="wandb/line/v0",
            chart_fields={"x": "recall", "y": "precision"},
            chart_strings={"title": f"{what}: precision against recall"},
        )
        for subset, what in _TESTS.items()
    ]
    sections = {
        **{what: _bars(wr, subset, _EDGE_METRICS) for subset, what in _TESTS.items()},
        "Seen against unseen": [against, cost],
        "Precision against recall": pr_curves,
        "Curves": [
            wr.LinePlot(title=what, x="epoch", y=[name], title_x="epoch", groupby_aggfunc="mean")
            for name, what in _CURVES.items()
        ],
        "Regulator sets": _bars(wr, "test", _SET_METRICS),
        "Edges": [wr.WeavePanelSummaryTable(table_name="top_edges")],
        "System": [
            wr.LinePlot(title=what, x="RelativeTime(Process)", y=[name])
            for name, what in _SYSTEM.items()
        ],
    }
    return [
        ws.Section(name=name, panels=panels, is_open=name != "System")
        for name, panels in sections.items()
    ]


def _bars(wr: Any, subset: str, metrics: Sequence[str]) -> list[Any]:  # noqa: ANN401
    """Return mean and standard error over the runs of each method on each dataset."""
    return [
        wr.BarPlot(
            title=title(metric),
            metrics=[wr.SummaryMetric(f"{subset}/{metric}")],
            groupby=wr.Config("label"),
            groupby_aggfunc="mean",
            groupby_rangefunc="stderr",
            max_bars_to_show=50,
        )
        for metric in metrics
    ]


def _package(part: str) -> Any:  # noqa: ANN401
    return extras.load(f"wandb_workspaces.{part}", "dashboard", "grn_exp[dashboard]")


@contextlib.contextmanager
def _server() -> Iterator[None]:
    """Say in one line what the server refuses."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"dashboard --save: {reason}; is WANDB_API_KEY set, and does the project exist?"
        ) from error
