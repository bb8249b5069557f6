"""The default benchmark is worth trying a method on: every method beats chance on it."""

import pytest
from hydra import compose, initialize_config_dir

from grn_exp import config
from grn_exp.engine.run import run

# chance itself, and the proof that judging works
NOT_METHODS = ("random", "oracle")


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", [m for m in config.models_by_task("edges") if m not in NOT_METHODS]
)
def test_every_method_beats_chance_on_toy_with_its_defaults(model, tmp_path):
    config.register()
    overrides = [f"model={model}", "trainer=cpu", "trainer.num_threads=1"]
    overrides.append(f"paths.outputs={tmp_path}")
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        cfg = compose("config", overrides=overrides)
    rows = run(config.build_spec(config.identify(cfg, data="toy", model=model)))
    ratios = {row["subset"]: row["value"] for row in rows if row["metric"] == "ap_ratio"}
    # labels alone know nothing of unseen genes; on seen ones every method should find something
    assert ratios["test_seen"] > 1.3
    reads_labels_only = model == "degree"
    if not reads_labels_only:
        assert ratios["test_unseen"] > 1.3
