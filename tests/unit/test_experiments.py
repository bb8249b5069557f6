"""Each experiment preset composes, sweeps over what exists, and tells no service unasked."""

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from grn_exp import config


def jobs_of(experiment):
    """Return the configuration and the override lists of an experiment's jobs."""
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        cfg = compose("config", [f"experiment={experiment}"], return_hydra_config=True)
    params = [f"{name}={value}" for name, value in cfg.hydra.sweeper.params.items()]
    overrides = OverridesParser.create().parse_overrides(params)
    (jobs,) = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    return cfg, jobs


def covering(jobs):
    """Return few jobs with every choice but seeds in one of them; composing is slow."""
    seen, kept = set(), []
    for job in jobs:
        choices = {each for each in job if not each.startswith("split.seed=")}
        if choices - seen:
            seen |= choices
            kept.append(job)
    return kept


_composed = set()
SMALL = [f"smoke/{name}" for name in config.choices("experiment/smoke")]


@pytest.mark.slow
@pytest.mark.parametrize("experiment", [*config.choices("experiment"), *SMALL])
def test_every_job_composes(experiment):
    cfg, jobs = jobs_of(experiment)
    is_small = experiment in SMALL
    assert cfg.paths.experiment.startswith("smoke_") == is_small
    assert cfg.hydra.mode.name == "MULTIRUN"
    assert cfg.logger._target_.endswith("FilesOnly")  # nothing leaves the machine unasked
    jobs = [jobs[0], jobs[-1]] if is_small else covering(jobs)
    if (cfg.paths.experiment, str(jobs)) in _composed:
        return  # another name for the same runs
    _composed.add((cfg.paths.experiment, str(jobs)))
    config.register()
    keys = set()
    with initialize_config_dir(str(config.conf_dir()), version_base="1.3"):
        for job in jobs:
            chosen = dict(override.split("=") for override in job)
            composed = compose("config", [f"experiment={experiment}", *job])
            identity = config.identify(composed, data=chosen["data"], model=chosen["model"])
            keys.add((identity.data, identity.model, identity.run_key))
    assert len(keys) == len(jobs)  # no two jobs share a folder


def test_every_table_and_figure_has_its_experiment_and_a_small_one():
    """InfoSEM's tables 2 to 6 and figures 3 to 6, Residual HOS2's tables 1 to 7, figures 2, 3."""
    wanted = {f"infosem_table{n}" for n in range(2, 7)}
    wanted |= {f"infosem_figure{n}" for n in range(3, 7)}
    wanted |= {f"hos2_table{n}" for n in range(1, 8)} | {"hos2_figure2", "hos2_figure3"}
    assert wanted <= set(config.choices("experiment"))
    assert config.choices("experiment/smoke") == config.choices("experiment")


def test_infosem_table2_is_the_papers_grid():
    """Four cell lines, ten splits (section 5), and the controls beside the methods."""
    _, jobs = jobs_of("infosem_table2")
    chosen = [dict(override.split("=") for override in job) for job in jobs]
    assert {job["data"] for job in chosen} == {"hesc", "hhep", "mdc", "mesc"}
    assert {job["split.seed"] for job in chosen} == {str(seed) for seed in range(10)}
    assert {"random", "oracle", "degree"} <= {job["model"] for job in chosen}
