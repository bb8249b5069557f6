import numpy as np
import pytest

from grn_exp.core.errors import InputError
from grn_exp.core.genes import GeneIndex
from grn_exp.simulate import sergio
from grn_exp.simulate.kinetic import KineticNetwork
from grn_exp.simulate.production import hill_response
from grn_exp.simulate.sergio import simulate_steady_state
from tests.messages import naming


def kinetic_network(edges, rates, *, symbols=None):
    """Edges as (regulator, target, strength, coefficient), rates as {master: [rate, ...]}."""
    if symbols is None:
        symbols = sorted({*rates, *(e[0] for e in edges), *(e[1] for e in edges)})
    genes = GeneIndex(symbols)
    return KineticNetwork(
        genes=genes,
        regulator=genes.positions(e[0] for e in edges),
        target=genes.positions(e[1] for e in edges),
        strength=np.asarray([e[2] for e in edges], dtype=np.float64),
        hill_coefficient=np.asarray([e[3] for e in edges], dtype=np.float64),
        masters=genes.positions(rates),
        master_rates=np.asarray(list(rates.values()), dtype=np.float64),
    )


def three_layers():
    # Symbols are out of order on purpose: positions must not matter.
    return kinetic_network(
        [
            ("A", "C", 3.0, 2.0),
            ("B", "C", -4.0, 2.0),
            ("A", "D", 2.5, 3.0),
            ("C", "D", -1.5, 1.0),
            ("D", "E", 4.5, 2.0),
            ("B", "E", 1.2, 2.0),
            ("B", "F", -2.0, 2.0),
        ],
        {"B": [4.0, 0.3, 1.5], "A": [0.5, 2.0, 6.0]},
        symbols=["E", "A", "D", "F", "B", "C"],
    )


def naive_simulation(network, *, n_cells, amplitude, sampling_state, seed):
    """One gene, one cell type, one state at a time; the same random numbers."""
    decay, dt = 0.8, 0.01
    rng = np.random.default_rng(seed)
    n_states = n_cells * sampling_state
    states = rng.integers(n_states, size=n_cells)
    n_types = network.n_cell_types
    x = np.zeros((n_states, network.n_genes, n_types))
    mean = np.zeros((network.n_genes, n_types))
    edges = list(
        zip(
            network.regulator,
            network.target,
            network.strength,
            network.hill_coefficient,
            strict=True,
        )
    )
    rate = {
        (int(m), t): network.master_rates[row, t]
        for row, m in enumerate(network.masters)
        for t in range(n_types)
    }

    def production(gene, cell_type, concentration):
        if (gene, cell_type) in rate:
            return rate[gene, cell_type]
        total = 0.0
        for regulator, target, strength, n in edges:
            if target == gene:
                half = mean[regulator].mean()
                c = concentration[regulator, cell_type]
                h = c**n / (half**n + c**n)
                total += strength * h if strength > 0 else -strength * (1 - h)
        return total

    for layer in network.layers():
        xi = rng.standard_normal((n_states, 2, len(layer), n_types), dtype=np.float32)
        for index, gene in enumerate(layer.tolist()):
            for cell_type in range(n_types):
                x[0, gene, cell_type] = production(gene, cell_type, mean) / decay
                for state in range(n_states - 1):
                    now = x[state, gene, cell_type]
                    made = production(gene, cell_type, x[state])
                    lost = decay * now
                    first = xi[state, 0, index, cell_type]
                    second = xi[state, 1, index, cell_type]
                    kick = np.sqrt(made) * first + np.sqrt(lost) * second
                    after = now + dt * (made - lost) + np.sqrt(dt) * amplitude * kick
                    x[state + 1, gene, cell_type] = max(after, 0.0)
            mean[gene] = x[states, gene].mean(axis=0)
    return np.concatenate([x[states, :, t] for t in range(n_types)])


