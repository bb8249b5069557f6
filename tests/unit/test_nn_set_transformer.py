"""The Set Transformer against torch's own encoder, and its fast form against the plain one."""

import itertools

import pytest
import torch
from torch import nn

from benchmarks.plain_decoding import PlainSetScore
from grn_exp.core.errors import InputError
from grn_exp.nn.set_transformer import SetTransformer
from tests.messages import naming

DIM, HEADS, WIDTH, POOL = 16, 4, 24, 9


def build(n_layers, *, seed=0, zero_head=False, scale=1.0, dtype=torch.float64):
    torch.manual_seed(seed)
    model = SetTransformer(DIM, HEADS, n_layers, WIDTH, 0.1, zero_head=zero_head).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            # torch starts biases at zero and norms at one, which would hide a lost one
            if not (zero_head and parameter is model.head.weight):
                parameter.add_(0.3 * torch.randn_like(parameter)).mul_(scale)
    return model.eval()


def torchs_own(model):
    """The same weights in torch's encoder."""
    layer = nn.TransformerEncoderLayer(
        DIM, HEADS, WIDTH, 0.1, activation="gelu", batch_first=True, norm_first=True
    )
    encoder = nn.TransformerEncoder(layer, len(model.layers), enable_nested_tensor=False)
    encoder = encoder.to(model.head.weight.dtype).eval()
    for copy, original in zip(encoder.layers, model.layers, strict=True):
        copy.load_state_dict(original.state_dict())
    return encoder


def written_out(model, encoder, z_targets, z_sets):
    """Sequences one by one: [u, z_r1, ..., z_rR], encoder, first row, w."""
    rows = []
    for z_target, sets in zip(z_targets, z_sets, strict=True):
        u = model.cls.weight @ z_target + model.cls.bias
        scores = [
            encoder(torch.cat([u[None], members])[None])[0, 0] @ model.head.weight[0]
            for members in sets
        ]
        rows.append(torch.stack(scores))
    return torch.stack(rows)


def inputs(size, *, n_targets=2, n_sets=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(size)
    z_targets = torch.randn(n_targets, DIM, generator=generator, dtype=dtype)
    return z_targets, torch.randn(n_targets, n_sets, size, DIM, generator=generator, dtype=dtype)


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_forward_equals_torchs_encoder(n_layers, size):
    model = build(n_layers)
    z_targets, z_sets = inputs(size)
    expected = written_out(model, torchs_own(model), z_targets, z_sets)
    assert expected.std() > 0.01
    torch.testing.assert_close(model(z_targets, z_sets), expected)


@pytest.mark.parametrize("n_layers", [1, 2])
def test_gradients_equal_those_through_torchs_encoder(n_layers):
    model = build(n_layers)
    encoder = torchs_own(model)
    z_targets, z_sets = (each.requires_grad_() for each in inputs(3))
    found = torch.autograd.grad(
        model(z_targets, z_sets).sin().sum(),
        (z_targets, z_sets, model.cls.weight, model.head.weight, *model.layers.parameters()),
    )
    expected = torch.autograd.grad(
        written_out(model, encoder, z_targets, z_sets).sin().sum(),
        (z_targets, z_sets, model.cls.weight, model.head.weight, *encoder.parameters()),
    )
    torch.testing.assert_close(found, expected)


def test_dropout_is_on_in_training_and_off_in_evaluation():
    model = build(2)
    z_targets, z_sets = inputs(3)
    assert torch.equal(model(z_targets, z_sets), model(z_targets, z_sets))
    model.train()
    assert not torch.equal(model(z_targets, z_sets), model(z_targets, z_sets))


def test_the_order_of_the_members_does_not_matter():
    model = build(2)
    z_targets, z_sets = inputs(4)
    found = model(z_targets, z_sets[:, :, [2, 0, 3, 1]])
    torch.testing.assert_close(found, model(z_targets, z_sets))


def test_the_target_and_every_member_matter():
    model = build(2)
    z_targets, z_sets = inputs(3)
    scores = model(z_targets, z_sets)
    assert ((model(z_targets + 1, z_sets) - scores).abs() > 1e-4).all()
    for member in range(3):
        changed = z_sets.clone()
        changed[:, :, member] *= -1
        assert ((model(z_targets, changed) - scores).abs() > 1e-4).all()


@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_a_zero_head_scores_zero_and_learns(n_layers):
    model = build(n_layers, zero_head=True)
    z_targets, z_sets = inputs(3)
    scores = model(z_targets, z_sets)
    assert (scores == 0).all()
    scores.sum().backward()
    assert model.head.weight.grad.abs().sum() > 0
    pool = model.pool_score(z_targets[0], z_sets[0].reshape(-1, DIM).detach())
    assert (pool(torch.tensor([[0, 1, 2], [3, 5, 8]])) == 0).all()


def pool_and_sets(size, dtype=torch.float64):
    generator = torch.Generator().manual_seed(size)
    z_target = torch.randn(DIM, generator=generator, dtype=dtype)
    z_pool = torch.randn(POOL, DIM, generator=generator, dtype=dtype)
    sets = torch.tensor(list(itertools.combinations(range(POOL), size)))
    return z_target, z_pool, sets


@pytest.mark.parametrize("scale", [1.0, 12.0])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("n_layers", [1, 2, 3, 4])
def test_pool_score_equals_forward(n_layers, size, scale):
    model = build(n_layers, scale=scale)  # the larger weights make attention logits of hundreds
    z_target, z_pool, sets = pool_and_sets(size)
    pool = model.pool_score(z_target, z_pool)
    assert pool.n_candidates == POOL
    assert pool.first.is_wide == (scale > 1)
    with torch.no_grad():
        expected = model(z_target[None], z_pool[sets][None])[0]
    assert expected.std() > 0.01
    torch.testing.assert_close(pool(sets), expected)


@pytest.mark.parametrize("rows", [1, 20, 10**6])
def test_chunks_change_nothing(rows):
    model = build(2)
    z_target, z_pool, sets = pool_and_sets(3)
    pool = model.pool_score(z_target, z_pool)
    expected = pool(sets)
    pool.rows = rows
    torch.testing.assert_close(pool(sets), expected)


def test_pool_score_in_single_precision_and_in_training_mode():
    model = build(2, dtype=torch.float32)
    z_target, z_pool, sets = pool_and_sets(4, dtype=torch.float32)
    with torch.no_grad():
        expected = model(z_target[None], z_pool[sets][None])[0]
    model.train()
    found = model.pool_score(z_target, z_pool)(sets)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n_layers", [1, 2])
def test_pool_score_equals_the_plain_form_of_the_benchmark(n_layers):
    model = build(n_layers, dtype=torch.float32)
    z_target, z_pool, sets = pool_and_sets(3, dtype=torch.float32)
    plain = PlainSetScore(model, z_target, z_pool)
    torch.testing.assert_close(
        model.pool_score(z_target, z_pool)(sets), plain(sets), rtol=1e-4, atol=1e-4
    )


def test_pool_score_permutes_with_the_members():
    model = build(2)
    z_target, z_pool, sets = pool_and_sets(3)
    pool = model.pool_score(z_target, z_pool)
    torch.testing.assert_close(pool(sets.flip(1)), pool(sets))


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(InputError, match=naming("n_heads=4", "dim=10")):
        SetTransformer(dim=10, n_heads=4)
