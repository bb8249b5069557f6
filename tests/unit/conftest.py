"""Run folders and tidy rows for the report's tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from grn_exp.core.versions import METRICS_SCHEMA, RESULTS_VERSION
from grn_exp.report.collect import collect

BIOBERT = {"_target_": "grn_exp.priors.published.PublishedBioBertPrior"}


@pytest.fixture
def write_run(tmp_path) -> Callable[..., Path]:
    """Return a factory of finished run folders below ``tmp_path / "outputs"``.

    A key with dots in ``config`` changes one value; ``values`` are of ``metric``, by subset.
    """
    count = 0

    def write(
        values: dict[str, float] | None = None,
        *,
        model: str = "deepsem",
        data: str = "hesc",
        experiment: str = "e",
        key: str | None = None,
        split: int = 0,
        seed: int = 0,
        metric: str = "ap",
        config: dict[str, Any] | None = None,
        row: dict[str, Any] | None = None,
        at: str = "2026-01-01T00:00:00+00:00",
    ) -> Path:
        nonlocal count
        count += 1
        folder = tmp_path / "outputs" / experiment / data / model / (key or f"{count:012x}")
        folder.mkdir(parents=True)
        whole: dict[str, Any] = {
            "prior": dict(BIOBERT),
            "split": {
                "_target_": "grn_exp.data.edges.splitting.SeenUnseenSplitter",
                "seed": split,
            },
            "data": {"dataset": data, "network": "cell_type_specific", "gene_set": "tfs500"},
            "model": {"_target_": f"x.{model}", "alpha": 1.0},
            "trainer": {"max_epochs": 5, "num_threads": 1},
            "logger": {},
            "seed": seed,
            "experiment": experiment,
            "paths": {"outputs": "outputs"},
        }
        for path, value in (config or {}).items():
            *parents, last = path.split(".")
            node = whole
            for parent in parents:
                node = node[parent]
            node[last] = value
        rows = [
            {"metric": metric, "subset": subset, "value": value, "n": 100, "n_positive": 20}
            | {"prevalence": 0.2, "k": None, "set_size": None}
            | (row or {})
            for subset, value in ({"test_unseen": 0.5} if values is None else values).items()
        ]
        files = {
            "metrics.json": {"schema": METRICS_SCHEMA, "rows": rows, "nothing_held_out": not rows},
            "status.json": {"state": "finished", "at": at},
            "provenance.json": {"results_version": RESULTS_VERSION, "seconds": {"fit": 1.5}},
        }
        for name, content in files.items():
            (folder / name).write_text(json.dumps(content))
        (folder / "config.yaml").write_text(yaml.safe_dump(whole))
        return folder

    return write


@pytest.fixture
def rows_of(write_run, tmp_path) -> Callable[..., pd.DataFrame]:
    """Return a factory of tidy rows: ``rows_of({"deepsem": [0.1, 0.2]})``, a value per split."""

    def make(values: dict[str, list[float]], **options: Any) -> pd.DataFrame:
        for model, of_splits in values.items():
            for split, value in enumerate(of_splits):
                write_run({"test_unseen": value}, model=model, split=split, **options)
        return collect(tmp_path / "outputs").rows

    return make
