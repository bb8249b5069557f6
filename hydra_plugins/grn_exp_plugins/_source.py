"""Read files of a configuration with the defaults that classes have in Python beside them."""

import functools
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf

from grn_exp.core.defaults import options_of
from grn_exp.storage.conf import bases_of, file_of

# what a class is given by the engine, or by another group
_NOT_OPTIONS = {
    "model": ("seed", "decoder"),
    "data": ("splitter", "prior", "pool", "split_seed"),
}


class PythonDefaultsSource(FileConfigSource):
    """Files of a folder, with every option of the class that a file names.

    Every method that scores edges is a choice of ``retriever`` too, its file mounted below that
    key: no second file is needed for it to retrieve.
    """

    def load_config(self, config_path: str) -> ConfigResult:
        """Load a file and add what it leaves to the class."""
        path = PurePosixPath(config_path)
        group, name = str(path.parent), path.name.removesuffix(".yaml")
        if group == "retriever":
            node = _mounted(_files(Path(self.path), "model", name))
            return ConfigResult(self.provider, f"file://{self.path}", node, {"package": None})
        found = super().load_config(config_path)
        if group in _NOT_OPTIONS:
            *bases, _ = _files(Path(self.path), group, name)
            _add_options(found.config, group, bases)
        return found

    def is_group(self, config_path: str) -> bool:
        """Say whether a path is a group; retrievers are where models are."""
        return super().is_group("model" if config_path == "retriever" else config_path)

    def is_config(self, config_path: str) -> bool:
        """Say whether a path is a choice; a method that has a retriever does not retrieve."""
        path = PurePosixPath(config_path)
        if str(path.parent) != "retriever":
            return super().is_config(config_path)
        if not super().is_config(f"model/{path.name}"):
            return False
        files = _files(Path(self.path), "model", path.name.removesuffix(".yaml"))
        return not any("retriever" in str(content.get("defaults")) for content in files)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the groups and choices at a path, without what is only built upon."""
        if config_path == "retriever":
            if results_filter is ObjectType.GROUP:
                return []
            names = self.list("model", ObjectType.CONFIG)
            return [name for name in names if self.is_config(f"retriever/{name}")]
        found = super().list(config_path, results_filter)
        found = [name for name in found if not name.startswith("_")]
        is_root = not config_path and results_filter is not ObjectType.CONFIG
        return [*found, "retriever"] if is_root and self.is_group("retriever") else found


# a worker of a sweep has this one already when Hydra registers its own: the names have to agree
PythonDefaultsSource.__name__ = FileConfigSource.__name__


@functools.cache
def _files(folder: Path, group: str, name: str) -> tuple[DictConfig, ...]:
    """Return a choice's file, as it is, after the files of its group that it builds on."""
    path = file_of(group, name, [folder])
    if path is None:
        return ()
    content: Any = OmegaConf.load(path)
    bases = (file for base in bases_of(content, group) for file in _files(folder, group, base))
    return (*bases, content)


def _add_options(content: Any, group: str, bases: Iterable[DictConfig]) -> None:  # noqa: ANN401
    """Add to a file's content the options that it and its bases leave to the class it names."""
    node = content[group] if isinstance(content.get(group), DictConfig) else content
    known = set(_NOT_OPTIONS[group]).union(*(base.get(group, base) for base in bases))
    for option, value in options_of(str(OmegaConf.select(node, "_target_") or "")).items():
        if option not in node and option not in known:
            node[option] = list(value) if isinstance(value, tuple) else value


def _mounted(files: Iterable[DictConfig]) -> DictConfig:
    """Return what the files say of model and trainer, as one node."""
    parts = []
    for content in files:
        part = OmegaConf.masked_copy(content, [str(key) for key in content if key != "defaults"])
        is_global = "model" in part or "trainer" in part
        parts.append(part if is_global else OmegaConf.create({"model": part}))
    merged: Any = OmegaConf.merge(*parts)
    _add_options(merged, "model", ())
    return merged
