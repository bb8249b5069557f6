"""Containers as plain types and back, for checkpoints that ``weights_only=True`` can read."""

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.scores import EdgeScores
from grn_exp.core.sets import CandidatePools, RegulatorSets, SetView, TargetSets
from grn_exp.core.views import GeneEmbedding, TrainView

_KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        *(TrainView, SetView, Expression, GeneEmbedding, TargetSets, CandidatePools),
        *(EdgeScores, RegulatorSets),
    )
}


def pack(value: Any) -> Any:
    """Return a container as dicts, lists, tensors, numbers and strings."""
    if isinstance(value, GeneIndex):
        return {"kind": "GeneIndex", "symbols": list(value.symbols), "name": value.name}
    if dataclasses.is_dataclass(value):
        fields = {f.name: pack(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **fields}
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, tuple):
        return [pack(each) for each in value]
    return value


def unpack(value: Any) -> Any:
    """Return the container that :func:`pack` took apart."""
    if isinstance(value, Tensor):
        return value.cpu().numpy()
    if isinstance(value, list):
        return tuple(unpack(each) for each in value)
    if not isinstance(value, dict):
        return value
    if value["kind"] == "GeneIndex":
        return GeneIndex(value["symbols"], name=value["name"])
    fields = {name: unpack(each) for name, each in value.items() if name != "kind"}
    return _KINDS[value["kind"]](**fields)