@pytest.mark.parametrize("amplitude", [0.0, 0.6, 2.0])
def test_equals_a_loop_over_genes_cell_types_and_states(amplitude):
    network = three_layers()
    sample = simulate_steady_state(
        network,
        n_cells_per_type=12,
        noise_amplitude=amplitude,
        sampling_state=6,
        seed=3,
    )
    expected = naive_simulation(
        network,
        n_cells=12,
        amplitude=amplitude,
        sampling_state=6,
        seed=3,
    )
    assert sample.dtype == np.float32
    np.testing.assert_allclose(sample, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("block_values", [1, 40, 10_000])
def test_blocks_of_time_do_not_change_the_result(monkeypatch, block_values):
    expected = simulate_steady_state(three_layers(), n_cells_per_type=9, seed=1)
    monkeypatch.setattr(sergio, "_BLOCK_VALUES", block_values)
    sample = simulate_steady_state(three_layers(), n_cells_per_type=9, seed=1)
    np.testing.assert_array_equal(sample, expected)


def test_cells_are_ordered_by_cell_type():
    network = kinetic_network([], {"A": [8.0, 0.8, 80.0]})
    sample = simulate_steady_state(network, n_cells_per_type=5, noise_amplitude=0.0, seed=0)
    assert sample.shape == (15, 1)
    np.testing.assert_allclose(sample[:, 0], [10.0] * 5 + [1.0] * 5 + [100.0] * 5)


def test_mean_of_a_master_regulator_is_production_over_decay():
    n_types = 500
    network = kinetic_network([], {"A": [40.0] * n_types})
    sample = simulate_steady_state(network, n_cells_per_type=40, seed=11)
    # Cell types are independent of each other, cells of one type are not.
    means = sample.reshape(n_types, 40).mean(axis=1)
    standard_error = means.std(ddof=1) / np.sqrt(n_types)
    assert standard_error < 0.2
    assert abs(means.mean() - 50.0) < 4 * standard_error


@pytest.mark.parametrize("amplitude", [0.5, 1.0])
def test_variance_of_a_master_regulator(amplitude):
    # Around the mean m = P / decay the noise term has the variance D dt per step, where
    # D = q^2 (P + decay m) = 2 q^2 P, so the variance obeys V' = D - 2 decay V with V(0) = 0
    # and ends at D / (2 decay), which is q^2 m. Discrete steps, with a = 1 - decay dt:
    # V_k = D dt (1 - a^2k) / (1 - a^2).
    n_types, n_cells, rate, decay, dt, seed = 3000, 20, 800.0, 0.8, 0.01, 5
    network = kinetic_network([], {"A": [rate] * n_types})
    sample = simulate_steady_state(
        network, n_cells_per_type=n_cells, noise_amplitude=amplitude, seed=seed
    )
    states = np.random.default_rng(seed).integers(15 * n_cells, size=n_cells)
    diffusion = 2 * decay * amplitude**2 * rate / decay
    keep = (1 - decay * dt) ** 2
    expected = (diffusion * dt * (1 - keep**states) / (1 - keep)).mean()
    deviation = sample.astype(np.float64) - rate / decay
    assert np.mean(deviation**2) == pytest.approx(expected, rel=0.08)


def test_hill_activation_and_repression_by_hand():
    # A is at 2.5 and 7.5, so its half response is 5 and h = 0.25/1.25 = 0.2 and 9/13.
    network = kinetic_network(
        [("A", "B", 3.0, 2.0), ("A", "C", -4.0, 2.0), ("A", "D", 2.0, 1.0)],
        {"A": [2.0, 6.0]},
    )
    expected = np.array(
        [
            [2.5, 3.0 * 0.2 / 0.8, 4.0 * 0.8 / 0.8, 2.0 * (1 / 3) / 0.8],
            [7.5, 3.0 * (9 / 13) / 0.8, 4.0 * (4 / 13) / 0.8, 2.0 * 0.6 / 0.8],
        ]
    )
    exact = simulate_steady_state(network, n_cells_per_type=4, noise_amplitude=0.0, seed=0)
    np.testing.assert_allclose(exact, np.repeat(expected, 4, axis=0), rtol=1e-6)
    noisy = simulate_steady_state(network, n_cells_per_type=50, noise_amplitude=1e-3, seed=0)
    means = noisy.reshape(2, 50, 4).mean(axis=1)
    assert not np.array_equal(means, expected)
    np.testing.assert_allclose(means, expected, rtol=5e-3)


def test_regulators_add_up():
    network = kinetic_network(
        [("A", "C", 3.0, 2.0), ("B", "C", -2.0, 2.0)], {"A": [1.0], "B": [9.0]}
    )
    sample = simulate_steady_state(network, n_cells_per_type=3, noise_amplitude=0.0, seed=0)
    # One cell type: every regulator is at its own half response.
    np.testing.assert_allclose(sample[:, 2], (1.5 + 1.0) / 0.8, rtol=1e-6)


def test_silent_regulator_neither_activates_nor_represses():
    network = kinetic_network([("A", "B", 3.0, 2.0), ("A", "C", -4.0, 2.0)], {"A": [0.0, 0.0]})
    sample = simulate_steady_state(network, n_cells_per_type=4, noise_amplitude=0.0, seed=0)
    np.testing.assert_allclose(sample, np.tile([0.0, 0.0, 5.0], (8, 1)))


def test_hill_response_keeps_its_digits_near_zero():
    repressed = hill_response(np.array([1e6]), np.array([1.0]), 3.0, represses=np.array([True]))
    np.testing.assert_allclose(repressed, 1e-18, rtol=1e-12)


def test_concentrations_are_never_negative():
    sample = simulate_steady_state(
        three_layers(), n_cells_per_type=60, noise_amplitude=4.0, seed=2
    )
    assert np.isfinite(sample).all()
    assert sample.min() == 0.0


def test_seed_decides_the_sample():
    first, again, other = (
        simulate_steady_state(three_layers(), n_cells_per_type=6, seed=seed) for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"noise_amplitude": -1.0}, ["noise_amplitude=-1.0"]),
        ({"noise_amplitude": float("nan")}, ["noise_amplitude=nan"]),
        ({"sampling_state": 0}, ["sampling_state=0"]),
        ({"n_cells_per_type": 0}, ["n_cells_per_type=0"]),
        ({"seed": -3}, ["seed=-3"]),
    ],
)
def test_options_out_of_range(options, parts):
    with pytest.raises(InputError, match=naming(*parts)):
        simulate_steady_state(three_layers(), **{"seed": 0, **options})


