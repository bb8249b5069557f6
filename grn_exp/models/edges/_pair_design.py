"""Features of pairs of genes, for methods that learn what an edge looks like from known ones."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.views import TrainView
from grn_exp.models.edges.correlation import correlations, ranks_over_cells
from grn_exp.priors.expression_pca import ExpressionPcaPrior

Floats = NDArray[np.float64]

_GENES_PER_LETTERS = 3  # letters that fewer symbols share say nothing of other genes
_ROUNDING = 1e-6


@dataclasses.dataclass(frozen=True)
class PairDesign:
    """What is known of every pair before any label, in groups that share a penalty.

    A pair's features are those of its target, the products of the regulator's and the target's
    number in each column of ``products``, and its own. All have mean 0 and variance 1 over the
    genes or pairs.

    Attributes
    ----------
    of_targets
        Groups of the shape ``(n_genes, width)``.
    products
        Groups of the shape ``(n_genes, width)``, of which a pair has the products.
    of_pairs
        Groups of the shape ``(n_regulators, n_genes, width)``.
    regulators
        Positions of the regulators among the genes.
    likeness
        Likeness of regulators to each other, ``(n_regulators, n_regulators)``, 1 with itself.
    """

    of_targets: Mapping[str, Floats]
    products: Mapping[str, Floats]
    of_pairs: Mapping[str, NDArray[np.float32]]
    regulators: NDArray[np.int64]
    likeness: Floats

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Names and widths of the groups, in the order of the columns."""
        tables = {**self.of_targets, **self.products, **self.of_pairs}
        return [(name, table.shape[-1]) for name, table in tables.items()]

    def of(self, row: int, columns: NDArray[np.int64]) -> Floats:
        """Return a regulator's pairs with some genes, shape ``(n, n_features)``."""
        own = self.regulators[row]
        parts = [table[columns] for table in self.of_targets.values()]
        parts += [table[own] * table[columns] for table in self.products.values()]
        parts += [table[row, columns] for table in self.of_pairs.values()]
        return np.concatenate(parts, axis=1)

    def scores(self, coefficients: Floats, rows: NDArray[np.int64]) -> Floats:
        """Return some regulators' features of all genes times coefficients.

        Parameters
        ----------
        coefficients
            Shape ``(n_features, n_fits)``.
        rows
            Of the regulators, shape ``(n,)``.

        Returns
        -------
        ndarray
            Shape ``(n, n_genes, n_fits)``.
        """
        columns = np.arange(len(self.mean_expression))
        return np.stack([self.of(row, columns) @ coefficients for row in rows])

    @property
    def mean_expression(self) -> Floats:
        """The genes' mean expression, standardised, shape ``(n_genes,)``."""
        return self.of_targets["expression"][:, 0]

    @property
    def correlation(self) -> Floats:
        """Pearson's correlations with the regulators, standardised, (n_regulators, n_genes)."""
        return self.of_pairs["co-expression"][..., 0].astype(np.float64)

    @property
    def likeness_of_letters(self) -> Floats | None:
        """How alike the two symbols are, standardised, if letters are read."""
        alike = self.of_pairs.get("likeness of letters")
        return None if alike is None else alike[..., 0].astype(np.float64)


def design(view: TrainView, *, components: int, symbols: bool) -> PairDesign:
    """Describe all pairs of a view.

    Parameters
    ----------
    view
        Expression and the genes' names; vectors, where it has them.
    components
        Of expression, of the letters and of the vectors.
    symbols
        Use the letters of the genes' symbols.
    """
    positions = view.regulator_positions
    n_cells, n_genes = view.expression.values.shape
    axes = ExpressionPcaPrior(max(min(components, n_cells - 1, n_genes), 1))
    loadings = axes.embed(view.expression).values.astype(np.float64)
    co_expression = _co_expression(view)
    likeness = co_expression[:, positions, 0].astype(np.float64)
    of_targets = {
        "expression": _standardised(_summaries(view)),
        "expression components": _standardised(loadings),
    }
    products: dict[str, Floats] = {}
    of_pairs = {"co-expression": _standardised(co_expression)}
    shares = 1.0
    if symbols:
        letters = _letters(view.genes.symbols)
        similar = np.asarray((letters[positions] @ letters.T).todense())
        vectors = _standardised(_components(letters, components))
        of_targets["letters"] = products["letters x letters"] = vectors
        of_pairs["likeness of letters"] = _standardised(similar[..., None]).astype(np.float32)
        likeness, shares = likeness + 2 * similar[:, positions], shares + 2
    if view.embedding is not None:
        centred = view.embedding.values - view.embedding.values[view.embedding.known].mean(axis=0)
        vectors = _standardised(_components(centred.astype(np.float64), components))
        of_targets["vectors"] = products["vectors x vectors"] = vectors
    likeness = likeness / shares
    np.fill_diagonal(likeness, 1.0)
    return PairDesign(of_targets, products, of_pairs, positions, likeness)


