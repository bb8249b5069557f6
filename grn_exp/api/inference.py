"""Own cells in, a network out, by the same way as from the command line."""

import contextlib
import gc
import logging
import os
import signal
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grn_exp import compose
from grn_exp.api.network import Network, joined, load
from grn_exp.config import build_spec, choices, model_class
from grn_exp.core.errors import InputError, brief
from grn_exp.data.cells.groups import groups_of
from grn_exp.engine import stopping
from grn_exp.engine.spec import RunIdentity
from grn_exp.runs.folder import RunFolder
from grn_exp.runs.source import warn_if_changed

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

log = logging.getLogger(__name__)


def infer(
    cells: "AnnData | str | os.PathLike[str]",
    method: str = "grnboost2",
    *,
    regulators: str | os.PathLike[str] | Iterable[str] | None = None,
    known: "pd.DataFrame | str | os.PathLike[str] | None" = None,
    groupby: str | None = None,
    stability: int = 0,
    ensemble: int = 1,
    outputs: str | os.PathLike[str] | None = None,
    experiment: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    **options: Any,
) -> Network:
    """Infer the network of your own cells.

    The numbers are those of ``python -m grn_exp model=METHOD data=anndata data.path=...``.

    Parameters
    ----------
    cells
        An AnnData (cells x genes; counts, or values on a log scale), or a file: ``.h5ad``, 10x
        ``.h5`` or folder, ``.loom``, csv, tsv.
    method
        The name of a method that scores edges, as the methods' pages have it.
    regulators
        ``human`` or ``mouse`` (lists of transcription factors), a file with a symbol a line, or
        symbols. None: those of ``known``.
    known
        Known interactions, which supervised methods learn from: a table or a file with the columns
        ``source`` and ``target``, perhaps with ``sign`` or ``weight``.
    groupby
        A column of ``obs``: a network of its own for each of its values.
    stability
        Also fit to so many half-samples of the cells, and say how many of them agree on an edge.
    ensemble
        The mean scores of so many seeds.
    outputs
        The folder to keep runs in; one that is finished there is not done again. None keeps none.
    experiment
        A folder below ``outputs``; None for the usual one.
    overrides
        Values by dotted keys, as on the command line: ``{"split.seed": 1}``.
    options
        Values by name: of the method (``alpha=1``), of
        :class:`~grn_exp.data.cells.module.CellsDataModule` (``layer=``, ``genes=``), of the
        trainer (``max_epochs=50``), or ``seed=``, ``prior=``, ``trainer=`` and the like.

    Raises
    ------
    InputError
        If anything that was given cannot be used.
    """
    if not isinstance(overrides, Mapping | None):
        raise InputError(f"overrides={overrides!r}: give values by key, {{'split.seed': 1}}")
    if not isinstance(groupby, str | None):
        raise InputError(f"groupby={groupby!r}: give the name of one column of obs")
    if "half" in options:
        raise InputError("half: that is for the fits of stability=...; give stability=20")
    with tempfile.TemporaryDirectory(prefix="grn_exp-") as name, _as_a_guest():
        folder = Path(name)
        path = _written(cells, folder)
        keys = {
            "data.path": os.fspath(path),
            "data.regulators": _symbols(regulators),
            "data.known": _known(known, folder),
            "data.groupby": groupby,
            "stability": stability,
            "ensemble": ensemble,
            "paths.outputs": os.fspath(outputs or folder / "outputs"),
            **({} if experiment is None else {"paths.experiment": experiment}),
            **(overrides or {}),
        }
        try:
            return _infer(method, options, keys)
        except InputError as error:  # what it was called for a while says nothing
            own = str(error).replace(str(folder / _CELLS), "cells")
            raise InputError(own.replace(str(folder / _KNOWN), "known")) from error


_CELLS, _KNOWN = "cells.h5ad", "known.csv"


def _infer(method: str, options: Mapping[str, Any], keys: Mapping[str, Any]) -> Network:
    """Do the run, or one for each group of cells."""
    if method in choices("model") and model_class(method).task == "sets":
        raise InputError(
            f"method={method}: it chooses a set of regulators for a target, which is no network; "
            f"python -m grn_exp model={method} data=anndata_sets leaves the sets as sets.csv, and "
            'load_benchmark("anndata_sets", ...) is for trainer.fit and trainer.predict'
        )

    def identify(**more: str) -> RunIdentity:
        return compose.identify(
            {"model": method, "data": "anndata"},
            options,
            {**keys, **{f"data.{name}": value for name, value in more.items()}},
            sections=("model", "data", "trainer"),
        )

    whole = identify()
    data = whole.config["data"]
    if data["groupby"] is None or data["group"] is not None:
        return _run(whole)
    groups_of.cache_clear()  # a file may have been written again since
    groups, left_out = groups_of(data["path"], data["groupby"], data["obs_filter"])
    if left_out:
        log.warning("%s", left_out)
    runs = {group: identify(group=group) for group in groups}
    return joined({group: _run(identity) for group, identity in runs.items()})


