"""The values that a claim compares: one per split, of the runs that a description fits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.report.collect import BENCHMARK, METHOD, Collected
from grn_exp.report.names import dataset_name
from grn_exp.runs.methods import display_name

_KEY = ("data", "model", "metric", "subset")
_SETTING = [name for name in dict.fromkeys((*METHOD, *BENCHMARK)) if name not in _KEY]
Description = Mapping[str, Any]


class NotHereError(InputError):
    """The runs do not allow a comparison.

    Attributes
    ----------
    missing
        Method, dataset and network without a run; None where it is something else.
    """

    def __init__(self, message: str, missing: tuple[str, str, str] | None = None) -> None:
        super().__init__(message)
        self.missing = missing


class Values:
    """Finds the runs that a description fits.

    A description gives ``data``, ``model``, ``metric`` and ``subset``; then ``network``,
    ``split_kind``, ``retriever``, ``prior`` (whose name may go on), ``set_size`` and ``k`` where
    they matter; and, by its dotted key, any parameter of the configuration.

    Parameters
    ----------
    collected
        Runs, each configuration once.
    usual
        What holds where a description says nothing else.
    preferred
        Taken into account, entry by entry, while several settings are left; a dict has an entry
        for each dataset.

    Attributes
    ----------
    stand_ins
        By dataset, the user's own file that runs took in place of its cells, of all values that
        were asked for since it was last cleared.
    """

    def __init__(
        self, collected: Collected, *, usual: Description, preferred: Description
    ) -> None:
        self._runs, self._usual, self._preferred = collected.runs, usual, preferred
        self._groups = collected.rows.groupby(list(_KEY), sort=False)
        self.stand_ins: dict[str, str] = {}

    def of(self, description: Description, *, column: str = "value") -> pd.Series:
        """Return a value per split, its model seeds averaged.

        Parameters
        ----------
        description
            Of the runs.
        column
            ``value`` or ``prevalence``.

        Raises
        ------
        NotHereError
            As :meth:`rows`.
        """
        rows = self.rows(description)
        values = pd.Series(rows.groupby("split_seed")[column].mean()).dropna()
        read = self._own_file(rows) or str(rows["gene_set"].iloc[0])
        values.attrs["inputs"] = {description["data"]: read}
        return values

    def _own_file(self, rows: pd.DataFrame) -> str:
        """Return the user's file that runs of one setting read; "" if the dataset's own."""
        own = self._runs[rows["folder"].iloc[0]].parameters.get("data.expression")
        return f"data.expression={Path(str(own)).name}" if own else ""

    def rows(self, description: Description) -> pd.DataFrame:
        """Return the tidy rows of the runs that a description fits, all of one setting.

        Raises
        ------
        NotHereError
            If no run fits, or runs of several settings do.
        """
        key = tuple(description[name] for name in _KEY)
        known = key in self._groups.indices
        rows = pd.DataFrame(self._groups.get_group(key) if known else None)
        for name, wanted in {**self._usual, **description}.items():
            if name not in _KEY and not rows.empty:
                rows = rows.loc[self._fits(rows, name, wanted)]
        name, data, network = _called(description), description["data"], description.get("network")
        if rows.empty:
            where = dataset_name(f"{data} {network or ''}".strip())
            raise NotHereError(f"no run of {name} on {where}", (name, data, network or ""))
        for choice, value in self._preferred.items():
            wanted = value.get(data) if isinstance(value, Mapping) else value
            if len(rows[_SETTING].drop_duplicates()) > 1:
                fits = self._fits(rows, choice, wanted)
                rows = rows.loc[fits] if fits.any() else rows
        settings = pd.DataFrame(rows[_SETTING]).drop_duplicates()
        if len(settings) > 1:
            raise NotHereError(f"{name} on {dataset_name(data)}: {_several(settings)}")
        if own := self._own_file(rows):
            self.stand_ins[data] = own
        return rows

    def _fits(self, rows: pd.DataFrame, name: str, wanted: object) -> NDArray[np.bool_]:
        """Say which rows agree in a column or a parameter; a run without it has the usual one."""
        if "." in name:
            usual = self._usual.get(name, wanted)
            runs = rows["folder"].unique()
            fitting = [
                run for run in runs if self._runs[run].parameters.get(name, usual) == wanted
            ]
            return rows["folder"].isin(fitting).to_numpy(dtype=np.bool_)
        if name == "prior":
            return rows[name].str.startswith(str(wanted)).to_numpy(dtype=np.bool_)
        return rows[name].isin([wanted]).to_numpy(dtype=np.bool_)


def _several(settings: pd.DataFrame) -> str:
    names = [name for name in settings if settings[name].nunique(dropna=False) > 1]
    values = [
        "; ".join(sorted({str(value) or "default" for value in settings[name]})) for name in names
    ]
    return f"several settings ({', '.join(values)}); --experiment may keep one"


def _called(description: Description) -> str:
    """Return a method's name with what the description fixes of it."""
    parts = [str(description[name]) for name in ("retriever", "prior") if description.get(name)]
    parts += [f"{name}={value}" for name, value in description.items() if "." in name]
    return display_name(description["model"]) + (f" ({', '.join(parts)})" if parts else "")
