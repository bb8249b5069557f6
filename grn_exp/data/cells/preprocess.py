"""From the values in a file to log-normalised ones of the genes that are used."""

import logging
import warnings
from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from grn_exp.core.errors import InputError, brief, close_matches
from grn_exp.data.cells.symbols import Cells
from grn_exp.data.scales import LARGEST_LOG, are_counts

log = logging.getLogger(__name__)

Normalisation = Literal["auto", "counts", "log1p", "none"]
FEWEST_CELLS = 20
FEW_CELLS = 100
_TARGET_SUM = 1e4


# -- which cells, which values ---------------------------------------------------------------


def choose_cells(
    cells: Cells,
    *,
    obs_filter: str | None,
    groupby: str | None,
    group: str | None,
    source: str,
) -> Cells:
    """Return the cells of a filter and of one group.

    Raises
    ------
    InputError
        If the filter or the group cannot be used, or leaves too few cells.
    """
    kept = np.ones(cells.n_obs, dtype=np.bool_)
    if obs_filter is not None:
        kept &= filtered(cells, obs_filter, source)
    if group is not None:
        if groupby is None:
            raise InputError(f"data.group={group}: give data.groupby=..., the column of obs")
        values = column_of_obs(cells, groupby, "groupby", source)
        known = sorted({*values.tolist()} - {""})
        if group not in known:
            raise InputError(
                f"data.group={group}: no cell of {source} has it in {groupby}; "
                f"{close_matches(group, known)}choose from {', '.join(known[:20])}"
            )
        kept &= values == group
    n_kept = int(kept.sum())
    what = f" with {groupby}={group}" if group is not None else ""
    if n_kept < FEWEST_CELLS:
        raise InputError(
            f"{source}: {n_kept} cells{what}; a network needs at least {FEWEST_CELLS} to be "
            f"inferred and more than {FEW_CELLS} to mean much: merge groups or drop the filter"
        )
    if n_kept < FEW_CELLS:
        log.warning(
            "%s: %d cells only%s: the order of the edges depends on which cells these are; "
            "stability=20 shows how much",
            *(source, n_kept, what),
        )
    return cells if kept.all() else cells[kept].copy()


def filtered(cells: Cells, obs_filter: str, source: str) -> NDArray[np.bool_]:
    """Mark the cells of a filter.

    Raises
    ------
    InputError
        If it does not parse, names no column of ``obs``, or is no condition.
    """
    try:
        marks: Any = cells.obs.reset_index(drop=True).eval(obs_filter)
        if np.shape(marks) != (cells.n_obs,) or not pd.api.types.is_bool_dtype(marks):
            raise TypeError("it is no condition, which holds or not for each cell")
    except Exception as error:  # pandas and Python's parser raise what they like
        raise InputError(
            f"data.obs_filter={obs_filter!r}: {brief(error)}; write it as for "
            f"DataFrame.query, over the columns of obs of {source}: "
            f"{', '.join(map(str, cells.obs.columns))}"
        ) from error
    return pd.Series(marks).fillna(value=False).to_numpy(dtype=np.bool_)


