"""The groups of cells in a file, found without reading its matrix."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from grn_exp.core.errors import InputError, brief
from grn_exp.core.home import expanded
from grn_exp.data.cells.files import TABLES, open_cells
from grn_exp.data.cells.preprocess import FEWEST_CELLS, column_of_obs, filtered

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


@functools.cache
def groups_of(path: str, groupby: str, obs_filter: str | None) -> tuple[list[str], str]:
    """Return the groups that have enough cells for a network, and a line on those that have not.

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

    cells = without_matrix(expanded(path))
    values = column_of_obs(cells, groupby, "groupby", path)
    if obs_filter is not None:
        values = values[filtered(cells, obs_filter, path)]
    names, counts = np.unique(values[values != ""], return_counts=True)
    kept = [str(name) for name in names[counts >= FEWEST_CELLS]]
    if not kept:
        raise InputError(
            f"data.groupby={groupby}: none of its {len(names)} groups has {FEWEST_CELLS} cells; "
            "choose another column, or drop it"
        )
    small = [f"{name} ({n})" for name, n in zip(names, counts, strict=True) if name not in kept]
    n_without = int((values == "").sum())
    left_out = [
        *([f"groups with fewer than {FEWEST_CELLS} cells: {', '.join(small)}"] if small else []),
        *([f"{n_without} cells without a value of {groupby}"] if n_without else []),
    ]
    return kept, f"{expanded(path).name}: left out: {'; '.join(left_out)}" if left_out else ""


def without_matrix(path: Path) -> "AnnData":
    """Return the tables of a .h5ad file; of another kind of file, all of it.

    ``uns["n_raw"]`` is the number of genes of ``.raw``, if there is one.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    from anndata import AnnData

    if path.is_file() and path.name.lower().endswith(TABLES):
        return AnnData()  # a table has no obs
    if not path.name.lower().endswith(".h5ad") or not path.is_file():
        return open_cells(path, landmarks=())
    import h5py
    from anndata.io import read_elem

    try:
        with h5py.File(path) as file:
            group: Any = file
            obs, var = (cast("pd.DataFrame", read_elem(group[name])) for name in ("obs", "var"))
            cells = AnnData(obs=obs, var=var)
            if "raw" in group:
                cells.uns["n_raw"] = len(cast("pd.DataFrame", read_elem(group["raw/var"])))
            return cells
    except Exception as error:  # libraries' own errors have no common base
        raise InputError(
            f"{path}: cannot read it as AnnData ({brief(error)}); the file may be truncated, "
            "write or copy it again"
        ) from error
