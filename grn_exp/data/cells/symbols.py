"""What the genes of a file are called, and which of them are regulators."""

import logging
import re
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from grn_exp.core.errors import InputError, absent, close_matches
from grn_exp.core.genes import MISSING, GeneIndex, stripped
from grn_exp.core.home import expanded
from grn_exp.storage import store
from grn_exp.storage.delimited import opened, refuse_other_kinds

log = logging.getLogger(__name__)

Cells = Any  # an AnnData, whose parts have too many types to be told apart

SPECIES = ("human", "mouse")
# columns of var in which 10x, CELLxGENE, scanpy and monocle keep symbols
_USUAL_COLUMNS = (
    *("feature_name", "gene_symbols", "gene_symbol", "gene_name", "gene_names"),
    *("gene_short_name", "symbol", "Symbol", "SYMBOL"),
)
_ENSEMBL = re.compile(r"(ENS[A-Z]*?)G\d{11}(\.\d+)?$")
_GENOME = re.compile(r"(hg19|hg38|GRCh37|GRCh38|mm9|mm10|mm39|GRCm38|GRCm39)_+")
_FEW_NAMES = 0.1  # share of genes that may be called otherwise without a word
_HEADERS = {"tf", "gene", "genes", "gene1", "source", "symbol", "regulator", "regulators"}


def name_genes(cells: Cells, column: str | None, *, source: str) -> list[str]:
    """Return a symbol for each gene of a file; an empty string where it has none.

    Parameters
    ----------
    column
        Of ``var``, with the symbols; None for the names of the genes. Where these are Ensembl ids,
        a column that usually holds symbols is taken.

    Raises
    ------
    InputError
        If there is no such column, if the genes have Ensembl ids and no column with symbols is
        known, or if they are of two species.
    """
    columns = [str(name) for name in cells.var.columns]
    if column is not None and column not in columns:
        raise InputError(
            f"data.gene_column={column}: {source} has no such column of var; "
            f"{close_matches(column, columns)}choose from {', '.join(columns) or 'none'}"
        )
    names = _strings(cells.var_names if column is None else cells.var[column], source)
    _refuse_two_species(names, source)
    n_ids = sum(_ENSEMBL.match(name) is not None for name in names)
    if column is not None or n_ids <= len(names) / 2:
        _warn_of_other_names(names, n_ids, source)
        return names
    usual = next((name for name in _USUAL_COLUMNS if name in columns), None)
    if usual is None:
        has = f"var has {', '.join(columns)}" if columns else "var has no columns"
        raise InputError(
            f"{source}: the genes have Ensembl ids (such as {names[0]!r}); name the column of var "
            f"that holds their symbols, data.gene_column=... ({has})"
        )
    log.info("%s: the genes have Ensembl ids; their symbols are from var[%r]", source, usual)
    return _strings(cells.var[usual], source)


def _strings(values: Iterable[object], source: str) -> list[str]:
    given = [str(value) for value in values]
    missing = [value for value in given if value.strip() in MISSING]
    if missing:
        log.warning(
            "%s: %d of %d genes have no symbol (%r stands for none) and were left out; give "
            "such a gene another name if it is one",
            *(source, len(missing), len(given), missing[0]),
        )
    return stripped(("" if value.strip() in MISSING else value for value in given), name=source)


def _refuse_two_species(names: Sequence[str], source: str) -> None:
    for pattern in (_ENSEMBL, _GENOME):
        found = {match.group(1): name for name in names if (match := pattern.match(name))}
        if len(found) > 1:
            raise InputError(
                f"{source}: its genes are of two species (such as "
                f"{' and '.join(map(repr, list(found.values())[:2]))}); keep the cells and genes "
                "of one"
            )


def _warn_of_other_names(names: Sequence[str], n_ids: int, source: str) -> None:
    """Warn of genes that are called otherwise than most."""
    n_prefixed = sum(_GENOME.match(name) is not None for name in names)
    letters = [name for name in names if re.match(r"[A-Za-z]{3}", name)]
    upper = [name for name in letters if name.isupper()]
    title = [name for name in letters if name[1:].islower()]
    least = _FEW_NAMES * len(names)
    if n_ids > least:
        log.warning(
            "%s: %d of %d genes have Ensembl ids in place of symbols; data.gene_column=... names "
            "the column of var with the symbols",
            *(source, n_ids, len(names)),
        )
    if n_prefixed > least:
        log.warning(
            "%s: %d of %d genes have a genome before the symbol (such as %r), by which no list "
            "knows them; take it away",
            *(source, n_prefixed, len(names), next(filter(_GENOME.match, names))),
        )
    elif min(len(upper), len(title)) > least:
        log.warning(
            "%s: %d genes are spelt as human ones are (such as %r) and %d as those of mice (such "
            "as %r); keep one species, if these are two",
            *(source, len(upper), upper[0], len(title), title[0]),
        )


