"""What tells runs apart: everything in a configuration that can change a number."""

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from grn_exp.core.versions import PRIOR_HARDWARE, RESULTS_VERSION
from grn_exp.runs.files import part
from grn_exp.runs.trainer_options import counted, counted_callbacks

# files by which a folder is known that is one input
_FOLDERS = ("config.json", "matrix.mtx", "matrix.mtx.gz")
_NEUTRAL = ("paths", "logger", "preset", "force", "experiment")


def relevant(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what can change a result: paths, loggers, hardware and defaults are left out."""
    kept = {name: value for name, value in config.items() if name not in _NEUTRAL}
    if "retriever" not in kept:
        kept.pop("pool", None)  # nothing is drawn from it
    if kept.get("ensemble") == 1:
        del kept["ensemble"]  # a member is the run of its seed
    if kept.get("stability") == 0:
        del kept["stability"]
    kept["trainer"] = counted(config)
    kept["callbacks"] = counted_callbacks(config)
    if kept.get("prior"):
        kept["prior"] = without(part(kept, "prior"), PRIOR_HARDWARE)
    return kept


def run_key(config: Mapping[str, Any]) -> str:
    """Hash everything in a resolved configuration that can change a result.

    A string that names an existing file, or the folder of a language model or of 10x, counts by
    content: what is changed is another run, what is moved is not.
    """
    content = _by_content({**relevant(config), "results_version": RESULTS_VERSION})
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _by_content(node: Any, *, is_path: bool = False) -> Any:  # noqa: ANN401 - a JSON tree
    if isinstance(node, dict):
        return {name: _by_content(value, is_path=name == "path") for name, value in node.items()}
    if isinstance(node, list):
        return [_by_content(value) for value in node]
    if isinstance(node, str) and (is_path or "/" in node or "." in node):
        try:
            path = Path(node).expanduser()
            if path.is_file():
                status = path.stat()
                return _file_hash(path, status.st_size, status.st_mtime_ns)
            if any((path / name).is_file() for name in _FOLDERS):
                inside = sorted(file for file in path.iterdir() if file.is_file())
                return {file.name: _by_content(str(file)) for file in inside}
        except (OSError, RuntimeError):  # too long for a file name, no such user
            return node
    return node


@functools.cache
def _file_hash(path: Path, size: int, modified: int) -> str:
    del size, modified  # part of the cache's key
    with path.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


def parameters(config: Mapping[str, Any]) -> dict[str, object]:
    """Return what can change a result with dotted keys, for tables to compare runs by."""
    flat = flattened(relevant(config))
    if flat.get("ckpt_path", "") is None:
        del flat["ckpt_path"]  # as in runs from before there was any
    return flat


def flattened(node: object, prefix: str = "") -> dict[str, object]:
    """Return a tree of dicts as one dict with dotted keys; a list is one value, as a string."""
    if not isinstance(node, dict):
        return {prefix: str(node) if isinstance(node, list) else node}
    flat: dict[str, object] = {}
    for key, value in node.items():
        flat |= flattened(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def without(flat: Mapping[str, Any], prefixes: Iterable[str]) -> dict[str, Any]:
    """Leave out the keys that are, or are below, one of ``prefixes``."""
    dropped = tuple(prefixes)
    below = tuple(f"{prefix}." for prefix in dropped)
    return {
        key: value
        for key, value in flat.items()
        if key not in dropped and not key.startswith(below)
    }
