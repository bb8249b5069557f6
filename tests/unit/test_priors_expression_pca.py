"""Loadings on principal components, against scikit-learn and the correlation matrix."""

import dataclasses

import numpy as np
import pytest

from grn_exp.core.errors import InputError
from grn_exp.core.expression import Expression
from grn_exp.priors.expression_pca import ExpressionPcaPrior
from tests.messages import naming

GENES = [f"G{i}" for i in range(12)]


@pytest.fixture(params=[30, 7], ids=["more cells than genes", "fewer cells than genes"])
def expression(request, make_expression) -> Expression:
    return make_expression(GENES, n_cells=request.param)


def test_loadings_are_those_of_scikit_learn(expression):
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    zscored = StandardScaler().fit_transform(expression.values.astype(float))
    pca = PCA(n_components=5, svd_solver="full").fit(zscored)
    n_cells = expression.n_cells
    expected = pca.components_.T * np.sqrt(pca.explained_variance_ * (n_cells - 1) / n_cells)
    found = ExpressionPcaPrior(n_components=5).embed(expression).values
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-5)
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found, expected * signs, atol=1e-5)


def test_an_entry_is_the_correlation_of_gene_and_component(expression):
    zscored = (expression.values - expression.values.mean(0)) / expression.values.std(0)
    found = ExpressionPcaPrior(n_components=3).embed(expression).values
    scores = zscored @ found
    for gene in range(len(GENES)):
        for component in range(3):
            correlation = np.corrcoef(expression.values[:, gene], scores[:, component])[0, 1]
            np.testing.assert_allclose(found[gene, component], correlation, atol=1e-4)


def test_all_components_give_back_the_correlation_matrix(expression):
    most = min(expression.values.shape)
    found = ExpressionPcaPrior(n_components=most).embed(expression)
    assert found.values.shape == (12, most)
    assert found.values.dtype == np.float32
    correlation = np.corrcoef(expression.values.T)
    np.testing.assert_allclose(found.values @ found.values.T, correlation, atol=1e-5)


def test_signs_are_set_and_genes_may_come_in_any_order(expression):
    prior = ExpressionPcaPrior(n_components=4)
    found = prior.embed(expression)
    largest = np.abs(found.values).argmax(axis=0)
    assert (found.values[largest, range(4)] > 0).all()
    order = np.random.default_rng(0).permutation(len(GENES))
    permuted = prior.embed(expression.take_genes(expression.genes.take(order)))
    np.testing.assert_allclose(permuted.values, found.values[order], atol=1e-5)
    flipped = prior.embed(expression.take_cells(np.arange(expression.n_cells)[::-1]))
    np.testing.assert_allclose(flipped.values, found.values, atol=1e-5)


def test_a_gene_that_does_not_vary_gets_zeros(expression):
    values = expression.values.copy()
    values[:, 3] = 0.1
    found = ExpressionPcaPrior(n_components=2).embed(
        dataclasses.replace(expression, values=values)
    )
    assert not found.values[3].any()
    assert found.values[[0, 1, 2, 4]].any(axis=1).all()
    still = dataclasses.replace(expression, values=np.ones_like(values))
    with pytest.raises(InputError, match=naming("n_components=2", "12 genes", "zero")):
        ExpressionPcaPrior(n_components=2).embed(still)


@pytest.mark.parametrize("n_components", [0, 8, 50])
def test_more_components_than_there_are_is_refused(make_expression, n_components):
    with pytest.raises(InputError, match=naming(f"prior.n_components={n_components}", "1 to 7")):
        ExpressionPcaPrior(n_components).embed(make_expression(GENES, n_cells=7))
