"""Tabulated networks against the networks themselves."""

import numpy as np
import pytest
import torch

from grn_exp.nn.scalar_network import (
    FrozenTable,
    Grid,
    ScalarNetwork,
    look_up,
)


@pytest.fixture
def network():
    torch.manual_seed(3)
    network = ScalarNetwork(hidden_width=16, n_outputs=2)
    with torch.no_grad():  # steeper than at the start, so that a coarse table is visibly off
        network.layers[0].weight.mul_(4)
    return network


def largest_curvature(network, low, high):
    """Largest |second derivative| of each output, by differences of the first."""
    exact = ScalarNetwork(hidden_width=16, n_outputs=2).double()
    exact.load_state_dict(network.state_dict())
    x = torch.linspace(low, high, 4001, dtype=torch.float64)
    slopes = [
        torch.autograd.functional.jvp(lambda x, k=k: exact(x)[k], x, torch.ones_like(x))[1]
        for k in range(2)
    ]
    return torch.stack([(s.diff() / x.diff()).abs().max() for s in slopes])


def test_scalar_network_applies_the_same_function_to_every_element(network):
    x = torch.randn(3, 4)
    outputs = network(x)
    assert outputs.shape == (2, 3, 4)
    alone = network(x[1, 2])
    torch.testing.assert_close(outputs[:, 1, 2], alone.reshape(2))


@pytest.mark.parametrize("n_points", [9, 33, 129])
def test_table_is_as_near_as_the_second_derivative_allows(network, n_points):
    x = torch.linspace(-3, 2, 1001)
    error = (look_up(network, x, n_points=n_points) - network(x)).abs().amax(dim=1).double()
    spacing = 5 / (n_points - 1)
    bound = spacing**2 / 8 * largest_curvature(network, -3, 2)
    assert (error <= 1.01 * bound + 2e-6).all()
    assert (error >= 0.2 * bound).all()  # a table was used, and the bound is no empty promise


def test_table_of_the_size_in_use_is_good_to_a_few_millionths():
    torch.manual_seed(0)
    network = ScalarNetwork(hidden_width=128, n_outputs=2)
    x = torch.linspace(-10, 10, 5000)  # as wide as clipped z-scores
    error = (look_up(network, x, n_points=2048) - network(x)).abs().max()
    assert error < 5e-6


def test_look_up_without_points_is_the_plain_call(network):
    x = torch.randn(5, 7)
    assert torch.equal(look_up(network, x, n_points=0), network(x))


def test_look_up_hands_gradients_to_weights_and_numbers(network):
    x = torch.randn(20, 6)
    found = {}
    for n_points in (0, 4096):
        network.zero_grad()
        leaf = x.clone().requires_grad_()
        look_up(network, leaf, n_points=n_points).square().sum().backward()
        found[n_points] = [leaf.grad, *(p.grad.clone() for p in network.parameters())]
    for by_table, exact in zip(found[4096], found[0], strict=True):
        scale = float(exact.abs().max())
        torch.testing.assert_close(by_table, exact, rtol=0, atol=3e-3 * scale)


def test_interpolation_meets_the_table_at_grid_points_and_both_ends():
    table = torch.randn(2, 5)
    grid = Grid(-1.0, 3.0, 5)
    x = grid.points(torch.device("cpu"))
    assert x[0] == -1
    assert x[-1] == 3
    torch.testing.assert_close(grid.interpolate(table, x), table)
    between = torch.tensor([0.25])  # a quarter of the way from the second to the third entry
    value = grid.interpolate(table, between)
    torch.testing.assert_close(value[:, 0], 0.75 * table[:, 1] + 0.25 * table[:, 2])


def test_interpolation_gradients_against_finite_differences():
    rng = np.random.default_rng(0)
    table = torch.from_numpy(rng.standard_normal((2, 6))).requires_grad_()
    # 40 numbers in 5 cells, none within 0.05 of a kink
    x = torch.from_numpy(rng.integers(0, 5, (8, 5)) + rng.uniform(0.05, 0.95, (8, 5)))
    x.requires_grad_()
    assert torch.autograd.gradcheck(Grid(0.0, 5.0, 6).interpolate, (table, x))


def test_interpolation_gradients_against_a_naive_implementation():
    torch.manual_seed(0)
    table = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    x = (5 * torch.rand(30, dtype=torch.float64)).requires_grad_()
    weight = torch.randn(2, 30, dtype=torch.float64)
    lower = x.detach().floor().long()
    fraction = x - lower
    naive = table[:, lower] * (1 - fraction) + table[:, lower + 1] * fraction
    expected = torch.autograd.grad((naive * weight).sum(), (table, x))
    ours = Grid(0.0, 5.0, 6).interpolate(table, x)
    torch.testing.assert_close(ours, naive)
    found = torch.autograd.grad((ours * weight).sum(), (table, x))
    torch.testing.assert_close(found, expected)


def test_one_number_everywhere_is_looked_up_too(network):
    x = torch.full((4, 3), 1.5)
    torch.testing.assert_close(look_up(network, x, n_points=64), network(x))


def test_frozen_table_grows_and_stays_right(network):
    frozen = FrozenTable(network, n_points=2048)
    first = torch.linspace(-1, 1, 50)
    torch.testing.assert_close(frozen(first), network(first), rtol=0, atol=1e-5)
    table = frozen.table
    torch.testing.assert_close(frozen(first / 2), network(first / 2), rtol=0, atol=1e-5)
    assert frozen.table is table  # numbers within it: no new table
    wide = torch.linspace(-6, 4, 50)
    torch.testing.assert_close(frozen(wide), network(wide), rtol=0, atol=5e-5)
    assert frozen.table is not table
    assert (frozen.grid.low, frozen.grid.high) == (
        -8.5,
        6.5,
    )  # a quarter of the span on either side
    torch.testing.assert_close(frozen(first), network(first), rtol=0, atol=5e-5)


def test_frozen_table_is_differentiable_in_numbers_and_not_in_weights(network):
    frozen = FrozenTable(network, n_points=4096)
    x = torch.randn(30, requires_grad=True)
    frozen(x).sum().backward()
    assert all(p.grad is None for p in network.parameters())
    exact = x.detach().clone().requires_grad_()
    network(exact).sum().backward()
    torch.testing.assert_close(x.grad, exact.grad, rtol=0, atol=5e-3)


def test_frozen_table_without_points_is_the_plain_call(network):
    x = torch.randn(9)
    assert torch.equal(FrozenTable(network, n_points=0)(x), network(x))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_tables_refuse_what_is_not_finite(network, bad):
    x = torch.tensor([0.0, bad, 1.0])
    with pytest.raises(FloatingPointError, match=str(bad)):
        look_up(network, x, n_points=16)
    with pytest.raises(FloatingPointError, match=str(bad)):
        FrozenTable(network, n_points=16)(x)
