"""The factored scorers against features written out; encoder and dropout."""

import numpy as np
import pytest
import torch
from torch import nn

from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.nn.dropout import Dropout
from grn_exp.nn.gene_encoder import GeneEncoder, gene_features
from grn_exp.nn.pair_scorer import FactoredContextScorer, FactoredPairScorer

B, N, D, HIDDEN = 3, 7, 5, 6


@pytest.fixture
def inputs():
    """Regulators, targets and contexts; in double precision, where rounding does not show."""
    torch.manual_seed(0)
    return [torch.randn(n, D, dtype=torch.float64, requires_grad=True) for n in (N, B, B)]


def context_features(z_r, z_t, c_t):
    """Equation 7 for one pair."""
    dots = torch.stack([z_r @ z_t, z_r @ c_t])
    return torch.cat([z_r, z_t, c_t, z_r * z_t, z_r * c_t, z_t * c_t, dots])


def pair_features(z_r, z_t):
    return torch.cat([z_r, z_t, z_r * z_t, (z_r @ z_t)[None]])


def assert_same_with_gradients(scorer, inputs, factored, plain):
    leaves = [*inputs, *scorer.parameters()]
    weight = torch.randn_like(factored)
    torch.testing.assert_close(factored, plain)
    expected = torch.autograd.grad((plain * weight).sum(), leaves)
    found = torch.autograd.grad((factored * weight).sum(), leaves)
    for one, other in zip(found, expected, strict=True):
        assert one.abs().sum() > 0
        torch.testing.assert_close(one, other)


def plain_scores(scorer, features):
    """Scores of pairs whose features are made: ``(..., n_features)`` to ``(...)``."""
    return scorer.rest(scorer.first(features)).squeeze(-1)


def test_context_scorer_is_the_perceptron_on_equation_7(inputs):
    regulators, targets, contexts = inputs
    scorer = FactoredContextScorer(D, hidden_width=HIDDEN).double()
    first, output = scorer.first, scorer.rest[-1]
    assert first.weight.shape == (HIDDEN, 6 * D + 2)
    rows = []
    for t in range(B):
        phi = [context_features(z, targets[t], contexts[t]) for z in regulators]
        rows.append([output(nn.functional.gelu(first(f)))[0] for f in phi])
    plain = torch.stack([torch.stack(row) for row in rows])
    assert_same_with_gradients(scorer, inputs, scorer(*inputs), plain)


@pytest.mark.parametrize("n_hidden", [1, 2, 3])
def test_pair_scorer_is_the_perceptron_on_its_features(inputs, n_hidden):
    regulators, targets, _ = inputs
    scorer = FactoredPairScorer(D, hidden_width=HIDDEN, n_hidden=n_hidden).double()
    assert sum(isinstance(layer, nn.Linear) for layer in scorer.rest) == n_hidden
    phi = [torch.stack([pair_features(z, t) for z in regulators]) for t in targets]
    plain = plain_scores(scorer, torch.stack(phi))
    assert plain.shape == (B, N)
    assert_same_with_gradients(scorer, inputs[:2], scorer(regulators, targets), plain)


@pytest.mark.parametrize("m", [2, 100])  # both orders of contraction
def test_pair_scorer_on_lists_of_their_own(inputs, m):
    targets = inputs[1]
    own = torch.randn(B, m, D, dtype=torch.float64, requires_grad=True)
    scorer = FactoredPairScorer(D, hidden_width=HIDDEN, n_hidden=2).double()
    phi = [torch.stack([pair_features(z, targets[t]) for z in own[t]]) for t in range(B)]
    plain = plain_scores(scorer, torch.stack(phi))
    assert_same_with_gradients(scorer, [own, targets], scorer.forward_own(own, targets), plain)


def test_a_gain_lengthens_the_embeddings_and_not_the_inner_products(inputs):
    regulators, targets, contexts = inputs
    scorer = FactoredContextScorer(D, hidden_width=HIDDEN, gain=2.5).double()
    rows = []
    for t in range(B):
        phi = [context_features(2.5 * z, 2.5 * targets[t], 2.5 * contexts[t]) for z in regulators]
        for features in phi:
            features[-2:] /= 2.5
        rows.append(torch.stack([scorer.rest(scorer.first(f))[0] for f in phi]))
    assert_same_with_gradients(scorer, inputs, scorer(*inputs), torch.stack(rows))


def test_single_precision_agrees_too():
    torch.manual_seed(0)
    z_r, z_t, c_t = (torch.randn(n, 128) for n in (50, 4, 4))
    scorer = FactoredContextScorer(128, hidden_width=64)
    phi = [torch.stack([context_features(z, *tc) for z in z_r]) for tc in zip(z_t, c_t)]  # noqa: B905
    torch.testing.assert_close(
        scorer(z_r, z_t, c_t), plain_scores(scorer, torch.stack(phi)), rtol=1e-4, atol=1e-5
    )


def test_gene_features_by_hand():
    values = np.array([[1, 5, 0.1], [3, 5, 0.1], [2, 5, 0.1]], dtype=np.float32)
    expression = Expression(values=values, genes=GeneIndex("ABC"), transform="log1p")
    features = gene_features(expression)
    root = 1.5**0.5  # the population variance of 1, 3, 2 is 2/3
    expected = [[-root, root, 0], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(features.numpy(), expected, atol=1e-6)
    assert features.dtype == torch.float32


@pytest.mark.parametrize("depth", [1, 3])
def test_encoder_treats_every_gene_alike(depth):
    torch.manual_seed(0)
    encoder = GeneEncoder(8, hidden_width=6, dim=4, depth=depth, dropout=0.5)
    assert sum(isinstance(layer, nn.Linear) for layer in encoder.layers) == depth + 1
    x = torch.randn(5, 8)
    encoder.eval()
    z = encoder(x)
    assert z.shape == (5, 4)
    torch.testing.assert_close(encoder(x[[3]])[0], z[3])
    encoder.train()
    assert not torch.equal(encoder(x), encoder(x))


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.93])
def test_dropout_zeroes_its_share_and_keeps_the_mean(rate):
    torch.manual_seed(0)
    dropout, ones = Dropout(rate), torch.ones(401, 503, requires_grad=True)
    found = dropout(ones)
    n = ones.numel()
    error = 5 * (rate * (1 - rate) / n) ** 0.5
    assert abs(float((found == 0).sum()) / n - rate) <= error
    assert float(found.detach().mean()) == pytest.approx(1, abs=error / (1 - rate) + 1e-6)
    torch.testing.assert_close(found.unique()[-1].item(), 1 / (1 - rate), rtol=1e-3, atol=0)
    (gradient,) = torch.autograd.grad(found.sum(), ones)
    assert torch.equal(gradient, found)
    # each of the four elements that share a number has its turn
    shares = (found.detach().reshape(-1)[: n // 4 * 4].view(-1, 4) == 0).double().mean(dim=0)
    assert (shares - rate).abs().max() <= 2 * error
    dropout.eval()
    assert dropout(ones) is ones


def test_dropout_follows_the_global_seed():
    dropout, x = Dropout(0.5), torch.ones(10, 3)
    torch.manual_seed(1)
    first = dropout(x)
    assert not torch.equal(dropout(x), first)
    torch.manual_seed(1)
    assert torch.equal(dropout(x), first)
