"""Short runs against stored numbers, so that an unintended change of results shows.

Where the change is intended, raise ``RESULTS_VERSION`` in ``grn_exp/core/versions.py``, run this
file by itself (``python tests/golden/test_toy_runs.py``) and put what it prints in place of
``STORED`` and ``STORED_SETS``. A new method is tested here once its numbers are stored: run this
file with the method's name, and add what it prints.
"""

import csv
import hashlib
import pprint
import sys
import tempfile

import pytest
import torch
from hydra import compose, initialize_config_dir

from grn_exp import config
from grn_exp.engine.run import run
from grn_exp.models.gradient import GradientModel
from grn_exp.models.sets.base import PooledSelector

# other tests of the same code are measured; tracing these doubles their time
pytestmark = pytest.mark.no_cover
EPOCHS = 4
TINY = (
    "data.n_genes=80",
    "data.n_regulators=16",
    "data.n_cells_per_type=20",
    "trainer.accelerator=cpu",
    "trainer.enable_progress_bar=false",
)
TINY_PAIRS = (*TINY, "split.known_within=block")
# enough targets that a set can be right, and pools that a set can be missing from
TINY_SETS = (*TINY, "data.n_genes=200", "data.set_sizes=[1,2]", "pool.size=10")
# the loss of each epoch; then average precision on the validation pairs
STORED: dict[str, tuple[list[float], float]] = {
    "co_target_vote": ([], 0.36390752105037816),
    "context_attention": (
        [11.191045761108398, 9.93547248840332, 8.382752418518066, 6.854214191436768],
        0.39269964139875485,
    ),
    "correlation": ([], 0.5478040627289199),
    "deepsem": (
        [1.2759166955947876, 1.1550514698028564, 1.1598690748214722, 1.1501291990280151],
        0.3216009457354694,
    ),
    "degree": ([], 0.44872075975972076),
    "degree_product": ([], 0.3955473098330241),
    "dot_product": (
        [2.700744867324829, 2.534022808074951, 2.2925353050231934, 2.11112904548645],
        0.44693740836201523,
    ),
    "genelink": (
        [0.7204152345657349, 0.6919614672660828, 0.6912750005722046, 0.6906254887580872],
        0.19993242071591355,
    ),
    "genie3": ([], 0.3616899319141764),
    "grnboost2": ([], 0.36005081874647094),
    "infosem_b": (
        [1.2759166955947876, 1.1413581371307373, 1.1230279207229614, 1.108803629875183],
        0.2761464002809239,
    ),
    "infosem_b_untrained": (
        [1.4239670038223267, 1.1358866691589355, 1.1008806228637695, 1.0751851797103882],
        0.2766731637758309,
    ),
    "infosem_bc": (
        [31.813276290893555, 30.81032371520996, 28.538379669189453, 27.089305877685547],
        0.20660020069792245,
    ),
    "infosem_free": (
        [1.2759166955947876, 1.1215068101882935, 1.0514707565307617, 1.0151439905166626],
        0.3216009457354694,
    ),
    "matcomp": ([], 0.4348122048673831),
    "nearest_targets": ([], 0.30691756134695697),
    "one_hot_lr": ([], 0.4161464935624599),
    "oracle": ([], 1.0),
    "partial_correlation": ([], 0.4609317328058778),
    "pearson": ([], 0.5478040627289199),
    "random": ([], 0.3311537063186623),
    "regdiffusion": ([], 0.591021532579974),
    "regulator_frequency": ([], 0.35794907763548883),
    "scgreat": (
        [0.4979155361652374, 0.40388503670692444, 0.38181453943252563, 0.3532700836658478],
        0.5085401881437687,
    ),
    "spearman": ([], 0.48006810529537797),
}
# the loss of each epoch; exact matches; then the mean score of the chosen sets, and where nothing
# is trained a hash of them
STORED_SETS: dict[str, tuple[list[float], int, float | str]] = {
    "best_subset": ([], 8, "9650e5e5fa51"),
    "deep_pairs2": (
        [1.3131604194641113, 1.3113181591033936, 1.307243824005127, 1.2894749641418457],
        2,
        0.15263780046786582,
    ),
    "most_frequent_set": ([], 2, "6f6b5a22e382"),
    "nearest_target_set": ([], 4, "725d3e872184"),
    "pairs2": (
        [1.2933982610702515, 1.2539902925491333, 1.2046211957931519, 1.1424897909164429],
        2,
        0.846039069550378,
    ),
    "pure_hos2": (
        [1.222480297088623, 1.0447012186050415, 0.948729395866394, 0.8778414726257324],
        2,
        2.6875386025224413,
    ),
    "pure_hos2_warm": (
        [1.3012917041778564, 1.281509280204773, 1.176797866821289, 1.0244739055633545],
        2,
        1.883620764528002,
    ),
    "residual_hos2": (
        [1.2867881059646606, 1.2420684099197388, 1.1763784885406494, 1.088641881942749],
        2,
        1.1885884595768792,
    ),
    "set_dictionary": ([], 8, "d25794a6b8cf"),
    "set_posterior": ([], 7, "414d1309eeb4"),
    "stage1_top_r": ([], 2, "468a72db3783"),
}