def _summaries(view: TrainView) -> Floats:
    """Return what a gene's values over the cells are like, and whether it is a regulator."""
    from scipy.stats import rankdata

    values = view.expression.values
    mean: Floats = np.mean(values, axis=0, dtype=np.float64)
    spread: Floats = np.std(values, axis=0, dtype=np.float64)
    share = (values > 0).mean(axis=0)
    where_seen = np.divide(mean, share, out=np.zeros_like(mean), where=share > 0)
    is_regulator = np.zeros(len(mean))
    is_regulator[view.regulator_positions] = 1
    columns = [mean, spread, share]
    ranks = [rankdata(column) for column in columns]
    return np.stack([*columns, *ranks, where_seen, values.max(axis=0), is_regulator], axis=1)


def _co_expression(view: TrainView) -> NDArray[np.float32]:
    """Return correlations of each pair, of several kinds; the first is Pearson's."""
    from scipy.stats import rankdata

    values, positions = view.expression.values, view.regulator_positions
    linear = correlations(values, positions)
    ranked = correlations(ranks_over_cells(values), positions)
    detected = correlations((values > 0).astype(np.float32), positions)
    for kind in (linear, ranked, detected):
        kind[np.arange(len(positions)), positions] = 0
    # do both vary with the same regulators?
    profiles = correlations(linear, positions)
    kinds = (linear, ranked, detected, profiles)
    places = [rankdata(kind, axis=1) for kind in (linear, np.abs(linear))]
    return np.stack([*kinds, *map(np.abs, kinds), *places], axis=-1).astype(np.float32)


def _letters(symbols: tuple[str, ...]) -> Any:
    """Return TF-IDF of two to four letters in a row, ``(n_genes, n_letters)``, sparse.

    Upper case, with a mark for the start and one for the number at the end, in which members of
    a family differ.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = ["^" + re.sub(r"\d+$", "#", symbol.upper()) for symbol in symbols]
    reader = TfidfVectorizer(
        analyzer="char",
        ngram_range=(2, 4),
        min_df=min(_GENES_PER_LETTERS, len(words)),
        sublinear_tf=True,
        lowercase=False,
    )
    try:
        return reader.fit_transform(words)
    except ValueError as error:
        raise InputError(
            f"model.symbols=true: no {_GENES_PER_LETTERS} of the {len(words)} symbols (such as "
            f"{symbols[0]!r}) have two letters in common; give model.symbols=false"
        ) from error


def _components(table: Any, n: int) -> Floats:
    """Return rows as their first singular vectors times singular values, ``n`` at most."""
    from sklearn.utils.extmath import randomized_svd

    vectors, lengths, _ = randomized_svd(table, min(n, *table.shape), random_state=0)
    # beyond the table's rank there is rounding alone
    return (vectors * lengths)[:, lengths > _ROUNDING * lengths[0]]


def _standardised(table: NDArray[Any]) -> NDArray[Any]:
    """Return columns (the last axis) with mean 0 and variance 1 over all other axes.

    A column that is the same everywhere is 0.
    """
    axes = tuple(range(table.ndim - 1))
    centred = table - table.mean(axis=axes, dtype=np.float64)
    spread = np.sqrt(np.square(centred).mean(axis=axes))
    constant = spread <= _ROUNDING * np.abs(table).max(axis=axes)
    spread[constant] = np.inf
    return (centred / spread).astype(table.dtype)
