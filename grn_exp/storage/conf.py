"""Where the configuration's files are, and what they hold."""

from collections.abc import Iterable
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


def contents(group: str, name: str) -> list[dict[str, Any]]:
    """Return what a choice's file holds, after the files that it builds on; [] for none."""
    paths = [folder / group / f"{name}.yaml" for folder in (*_added, conf_dir())]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return []
    own = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    bases = [base for base in own.get("defaults", ()) if isinstance(base, str)]
    names = [base.removeprefix(f"/{group}/") for base in bases if base != "_self_"]
    return [*(content for base in names for content in contents(group, base)), own]