def test_layers_follow_the_longest_path():
    network = three_layers()
    named = [{network.genes.symbols[p] for p in layer} for layer in network.layers()]
    assert named == [{"A", "B"}, {"C", "F"}, {"D"}, {"E"}]
    assert len(network.network()) == 7


@pytest.mark.parametrize(
    ("edges", "rates", "symbols", "parts"),
    [
        (
            [
                ("A", "B", 1.0, 2.0),
                ("B", "C", 1.0, 2.0),
                ("C", "B", 1.0, 2.0),
                ("C", "D", 1.0, 2.0),
            ],
            {"A": [1.0]},
            None,
            ["'B' -> 'C'", "cycle"],
        ),
        ([("A", "A", 1.0, 2.0)], {"B": [1.0]}, None, ["self-loop", "'A'"]),
        ([("A", "B", 1.0, 2.0)], {"C": [1.0]}, None, ["'A'", "1 such"]),
        ([("A", "B", 1.0, 2.0)], {"A": [1.0]}, ["A", "B", "Z"], ["'Z'", "1 such"]),
        ([("A", "B", 1.0, 2.0)], {"A": [1.0], "B": [1.0]}, None, ["'B'", "1 such"]),
        ([("A", "B", 1.0, 2.0)], {"A": [1.0, -0.25]}, None, [-0.25, "'A'", "type 1"]),
        ([("A", "B", 1.0, 2.0)], {"A": [float("nan")]}, None, ["nan", "'A'"]),
        ([("A", "B", 0.0, 2.0)], {"A": [1.0]}, None, ["strength 0", "'A' -> 'B'"]),
        ([("A", "B", 1.0, -2.0)], {"A": [1.0]}, None, ["-2", "'A' -> 'B'"]),
        ([("A", "B", 1.0, 2.0)] * 2, {"A": [1.0]}, None, ["edge", "twice"]),
    ],
)
def test_network_that_cannot_be_simulated(edges, rates, symbols, parts):
    with pytest.raises(InputError, match=naming(*parts)):
        kinetic_network(edges, rates, symbols=symbols)


def test_shapes_that_do_not_fit():
    base = {
        "genes": GeneIndex(["A", "B"]),
        "regulator": np.array([0]),
        "target": np.array([1]),
        "strength": np.array([1.0]),
        "hill_coefficient": np.array([2.0]),
        "masters": np.array([0]),
        "master_rates": np.array([[1.0]]),
    }
    KineticNetwork(**base)
    for change, parts in (
        ({"strength": np.ones(2)}, ["strength", "(2,)", "1 edges"]),
        ({"master_rates": np.ones((2, 1))}, ["(2, 1)", "1 master"]),
        ({"masters": np.array([7])}, ["position 7", "0..1"]),
        ({"masters": np.array([0, 0]), "master_rates": np.ones((2, 1))}, ["'A'", "twice"]),
    ):
        with pytest.raises(InputError, match=naming(*parts)):
            KineticNetwork(**{**base, **change})
