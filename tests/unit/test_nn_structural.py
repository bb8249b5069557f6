"""The structural equation layer against inverses written out."""

import pytest
import torch

from grn_exp.nn.structural import FullMixing, RegulatorMixing

N_GENES = 7
REGULATORS = torch.tensor([4, 1, 6])  # in no particular order


@pytest.fixture
def effects():
    generator = torch.Generator().manual_seed(0)
    return 0.3 * torch.randn(N_GENES, N_GENES, generator=generator, dtype=torch.float64)


@pytest.fixture
def cells():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(5, N_GENES, generator=generator, dtype=torch.float64)


def written_out(effects):
    """``I - A`` with A's diagonal left out."""
    size = len(effects)
    identity = torch.eye(size, dtype=effects.dtype)
    return identity - effects * (1 - identity)


def own_rows(adjacency):
    """Rows of the regulators with zero where a regulator meets itself."""
    mask = torch.ones_like(adjacency)
    mask[torch.arange(len(REGULATORS)), REGULATORS] = 0
    return adjacency * mask


def all_rows(adjacency):
    """The full matrix with the other genes' rows zero."""
    zeros = torch.zeros(N_GENES, N_GENES, dtype=adjacency.dtype)
    return zeros.index_put((REGULATORS,), own_rows(adjacency))


@pytest.mark.parametrize("reuse", [True, False])
def test_full_mixing_equals_the_inverse_written_out(effects, cells, reuse):
    mixing = FullMixing(effects, reuse=reuse)
    matrix = written_out(effects)
    torch.testing.assert_close(mixing.remove(cells), cells @ matrix)
    torch.testing.assert_close(mixing.propagate(cells), cells @ torch.linalg.inv(matrix))


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize("kind", ["full", "regulators"])
def test_propagate_undoes_remove(effects, cells, reuse, kind):
    if kind == "full":
        mixing = FullMixing(effects, reuse=reuse)
    else:
        mixing = RegulatorMixing(own_rows(effects[REGULATORS]), REGULATORS)
    torch.testing.assert_close(mixing.propagate(mixing.remove(cells)), cells)
    torch.testing.assert_close(mixing.remove(mixing.propagate(cells)), cells)
    assert not torch.allclose(mixing.remove(cells), cells)


def test_full_mixing_ignores_the_diagonal_and_leaves_its_input_alone(effects, cells):
    changed = effects.clone()
    changed.diagonal().add_(5.0)
    kept = changed.clone()
    found = FullMixing(changed, reuse=False).propagate(cells)
    torch.testing.assert_close(found, FullMixing(effects, reuse=False).propagate(cells))
    assert torch.equal(changed, kept)
    changed.requires_grad_()
    FullMixing(changed, reuse=False).propagate(cells).square().sum().backward()
    assert (changed.grad.diagonal() == 0).all()
    assert changed.grad.count_nonzero() == N_GENES * (N_GENES - 1)


def test_full_mixing_gradients_against_finite_differences(effects, cells):
    effects.requires_grad_()
    cells.requires_grad_()

    def there(cells, effects):
        return FullMixing(effects, reuse=False).propagate(cells)

    def back(cells, effects):
        return FullMixing(effects, reuse=False).remove(cells)

    assert torch.autograd.gradcheck(there, (cells, effects))
    assert torch.autograd.gradcheck(back, (cells, effects))


def test_full_mixing_gradients_against_autograd_through_the_inverse(effects, cells):
    effects.requires_grad_()
    cells.requires_grad_()
    weight = torch.randn_like(cells)
    expected = torch.autograd.grad(
        (cells @ torch.linalg.inv(written_out(effects)) * weight).sum(), (cells, effects)
    )
    h = FullMixing(effects, reuse=False).propagate(cells)
    found = torch.autograd.grad((h * weight).sum(), (cells, effects))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", ["full", "regulators"])
def test_reuse_changes_neither_values_nor_gradients_to_the_cells(effects, cells, kind):
    cells.requires_grad_()
    found = []
    for reuse in (True, False):
        if kind == "full":
            mixing = FullMixing(effects, reuse=reuse)
        else:
            mixing = RegulatorMixing(own_rows(effects[REGULATORS]), REGULATORS)
        h = mixing.propagate(cells)
        z = mixing.remove(cells)
        grads = torch.autograd.grad(h.square().sum() + z.pow(3).sum(), cells)
        found.append((h.detach(), z.detach(), *grads))
    torch.testing.assert_close(found[0], found[1])


def test_regulator_mixing_equals_full_mixing_with_other_rows_zero(effects, cells):
    cells.requires_grad_()
    rows = effects[REGULATORS].clone().requires_grad_()
    weight = torch.randn_like(cells)
    found = []
    for mixing in (
        RegulatorMixing(own_rows(rows), REGULATORS),
        FullMixing(all_rows(rows), reuse=False),
    ):
        h, z = mixing.propagate(cells), mixing.remove(cells)
        loss = (h * weight).sum() + z.square().sum()
        found.append((h.detach(), z.detach(), *torch.autograd.grad(loss, (cells, rows))))
    torch.testing.assert_close(found[0], found[1])
    assert found[0][3].count_nonzero() == len(REGULATORS) * (N_GENES - 1)


def test_regulator_mixing_gradients_against_finite_differences(effects, cells):
    rows = effects[REGULATORS].clone().requires_grad_()
    cells.requires_grad_()

    def there(cells, rows):
        return RegulatorMixing(own_rows(rows), REGULATORS).propagate(cells)

    assert torch.autograd.gradcheck(there, (cells, rows))


@pytest.mark.parametrize("kind", ["full", "regulators"])
def test_a_planted_edge_carries_from_regulator_to_target_and_not_back(kind):
    regulator, target, strength = 4, 2, 0.5
    effects = torch.zeros(N_GENES, N_GENES)
    effects[regulator, target] = strength
    if kind == "full":
        mixing = FullMixing(effects, reuse=False)
    else:
        mixing = RegulatorMixing(effects[REGULATORS], REGULATORS)
    z = torch.zeros(2, N_GENES)
    z[0, regulator] = z[1, target] = 1.0
    expected = z.clone()
    expected[0, target] = strength
    torch.testing.assert_close(mixing.propagate(z), expected)
    # and the noise of the target is its value less what the regulator explains
    h = torch.zeros(1, N_GENES)
    h[0, regulator], h[0, target] = 2.0, 1.0
    removed = h.clone()
    removed[0, target] = 1.0 - strength * 2.0
    torch.testing.assert_close(mixing.remove(h), removed)


def test_a_chain_of_edges_adds_up_to_its_product():
    effects = torch.zeros(N_GENES, N_GENES)
    effects[0, 1], effects[1, 2] = 0.5, -3.0
    z = torch.zeros(1, N_GENES)
    z[0, 0] = 2.0
    h = FullMixing(effects, reuse=False).propagate(z)
    assert h[0].tolist() == [2.0, 1.0, -3.0, 0.0, 0.0, 0.0, 0.0]
