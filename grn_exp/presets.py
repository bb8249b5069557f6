"""Hyper-parameters by dataset: what ``${preset:method.name}`` stands for in a file of ``conf``."""

import functools
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from grn_exp.core.errors import InputError
from grn_exp.core.home import expanded
from grn_exp.storage.conf import choices, conf_dir, preset_values


def preset_value(path: str, *, _root_: DictConfig) -> Any:  # noqa: ANN401 - whatever it holds
    """Look a method's value up for the data at hand.

    ``${preset:infosem.sigma_w}`` is the first of: the value for this network and dataset, the
    default for this network, the method's default.

    Raises
    ------
    InputError
        If the preset does not exist, or has no such value.
    """
    method, name = path.split(".")
    table = _preset(str(_root_.get("preset")))[method]
    data = _root_.data
    values = preset_values(table, data.get("network", "simulated"), data.get("dataset"))
    if name in values:
        return values[name]
    raise InputError(
        f"preset: no value {path!r} for data.dataset={data.get('dataset')} and "
        f"data.network={data.get('network')}; set model.{name}"
    )


def published_ensemble(config: Mapping[str, Any], model: str) -> int:
    """Return of how many trainings a method's published scores are the mean.

    Parameters
    ----------
    config
        A run's configuration, which names its preset.
    model
        The method's name.
    """
    return int(_preset(str(config.get("preset"))).get("ensemble", {}).get(model, 1))


@functools.cache
def _preset(name: str) -> Any:  # noqa: ANN401 - a YAML tree
    own = conf_dir() / "presets" / f"{name.removesuffix('.yaml')}.yaml"
    path = own if own.is_file() else expanded(name, "preset")
    if not path.is_file():
        raise InputError(
            f"preset={name}: choose from {', '.join(choices('presets'))}, or give a file's path"
        )
    return OmegaConf.to_container(OmegaConf.load(path))
