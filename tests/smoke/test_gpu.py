"""Runs on a GPU; skipped where torch sees none."""

import json

import pytest
import torch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU"),
]


@pytest.mark.parametrize("model", ["deepsem", "infosem_bc"])
def test_a_run_on_a_gpu_says_so_and_repeats_itself(model, tmp_path, monkeypatch):
    from grn_exp import cli

    rows = []
    for attempt in ("first", "second"):
        outputs = tmp_path / attempt
        arguments = [f"model={model}", "trainer=gpu", "trainer.max_epochs=6"]
        monkeypatch.setattr("sys.argv", ["grn_exp", *arguments, f"paths.outputs={outputs}"])
        cli.main()
        (metrics,) = outputs.rglob("metrics.json")
        rows.append(json.loads(metrics.read_text())["rows"])
        provenance = json.loads(metrics.with_name("provenance.json").read_text())
        assert provenance["host"]["device"] == torch.cuda.get_device_name()
    assert rows[0] == rows[1]
