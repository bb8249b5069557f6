"""A finished edge run as the bias analyses read it, its arrays aligned by symbol."""

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.core.scores import EdgeScores
from grn_exp.core.splits import SUBSETS, EdgeSplit, Mask, Subset
from grn_exp.core.versions import METRICS_SCHEMA


@dataclasses.dataclass(frozen=True, eq=False)
class ScoredRun:
    """What a run scored and what was true, on one pair of gene indexes.

    Attributes
    ----------
    folder
        Where it was read from.
    name
        Which run it is: see :func:`run_name`.
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
    scored = _arrays(path / "scores.npz")
    try:
        split = EdgeSplit(
            regulators=_genes(arrays["regulators"], path / "split.npz"),
            genes=_genes(arrays["genes"], path / "split.npz"),
            seed=int(arrays["seed"]),
            **{subset: arrays[subset] for subset in SUBSETS},
        )
        scores = EdgeScores(
            regulators=_genes(scored["regulators"], path / "scores.npz"),
            genes=_genes(scored["genes"], path / "scores.npz"),
            values=scored["scores"],
        )
    except KeyError as error:
        raise InputError(f"{path}: no array {error}; run again with force=true") from error
    labels = arrays["labels"]
    if labels.shape != split.train.shape or labels.dtype != np.bool_:
        raise InputError(
            f"{path}/split.npz: labels are {labels.dtype}{labels.shape}, expected "
            f"bool{split.train.shape}; run again with force=true"
        )
    values = scores.align(split.regulators, split.genes)
    return ScoredRun(path, run_name(path), split, labels, values)


def run_name(folder: Path) -> dict[str, Any]:
    """Return which run a folder holds, the first columns of every table over runs.

    Returns
    -------
    dict
        ``model``, ``data`` and ``run_key`` from the folder's place
        (``<experiment>/<data>/<model>/<run_key>``); ``network``, ``split_seed`` and ``seed`` (the
        model's) from its ``config.yaml``, None where the configuration has no such key.

    Raises
    ------
    InputError
        If ``config.yaml`` is missing or broken.
    """
    path = Path(folder).resolve()
    try:
        config = yaml.safe_load(_text(path / "config.yaml"))
        data, split = config.get("data") or {}, config.get("split") or {}
        return {
            "model": path.parent.name,
            "data": path.parent.parent.name,
            "network": data.get("network"),
            "split_seed": split.get("seed"),
            "seed": config.get("seed"),
            "run_key": path.name,
        }
    except (yaml.YAMLError, AttributeError) as error:
        raise InputError(f"{path}/config.yaml is broken; run again with force=true") from error


def metric_rows(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a run's ``metrics.json``.

    Raises
    ------
    InputError
        If the file is missing, broken or of another schema.
    """
    path = Path(folder) / "metrics.json"
    try:
        content = json.loads(_text(path))
        if content["schema"] != METRICS_SCHEMA:
            raise InputError(f"{path} has another form; run again with force=true")
        rows = content["rows"]
        return [{"metric": row["metric"], "subset": row["subset"], **row} for row in rows]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(f"{path} is broken; run again with force=true") from error


def missing_file(path: Path) -> InputError:
    """Return the error that says that a run's file is not there, and the way out."""
    return InputError(
        f"no file {path}; give the folder of a finished run "
        "(outputs/<experiment>/<data>/<model>/<run_key>)"
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise missing_file(path) from error


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        # opened here, so that it is closed where NumPy cannot read it
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (FileNotFoundError, NotADirectoryError) as error:
        raise missing_file(path) from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is broken; run again with force=true") from error


def _genes(symbols: NDArray[np.str_], path: Path) -> GeneIndex:
    return GeneIndex(symbols.tolist(), name=str(path))
