"""Finished runs that left a network, as this room's commands read them."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.scores import EdgeScores
from grn_exp.engine.artefacts import read_scores
from grn_exp.report.names import dataset_name
from grn_exp.runs.edges import (
    ALL_EDGES,
    AUDIT,
    AUDIT_COLUMNS,
    EDGES,
    PER_REGULATOR,
    read_edges,
)
from grn_exp.runs.files import UnreadableError, part
from grn_exp.runs.folder import STABILITY, STATUS, RunFolder
from grn_exp.runs.methods import display_name
from grn_exp.storage.atomic import read_npz

Matrix = NDArray[np.float32]
_AGAIN = "do that run again with force=true"


class Stability(NamedTuple):
    """What the fits to half of the cells gave for each pair, and how many fits there were."""

    regulators: GeneIndex
    genes: GeneIndex
    share: Matrix
    rank_mean: Matrix
    rank_sd: Matrix
    n_fits: int | None

    def of(self, name: str, regulators: GeneIndex, genes: GeneIndex) -> Matrix:
        """Return one of the arrays in the order of ``regulators`` x ``genes``."""
        rows, columns = self.regulators.positions(regulators), self.genes.positions(genes)
        return getattr(self, name)[np.ix_(rows, columns)]


@dataclasses.dataclass(frozen=True, eq=False)
class NetworkRun:
    """A finished run; its files are read when they are first asked for.

    Raises
    ------
    InputError
        By each property, if a file is missing that it needs, or broken.
    """

    folder: RunFolder

    @property
    def names(self) -> tuple[str, str, str]:
        """Data, method and run key, as its folders are called; empty where there is none."""
        data, model, key = ("", "", *self.folder.path.parts[1:])[-3:]
        return data, model, key

    @property
    def title(self) -> str:
        """Method and data as a reader writes them."""
        data, model, _ = self.names
        return " on ".join(filter(None, (display_name(model), dataset_name(data))))

    @functools.cached_property
    def edges(self) -> pd.DataFrame:
        """The table of edges, best first."""
        try:
            return read_edges(self.folder)
        except UnreadableError as error:
            raise InputError(f"{self.folder.path}: {error}; {_AGAIN}") from error

    @property
    def has_all_edges(self) -> bool:
        """Does the table of edges hold every pair."""
        return (self.folder / ALL_EDGES).is_file()

    @functools.cached_property
    def scores(self) -> EdgeScores:
        """The scores of all pairs, NaN for a gene with itself."""
        found = read_scores(self.folder)
        return dataclasses.replace(
            found, values=np.where(found.self_pairs(), np.float32(np.nan), found.values)
        )

    @functools.cached_property
    def means(self) -> dict[str, float] | None:
        """Each gene's mean expression; None where the run has no audit of its genes."""
        path = self.folder / AUDIT
        if not path.is_file():
            return None
        try:
            audit = pd.read_csv(path, keep_default_na=False, na_values={"mean": [""]})
            means = audit.loc[:, list(AUDIT_COLUMNS)]["mean"].astype("float64")
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path} cannot be read ({error}); {_AGAIN}") from error
        return dict(zip(audit["gene"].astype(str), means, strict=True))

    @functools.cached_property
    def stability(self) -> Stability | None:
        """What the fits to half of the cells gave; None where there were none."""
        path = self.folder / STABILITY
        if not path.is_file():
            return None
        try:
            regulators, genes, *arrays = read_npz(
                path, "regulators", "genes", "share", "rank_mean", "rank_sd"
            )
        except ValueError as error:
            raise InputError(f"{path} cannot be read ({error}); {_AGAIN}") from error
        return Stability(
            GeneIndex(regulators.tolist(), name=str(path)),
            GeneIndex(genes.tolist(), name=str(path)),
            *arrays,
            n_fits=self._fact("stability_fits"),
        )

    @property
    def n_top(self) -> int:
        """How many edges count as top: as in the fits to half of the cells, or ten a regulator."""
        return self._fact("top_edges") or PER_REGULATOR * len(self.scores.regulators)

    def _fact(self, name: str) -> int | None:
        try:
            value = part(self.folder.facts(), "network").get(name)
        except UnreadableError as error:
            raise InputError(f"{self.folder.path}: {error}; {_AGAIN}") from error
        return value if isinstance(value, int) and value > 0 else None


