"""Short runs against stored numbers, so that an unintended change of results shows.

Where the change is intended, raise ``RESULTS_VERSION`` in ``grn_exp/config.py``, run this file
by itself (``python tests/golden/test_toy_runs.py``) and put what it prints in place of
``STORED``.
"""

import pprint
import sys
import tempfile

import pytest
import torch
from hydra import compose, initialize_config_dir

from grn_exp import config
from grn_exp.engine.run import run
from grn_exp.models.base import GradientModel

EPOCHS = 4
OVERRIDES = (
    "data=toy",
    "data.n_genes=80",
    "data.n_regulators=16",
    "data.n_cells_per_type=20",
    "trainer.accelerator=cpu",
    "trainer.progress=false",
)
# the loss of each epoch; then average precision on the validation pairs
STORED: dict[str, tuple[list[float], float]] = {
    "deepsem": (
        [1.2687242031097412, 1.127380132675171, 1.0999860763549805, 1.0848357677459717],
        0.26794173622047673,
    ),
    "degree": ([], 0.44872075975972076),
    "infosem_b": (
        [1.2687242031097412, 1.1291992664337158, 1.0896949768066406, 1.0726195573806763],
        0.2705524636921068,
    ),
    "infosem_bc": (
        [31.935808181762695, 30.89487075805664, 28.573131561279297, 27.1125545501709],
        0.20826518016415713,
    ),
    "infosem_free": (
        [1.2687242031097412, 1.0938355922698975, 1.0173636674880981, 1.0152639150619507],
        0.21310138071647022,
    ),
    "oracle": ([], 1.0),
    "random": ([], 0.3311537063186623),
}


def make_spec(name, outputs):
    config.register()
    overrides = [*OVERRIDES, f"model={name}", f"paths.outputs={outputs}"]
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        cfg = compose("config", overrides=overrides)
        if "max_epochs" in cfg.trainer:
            cfg.trainer.max_epochs = EPOCHS
        return config.build_spec(config.identify(cfg, data="toy", model=name))


def short_run(name, outputs):
    """Return the losses and the validation score of a run; no losses for a closed form."""
    spec = make_spec(name, outputs)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = run(spec)
    finally:
        torch.set_num_threads(n_threads)
    value = next(r["value"] for r in rows if (r["metric"], r["subset"]) == ("ap", "val"))
    if not issubclass(spec.model_class, GradientModel):
        return [], value
    lines = (spec.identity.folder / "history.csv").read_text().splitlines()
    column = lines[0].split(",").index("train/loss")
    return [float(line.split(",")[column]) for line in lines[1:]], value


@pytest.mark.parametrize("name", config.models_by_task("edges"))
def test_results_are_what_they_were(name, tmp_path):
    if name not in STORED:
        pytest.fail(f"no stored numbers for {name}; see the top of this file")
    losses, value = short_run(name, tmp_path)
    expected_losses, expected_value = STORED[name]
    assert losses == pytest.approx(expected_losses, rel=1e-4)
    # ranks jump where two scores nearly tie, so another processor may differ a little
    assert value == pytest.approx(expected_value, rel=1e-4 if not losses else 0.01)


if __name__ == "__main__":
    found = {}
    for choice in config.models_by_task("edges"):
        with tempfile.TemporaryDirectory() as folder:
            found[choice] = short_run(choice, folder)
    sys.stdout.write(f"STORED: dict[str, tuple[list[float], float]] = {pprint.pformat(found)}\n")
