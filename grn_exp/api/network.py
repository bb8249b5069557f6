"""A network that was inferred: its edges, and what is known of them."""

import dataclasses
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError, close_matches
from grn_exp.core.genes import GeneIndex
from grn_exp.core.home import expanded
from grn_exp.core.scores import EdgeScores
from grn_exp.runs.edges import (
    ALL_EDGES,
    AUDIT,
    AUDIT_COLUMNS,
    GROUP,
    read_edges,
    short_list,
)
from grn_exp.runs.files import UnreadableError, part
from grn_exp.runs.folder import PROVENANCE, STATUS, RunFolder
from grn_exp.storage.atomic import replacing, write_json

if TYPE_CHECKING:
    import networkx as nx

log = logging.getLogger(__name__)

_ENDS = ["source", "target"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Network:
    """A network, or one for each of several groups of cells.

    Attributes
    ----------
    edges
        Best first: ``source``, ``target``, ``score``, ``rank``, ``sign``, ``correlation``,
        ``stability``, ``known``. Of groups, one after another, with the column ``group`` first.
    audit
        What became of each regulator and each gene: ``gene``, ``role``, ``status``, ``mean``.
    facts
        How it came about, as ``provenance.json`` has it; of groups, by group.
    """

    edges: pd.DataFrame
    audit: pd.DataFrame
    facts: Mapping[str, Any]

    @cached_property
    def groups(self) -> list[str]:
        """The groups of cells; none where it is one network."""
        return self.edges[GROUP].unique().tolist() if GROUP in self.edges else []

    @cached_property
    def regulators(self) -> list[str]:
        """The genes that edges start from, by name."""
        return sorted(self.edges["source"].unique())

    @cached_property
    def genes(self) -> list[str]:
        """The genes of its edges, regulators among them, by name."""
        return sorted({*self.edges["source"].unique(), *self.edges["target"].unique()})

    def group(self, name: object) -> "Network":
        """Return the network of one group; a number means the group of that name.

        Raises
        ------
        InputError
            If there is no such group.
        """
        name = str(name)
        if name not in self.groups:
            raise InputError(
                f"group={name}: {close_matches(name, self.groups)}"
                f"choose from {', '.join(self.groups) or 'none: this is one network'}"
            )
        edges, audit = (
            _of_group(table, name).drop(columns=GROUP).reset_index(drop=True)
            for table in (self.edges, self.audit)
        )
        return Network(edges, audit, self.facts[name])

    def short_list(self, stability: float | None = None, top: int | None = None) -> pd.DataFrame:
        """Return the edges that are worth a look, best first.

        Parameters
        ----------
        stability
            The least that an edge must have.
        top
            At most so many, of each group. Without both: a stability of 0.8, or where none was
            computed ten edges a regulator on average.

        Raises
        ------
        InputError
            If ``top`` is no whole number from 1, or ``stability`` none from 0 to 1, or if no
            stability was computed.
        """
        if top is not None and (not isinstance(top, int | np.integer) or top < 1):
            raise InputError(f"top={top!r}: give a whole number, 1 or more")
        if stability is not None:
            if not isinstance(stability, int | float | np.number) or not 0 <= stability <= 1:
                raise InputError(f"stability={stability!r}: give a number from 0 to 1")
            if bool(self.edges["stability"].isna().all()):
                raise InputError(
                    f"stability={stability:g}: none was computed; infer(..., stability=20) does, "
                    "or choose by top="
                )
        if not self.groups:
            return short_list(self.edges, top=top, stability=stability)
        of_groups = (_of_group(self.edges, group) for group in self.groups)
        return pd.concat([short_list(each, top=top, stability=stability) for each in of_groups])

    def score(self, pairs: "pd.DataFrame | np.ndarray | Iterable[Sequence[str]]") -> pd.DataFrame:
        """Return the edges of some pairs, in their order; of groups, each group's.

        Parameters
        ----------
        pairs
            A regulator and a gene each: tuples, an array, or a table with the columns ``source``
            and ``target``.

        Raises
        ------
        InputError
            If it has no such regulator or gene.
        """
        asked = _pairs(pairs)
        self._require(asked["source"], self.regulators, "regulator")
        self._require(asked["target"], self.genes, "gene")
        edges: Any = self.edges
        rows = edges["source"].isin(asked["source"]) & edges["target"].isin(asked["target"])
        return asked.merge(edges[rows], how="left", on=_ENDS)[edges.columns.tolist()]

    def _require(self, symbols: Iterable[str], known: list[str], role: str) -> None:
        unknown = next(iter(set(symbols) - set(known)), None)
        if unknown is None:
            return
        spelt = [gene for gene in known if gene.upper() == unknown.upper()]
        hint = f"did you mean {spelt[0]!r}? " if spelt else close_matches(unknown, known)
        raise InputError(
            f"{unknown!r}: no {role} of this network; {hint}"
            "its audit says what became of a gene that was left out"
        )

    def to_scores(
        self, regulators: GeneIndex | None = None, genes: GeneIndex | None = None
    ) -> EdgeScores:
        """Return the scores as a matrix.

        Parameters
        ----------
        regulators, genes
            Its rows and columns: a pair that the network lacks is scored below all others. None:
            the network's own, none of which may be missing.

        Raises
        ------
        InputError
            If it is of several groups, if it has not all pairs of its own genes, or none of those
            that are asked for.
        """
        self._require_one("to_scores()")
        rows = regulators or GeneIndex(self.regulators, name="network")
        columns = genes or GeneIndex(self.genes, name="network")
        row = pd.Index(rows.symbols).get_indexer(self.edges["source"])
        column = pd.Index(columns.symbols).get_indexer(self.edges["target"])
        held = (row >= 0) & (column >= 0)
        score = self.edges["score"].to_numpy(np.float32)[held]
        values = np.full((len(rows), len(columns)), np.nan, dtype=np.float32)
        values[row[held], column[held]] = score
        lacking = np.isnan(values) & (rows.array[:, None] != columns.array[None, :])
        text = f"the network has {int(held.sum())} of {values.size} pairs"
        if lacking.any() and (regulators is None or not held.any()):
            way_out = "evaluate(..., missing='lowest') scores the others below all of these"
            raise InputError(f"{text}; {way_out if held.any() else 'use the same symbols'}")
        if lacking.any():
            log.warning("%s; the others are scored below all of these", text)
            values[lacking] = np.nextafter(score.min(), np.float32(-np.inf))
        return EdgeScores(rows, columns, values)

    def to_networkx(
        self, *, top: int | None = None, stability: float | None = None
    ) -> "nx.DiGraph":
        """Return the edges of :meth:`short_list` as a directed graph, with their columns.

        Raises
        ------
        InputError
            If it is of several groups.
        """
        from grn_exp.network.export import as_graph

        self._require_one("to_networkx()")
        return as_graph(self.short_list(stability, top))

    def _require_one(self, what: str) -> None:
        if self.groups:
            raise InputError(
                f"{what}: this is a network for each of {', '.join(self.groups)}; take one, as "
                f"network.group({self.groups[0]!r})"
            )

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write it to a folder, from which :func:`load` reads it.

        Parameters
        ----------
        overwrite
            Replace a network that is there.

        Raises
        ------
        InputError
            If there is one already, or the folder cannot be written, or holds something else.
        """
        if not isinstance(folder, str | os.PathLike):
            raise InputError(f"folder={folder!r}: give the path of a folder")
        path = expanded(folder)
        if (path / STATUS).is_file():
            raise InputError(f"{path}: that is the folder of a run; give another folder")
        if path.exists() and (path.is_file() or any(path.iterdir())):
            if not overwrite:
                raise InputError(f"{path}: it exists; give another folder, or overwrite=True")
            if not (path / ALL_EDGES).is_file():
                raise InputError(f"{path}: it holds no network to overwrite; give another folder")
        with replacing(path / ALL_EDGES) as temporary:
            self.edges.to_parquet(temporary, index=False)
        with replacing(path / AUDIT) as temporary:
            self.audit.to_csv(temporary, index=False)
        write_json(path / PROVENANCE, dict(self.facts))

    def __repr__(self) -> str:
        return f"<Network: {self._described()}>"

    def _repr_html_(self) -> str:
        return f"<p>Network: {self._described()}</p>{self.edges.head()._repr_html_()}"  # type: ignore[operator]

    def _described(self) -> str:
        facts = self.facts[self.groups[0]] if self.groups else self.facts
        fits = part(facts, "network").get("stability_fits")
        return ", ".join(
            [
                str(part(facts, "choices").get("model", "edges")),
                *([f"{len(self.groups)} groups"] if self.groups else []),
                f"{len(self.regulators)} regulators",
                f"{len(self.genes)} genes",
                f"{len(self.edges):,} edges",
                *([f"stability of {fits} half-samples"] if fits else []),
            ]
        )


def _of_group(table: Any, name: str) -> Any:
    return table[table[GROUP] == name]


def _pairs(given: Any) -> Any:
    """Return pairs of genes as a table."""
    if isinstance(given, pd.DataFrame):
        if not set(_ENDS) <= set(given.columns):
            has = ", ".join(map(str, given.columns))
            raise InputError(f"pairs: the columns are {has}; give source and target")
        return given[_ENDS].astype(str)
    try:
        pairs = [tuple(map(str, pair)) for pair in given]
    except TypeError as error:
        raise InputError(
            f"pairs={given!r}: give a regulator and a gene each, as in [('SPI1', 'CD14')]"
        ) from error
    if any(len(pair) != len(_ENDS) for pair in pairs):
        raise InputError("pairs: give a regulator and a gene each, as in [('SPI1', 'CD14')]")
    return pd.DataFrame(pairs, columns=pd.Index(_ENDS), dtype=object)


def joined(networks: Mapping[str, Network]) -> Network:
    """Return the networks of several groups as one, with the column ``group`` first."""
    facts = {group: each.facts for group, each in networks.items()}
    tables: dict[str, Any] = {}
    for name in ("edges", "audit"):
        found = [getattr(each, name).assign(**{GROUP: group}) for group, each in networks.items()]
        table = pd.concat(found, ignore_index=True)
        tables[name] = table[[GROUP, *table.columns.drop(GROUP)]]
    return Network(**tables, facts=facts)


def load(folder: str | Path) -> Network:
    """Read a network that was saved, or that a run from the command line left.

    Parameters
    ----------
    folder
        That of :meth:`Network.save`, or a run's.

    Raises
    ------
    InputError
        If there is no network in it, or its files are broken.
    """
    path = expanded(folder)
    if not path.is_dir():
        what = "a file" if path.is_file() else "no such folder"
        raise InputError(f"{path}: {what}; give the folder of a run, or of a saved network")
    run = RunFolder(path)
    try:
        state = run.status().get("state", "finished")  # a saved network has none
        if state != "finished":
            raise InputError(f"{path}: this run is {state}; finish it first")
        return Network(read_edges(run), _read_audit(path / AUDIT), run.facts())
    except UnreadableError as error:
        raise InputError(
            f"{path}: {error}; give the folder of a run that scored edges, or of a saved network"
        ) from error


def _read_audit(path: Path) -> pd.DataFrame:
    if not path.is_file():
        return pd.DataFrame(columns=pd.Index(AUDIT_COLUMNS))
    try:
        audit = pd.read_csv(path, dtype=str, keep_default_na=False, na_values={"mean": [""]})
        return audit.astype({"mean": "float64"})
    except (OSError, ValueError, KeyError) as error:
        raise UnreadableError(f"{path.name}: {' '.join(str(error).split())}") from error
