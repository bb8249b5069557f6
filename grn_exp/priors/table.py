"""Gene embeddings from the user's file."""

import dataclasses
import json
import zlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError, absent, brief
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex, stripped
from grn_exp.core.home import expanded
from grn_exp.core.views import GeneEmbedding
from grn_exp.priors.base import fill_missing
from grn_exp.storage.atomic import read_npz
from grn_exp.storage.delimited import opened, read_matrix

_UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError),
    zlib.error,
)
_PICKLES = (".pickle", ".pkl", ".p")


@dataclasses.dataclass(frozen=True)
class TablePrior:
    """Vectors from an npz, csv, parquet or json file.

    Parameters
    ----------
    path
        ``.npz`` with arrays ``genes`` (n,) and ``vectors`` (n, width); ``.csv``, ``.csv.gz`` or
        ``.parquet`` with the gene symbols in the first column and one number in every other;
        ``.json`` or ``.json.gz`` with a list of numbers for every symbol.
    width
        Expected length of a vector; None takes what the file has.
    case_sensitive
        False: a gene that is not in the file takes the vector of the one symbol that differs
        from its own by case alone (mouse genes from a file of human ones).
    zeros_are_missing
        True: a vector of zeros stands for no vector, as in GenePT, where it means that there
        was nothing to read about the gene.
    """

    path: str
    width: int | None = None
    case_sensitive: bool = True
    zeros_are_missing: bool = False

    def embed(self, expression: Expression) -> GeneEmbedding:
        """Return the vectors of the expression's genes.

        Raises
        ------
        InputError
            If the file is missing, unreadable, of another width, holds a gene twice or a
            non-number, names none of the genes, or has two symbols that fit a gene alike.
        """
        path = expanded(self.path, "prior.path")
        if not path.is_file():
            raise InputError(
                f"prior.path={self.path}: {absent(path)}; give the file of the vectors"
            )
        try:
            symbols, values = _read(path)
        except InputError:
            raise
        except _UNREADABLE as error:
            raise InputError(
                f"{path}: cannot read gene vectors ({brief(error)}); write the file again"
            ) from error
        genes = GeneIndex(symbols, name=str(path))
        if values.ndim != 2 or len(values) != len(genes) or values.size == 0:
            raise InputError(
                f"{path}: vectors of shape {values.shape} for {len(genes)} genes; give one "
                "vector for each gene"
            )
        if self.width is not None and values.shape[1] != self.width:
            raise InputError(
                f"{path}: vectors have width {values.shape[1]}, prior.width={self.width}; "
                "correct or drop prior.width"
            )
        vectors = dict(zip(genes, values, strict=True))
        if self.zeros_are_missing:
            vectors = {gene: vector for gene, vector in vectors.items() if vector.any()}
            if not vectors:
                raise InputError(
                    f"{path}: all {len(genes)} vectors are zero, which prior.zeros_are_missing "
                    "takes for no vector; write them again, or give another file"
                )
        if not self.case_sensitive:
            vectors = _whatever_the_case(vectors, expression.genes, source=str(path))
        return fill_missing(vectors, expression.genes, source=str(path))


def _whatever_the_case(
    vectors: Mapping[str, NDArray[np.float32]], genes: GeneIndex, *, source: str
) -> dict[str, NDArray[np.float32]]:
    """Return the vectors by gene: that of the same symbol, else that of the same letters."""
    spellings: dict[str, list[str]] = defaultdict(list)
    for symbol in vectors:
        spellings[symbol.upper()].append(symbol)
    found = {}
    for gene in genes:
        fitting = [gene] if gene in vectors else spellings.get(gene.upper(), [])
        if len(fitting) > 1:
            raise InputError(
                f"{source}: {fitting[0]!r} and {fitting[1]!r} both fit gene {gene!r} when case "
                "is ignored; drop one from the file, or give prior.case_sensitive=true"
            )
        if fitting:
            found[gene] = vectors[fitting[0]]
    return found


