"""The toy benchmark: reproducible, and every option does what it says."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_score

from grn_exp.core.errors import InputError
from grn_exp.data.edges.splitting import SeenUnseenSplitter
from grn_exp.data.edges.toy import ToyDataModule
from grn_exp.priors.base import DatasetPrior
from grn_exp.priors.uninformative import OneHotPrior
from grn_exp.storage import store
from tests.messages import naming

SMALL = {"n_genes": 60, "n_regulators": 12, "n_cell_types": 3, "n_cells_per_type": 8}


def toy(**options) -> ToyDataModule:
    fixed = {"splitter": SeenUnseenSplitter(), "prior": DatasetPrior()}
    return ToyDataModule(**{**fixed, **SMALL, **options})


def test_the_same_seed_gives_the_same_everything():
    one, again, other = toy(seed=4), toy(seed=4), toy(seed=5)
    np.testing.assert_array_equal(one.expression.values, again.expression.values)
    np.testing.assert_array_equal(one.truth.labels, again.truth.labels)
    np.testing.assert_array_equal(one.split.train, again.split.train)
    np.testing.assert_array_equal(one.embedding().values, again.embedding().values)
    assert one.truth.regulators != other.truth.regulators
    assert (one.embedding().values != other.embedding().values).any()


@pytest.mark.usefixtures("no_data")
def test_it_needs_no_download(monkeypatch, own_cache):
    def never(key):
        raise AssertionError(f"{key} was fetched")

    monkeypatch.setattr(store, "fetch", never)
    data = toy()
    data.prepare_data()
    data.setup()
    data.embedding()
    assert not list(own_cache.iterdir())


def test_sizes_are_as_asked():
    data = toy(n_genes=70, n_regulators=15, n_cell_types=4, n_cells_per_type=5, embedding_width=9)
    assert (data.expression.n_cells, data.expression.n_genes) == (20, 70)
    assert len(data.truth.regulators) == 15
    assert data.embedding().values.shape == (70, 9)
    assert data.expression.transform == "log1p"


@pytest.mark.parametrize("width", [1, 2, 3, 5, 300])
def test_any_width_of_the_embedding_works(width):
    values = toy(embedding_width=width, informativeness=1.0).embedding().values
    assert values.shape == (60, width)
    assert np.linalg.matrix_rank(values) >= min(width, 2)


def test_more_regulators_a_gene_give_more_edges():
    assert toy(mean_in_degree=4.0).truth.labels.sum() > 1.4 * toy().truth.labels.sum()


def test_technical_noise_drops_values_and_fixes_the_library():
    clean, noisy = toy(noise="clean").expression, toy(noise="technical").expression
    assert (noisy.values == 0).mean() > (clean.values == 0).mean() + 0.05
    np.testing.assert_allclose(np.expm1(noisy.values.astype(float)).sum(axis=1), 1e4, rtol=1e-4)


def degree_explained(informativeness: float, seed: int) -> float:
    """Cross-validated R2 of a linear probe from the embedding to a gene's in-degree."""
    data = toy(informativeness=informativeness, seed=seed, n_genes=150)
    degree = np.log1p(data.truth.labels.sum(axis=0))
    values = data.embedding().values
    return float(cross_val_score(RidgeCV(np.logspace(-3, 3, 7)), values, degree, cv=5).mean())


def test_informativeness_tells_what_a_linear_probe_finds():
    for seed in range(3):
        assert degree_explained(0.0, seed) < 0.2
        assert degree_explained(1.0, seed) > 0.95
    mean = [np.mean([degree_explained(share, seed) for seed in range(3)]) for share in (0.2, 0.6)]
    assert mean[0] < mean[1]


@pytest.mark.parametrize("asked_first", [True, False])
def test_dropping_genes_without_a_vector_works_with_the_datasets_own(asked_first):
    data = toy(genes="with_embedding")
    if asked_first:
        data.own_embedding()
    assert data.expression.n_genes == 60
    np.testing.assert_array_equal(data.embedding().values, toy().embedding().values)


def test_another_prior_takes_the_datasets_place():
    np.testing.assert_array_equal(toy(prior=OneHotPrior()).embedding().values, np.eye(60))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"informativeness": 1.5}, "data.informativeness=1.5"),
        ({"informativeness": -0.1}, "data.informativeness=-0.1"),
        ({"embedding_width": 0}, "data.embedding_width=0"),
        ({"seed": -1}, "seed=-1"),
        ({"n_regulators": 0}, "n_regulators=0"),
        ({"n_regulators": 61}, "n_regulators=61"),
        ({"n_cells_per_type": 0}, "n_cells_per_type=0"),
        ({"n_cell_types": 0}, "n_cell_types=0"),
        ({"mean_in_degree": -2.0}, "mean_in_degree=-2.0"),
    ],
)
def test_options_out_of_range_are_named(options, name):
    with pytest.raises(InputError, match=naming(name)):
        toy(**options).setup()
