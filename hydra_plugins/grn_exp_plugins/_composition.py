"""Compose a sweep's jobs quickly, to look their runs up."""

import copy
import functools

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from grn_exp.config import names_of, refuse_other_places

Composed = tuple[DictConfig, dict[str, str]]


class Composer:
    """Compose what choices of groups bring once, and set values on a copy of it.

    Hydra takes 0.15 s for a job, most of it for YAML that all jobs of a sweep have in common.
    With this the plan of 1,000 jobs comes after 17 s instead of 167 s, and 200 finished jobs are
    passed over in 4 s instead of 30 s.

    Parameters
    ----------
    loader
        Hydra's own.
    config
        The sweep's configuration.
    """

    def __init__(self, loader: ConfigLoader, config: DictConfig) -> None:
        self.loader = loader
        self.config = config
        self.bases: dict[tuple[str, ...], Composed] = {}
        self.is_group = functools.cache(lambda key: bool(loader.get_group_options(key)))

    def task(self, overrides: list[str]) -> Composed:
        """Compose a job without Hydra's own part.

        Returns
        -------
        tuple
            What the task function would be given, and the names of the choices by group.
        """
        parsed = {text: _parsed(text) for text in overrides}
        values = {
            text: each
            for text, each in parsed.items()
            if each.type is OverrideType.CHANGE and not self.is_group(each.key_or_group)
        }
        choices = tuple(text for text in overrides if text not in values)
        if choices not in self.bases:
            self.bases[choices] = self._composed(choices)
        base, names = self.bases[choices]
        config = copy.deepcopy(base)
        try:
            for each in values.values():
                OmegaConf.update(config, each.key_or_group, each.value(), merge=True)
        except OmegaConfBaseException:  # Hydra says better what is wrong
            return self._composed(tuple(overrides))
        return config, names

    def _composed(self, overrides: tuple[str, ...]) -> Composed:
        config = self.loader.load_sweep_config(self.config, list(overrides))
        refuse_other_places(config)
        names = names_of(config.hydra.runtime.choices)
        task = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        OmegaConf.set_struct(task, value=True)
        return task, names


@functools.cache
def _parsed(text: str) -> Override:
    return OverridesParser.create().parse_override(text)