def read_regulators(choice: str | Sequence[str]) -> tuple[list[str], str]:
    """Return the symbols of regulators, and what they are from.

    Parameters
    ----------
    choice
        ``human`` or ``mouse``: BEELINE's lists of transcription factors (from RegNetwork, TRRUST
        and Gene Ontology). Or as :func:`read_symbols`.

    Raises
    ------
    InputError
        If there is no such file, or no symbol in it.
    """
    if isinstance(choice, str) and choice in SPECIES:
        path = store.fetch(f"tf_lists/{choice}-tfs.csv")
        return _symbols_of(path, "data.regulators", choice), f"the {choice} list"
    found = read_symbols(choice, option="data.regulators", others="human, mouse, or ")
    return found, choice if isinstance(choice, str) else "data.regulators"


def read_symbols(choice: str | Sequence[str], *, option: str, others: str = "") -> list[str]:
    """Return symbols that are given, or those of a file with one in each row's first column.

    Parameters
    ----------
    option
        What they are given as, for messages.
    others
        What else could be given.

    Raises
    ------
    InputError
        If there is no such file, or no symbol in it.
    """
    if not isinstance(choice, str):
        given = [symbol for symbol in stripped(choice, name=option) if symbol]
        if not given:
            raise InputError(f"{option}: no symbol in this list; give one at least")
        return list(dict.fromkeys(given))
    path = expanded(choice)
    if not path.is_file():
        raise InputError(
            f"{option}={choice}: {absent(path)}; give {others}a file with a symbol a line, or "
            f"symbols as a list, {option}=[A,B]"
        )
    return _symbols_of(path, option, choice)


def _symbols_of(path: Path, option: str, choice: str) -> list[str]:
    try:
        refuse_other_kinds(path)
        with opened(path) as stream:
            lines = stream.read().splitlines()
    except InputError as error:
        raise InputError(f"{option}={choice}: {error}") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(
            f"{option}={choice}: cannot read it ({error}); give UTF-8 text, a symbol a line"
        ) from error
    if len(lines) == 1:
        lines = re.split(r"[,;\s]+", lines[0])
    first = [
        re.sub(r"^(['\"])(.*)\1$", r"\2", re.split(r"[,;\t]", line)[0])
        for line in lines
        if line[:1] not in ("#", "")
    ]
    if first and first[0].strip().lower() in _HEADERS:
        first = first[1:]
    found = [symbol for symbol in dict.fromkeys(stripped(first, name=choice)) if symbol]
    if not found:
        raise InputError(f"{option}={choice}: no symbol in this file; give one a line")
    return found


def find(asked: Sequence[str], genes: GeneIndex) -> list[str | None]:
    """Return the gene that each symbol means: spelt alike, or alike but for case."""
    by_upper: dict[str, str] = {}
    for gene in genes:
        by_upper.setdefault(gene.upper(), gene)
    return [symbol if symbol in genes else by_upper.get(symbol.upper()) for symbol in asked]


def refuse_unfound(
    asked: Sequence[str], genes: GeneIndex, *, source: str, cells: Iterable[str]
) -> None:
    """Refuse to go on without a single regulator, and say why there may be none."""
    named = {symbol.upper() for symbol in asked} & {str(cell).upper() for cell in cells}
    ids = sum(_ENSEMBL.match(symbol) is not None for symbol in asked) > len(asked) / 2
    cause = "the list has Ensembl ids; give symbols" if ids else "use the same kind of symbols"
    if named:
        cause = f"{len(named)} are among the cells: transpose the matrix, adata.T"
    raise InputError(
        f"data.regulators: none of the {len(asked)} of {source} (such as "
        f"{', '.join(map(repr, asked[:3]))}) is among the {len(genes)} genes (such as "
        f"{', '.join(map(repr, genes.symbols[:3]))}); {cause}"
    )


def species_warning(choice: object, genes: GeneIndex) -> str:
    """Say if genes are spelt as another species' are than the list of regulators; "" if not."""
    letters = [gene for gene in genes if re.match(r"[A-Za-z]{3}", gene)]
    upper = np.mean([gene.isupper() for gene in letters]) if letters else 0.0
    spelt = "human" if upper > 0.9 else "mouse" if upper < 0.1 else None
    if choice not in SPECIES or spelt in (None, choice):
        return ""
    return (
        f"data.regulators={choice}, but the genes are spelt as those of {spelt} are (such as "
        f"{letters[0]!r}); data.regulators={spelt} may be what you want"
    )
