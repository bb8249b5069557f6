"""Where the configuration's files are, and what they hold."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

_added: list[Path] = []


def conf_dir() -> Path:
    """Return the folder of the configuration: beside the package, or in it when installed."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise FileNotFoundError(f"no conf folder in {package} or beside it")


def search_in(folders: Iterable[Path]) -> None:
    """Have this process look for choices in the folders of ``--config-dir`` too."""
    _added[:] = [folder for folder in folders if folder.resolve() != conf_dir().resolve()]


def choices(group: str) -> list[str]:
    """Return the names of a config group's choices (``model``, ``data``, ``experiment/smoke``)."""
    files = [path for folder in (*_added, conf_dir()) for path in (folder / group).glob("*.yaml")]
    own = {path.stem for path in files if not path.stem.startswith("_")}
    of_hydra = {"basic"} if group in ("hydra/launcher", "hydra/sweeper") else set()
    return sorted(own | of_hydra)


def file_of(group: str, name: str, folders: Iterable[Path]) -> Path | None:
    """Return a choice's file in the first of the folders that has it, else in our own."""
    paths = [folder / group / f"{name}.yaml" for folder in (*folders, conf_dir())]
    return next((path for path in paths if path.is_file()), None)


def bases_of(content: Mapping[Any, Any], group: str) -> list[str]:
    """Return the choices of its own group that a file builds on."""
    bases = [base for base in content.get("defaults", ()) if isinstance(base, str)]
    return [base.removeprefix(f"/{group}/") for base in bases if base != "_self_"]


def contents(group: str, name: str) -> list[dict[str, Any]]:
    """Return what a choice's file holds, after the files that it builds on; [] for none."""
    path = file_of(group, name, _added)
    if path is None:
        return []
    own = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    bases = (content for base in bases_of(own, group) for content in contents(group, base))
    return [*bases, own]


def preset_values(table: Mapping[Any, Any], network: object, dataset: object) -> dict[str, Any]:
    """Return a method's values in a preset: those for a network and dataset go before others."""
    of_network = table.get(network, {})
    return {**table, **of_network.get("default", {}), **of_network.get(dataset, {})}