def find_runs(paths: Sequence[Path]) -> tuple[list[NetworkRun], list[str]]:
    """Return the runs that left a network: the folders given, or those below them.

    Returns
    -------
    tuple
        The runs, each once, and why others below the folders were left out.

    Raises
    ------
    InputError
        If one of ``paths`` is neither, or none of the runs below it left a network.
    """
    runs: dict[Path, NetworkRun] = {}
    left_out: list[str] = []
    for path in paths:
        folders = _run_folders(path)
        reasons = {folder: _why_not(RunFolder(folder)) for folder in folders}
        usable = [folder for folder, reason in reasons.items() if not reason]
        messages = [f"{folder}: {reason}" for folder, reason in reasons.items() if reason]
        if not usable:
            more = f" ({len(messages)} such runs)" if len(messages) > 1 else ""
            raise InputError(messages[0] + more)
        left_out += messages
        runs |= {folder: NetworkRun(RunFolder(folder)) for folder in usable}
    return list(runs.values()), left_out


def one_run(path: Path) -> NetworkRun:
    """Return the one run that a folder is, or holds.

    Raises
    ------
    InputError
        As :func:`find_runs`, or if it holds several.
    """
    runs, _ = find_runs([path])
    if len(runs) > 1:
        raise InputError(f"{path} holds {len(runs)} runs; give one, such as {runs[0].folder.path}")
    return runs[0]


def _run_folders(path: Path) -> list[Path]:
    if not path.is_dir():
        raise InputError(
            f"{path}: no such folder; give the folder of a run, "
            "outputs/<experiment>/<data>/<model>/<run_key>, or one that holds runs"
        )
    root = path.resolve()
    if any((root / name).is_file() for name in (STATUS, EDGES, ALL_EDGES)):
        return [root]
    found = [
        each.parent
        for each in sorted(root.rglob(STATUS))
        if not any(name.startswith(".") for name in each.relative_to(root).parts)
        and not _is_half(RunFolder(each.parent))
    ]
    if not found:
        raise InputError(
            f"{path} holds no runs; give the folder of a run, "
            "outputs/<experiment>/<data>/<model>/<run_key>, or one that holds runs"
        )
    return found


def _is_half(folder: RunFolder) -> bool:
    """Say whether a run is one of those on half of the cells, which another's stability is of."""
    try:
        return part(folder.config(), "data").get("half") is not None
    except UnreadableError:
        return False


def _why_not(folder: RunFolder) -> str:
    """Return why a run's network cannot be used; an empty string where it can."""
    try:
        state = folder.status().get("state", "new")
    except UnreadableError as error:
        return f"{error}; {_AGAIN}"
    if state == "new" and (folder.path / ALL_EDGES).is_file():
        return "a network that was saved, not a run; grn_exp.load(folder) reads it"
    if state != "finished":
        return f"the run has not finished ({state}); run it again"
    if not any((folder / name).is_file() for name in (EDGES, ALL_EDGES)):
        return "the run left no network; give one of a method that scores pairs"
    return ""


def distinct_names(runs: Sequence[NetworkRun], *, least: int = 1, by: str = " ") -> list[str]:
    """Return short names of runs that tell them apart.

    Parameters
    ----------
    least
        How many of method, data and run key a name has at least.
    by
        What stands between them.
    """
    for parts in (slice(1, 2), slice(2), slice(3))[least - 1 :]:
        found = [by.join(filter(None, run.names[parts])) for run in runs]
        if len(set(found)) == len(found):
            return found
    return [by.join(run.folder.path.parts[1:]) for run in runs]


def common_pairs(runs: Sequence[NetworkRun]) -> tuple[GeneIndex, GeneIndex]:
    """Return the regulators and the genes that all runs scored.

    Raises
    ------
    InputError
        If there are none.
    """
    first, *others = (run.scores for run in runs)
    regulators = [r for r in first.regulators if all(r in each.regulators for each in others)]
    genes = [gene for gene in first.genes if all(gene in each.genes for each in others)]
    if not regulators or not set(genes) - set(regulators[:1]):
        names = ", ".join(f"{run.title} ({run.scores.genes.symbols[0]}, ...)" for run in runs)
        raise InputError(
            f"no pair was scored by all of these runs: {names}; give runs on the same genes"
        )
    return GeneIndex(regulators, name="regulators"), GeneIndex(genes, name="genes")
