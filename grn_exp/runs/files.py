"""Read a run's JSON and YAML files, which a user may have edited or a full disk cut short."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was built


class UnreadableError(ValueError):
    """A file of a run folder is not what a run writes."""


class ForeignError(UnreadableError):
    """It is what another version of this code writes."""


def read_mapping(path: Path) -> dict[str, Any]:
    """Return what a JSON or YAML file holds; nothing where there is no file.

    Raises
    ------
    UnreadableError
        If the file cannot be read, or does not hold a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise UnreadableError(f"{path.name}: {reason}") from error
    if not isinstance(content, dict):
        raise UnreadableError(f"{path.name}: it does not hold a mapping")
    return content


def part(tree: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a branch of what a file holds; nothing where it is not a mapping."""
    found = tree.get(name)
    return found if isinstance(found, dict) else {}
