"""What a run will take is said beforehand, and refused where it is more than there is."""

import itertools
import math
import resource
import time

import anndata as ad
import numpy as np
import psutil
import pytest
from hydra import compose, initialize_config_dir

from grn_exp import config
from grn_exp.core import memory
from grn_exp.core.errors import InputError
from grn_exp.core.memory import Sizes
from grn_exp.data.edges.toy import ToyDataModule
from grn_exp.engine import needs, pace
from grn_exp.engine.fit import limited_threads
from grn_exp.engine.needs import expected
from grn_exp.engine.run import run
from grn_exp.engine.spec import TrainerSettings
from grn_exp.models.edges.deepsem import DeepSEM
from grn_exp.models.edges.grnboost2 import GRNBoost2
from grn_exp.runs.folder import RunFolder
from grn_exp.sweep import Job, plan
from tests.messages import lines_naming, naming

N_CELLS, N_GENES, N_REGULATORS = 50, 3000, 20
SIZES = Sizes(N_CELLS, N_GENES, N_REGULATORS)


@pytest.fixture
def own(tmp_path) -> list[str]:
    """Return options of own cells."""
    cells = ad.AnnData(np.random.default_rng(0).poisson(3, (N_CELLS, N_GENES)).astype(np.float32))
    cells.var_names = [f"G{i}" for i in range(N_GENES)]
    cells.write_h5ad(tmp_path / "x.h5ad")
    (tmp_path / "tfs.txt").write_text("\n".join(f"G{i}" for i in range(N_REGULATORS)))
    return [f"data.path={tmp_path}/x.h5ad", f"data.regulators={tmp_path}/tfs.txt"]


def make_spec(outputs, *overrides, data="anndata", model="deepsem"):
    config.register()
    given = [f"data={data}", f"model={model}", f"paths.outputs={outputs}", *overrides]
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        cfg = compose("config", overrides=[*given, "trainer.enable_progress_bar=false"])
    return config.build_spec(config.identify(cfg, data=data, model=model))


def limited_to(monkeypatch, n_bytes, *, beside=10**9):
    """Let the process hold ``beside`` before there are data, and be allowed ``n_bytes`` more."""
    held = itertools.chain([beside], itertools.repeat(beside + SIZES.matrix))
    monkeypatch.setattr(memory, "held", lambda: next(held))
    monkeypatch.setattr(memory, "limit", lambda: int((beside + n_bytes) / 0.8) + 1)


def needed(**options) -> int:
    return expected(DeepSEM(**options), SIZES, 0).n_bytes


@pytest.mark.parametrize("model", ["pearson", "grnboost2", "deepsem", "one_hot_lr"])
def test_too_much_is_refused_before_there_is_a_folder(model, tmp_path, monkeypatch):
    limited_to(monkeypatch, 1000)
    with pytest.raises(InputError, match=naming(f"model={model}", "80%")):
        run(make_spec(tmp_path / "out", data="toy", model=model))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("share", "option"),
    [(0.8, "data.genes=2000"), (0.15, "model=pearson")],
)
def test_the_refusal_names_the_option_that_fits(share, option, own, tmp_path, monkeypatch):
    limited_to(monkeypatch, int(share * needed(regulators="known")))
    with pytest.raises(InputError, match=naming("model=deepsem", option)):
        run(make_spec(tmp_path / "out", *own, "data.genes=null"))
    assert not (tmp_path / "out").exists()


def test_known_regulators_are_named_where_all_genes_do_not_fit(own, tmp_path, monkeypatch):
    limited_to(monkeypatch, needed(regulators="known") + 10**6)
    with pytest.raises(InputError, match=naming("model=deepsem", "model.regulators=known")):
        run(make_spec(tmp_path / "out", *own, "data.genes=null", "model.regulators=all"))


def test_what_fits_runs_and_says_what_it_takes(own, tmp_path, monkeypatch, caplog):
    limited_to(monkeypatch, 10**9)
    monkeypatch.setattr(needs, "_WORTH_A_LINE", 0)
    with caplog.at_level("INFO"):
        run(make_spec(tmp_path / "out", *own, "data.genes=100", model="pearson"))
    assert lines_naming(caplog.text, N_CELLS, N_REGULATORS, "memory")


def test_a_plan_has_the_memory_of_own_cells_that_were_never_run(own, tmp_path):
    jobs = [
        Job.of((), make_spec(tmp_path, *own, model=model).identity, force=False)
        for model in ("pearson", "partial_correlation")
    ]
    pearson, partial = (line.n_bytes for line in plan(jobs))
    assert 0 < pearson < partial


# -- how long it will take -----------------------------------------------------------------------


def test_timed_steps_of_a_model_of_its_own_change_no_number(own, tmp_path, monkeypatch, caplog):
    small = ("data.genes=60", "trainer.max_epochs=4", "trainer.num_threads=1")
    found = []
    for least, name in ((0, "timed"), (10**12, "plain")):
        monkeypatch.setattr(needs, "_WORTH_A_LINE", least)
        spec = make_spec(tmp_path / name, *own, *small)
        with caplog.at_level("INFO"):
            run(spec)
        found.append((spec.identity.folder / "network.csv.gz").read_bytes())
        assert bool(lines_naming(caplog.text, "timed", "steps")) == (name == "timed")
        caplog.clear()
    assert found[0] == found[1]


