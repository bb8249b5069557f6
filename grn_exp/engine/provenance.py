"""What a number came from."""

import functools
import importlib.metadata
import platform
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import grn_exp
from grn_exp.core.versions import RESULTS_VERSION

_PACKAGES = (
    "torch",
    "pytorch-lightning",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "hydra-core",
)


def provenance(
    *, data: dict[str, Any], seconds: dict[str, float], device: str, model: dict[str, Any]
) -> dict[str, Any]:
    """Return versions, code, data, host and cost of a run as JSON types.

    Parameters
    ----------
    data
        What the benchmark says of itself.
    seconds
        Wall time of each stage.
    device
        The device that the model ran on.
    model
        Facts about the fitted model.
    """
    return {
        "grn_exp": grn_exp.__version__,
        "results_version": RESULTS_VERSION,
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "host": {"name": platform.node(), "system": platform.platform(), "device": device},
        "data": data,
        "model": model,
        "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
        "peak_memory_mb": round(_peak_memory_mb(), 1),
    }


def _peak_memory_mb() -> float:
    """Return the process's largest resident set so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


@functools.cache
def _git_commit() -> str | None:
    """Return the last commit of the package's source, with ``+changes`` if it was edited.

    None where the package is not under version control.
    """
    folder = Path(grn_exp.__file__).resolve().parent
    try:
        commit = _git(folder, "log", "-1", "--format=%H", "--", ".")
        if not commit:
            return None
        return commit + ("+changes" if _git(folder, "status", "--porcelain", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
