import numpy as np
import pytest

from grn_exp.core.errors import InputError
from grn_exp.simulate.random_grn import random_kinetic_network
from grn_exp.simulate.sergio import simulate_steady_state
from tests.messages import naming

SIZES = {
    "n_genes": 600,
    "n_regulators": 60,
    "n_masters": 25,
    "n_cell_types": 4,
    "mean_in_degree": 2.5,
}


def test_sizes_are_as_asked():
    network = random_kinetic_network(**SIZES, seed=0)
    in_degree = np.bincount(network.target, minlength=600)
    assert network.n_genes == 600
    assert len(network.network().regulators) == 60
    assert network.master_rates.shape == (25, 4)
    assert set(np.flatnonzero(in_degree == 0)) == set(network.masters)
    # geometric with mean 2.5: standard deviation 1.94
    assert in_degree[in_degree > 0].mean() == pytest.approx(2.5, abs=4 * 1.94 / np.sqrt(575))


def test_regulators_stand_in_layers():
    network = random_kinetic_network(**SIZES, seed=0)
    is_regulator = np.bincount(network.regulator, minlength=600) > 0
    is_regulator[network.masters] = False
    assert is_regulator.sum() == 35
    assert len(network.layers()) >= 3


def test_hubs_have_most_of_the_targets():
    network = random_kinetic_network(**SIZES, seed=1)
    out_degree = np.sort(np.bincount(network.regulator))[::-1]
    # Zipf's law with 60 ranks gives 52 % to the top tenth, equal regulators about 15 %.
    assert out_degree[:6].sum() / out_degree.sum() > 0.4


def test_hubs_are_not_always_masters():
    hub_is_master = []
    for seed in range(12):
        network = random_kinetic_network(**SIZES, seed=seed)
        hub = int(np.bincount(network.regulator).argmax())
        hub_is_master.append(hub in network.masters)
    assert 0 < sum(hub_is_master) < 12


@pytest.mark.slow
def test_position_does_not_give_a_regulator_away():
    networks = [random_kinetic_network(**SIZES, seed=seed) for seed in range(20)]
    positions = np.concatenate([np.unique(network.regulator) / 599 for network in networks])
    # 20 times 60 positions, uniform in 0..1
    assert positions.mean() == pytest.approx(0.5, abs=4 * 0.289 / np.sqrt(1200))


def test_kinetics():
    network = random_kinetic_network(**SIZES, seed=2)
    size = np.abs(network.strength)
    assert size.min() >= 1
    assert size.max() <= 5
    assert size.mean() == pytest.approx(3.0, abs=4 * 1.155 / np.sqrt(len(size)))
    assert (network.strength < 0).mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(len(size)))
    assert set(network.hill_coefficient.tolist()) == {2.0}
    rates = network.master_rates
    is_low = (rates >= 0.2) & (rates <= 0.5)
    is_high = (rates >= 0.7) & (rates <= 1.0)
    assert (is_low | is_high).all()
    assert 0.25 < is_high.mean() < 0.75


def test_symbols():
    network = random_kinetic_network(**SIZES, seed=0)
    assert network.genes.symbols[:2] == ("G0001", "G0002")
    assert network.genes.symbols[-1] == "G0600"


def test_seed_decides_the_network():
    first, again, other = (random_kinetic_network(**SIZES, seed=seed) for seed in (6, 6, 7))
    np.testing.assert_array_equal(first.regulator, again.regulator)
    np.testing.assert_array_equal(first.strength, again.strength)
    np.testing.assert_array_equal(first.master_rates, again.master_rates)
    assert not np.array_equal(first.strength[:50], other.strength[:50])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    ("n_genes", "n_regulators", "n_masters", "mean_in_degree"),
    [(2, 1, 1, 1.0), (6, 5, 1, 3.0), (12, 4, 4, 4.0), (30, 29, 15, 1.0)],
)
def test_small_and_crowded_networks(n_genes, n_regulators, n_masters, mean_in_degree, seed):
    network = random_kinetic_network(
        n_genes=n_genes,
        n_regulators=n_regulators,
        n_masters=n_masters,
        n_cell_types=1,
        mean_in_degree=mean_in_degree,
        seed=seed,
    )
    assert len(network.network().regulators) == n_regulators
    assert len(network.masters) == n_masters


def test_network_can_be_simulated():
    network = random_kinetic_network(
        n_genes=40, n_regulators=8, n_masters=4, n_cell_types=3, mean_in_degree=2.0, seed=0
    )
    sample = simulate_steady_state(network, n_cells_per_type=10, seed=0)
    assert sample.shape == (30, 40)
    assert np.isfinite(sample).all()
    assert (sample.mean(axis=0) > 0).all()


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"n_masters": 0}, "n_masters=0"),
        ({"n_masters": 61}, "n_masters=61, n_regulators=60"),
        ({"n_regulators": 600}, "n_regulators=600, n_genes=600"),
        ({"n_cell_types": 0}, "n_cell_types=0"),
        ({"mean_in_degree": 0.5}, "mean_in_degree=0.5"),
        ({"mean_in_degree": 61}, "mean_in_degree=61"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_options_out_of_range(change, part):
    with pytest.raises(InputError, match=naming(part)):
        random_kinetic_network(**{**SIZES, "seed": 0, **change})