def test_a_run_that_goes_on_is_not_timed_again(own, tmp_path, monkeypatch):
    monkeypatch.setattr(needs, "_WORTH_A_LINE", 0)
    timed = []
    monkeypatch.setattr(pace, "seconds_of_fit", lambda *_: timed.append(1) or 1.0)
    spec = make_spec(tmp_path / "out", *own, "data.genes=60", model="genie3")
    folder = RunFolder(spec.identity.folder)
    folder.unfinished.parent.mkdir(parents=True)
    folder.unfinished.touch()
    model = spec.make_model()
    pace.announce(spec, model, folder)
    assert not timed


@pytest.mark.parametrize("model", ["pairs2", "residual_hos2"])
def test_methods_that_choose_sets_run_without_an_estimate(model, tmp_path, monkeypatch):
    """What they learn from depends on the Trainer's epoch."""
    monkeypatch.setattr(needs, "_WORTH_A_LINE", 0)
    small = ("data.n_cells_per_type=12", "data.set_sizes=[1,2]", "pool=oracle", "pool.size=8")
    epochs = ("trainer.max_epochs=2", "trainer.accelerator=cpu")
    spec = make_spec(tmp_path, *small, *epochs, data="toy_sets", model=model)
    assert math.isnan(pace.forecast(spec))
    run(spec)
    assert RunFolder(spec.identity.folder).state() == "finished"


class Clock:
    """Time that passes in steps alone."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


def test_the_time_of_a_training_is_that_of_all_its_steps(monkeypatch):
    """Of DeepSEM's epochs every third is another kind."""
    clock, original = Clock(), DeepSEM.loss
    monkeypatch.setattr(pace, "time", clock)

    def loss(self, batch):
        clock.now += 3.0 if self.edge_effects.requires_grad else 1.0
        return original(self, batch)

    monkeypatch.setattr(DeepSEM, "loss", loss)
    data = ToyDataModule(n_genes=80, n_regulators=16, n_cells_per_type=20)
    model = DeepSEM(batch_size=10).attach(data.view())
    settings = TrainerSettings({"max_epochs": 12, "accelerator": "cpu"})
    n_steps = data.expression.n_cells / 10
    expected_time = n_steps * (4 * 1.0 + 8 * 3.0)
    assert pace.seconds_of_fit(model, settings) == pytest.approx(expected_time)


@pytest.mark.parametrize("backend", ["sklearn", "rustscenic"])
def test_the_time_of_boosting_is_near_what_it_takes(backend):
    data = ToyDataModule(n_genes=300, n_regulators=30, n_cells_per_type=30)
    first, second = (
        GRNBoost2(backend=backend, n_estimators=100).attach(data.view()) for _ in range(2)
    )
    with limited_threads(1):  # joblib starts no processes, which take seconds
        expected_time = first.seconds()
        start = time.perf_counter()
        second.fit()
    assert 0.2 < (time.perf_counter() - start) / expected_time < 5


def test_a_plan_times_what_was_never_run(own, tmp_path, monkeypatch):
    jobs = [Job.of((), make_spec(tmp_path, *own).identity, force=False)]
    monkeypatch.setattr(needs, "_WORTH_TIMING", 10**12)
    (small,) = plan(jobs)
    monkeypatch.setattr(needs, "_WORTH_TIMING", 0)
    (large,) = plan(jobs)
    assert math.isnan(small.seconds)
    assert large.seconds > 0


# -- what a process may hold -----------------------------------------------------------------


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Return the folder of control groups of a process that is in ``/a/b``, version 1 and 2."""
    (tmp_path / "cgroup").write_text("9:cpu:/c\n5:memory:/a/b\n0::/a/b\n")
    monkeypatch.setattr(memory, "_GROUP", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "fs")
    return tmp_path / "fs"


@pytest.mark.parametrize("above", ["", "a", "a/b"])
@pytest.mark.parametrize(
    ("root", "names"),
    [
        ("", ("memory.max", "memory.current", "inactive_file")),
        ("memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")),
    ],
)
def test_a_control_group_counts_and_so_do_those_above_it(above, root, names, groups):
    limit, usage, cache = names
    free, folder = memory.available(), groups / root / above
    folder.mkdir(parents=True)
    (folder / limit).write_text("max\n" if not root else f"{2**63 - 4096}\n")
    assert memory.available() > 0.5 * free
    (folder / limit).write_text("1000000\n")
    (folder / usage).write_text("600000\n")
    (folder / "memory.stat").write_text(f"anon 1\n{cache} 100000\n")
    assert memory.available() == 500_000


def test_the_machine_and_addresses_count(groups, monkeypatch):
    assert 0 < memory.available() <= psutil.virtual_memory().total
    addresses = psutil.Process().memory_info().vms
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (addresses, addresses))
    assert memory.limit() < 2 * memory.held()