def _run(identity: RunIdentity) -> Network:
    """Do a run, unless it is finished, and read its network."""
    folder, force = RunFolder(identity.folder), identity.config["force"]
    if folder.state() == "finished" and not force:
        warn_if_changed(folder, identity.config)
    else:
        from grn_exp.engine.run import run

        run(build_spec(identity), force=force)
    return load(folder.path)


def _symbols(regulators: str | os.PathLike[str] | Iterable[str] | None) -> str | list[str] | None:
    if regulators is None or isinstance(regulators, str):
        return regulators
    if isinstance(regulators, os.PathLike):
        return os.fspath(regulators)
    if not isinstance(regulators, Iterable):
        raise InputError(f"regulators={regulators!r}: give human, mouse, a file, or symbols")
    return [str(symbol) for symbol in regulators]


def _known(
    known: "pd.DataFrame | str | os.PathLike[str] | None", folder: Path
) -> str | os.PathLike[str] | None:
    if known is None or isinstance(known, str | os.PathLike):
        return known if known is None else os.fspath(known)
    import pandas as pd

    if not isinstance(known, pd.DataFrame):
        raise InputError(f"known: {type(known).__name__}; give a table or a file's path")
    known.to_csv(folder / _KNOWN, index=False)
    return str(folder / _KNOWN)


def _written(cells: "AnnData | str | os.PathLike[str]", folder: Path) -> str | os.PathLike[str]:
    """Return the file of the cells, which is written if they are in memory.

    The same cells make the same bytes, so that a run in ``outputs`` is found again.
    """
    if isinstance(cells, str | os.PathLike):
        return cells
    from anndata import AnnData

    if not isinstance(cells, AnnData):
        raise InputError(f"cells: {type(cells).__name__}; give an AnnData or a file's path")
    given: Any = cells.to_memory() if cells.isbacked else cells
    own: Any = AnnData(given.X, given.obs.copy(), given.var.copy(), layers=dict(given.layers))
    own.raw = None if given.raw is None else given.raw.to_adata()
    try:
        try:
            own.write_h5ad(folder / _CELLS)
        except Exception:  # noqa: BLE001 - h5py's and anndata's own errors have no common base
            _leave_out_unwritable(own, folder / _CELLS)
            own.write_h5ad(folder / _CELLS)
    except Exception as error:
        raise InputError(f"cells: they cannot be written as h5ad ({brief(error)})") from error
    return folder / _CELLS


def _leave_out_unwritable(cells: Any, path: Path) -> None:
    """Take out columns of obs and var that h5ad has no form for, such as dates."""
    from anndata import AnnData

    for name in ("obs", "var"):
        table = getattr(cells, name)
        for column in table.columns[[kind.kind not in "biuf" for kind in table.dtypes]]:
            try:
                AnnData(obs=table[[column]]).write_h5ad(path)
            except Exception as error:  # noqa: BLE001 - as above
                log.warning(
                    "cells: %s[%r] is left out, it cannot be written as h5ad (%s); "
                    ".astype(str) makes it a column that can be used",
                    *(name, column, brief(error)),
                )
                table = table.drop(columns=column)
        setattr(cells, name, table)


@contextlib.contextmanager
def _as_a_guest() -> Iterator[None]:
    """Leave the caller's random numbers, warnings and signals as they were.

    Each run ends with a collection of garbage, which is spared what the caller holds: with a few
    libraries loaded it would take most of the time of a short run.
    """
    from pytorch_lightning.utilities.seed import isolate_rng

    import grn_exp.engine.run  # noqa: F401 - its modules are no garbage either

    freezes = not gc.get_freeze_count()
    try:
        if freezes:
            gc.freeze()
        with isolate_rng(), warnings.catch_warnings(), stopping.stoppable():
            yield
    except stopping.Stopped as error:
        if error.signum == signal.SIGINT:
            raise KeyboardInterrupt from error
        raise SystemExit(error.exit_code) from error
    finally:
        if freezes:
            gc.unfreeze()
