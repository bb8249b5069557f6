"""A finished edge run as the analyses and figures read it, its arrays aligned by symbol."""

import contextlib
import dataclasses
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.scores import EdgeScores
from grn_exp.core.splits import SUBSETS, EdgeSplit, Mask, Subset
from grn_exp.runs import reading
from grn_exp.runs.reading import Problem, Run

_NAMES = ("model", "data", "network", "split_seed", "seed", "run_key")
_GIVE = "give the folder of a finished run, outputs/<experiment>/<data>/<model>/<run_key>"


@dataclasses.dataclass(frozen=True, eq=False)
class ScoredRun:
    """What a run scored and what was true, on one pair of gene indexes.

    Attributes
    ----------
    folder
        Where it was read from.
    name
        Which run it is, the first columns of every table over runs: ``model``, ``data``,
        ``network``, ``split_seed``, ``seed`` (the model's) and ``run_key``.
    split
        Training, validation and test pairs; its regulators and genes are the rows and columns of
        the arrays below.
    labels
        Shape ``(n_regulators, n_genes)``, bool: is there an edge.
    scores
        Same shape, float32, higher = likelier; any value for a gene with itself.
    """

    folder: Path
    name: dict[str, Any]
    split: EdgeSplit
    labels: Mask
    scores: NDArray[np.float32]

    def has_both_classes(self, subset: Subset) -> bool:
        """Say whether a subset has positive and negative pairs, so that a ranking is judged."""
        labels = self.labels[self.split.mask(subset)]
        return bool(labels.any() and not labels.all())

    def training_imbalance(self) -> pd.DataFrame:
        """Return the class imbalance of each regulator that has training pairs.

        Returns
        -------
        DataFrame
            ``regulator``, ``n_train``, ``n_positive`` and ``imbalance``, the share of positives
            among the regulator's training pairs (InfoSEM figure 3).
        """
        train = self.split.train
        table = pd.DataFrame(
            {
                "regulator": self.split.regulators.array,
                "n_train": train.sum(axis=1),
                "n_positive": (train & self.labels).sum(axis=1),
            }
        )
        table = table.loc[train.any(axis=1)].reset_index(drop=True)
        return table.assign(imbalance=table["n_positive"] / table["n_train"])


def read_run(folder: Path) -> ScoredRun:
    """Read the folder of a finished run of an edge method on an edge benchmark.

    Scores, masks and labels are brought to the order of the split's genes by symbol.

    Raises
    ------
    InputError
        If ``split.npz``, ``scores.npz`` or ``config.yaml`` is missing or broken, the labels are
        not in it, or a gene of the split has no score.
    """
    path = Path(folder)
    arrays = _arrays(path / "split.npz")
    if "train" not in arrays or "regulators" not in arrays:
        raise InputError(f"{path}: a run that chooses sets; give one of an edge benchmark")
    if "labels" not in arrays:
        raise InputError(f"{path}/split.npz holds no labels; run again with force=true")
    labels, scored = arrays["labels"], _arrays(path / "scores.npz")
    try:
        parts: dict[str, Any] = _genes(arrays, path / "split.npz") | {
            name: arrays[name] for name in SUBSETS
        }
        split = EdgeSplit(**parts, seed=int(arrays["seed"]))
        scores = EdgeScores(**_genes(scored, path / "scores.npz"), values=scored["scores"])
    except KeyError as error:
        raise InputError(f"{path}: no array {error}; run again with force=true") from error
    if labels.shape != split.train.shape or labels.dtype != np.bool_:
        raise InputError(
            f"{path}/split.npz: labels are {labels.dtype}{labels.shape}, expected "
            f"bool{split.train.shape}; run again with force=true"
        )
    names = finished_run(path).names
    values = scores.align(split.regulators, split.genes)
    return ScoredRun(path, {name: names[name] for name in _NAMES}, split, labels, values)


def finished_run(folder: Path) -> Run:
    """Read a run folder that has to be a finished run's.

    Raises
    ------
    InputError
        If it is not, with the reason.
    """
    path = Path(folder).resolve()
    run = reading.read_run(path)
    if isinstance(run, Problem):
        raise InputError(f"{path}: {run.kind} ({run.reason}); {_GIVE}")
    return run


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table of a run's folder.

    Raises
    ------
    InputError
        If it is missing or broken, or lacks one of the columns that a run writes.
    """
    with _reading(path):
        table = pd.read_csv(path, keep_default_na=False, na_values=[""])  # NA may be a gene
    absent = [name for name in columns if name not in table]
    if absent:
        raise InputError(f"{path}: no column {absent[0]!r}; run again with force=true")
    return table


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    # opened here, so that it is closed where NumPy cannot read it
    with _reading(path), path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say which file is missing or broken."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"no file {path}; {_GIVE}") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is broken; run again with force=true") from error


def _genes(arrays: dict[str, NDArray[Any]], path: Path) -> dict[str, Any]:
    keys = ("regulators", "genes")
    return {key: GeneIndex(arrays[key].tolist(), name=str(path)) for key in keys}
