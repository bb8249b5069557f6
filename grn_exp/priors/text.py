"""Gene embeddings from a language model that reads the gene's symbol or its description."""

import contextlib
import dataclasses
import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grn_exp.core.errors import InputError, brief, close_matches
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.home import expanded
from grn_exp.core.progress import track
from grn_exp.core.ranges import require_in
from grn_exp.core.views import GeneEmbedding
from grn_exp.priors.base import fill_missing
from grn_exp.priors.text_encoder import LanguageModel, TextEncoder
from grn_exp.storage.atomic import locked, read_npz, write_npz
from grn_exp.storage.store import cache_dir

log = logging.getLogger(__name__)

_BATCHES_A_CHUNK = 8
_TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")


@dataclasses.dataclass(frozen=True)
class TextPrior(LanguageModel):
    """Vectors of a language model: BioBERT on the bare symbol (InfoSEM-B), or any other.

    Each symbol or description is encoded once. Its vector is kept below the cache folder, under
    the model, everything that decides the numbers, and the string itself.

    Parameters
    ----------
    model, revision, pooling, lower_case, max_length, precision, device, batch_size
        As in :class:`~grn_exp.priors.text_encoder.LanguageModel`.
    descriptions
        Table of descriptions to read instead of the symbols: csv, tsv (also ``.gz``) or parquet.
        A gene that is not in it, or whose description is blank, has no vector.
    gene_column, text_column
        Columns of that table.
    """

    descriptions: str | None = None
    gene_column: str = "gene"
    text_column: str = "description"

    def embed(self, expression: Expression) -> GeneEmbedding:
        """Return the vectors, shape ``(n_genes, width of the model)``.

        Raises
        ------
        InputError
            If the model or the table cannot be found or read, an option does not fit the model,
            or no gene has a description.
        """
        longest = 1 if self.max_length is None else self.max_length
        require_in("[1, inf)", "prior", batch_size=self.batch_size, max_length=longest)
        texts = self._texts(expression.genes)
        vectors = self._vectors(list(dict.fromkeys(texts.values()))) if texts else {}
        read = "symbols" if self.descriptions is None else self.descriptions
        return fill_missing(
            {gene: vectors[text] for gene, text in texts.items()},
            expression.genes,
            source=f"{read} read by {self.model}",
        )

    def _texts(self, genes: GeneIndex) -> dict[str, str]:
        if self.descriptions is None:
            return {gene: gene for gene in genes}
        path = expanded(self.descriptions, "prior.descriptions")
        if not path.is_file():
            raise InputError(f"prior.descriptions={self.descriptions}: no such file")
        found = _read_descriptions(path, self.gene_column, self.text_column)
        return {gene: found[gene] for gene in genes if gene in found}

    def _vectors(self, texts: list[str]) -> dict[str, NDArray[np.float32]]:
        """Look the texts' vectors up, encoding those that are not in the cache."""
        folder = cache_dir() / "text" / self.key()
        hashes = {text: _hash(text) for text in texts}
        found = _read_vectors(folder)
        if not found.keys() >= set(hashes.values()):
            waiting = f"waiting: another process is encoding into {folder}"
            with locked(folder / ".lock", waiting=waiting):
                found = _read_vectors(folder)
                # the longest first: texts of like length share a batch, and one that does not
                # fit into memory shows at once
                missing = [
                    t for t in sorted(texts, key=len, reverse=True) if hashes[t] not in found
                ]
                for chunk, vectors in self._encoded(missing, among=texts):
                    names = [hashes[text] for text in chunk]
                    arrays = {"hashes": np.asarray(names), "vectors": vectors}
                    write_npz(folder / f"{_hash(' '.join(names))[:16]}.npz", arrays)
                    found.update(zip(names, vectors, strict=True))
        return {text: found[hashes[text]] for text in texts}

    def _encoded(
        self, texts: Sequence[str], *, among: Sequence[str]
    ) -> Iterator[tuple[Sequence[str], NDArray[np.float32]]]:
        """Encode chunk by chunk; a bar shows how far it is where a terminal is watching."""
        if not texts:
            return
        encoder = TextEncoder(self)
        encoder.check(among)
        log.info("encoding %d texts with %s", len(texts), self.model)
        chunks = _parts(texts, self.batch_size * _BATCHES_A_CHUNK)
        for chunk in track(chunks, title=f"encoding with {self.model}"):
            vectors = [encoder.encode(batch) for batch in _parts(chunk, self.batch_size)]
            yield chunk, np.concatenate(vectors)


def _parts(texts: Sequence[str], size: int) -> list[Sequence[str]]:
    return [texts[start : start + size] for start in range(0, len(texts), size)]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _read_vectors(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Return vectors by their texts' hashes. A broken file is deleted: it is encoded anew."""
    found: dict[str, NDArray[np.float32]] = {}
    for path in sorted(folder.glob("*.npz")):
        try:
            hashes, vectors = read_npz(path, "hashes", "vectors")
            if vectors.dtype != np.float32 or vectors.ndim != 2:
                raise ValueError(f"vectors are {vectors.dtype}{vectors.shape}")
            found.update(zip(hashes.tolist(), vectors, strict=True))
        except ValueError as error:
            log.warning("%s is broken (%s): its texts are encoded again", path, error)
            with contextlib.suppress(OSError):
                path.unlink()
    return found


def _read_descriptions(path: Path, gene_column: str, text_column: str) -> dict[str, str]:
    """Return the description of every gene that has one."""
    if not path.name.endswith(_TABLES):
        raise InputError(f"{path}: unknown ending; give {', '.join(_TABLES)}")
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            separator = "\t" if ".tsv" in path.suffixes[-2:] else ","
            table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    except (OSError, ValueError, EOFError) as error:  # a parser's and Arrow's errors are such
        raise InputError(f"{path}: cannot read the descriptions ({brief(error)})") from error
    names = [str(column) for column in table.columns]
    for option, column in (("gene_column", gene_column), ("text_column", text_column)):
        if column not in names:
            raise InputError(
                f"prior.{option}={column}: {path} does not have that column; "
                f"{close_matches(column, names)}it has {', '.join(names[:8])}"
            )
    texts: dict[str, str] = {}
    for gene, text in zip(table[gene_column], table[text_column], strict=True):
        if not isinstance(text, str) or not text.strip():  # a missing cell is NaN or None
            continue
        if texts.setdefault(str(gene), text.strip()) != text.strip():
            raise InputError(f"{path}: gene {gene!r} has two descriptions; keep one of them")
    return texts
