"""R^2 of many regressions at once against scikit-learn's, one at a time."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from grn_exp.nn.multiple_correlation import correlation_matrix, squared_multiple_correlation


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    mixed = rng.standard_normal((7, 60)) + 0.5 * rng.standard_normal(60)
    return (mixed - mixed.mean(axis=1, keepdims=True)) / mixed.std(axis=1, keepdims=True)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
def test_equals_a_regression_for_each_set(features, size):
    target, candidates = features[0], features[1:]
    correlations = correlation_matrix(torch.tensor(features))
    sets = list(itertools.combinations(range(6), size))
    found = squared_multiple_correlation(
        correlations[1:, 1:], correlations[0, 1:], torch.tensor(sets)
    )
    expected = [
        LinearRegression().fit(candidates[list(s)].T, target).score(candidates[list(s)].T, target)
        for s in sets
    ]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-10)


def test_a_copy_of_a_member_adds_nothing(features):
    features[2] = features[1]
    correlations = correlation_matrix(torch.tensor(features))
    found = squared_multiple_correlation(
        correlations[1:, 1:], correlations[0, 1:], torch.tensor([[0, 1], [1, 0]])
    )
    alone = correlations[0, 1] ** 2
    torch.testing.assert_close(found, torch.stack([alone, alone]))


def test_a_gene_that_never_varies_explains_nothing(features):
    features[1] = 0
    correlations = correlation_matrix(torch.tensor(features))
    found = squared_multiple_correlation(
        correlations[1:, 1:], correlations[0, 1:], torch.tensor([[0, 2], [2, 0]])
    )
    alone = correlations[0, 3] ** 2
    torch.testing.assert_close(found, torch.stack([alone, alone]))
