"""What is left of a sweep, how long it takes, how it ended; jobs composed as by Hydra."""

import json
import math
import re
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import OmegaConf

from grn_exp import config
from grn_exp.core.errors import InputError
from grn_exp.core.versions import METRICS_SCHEMA
from grn_exp.engine.spec import RunIdentity
from grn_exp.sweep import Failure, Job, plan, summary, time_left, without_repetitions
from hydra_plugins.grn_exp_plugins._composition import Composer
from tests.messages import naming

ROW = {"metric": "ap", "subset": "val", "value": 0.5, "n": 4, "n_positive": 2, "prevalence": 0.5}


def identity(outputs: Path, model: str, key: str, data: str = "toy") -> RunIdentity:
    return RunIdentity("runs", data, model, key, outputs, {})


def finish(run: RunIdentity, seconds: dict[str, float], **facts: str) -> None:
    run.folder.mkdir(parents=True)
    metrics = {"schema": METRICS_SCHEMA, "rows": [ROW]}
    for name, content in {
        "status.json": {"state": "finished"},
        "metrics.json": metrics,
        "provenance.json": {"seconds": seconds, **facts},
    }.items():
        (run.folder / name).write_text(json.dumps(content))


def jobs_of(outputs: Path, *runs: RunIdentity, force: bool = False) -> list[Job]:
    return [Job.of([f"key={run.run_key}"], run, force=force) for run in runs]


def test_states_are_those_of_the_folders(tmp_path):
    done, cut_off, new = (identity(tmp_path, "random", key) for key in "abc")
    finish(done, {"fit": 1.0})
    cut_off.folder.mkdir(parents=True)
    (cut_off.folder / "status.json").write_text('{"state": "running"}')
    jobs = jobs_of(tmp_path, done, cut_off, new)
    assert [job.state for job in jobs] == ["done", "cut off", "to do"]
    assert [job.state for job in jobs_of(tmp_path, done, force=True)] == ["to do"]


def test_time_left_is_that_of_runs_of_the_same_kind(tmp_path):
    """Two finished runs of 10 s and 20 s, one that took its fit over, and three to do."""
    finished = [identity(tmp_path, "slow", key) for key in "abc"]
    finish(finished[0], {"data": 1.0, "fit": 9.0})
    finish(finished[1], {"data": 1.0, "fit": 19.0})
    finish(finished[2], {"data": 3.0, "fit": 19.0}, fitted_in="b")
    left = [identity(tmp_path, "slow", key) for key in "de"]
    elsewhere = identity(tmp_path, "slow", "f", data="other")
    unheard = identity(tmp_path, "quick", "g")
    lines = plan(jobs_of(tmp_path, *finished, *left, elsewhere, unheard))
    by_name = {(line.data, line.model): line for line in lines}
    assert by_name["toy", "slow"].seconds == pytest.approx((10 + 20 + 3) / 3)
    assert by_name["other", "slow"].seconds == pytest.approx(11)  # as on the other benchmark
    assert math.isnan(by_name["toy", "quick"].seconds)
    # the last is the job of which nothing is known
    assert re.search(naming(4, 2, "0:00:16", 1), time_left(lines, 2))
    assert re.search(naming(1), time_left([by_name["toy", "quick"]], 1))
    assert "0:" not in time_left([by_name["toy", "quick"]], 1)
    assert "0:" not in time_left(plan(jobs_of(tmp_path, *finished)), 1)


def test_a_broken_provenance_costs_no_plan(tmp_path):
    run = identity(tmp_path, "random", "a")
    finish(run, {"fit": 1.0})
    (run.folder / "provenance.json").write_text("[")
    (line,) = plan(jobs_of(tmp_path, run))
    assert line.seconds == 0.0


def test_one_run_is_one_job(tmp_path):
    run = identity(tmp_path, "random", "a")
    other = identity(tmp_path, "degree", "a")
    jobs = jobs_of(tmp_path, run, other, run)
    assert without_repetitions(jobs) == jobs[:2]


def test_the_end_names_failed_jobs_with_their_commands(tmp_path):
    jobs = jobs_of(tmp_path, *(identity(tmp_path, "random", key) for key in "ab"))
    failures = [
        Failure(jobs[0], InputError("no such\nthing")),
        Failure(Job(("model=x y",), None, "refused"), KeyError("gene")),
    ]
    text = summary(5, 2, failures)
    assert re.findall(r"\d+", text.splitlines()[0]) == ["5", "1", "2", "2"]
    assert "  key=a: no such thing" in text
    assert "  model=x y: KeyError: 'gene'" in text
    assert "  python -m grn_exp -m 'model=x y'" in text
    assert "x y" not in summary(5, 2, failures, most=1)
    assert re.findall(r"\d+", summary(5, 2, [])) == ["5", "3", "2"]


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=random", "data=toy", "split.seed=3"],
        ["data=mdc", "model=infosem_b", "prior=random", "model.sigma_w=2", "+split.more=[1,2]"],
        ["experiment=infosem_table5", "data=hhep", "model=genelink", "split.seed=1"],
        [
            "model=residual_hos2",
            "data=toy_sets",
            "retriever=dot_product",
            "retriever.model.noise=0",
        ],
        ["model=random", "~prior", "seed=4"],
    ],
)
def test_jobs_are_composed_as_hydra_composes_them(overrides):
    config.register()
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        master = loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN)
        expected = OmegaConf.to_container(loader.load_sweep_config(master, overrides))
        of_hydra = expected.pop("hydra")
        composer = Composer(loader, master)
        for _ in range(2):  # the second time from what is kept
            task, choices = composer.task(list(overrides))
            assert choices["model"] == of_hydra["runtime"]["choices"]["model"]
            assert OmegaConf.to_container(task) == expected
        with pytest.raises(ConfigCompositionException, match="no_such_key"):
            composer.task([*overrides, "no_such_key=1"])