def _read(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = "".join(suffixes[-2:]) if suffixes[-1:] == [".gz"] else "".join(suffixes[-1:])
    if suffix.removesuffix(".gz") in _PICKLES or _begins_as_pickle(path):
        raise _pickle_refused(path)
    if suffix == ".npz":
        return _read_npz(path)
    if suffix in (".json", ".json.gz"):
        return _read_json(path)
    if suffix in (".csv", ".csv.gz"):
        table = read_matrix(path)
        table.index = stripped(table.index, name=str(path))
    elif suffix == ".parquet":
        table = pd.read_parquet(path)
        if len(table) and not isinstance(table.index[0], str):
            table = table.set_index(table.columns[0])
    else:
        raise InputError(
            f"{path}: unknown ending {suffix!r}; give .npz, .csv, .csv.gz, .parquet, .json, "
            ".json.gz"
        )
    if table.empty:
        raise InputError(
            f"{path}: vectors of shape {table.shape}; give one vector for each gene in a table "
            "with a header, separated by commas"
        )
    if not isinstance(table.index[0], str):
        raise InputError(
            f"{path}: the first column holds {table.index[0]!r}, not a gene symbol; put the "
            "symbols in the first column"
        )
    if sum(map(_is_number, table.columns)) > len(table.columns) / 2:
        raise InputError(
            f"{path}: its first line holds a vector instead of column names; put a header line "
            "before it"
        )
    words = [str(c) for c, dtype in table.dtypes.items() if dtype.kind not in "iuf"]
    if words:
        raise InputError(f"{path}: column {words[0]!r} does not hold numbers; drop it")
    return [str(gene) for gene in table.index], _as_float32(table.to_numpy())


def _begins_as_pickle(path: Path) -> bool:
    """Say whether a file is a pickle whatever its name says (protocols 2 to 5)."""
    with path.open("rb") as stream:
        start = stream.read(2)
    return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5


def _is_number(name: object) -> bool:
    """Say whether a column's name is a decimal number; whole numbers are names."""
    try:
        float(str(name))
    except ValueError:
        return False
    return not str(name).isdecimal()


def _read_npz(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    symbols, vectors = read_npz(path, "genes", "vectors")
    if symbols.dtype.kind != "U" or symbols.ndim != 1:
        raise InputError(
            f"{path}: array 'genes' is {symbols.dtype}{symbols.shape}; give strings, one symbol "
            "for each vector"
        )
    return symbols.tolist(), _as_float32(vectors)


class _JsonObject(list[tuple[str, Any]]):
    """The pairs of a JSON object, of which a dict would drop those whose name occurs again."""


def _read_json(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    with opened(path) as stream:
        pairs = json.load(stream, object_pairs_hook=_JsonObject)
    if not isinstance(pairs, _JsonObject):
        raise InputError(f'{path}: not a JSON object; give {{"symbol": [numbers], ...}}')
    if not pairs:
        raise InputError(f"{path}: it holds no gene; write the file again")
    first, vector = pairs[0]
    width = len(vector) if isinstance(vector, list) else 0
    rows = []
    for gene, numbers in pairs:
        row = np.asarray(numbers if type(numbers) is list else None)
        if row.ndim != 1 or row.dtype.kind not in "iuf":
            raise InputError(
                f"{path}: the vector of gene {gene!r} is not a list of numbers; correct or drop it"
            )
        if len(row) != width:
            raise InputError(
                f"{path}: {len(row)} numbers for gene {gene!r}, {width} for {first!r}; give "
                "the same number for every gene"
            )
        rows.append(_as_float32(row))
    return [gene for gene, _ in pairs], np.stack(rows)


def _pickle_refused(path: Path) -> InputError:
    """Return the error for a pickle, with the command that converts it."""
    target = path.with_name(path.name.split(".")[0] + ".npz")
    opened = "gzip.open" if path.suffix == ".gz" else "open"
    command = (
        f'import gzip, pickle, numpy as n; d = pickle.load({opened}("{path}", "rb")); '
        f'n.savez("{target}", genes=n.array([*d], str), vectors=n.array([*d.values()], n.float32))'
    )
    return InputError(
        f"{path}: reading a pickle can run any code that is in it, so it is not read; if you "
        f"trust its source, convert it once: python -c '{command}' and give prior.path={target}"
    )


def _as_float32(values: np.ndarray) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # too large: infinite, and refused with the gene's name
        return values.astype(np.float32)
