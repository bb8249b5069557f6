"""Gene embeddings from a file of the user's."""

import dataclasses
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.views import GeneEmbedding
from grn_exp.priors.base import fill_missing


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
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: cannot read gene vectors ({error})") from error
        genes = GeneIndex(symbols, name=str(path))
        if values.ndim != 2 or len(values) != len(genes):
            raise InputError(f"{path}: vectors of shape {values.shape} for {len(genes)} genes")
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
        with np.load(path, allow_pickle=False) as arrays:
            missing = {"genes", "vectors"} - set(arrays.files)
            if missing:
                raise InputError(f"{path}: no array {sorted(missing)[0]!r}, only {arrays.files}")
            return [str(gene) for gene in arrays["genes"]], arrays["vectors"].astype(np.float32)
    if suffix in (".csv", ".csv.gz"):
        table = pd.read_csv(path, index_col=0)
    elif suffix == ".parquet":
        table = pd.read_parquet(path)
        if not isinstance(table.index[0], str):
            table = table.set_index(table.columns[0])
    else:
        raise InputError(f"{path}: unknown ending {suffix!r}; give .npz, .csv, .csv.gz, .parquet")
    words = [str(c) for c in table.columns if not pd.api.types.is_numeric_dtype(table[c])]
    if words:
        raise InputError(f"{path}: column {words[0]!r} does not hold numbers; drop it")
    return [str(gene) for gene in table.index], table.to_numpy(dtype=np.float32)
