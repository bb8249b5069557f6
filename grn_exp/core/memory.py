"""How much memory a process holds, and how much it may.

Imports nothing heavy: the launchers count with it before any job starts.
"""

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from grn_exp.core.errors import InputError

_SHARE = 0.8  # of the limit: an estimate is no measurement, and others may want some too
_GROUP = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
_VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_VERSION_2 = ("memory.max", "memory.current", "inactive_file")


class Sizes(NamedTuple):
    """What the cost of a fit depends on."""

    n_cells: int
    n_genes: int
    n_regulators: int

    @property
    def matrix(self) -> int:
        """Bytes of one float32 number for each cell and gene."""
        return 4 * self.n_cells * self.n_genes

    @property
    def pairs(self) -> int:
        """Bytes of one float32 number for each regulator and gene."""
        return 4 * self.n_regulators * self.n_genes

    def __str__(self) -> str:
        return f"{self.n_cells} cells x {self.n_genes} genes, {self.n_regulators} regulators"


def held() -> int:
    """Return the bytes that this process holds."""
    return psutil.Process().memory_info().rss


def available() -> int:
    """Return the bytes that are free: of the machine, and within this process's control groups."""
    return max(min([psutil.virtual_memory().available, *_within_groups()]), 0)


def limit() -> int:
    """Return the bytes that this process may hold in all: what is free, and ``ulimit -v``."""
    now = psutil.Process().memory_info()
    limits = [available() + now.rss]
    addresses, _ = resource.getrlimit(resource.RLIMIT_AS)
    if addresses != resource.RLIM_INFINITY:
        limits.append(addresses - now.vms + now.rss)  # libraries take addresses, not memory
    return min(limits)


def _within_groups() -> Iterator[int]:
    """Yield what is free in the control groups, of either version, and in those above them."""
    lines = _GROUP.read_text().splitlines() if _GROUP.is_file() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = _GROUPS / "memory" if controllers else _GROUPS
        names = _VERSION_1 if controllers else _VERSION_2
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            most, used = (_number(folder / name, 0) for name in names[:2])
            if most is not None:  # a cache of files is given back
                yield most - (used or 0) + (_number(folder / "memory.stat", names[2]) or 0)


def _number(path: Path, field: int | str) -> int | None:
    """Return a word of a file as a number, or the word after the one that is given."""
    try:
        words = path.read_text().split()
        return int(words[field if isinstance(field, int) else words.index(field) + 1])
    except (OSError, ValueError, IndexError):  # no such file, or "max"
        return None


def fits(n_bytes: int) -> bool:
    """Say whether this process may hold so much."""
    return n_bytes <= _SHARE * limit()


def require(n_bytes: int, what: str, way_out: str) -> None:
    """Refuse what takes more memory than this process may hold.

    Raises
    ------
    InputError
        With both numbers and the way out.
    """
    if not fits(n_bytes):
        raise InputError(
            f"{what}: about {in_words(n_bytes)} of memory, more than {_SHARE:.0%} of the "
            f"{in_words(limit())} that this process may use; {way_out}"
        )


def in_words(n_bytes: float) -> str:
    """Return a number of bytes for people."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.0f} MB"
