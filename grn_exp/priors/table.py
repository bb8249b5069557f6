"""Gene embeddings from a file of the user's."""

import dataclasses
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.views import GeneEmbedding
from grn_exp.priors.base import fill_missing

_UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, EOFError),
    *(zipfile.BadZipFile, zlib.error),
)


@dataclasses.dataclass(frozen=True)
class TablePrior:
    """Vectors from an npz, csv or parquet file.

    Parameters
    ----------
    path
        ``.npz`` with arrays ``genes`` (n,) and ``vectors`` (n, width); ``.csv``, ``.csv.gz`` or
        ``.parquet`` with the gene symbols in the first column and one number in every other.
    width
        Expected length of a vector; None takes what the file has.
    """

    path: str
    width: int | None = None

    def embed(self, expression: Expression) -> GeneEmbedding:
        """Return the vectors of the expression's genes.

        Raises
        ------
        InputError
            If the file is missing, unreadable, of another width, holds a gene twice or a
            non-number, or names none of the genes.
        """
        path = Path(self.path).expanduser()
        if not path.is_file():
            raise InputError(f"prior.path={self.path}: no such file")
        try:
            symbols, values = _read(path)
        except InputError:
            raise
        except _UNREADABLE as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise InputError(
                f"{path}: cannot read gene vectors ({reason[0][:160]}); write the file again"
            ) from error
        genes = GeneIndex(symbols, name=str(path))
        if values.ndim != 2 or len(values) != len(genes) or values.size == 0:
            raise InputError(
                f"{path}: vectors of shape {values.shape} for {len(genes)} genes; give one "
                "vector a gene"
            )
        if self.width is not None and values.shape[1] != self.width:
            raise InputError(
                f"{path}: vectors have width {values.shape[1]}, prior.width={self.width}; "
                "correct or drop prior.width"
            )
        vectors = dict(zip(genes, values, strict=True))
        return fill_missing(vectors, expression.genes, source=str(path))


def _read(path: Path) -> tuple[list[str], np.ndarray]:
    suffix = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    if suffix == ".npz":
        # opened here: NumPy leaves a broken file open
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            missing = {"genes", "vectors"} - set(arrays.files)
            if missing:
                raise InputError(f"{path}: no array {sorted(missing)[0]!r}, only {arrays.files}")
            symbols = arrays["genes"]
            if symbols.dtype.kind != "U" or symbols.ndim != 1:
                raise InputError(
                    f"{path}: array 'genes' is {symbols.dtype}{symbols.shape}; give text, one "
                    "symbol a vector"
                )
            return symbols.tolist(), _as_float32(arrays["vectors"])
    if suffix in (".csv", ".csv.gz"):
        table = pd.read_csv(path, index_col=0, converters={0: str})
    elif suffix == ".parquet":
        table = pd.read_parquet(path)
        if len(table) and not isinstance(table.index[0], str):
            table = table.set_index(table.columns[0])
    else:
        raise InputError(f"{path}: unknown ending {suffix!r}; give .npz, .csv, .csv.gz, .parquet")
    words = [str(c) for c, dtype in table.dtypes.items() if dtype.kind not in "iuf"]
    if words:
        raise InputError(f"{path}: column {words[0]!r} does not hold numbers; drop it")
    return [str(gene) for gene in table.index], _as_float32(table.to_numpy())


def _as_float32(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # too large: infinite, and refused with the gene's name
        return values.astype(np.float32)
