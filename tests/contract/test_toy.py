"""The default benchmark is worth trying a method on: every method beats chance on it."""

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from grn_exp import config
from grn_exp.engine.run import run
from grn_exp.models.closed_form import ClosedFormModel
from grn_exp.models.edges._pair_classifier import PairClassifier
from grn_exp.models.edges._retriever import Retriever

# other tests of the same code are measured; tracing these doubles their time
pytestmark = pytest.mark.no_cover
# chance itself, a prior that nothing taught, and the proof that judging works
NONE = ("random", "infosem_b_untrained", "oracle")
METHODS = [m for m in config.models_by_task("edges") if m not in NONE]
RETRIEVERS = [m for m in METHODS if issubclass(config.model_class(m), Retriever)]


def do(model, data, outputs):
    config.register()
    overrides = [f"model={model}", f"data={data}", "trainer=cpu", "trainer.num_threads=1"]
    overrides.append(f"paths.outputs={outputs}")
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        cfg = compose("config", overrides=overrides)
    spec = config.build_spec(config.identify(cfg, data=data, model=model))
    return run(spec), spec.identity.folder


def scores_of_unseen(folder):
    with np.load(folder / "scores.npz") as scores, np.load(folder / "split.npz") as split:
        regulators, genes = (list(split[name]) for name in ("regulators", "genes"))
        rows = [regulators.index(symbol) for symbol in scores["regulators"]]
        columns = [genes.index(symbol) for symbol in scores["genes"]]
        return scores["scores"][split["test_unseen"][np.ix_(rows, columns)]]


@pytest.mark.slow
@pytest.mark.parametrize("model", METHODS)
def test_every_method_beats_chance_on_toy_with_its_defaults(model, tmp_path):
    rows, folder = do(model, "toy", tmp_path)
    ratios = {row["subset"]: row["value"] for row in rows if row["metric"] == "ap_ratio"}
    assert ratios["test_seen"] > 1.3  # on seen genes every method should find something
    kind = config.model_class(model)
    if issubclass(kind, ClosedFormModel) and kind.reads_labels:
        # counted labels say nothing of a regulator without any: its pairs tie, which is chance
        assert np.ptp(scores_of_unseen(folder)) < 1e-6
        assert ratios["test_unseen"] == pytest.approx(1)
    elif not issubclass(kind, PairClassifier | Retriever):
        # classifiers of pairs learn the genes that they see; retrievers have a test of their own
        assert ratios["test_unseen"] > 1.3


@pytest.mark.slow
@pytest.mark.parametrize("model", RETRIEVERS)
def test_retrievers_beat_chance_on_held_out_targets(model, tmp_path):
    rows, _ = do(model, "toy_sets", tmp_path)
    (ap,) = (row for row in rows if row["metric"] == "ap")
    assert ap["value"] > 10 * ap["prevalence"]
