"""What the posterior reads of a view, in an order of its own."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.sets import SetView

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Members = tuple[int, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledCells:
    """Cells, candidates and training sets; genes in the order of their names.

    Cells are in the order of their contents. The order in which a view lists genes or cells
    therefore decides nothing, not even between equals.

    Attributes
    ----------
    raw
        Concentrations (no logarithm), shape ``(n_cells, n_genes)``.
    place
        Where each of the view's genes is here, shape ``(n_genes,)``.
    is_candidate
        Can the gene be a regulator, shape ``(n_genes,)``.
    targets
        The training targets, ascending, shape ``(n_train,)``.
    sets
        The regulators of each, ascending.
    folds
        The fold of each, shape ``(n_train,)``.
    """

    raw: Floats
    place: Integers
    is_candidate: NDArray[np.bool_]
    targets: Integers
    sets: list[Members]
    folds: Integers

    @classmethod
    def from_view(cls, view: SetView) -> "LabelledCells":
        """Read a view."""
        order = np.argsort(view.genes.array, kind="stable")
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        values = np.ascontiguousarray(view.expression.values[:, order], dtype=np.float64)
        raw = np.expm1(values) if view.expression.transform == "log1p" else values
        is_candidate = np.zeros(len(order), dtype=np.bool_)
        to_gene = place[view.regulator_positions]
        is_candidate[to_gene] = True
        targets = place[view.genes.positions(view.train.targets)]
        rows = np.argsort(targets)
        members = [tuple(sorted(to_gene[each].tolist())) for each in view.train.members]
        return cls(
            raw=raw[np.lexsort((*raw[:, :4].T, raw.sum(axis=1)))],
            place=place,
            is_candidate=is_candidate,
            targets=targets[rows],
            sets=[members[row] for row in rows],
            folds=view.folds[rows],
        )


def softmax(values: Floats) -> Floats:
    """Normalise the exponentials of the last axis; zeros where all are minus infinity."""
    highest = values.max(axis=-1, keepdims=True)
    weights = np.exp(values - np.where(np.isfinite(highest), highest, 0.0))
    return weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1e-300)


def cells_by_type(types: Integers) -> list[Integers]:
    """Return the cells of each type, whose numbers are 0, 1, ..."""
    return [np.flatnonzero(types == number) for number in range(int(types.max()) + 1)]


def means_by_type(values: Floats, types: Integers) -> Floats:
    """Return means over the cells of each type; ``(n_cells, n)`` to ``(n_types, n)``."""
    return np.stack([values[cells].mean(axis=0) for cells in cells_by_type(types)])


def safe_log(values: Floats) -> Floats:
    """Return the logarithm, a very low number (-690) of zero."""
    return np.log(np.maximum(values, 1e-300))