def column_of_obs(cells: Cells, name: str, key: str, source: str) -> NDArray[np.str_]:
    """Return a column of ``obs`` as strings, empty ones where it has no value.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    if name not in cells.obs.columns:
        known = [str(column) for column in cells.obs.columns]
        raise InputError(
            f"data.{key}={name}: {source} has no such column of obs; "
            f"{close_matches(name, known)}choose from {', '.join(known) or 'none'}"
        )
    values = cells.obs[name]
    return np.where(values.isna(), "", values.astype(str)).astype(np.str_)


def refuse_tiny_samples(samples: NDArray[np.str_], column: str, source: str) -> None:
    """Refuse samples so small that there are no halves of them.

    Raises
    ------
    InputError
        If half of each sample's cells are fewer than half of those a network needs.
    """
    _, counts = np.unique(samples, return_counts=True)
    if (n_half := int((counts // 2).sum())) < FEWEST_CELLS // 2:
        raise InputError(
            f"data.sample={column}: {source} has {len(samples)} cells of {len(counts)} samples, "
            f"so half of each sample's are {n_half} cells; choose a column with fewer samples"
        )


def choose_values(cells: Cells, *, layer: str | None, use_raw: bool | None, source: str) -> Cells:
    """Return an AnnData whose X is the layer, ``.raw`` or X, with that matrix's genes.

    Raises
    ------
    InputError
        If there is no such layer or no ``.raw``, or X is scaled and nothing can stand in for it.
    """
    if layer is not None and use_raw:
        raise InputError(f"data.layer={layer} and data.use_raw=true: give one of them")
    if layer is not None:
        if layer not in cells.layers:
            known = [str(name) for name in cells.layers]
            raise InputError(
                f"data.layer={layer}: {source} has no such layer; "
                f"{close_matches(layer, known)}choose from {', '.join(known) or 'none'}"
            )
        return _with_x(cells, cells.layers[layer], cells.var)
    if use_raw and cells.raw is None:
        raise InputError(f"data.use_raw=true: {source} has no .raw; drop it, or give a layer")
    scaled = not use_raw and _is_negative(cells.X)
    if scaled and (use_raw is False or cells.raw is None or _is_negative(cells.raw.X)):
        usable = [
            f"data.layer={name}" for name in cells.layers if not _is_negative(cells.layers[name])
        ]
        if cells.raw is not None and not _is_negative(cells.raw.X):
            usable.insert(0, "data.use_raw=true")
        way_out = (
            f"give {' or '.join(usable)}" if usable else "give counts or log-normalised values"
        )
        raise InputError(f"{source}: X has negative values, so it was scaled; {way_out}")
    if not use_raw and not scaled:
        return cells
    if scaled:
        log.warning("%s: X was scaled (it has negative values), so .raw is used instead", source)
    return _with_x(cells, cells.raw.X, cells.raw.var)


def _with_x(cells: Cells, values: Any, genes: Any) -> Cells:
    from anndata import AnnData

    return AnnData(values, obs=cells.obs, var=genes)


def _is_negative(values: Any) -> bool:
    return values is not None and min(values.shape) > 0 and bool(values.min() < 0)


# -- which genes ------------------------------------------------------------------------------


def normalise(cells: Cells, how: Normalisation, *, source: str) -> tuple[Cells, str]:
    """Return cells on a log scale, and what was done to get there.

    Raises
    ------
    InputError
        If values are missing, or on no scale that is known.
    """
    import scanpy

    values = _stored(cells.X, source)
    if not np.isfinite(values).all():
        n_bad = int((~np.isfinite(values)).sum())
        raise InputError(
            f"{source}: {n_bad} values are NaN or infinite; fill them in, or drop those genes"
        )
    if how == "auto":
        how = "counts" if are_counts(values) else "none"
    largest = float(values.max()) if values.size else 0.0
    if how == "none" and largest > LARGEST_LOG:
        raise InputError(
            f"{source}: the largest value is {largest:.6g}, too large for a log scale, but not "
            "all are whole numbers, as counts are; data.normalise=counts normalises each cell and "
            "takes logarithms, data.normalise=log1p takes logarithms alone"
        )
    if how == "none":
        return cells, "none: the values are on a log scale"
    # the next steps write into it: it was read for this alone
    cells = _with_x(cells, cells.X.astype(np.float32, copy=False), cells.var)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*zero counts.*")
        if how == "counts":
            scanpy.pp.normalize_total(cells, target_sum=_TARGET_SUM)
        scanpy.pp.log1p(cells)
    done = f"normalize_total to {_TARGET_SUM:.0f}, log1p" if how == "counts" else "log1p"
    log.info("%s: %s", source, done)
    return cells, done


def _stored(values: Any, source: str) -> NDArray[Any]:
    """Return all values of a dense matrix, the stored ones of a sparse one."""
    if values is None:
        raise InputError(f"{source}: the AnnData has no X; give data.layer=... or store one")
    stored = values.data if sparse.issparse(values) else np.asarray(values)
    if stored.dtype.kind not in "iuf":
        raise InputError(f"{source}: the matrix is of type {stored.dtype}; give numbers")
    return stored


def choose_genes(
    cells: Cells, *, n_genes: int | None, min_cells: int, kept: Collection[str], source: str
) -> tuple[NDArray[np.bool_], dict[str, str]]:
    """Say which genes are used, and why the others are not.

    Parameters
    ----------
    cells
        On a log scale; unique symbols in ``var_names``.
    n_genes
        How many of the most variable genes to use; None for all.
    min_cells
        Fewer expressing cells, and a gene is left out.
    kept
        Genes that need not be among the most variable: the regulators.

    Returns
    -------
    mask, reasons
        Shape ``(n_genes,)``; for each gene that is not used, why.

    Raises
    ------
    InputError
        If all genes vary alike, so that none are the most variable.
    """
    names = np.asarray(cells.var_names, dtype=np.str_)
    n_expressing = np.asarray((cells.X > 0).sum(axis=0)).ravel()
    least = cells.X.min(axis=0)
    least, largest = (
        np.asarray(part.toarray() if sparse.issparse(part) else part).ravel()
        for part in (least, cells.X.max(axis=0))
    )
    constant = least == largest
    rare = n_expressing < min_cells
    mask = ~constant & ~rare
    reasons = dict.fromkeys(names[constant], "constant")
    reasons |= dict.fromkeys(
        names[rare & ~constant], f"filtered: expressed in fewer than {min_cells} cells"
    )
    if n_genes is not None and mask.sum() > n_genes:
        variable = mask & (
            _most_variable(cells, mask, n_genes, source) | np.isin(names, list(kept))
        )
        reasons |= dict.fromkeys(
            names[mask & ~variable], f"filtered: not among the {n_genes} most variable genes"
        )
        mask = variable
    log.info("%s: %d of %d genes are used", source, int(mask.sum()), len(mask))
    return mask, reasons


def _most_variable(
    cells: Cells, mask: NDArray[np.bool_], n: int, source: str
) -> NDArray[np.bool_]:
    """Mark the most variable genes, as scanpy's ``highly_variable_genes`` has them (Seurat's)."""
    import scanpy

    chosen = _with_x(cells, cells.X, cells.var)[:, mask].copy()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore")
        try:
            scanpy.pp.highly_variable_genes(chosen, n_top_genes=n, flavor="seurat")
        except (IndexError, ValueError) as error:  # no gene's dispersion differs from others'
            raise InputError(
                f"{source}: which {n} of {int(mask.sum())} genes are the most variable cannot be "
                "said, they vary alike; use all genes (data.genes=null)"
            ) from error
    marks = np.zeros(len(mask), dtype=np.bool_)
    marks[np.flatnonzero(mask)] = chosen.var["highly_variable"].to_numpy(dtype=np.bool_)
    return marks


def without_repetitions(
    names: list[str], totals: NDArray[np.float64], how: str, *, source: str
) -> tuple[NDArray[np.bool_], Mapping[str, str]]:
    """Mark one gene for each symbol.

    Raises
    ------
    InputError
        If a symbol occurs twice, unless ``how`` is ``highest``.
    """
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        if name:
            places.setdefault(name, []).append(place)
    repeated = [name for name, found in places.items() if len(found) > 1]
    if repeated and how == "refuse":
        raise InputError(
            f"{source}: {len(repeated)} gene symbols occur more than once (such as "
            f"{', '.join(map(repr, repeated[:3]))}); data.duplicates=highest keeps the one with "
            "the most expression of each"
        )
    mask = np.zeros(len(names), dtype=np.bool_)
    mask[[max(found, key=lambda place: totals[place]) for found in places.values()]] = True
    return mask, dict.fromkeys(repeated, "used; its symbol occurs more than once")
