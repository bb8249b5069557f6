"""Gene embeddings from a language model that reads the gene's symbol or its description."""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grn_exp.core.errors import InputError, close_matches
from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.views import GeneEmbedding
from grn_exp.priors.base import fill_missing
from grn_exp.priors.text_encoder import (
    Pooling,
    Precision,
    TextEncoder,
    local_folder,
    model_fingerprint,
    resolve_precision,
)
from grn_exp.priors.vector_cache import VectorCache
from grn_exp.storage.store import cache_dir

log = logging.getLogger(__name__)

_BATCHES_A_CHUNK = 8
_TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")


@dataclasses.dataclass(frozen=True)
class TextPrior:
    """Vectors of a language model: BioBERT on the bare symbol (InfoSEM-B), or any other.

    A text is encoded once: its vector is kept below the cache folder, under the model, all that
    decides the numbers, and the text. A model of the Hugging Face hub counts by name and
    revision, so pin ``revision`` where the repository may change; a local folder counts by the
    content of its files. What a sentence-transformers repository says of its own pooling,
    normalisation and casing is not read: the arguments here say it.

    Parameters
    ----------
    model
        Id on the Hugging Face hub, or a local folder.
    revision
        Branch, tag or commit on the hub; None for the main branch.
    pooling
        ``mean`` over a text's tokens, the two special ones among them; ``max`` over them; ``cls``
        for the first one.
    lower_case
        Lower-case the text first. False for a cased model such as BioBERT, whose repository does
        not say so itself; True for an uncased one.
    max_length
        Tokens read of a text, the rest is cut off; None for as many as the model takes.
    precision
        Of the encoding; the vectors are float32. ``auto`` takes half precision where it is
        faster (CUDA, and processors with AMX), else float32.
    device
        ``auto`` (CUDA if there is one), ``cpu``, ``cuda:1``, ...
    batch_size
        Texts encoded at once.
    descriptions
        Table of texts to read instead of the symbols: csv, tsv (also ``.gz``) or parquet. A gene
        that it lacks, or whose text is blank, is a gene without a vector.
    gene_column, text_column
        Columns of that table.
    """

    model: str = "dmis-lab/biobert-base-cased-v1.1"
    revision: str | None = None
    pooling: Pooling = "mean"
    lower_case: bool = False
    max_length: int | None = None
    precision: Precision = "auto"
    device: str = "auto"
    batch_size: int = 32
    descriptions: str | None = None
    gene_column: str = "gene"
    text_column: str = "description"

    def embed(self, expression: Expression) -> GeneEmbedding:
        """Return the vectors, shape ``(n_genes, width of the model)``.

        Raises
        ------
        InputError
            If the model or the table cannot be had or read, an option does not fit the model,
            or no gene has a text.
        """
        for name, value in (("batch_size", self.batch_size), ("max_length", self.max_length)):
            if value is not None and value < 1:
                raise InputError(f"prior.{name}={value}: give a whole number from 1 on")
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
        path = Path(self.descriptions).expanduser()
        if not path.is_file():
            raise InputError(f"prior.descriptions={self.descriptions}: no such file")
        found = _read_descriptions(path, self.gene_column, self.text_column)
        return {gene: found[gene] for gene in genes if gene in found}

    def _vectors(self, texts: list[str]) -> dict[str, NDArray[np.float32]]:
        """Look the texts' vectors up, encoding those that the cache lacks."""
        precision = resolve_precision(self.precision, self.device)
        cache = VectorCache(cache_dir() / "text" / self._key(precision))
        found = cache.read()
        if not cache.lacking(texts, found):
            return cache.of(texts, found)
        with cache.locked():  # another process may be encoding the same texts
            found = cache.read()
            missing = cache.lacking(texts, found)
            if missing:
                encoder = TextEncoder(
                    local_folder(self.model, self.revision),
                    name=self.model,
                    pooling=self.pooling,
                    lower_case=self.lower_case,
                    max_length=self.max_length,
                    precision=precision,
                    device=self.device,
                )
                encoder.check(texts)
                # the longest first: texts of like length share a batch, and one that does not
                # fit into memory shows at once
                missing.sort(key=len, reverse=True)
                for chunk, vectors in self._encoded(encoder, missing):
                    cache.add(chunk, vectors)
                found = cache.read()
        return cache.of(texts, found)

    def _encoded(
        self, encoder: TextEncoder, texts: Sequence[str]
    ) -> Iterator[tuple[Sequence[str], NDArray[np.float32]]]:
        """Encode chunk by chunk; a bar shows how far it is where a terminal is watching."""
        log.info("encoding %d texts with %s (%s)", len(texts), self.model, encoder.precision)
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("texts"),
            TimeRemainingColumn(),
        )
        size = self.batch_size
        with Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        ) as bar:
            task = bar.add_task(f"encoding with {self.model}", total=len(texts))
            for start in range(0, len(texts), size * _BATCHES_A_CHUNK):
                chunk = texts[start : start + size * _BATCHES_A_CHUNK]
                parts = []
                for first in range(0, len(chunk), size):
                    parts.append(encoder.encode(chunk[first : first + size]))
                    bar.advance(task, len(parts[-1]))
                yield chunk, np.concatenate(parts)

    def _key(self, precision: str) -> str:
        """Hash everything but the text that decides a vector."""
        parts = {
            "model": model_fingerprint(self.model, self.revision),
            "pooling": self.pooling,
            "lower_case": self.lower_case,
            "max_length": self.max_length,
            "precision": precision,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _read_descriptions(path: Path, gene_column: str, text_column: str) -> dict[str, str]:
    """Return the text of every gene that has one."""
    if not path.name.endswith(_TABLES):
        raise InputError(f"{path}: unknown ending; give {', '.join(_TABLES)}")
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            separator = "\t" if ".tsv" in path.suffixes[-2:] else ","
            table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    except (OSError, ValueError, EOFError) as error:  # a parser's and Arrow's errors are such
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{path}: cannot read the descriptions ({reason[0][:160]})") from error
    names = [str(column) for column in table.columns]
    for option, column in (("gene_column", gene_column), ("text_column", text_column)):
        if column not in names:
            raise InputError(
                f"prior.{option}={column}: {path} has no such column; "
                f"{close_matches(column, names)}it has {', '.join(names[:8])}"
            )
    texts: dict[str, str] = {}
    for gene, text in zip(table[gene_column], table[text_column], strict=True):
        if not isinstance(text, str) or not text.strip():  # a missing cell is NaN or None
            continue
        if texts.setdefault(str(gene), text.strip()) != text.strip():
            raise InputError(f"{path}: two descriptions of gene {gene!r}; keep one of them")
    return texts
