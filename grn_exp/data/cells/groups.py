"""The groups of cells in a file, found without reading its matrix."""

import functools
import logging
from pathlib import Path

from grn_exp.core.errors import InputError, brief
from grn_exp.data.cells.files import open_cells
from grn_exp.data.cells.preprocess import FEWEST_CELLS, choose_cells, column_of_obs

log = logging.getLogger(__name__)


@functools.cache
def groups_of(path: str, groupby: str, obs_filter: str | None) -> list[str]:
    """Return the groups that have enough cells for a network, and say which have not.

    Parameters
    ----------
    path
        The file of cells.
    groupby
        A column of ``obs``.
    obs_filter
        Which cells count, as for ``DataFrame.query``.

    Raises
    ------
    InputError
        If the file or the column cannot be used, or no group has enough cells.
    """
    import numpy as np

    cells = _obs_only(Path(path).expanduser())
    cells = choose_cells(cells, obs_filter=obs_filter, groupby=None, group=None, source=path)
    values = column_of_obs(cells, groupby, "groupby", path)
    names, counts = np.unique(values, return_counts=True)
    small = [f"{name} ({n})" for name, n in zip(names, counts, strict=True) if n < FEWEST_CELLS]
    kept = [str(name) for name, n in zip(names, counts, strict=True) if n >= FEWEST_CELLS]
    if small:
        log.warning(
            "%s: left out, with fewer than %d cells: %s", path, FEWEST_CELLS, ", ".join(small)
        )
    if not kept:
        raise InputError(
            f"data.groupby={groupby}: none of its {len(names)} groups has {FEWEST_CELLS} cells; "
            "choose another column, or drop it"
        )
    return kept


def _obs_only(path: Path):  # noqa: ANN202 - an AnnData, which is not imported at start-up
    from anndata import AnnData

    if not path.name.lower().endswith(".h5ad") or not path.is_file():
        return open_cells(path, landmarks=())
    import h5py
    from anndata.io import read_elem

    try:
        with h5py.File(path) as file:
            return AnnData(obs=read_elem(file["obs"]))
    except Exception as error:  # libraries' own errors have no common base
        raise InputError(
            f"{path}: cannot read it as AnnData ({brief(error)}); the file may be truncated, "
            "write or copy it again"
        ) from error