def make_spec(name, outputs, *options):
    config.register()
    is_for_sets = config.model_class(name).task == "sets"
    names = {"data": "toy_sets" if is_for_sets else "toy", "model": name}
    overrides = [*(TINY_SETS if is_for_sets else TINY_PAIRS), f"paths.outputs={outputs}"]
    if issubclass(config.model_class(name), PooledSelector):
        names["retriever"] = "regulator_frequency"
    overrides += [f"{group}={choice}" for group, choice in names.items()]
    overrides += options
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        cfg = compose("config", overrides=overrides)
        cfg.trainer.max_epochs = EPOCHS
        for stage in ("warm_start_epochs", "frozen_epochs"):
            if stage in cfg.model:
                cfg.model[stage] = min(cfg.model[stage], 1)
        return config.build_spec(config.identify(cfg, **names))


def short_run(name, outputs, *options):
    """Return the losses of a run, none for a closed form, its rows and its folder."""
    spec = make_spec(name, outputs, *options)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = run(spec)
    finally:
        torch.set_num_threads(n_threads)
    folder = spec.identity.folder
    if not issubclass(spec.model_class, GradientModel):
        return [], rows, folder
    lines = (folder / "history.csv").read_text().splitlines()
    column = lines[0].split(",").index("train/loss")
    return [float(line.split(",")[column]) for line in lines[1:]], rows, folder


def edge_numbers(name, outputs):
    losses, rows, _ = short_run(name, outputs)
    return losses, next(r["value"] for r in rows if (r["metric"], r["subset"]) == ("ap", "val"))


def set_numbers(name, outputs, *options):
    losses, _, folder = short_run(name, outputs, *options)
    with (folder / "sets.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    n_exact = sum(int(line["exact"]) for line in lines)
    if losses:
        return losses, n_exact, sum(float(line["score"]) for line in lines) / len(lines)
    text = "\n".join(sorted(f"{line['target']} {line['predicted']}" for line in lines))
    return losses, n_exact, hashlib.sha256(text.encode()).hexdigest()[:12]


@pytest.mark.parametrize("name", STORED)
def test_results_are_what_they_were(name, tmp_path):
    expected_losses, expected_value = STORED[name]
    losses, value = edge_numbers(name, tmp_path)
    assert losses == pytest.approx(expected_losses, rel=1e-4)
    # ranks jump where two scores nearly tie, so another processor may differ a little
    trains = losses or config.model_class(name).requires  # training amplifies rounding
    assert value == pytest.approx(expected_value, rel=0.01 if trains else 1e-4)


@pytest.mark.parametrize("name", STORED_SETS)
def test_sets_are_what_they_were(name, tmp_path):
    expected_losses, expected_exact, expected_last = STORED_SETS[name]
    losses, n_exact, last = set_numbers(name, tmp_path)
    assert losses == pytest.approx(expected_losses, rel=1e-4)
    # the same holds for sets that nearly tie
    assert abs(n_exact - expected_exact) <= (1 if losses else 0)
    assert last == (pytest.approx(expected_last, rel=0.01) if losses else expected_last)


def test_sergios_curve_gives_what_it_gave(tmp_path):
    numbers = set_numbers("set_posterior", tmp_path, "model.response=sergio")
    assert numbers == ([], 7, "62ab77a2ab21")


def print_numbers(names):
    """Print what to store, all of it or that of a few methods."""
    for task, title, numbers in (
        ("edges", "STORED: dict[str, tuple[list[float], float]]", edge_numbers),
        ("sets", "STORED_SETS: dict[str, tuple[list[float], int, float | str]]", set_numbers),
    ):
        found = {}
        for name in config.models_by_task(task):
            if not names or name in names:
                with tempfile.TemporaryDirectory() as folder:
                    found[name] = numbers(name, folder)
        sys.stdout.write(f"{title} = {pprint.pformat(found)}\n")


if __name__ == "__main__":
    print_numbers(sys.argv[1:])
