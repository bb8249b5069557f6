"""Compose a sweep's jobs quickly."""

import copy
import functools

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf


class _Composed:
    """What choices of groups compose to: all of it, the task's part, the choices' names."""

    def __init__(self, config: DictConfig) -> None:
        self.config = config
        parts = [str(key) for key in config if key != "hydra"]
        self.task: DictConfig = OmegaConf.masked_copy(config, parts)
        OmegaConf.set_struct(self.task, value=True)
        self.choices = {str(k): str(v) for k, v in config.hydra.runtime.choices.items()}


# by overrides of groups; the jobs of a process share it
_composed: dict[tuple[str, ...], _Composed] = {}


class SweepLoader(ConfigLoaderImpl):
    """Hydra's loader; what a job's choices of groups bring is composed once in a process.

    Composing reads twenty YAML files and takes 0.1 s; jobs of a sweep mostly differ in values
    (``split.seed``), which are then set on a copy, by Hydra's own function.
    """

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        """Compose a job."""
        base, values = self._base(master_config, sweep_overrides)
        config = copy.deepcopy(base.config)
        self._apply_overrides_to_config(values, config)
        OmegaConf.copy_cache(from_config=master_config, to_config=config)
        job = config.hydra.job
        config.hydra.overrides.task = list(sweep_overrides)
        job.override_dirname = get_overrides_dirname(
            overrides=[_parsed(text) for text in sweep_overrides],
            **job.config.override_dirname,
        )
        return config

    def load_task(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> tuple[DictConfig, dict[str, str]]:
        """Compose a job without Hydra's own part, which is the larger one.

        Returns
        -------
        tuple
            What the task function would be given, and the names of the choices by group.
        """
        base, values = self._base(master_config, sweep_overrides)
        config = copy.deepcopy(base.task)
        self._apply_overrides_to_config(values, config)
        return config, base.choices

    def _base(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> tuple["_Composed", list[Override]]:
        """Return what the choices of groups compose to, and the overrides of values."""
        choices, values = [], []
        for text in sweep_overrides:
            override = _parsed(text)
            is_choice = self.repository.group_exists(override.key_or_group)
            (choices if is_choice else values).append(override)
        chosen = [str(override.input_line) for override in choices]
        key = (str(self.config_search_path), *master_config.hydra.overrides.hydra, "", *chosen)
        if key not in _composed:
            _composed[key] = _Composed(super().load_sweep_config(master_config, chosen))
        return _composed[key], values


@functools.cache
def _parsed(text: str) -> Override:
    return OverridesParser.create().parse_override(text)
