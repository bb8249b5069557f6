"""SERGIO's own files as benchmarks of sets: which are asked for, what they hold."""

import pytest

from grn_exp.core.errors import InputError
from grn_exp.data.sets.pools import RetrievedPool
from grn_exp.data.sets.sergio import SergioDataModule
from grn_exp.data.sets.splitting import TargetSplitter
from grn_exp.storage import store
from tests.messages import naming

DS1 = ("sergio/DS1/interactions.txt", "sergio/DS1/master_regulators.txt")


def ds1(**options) -> SergioDataModule:
    return SergioDataModule(
        dataset="DS1", splitter=TargetSplitter(), pool=RetrievedPool(), **options
    )


def test_the_published_simulation_is_a_download(no_data, monkeypatch):
    asked = []

    def fetch(key):
        asked.append(key)
        raise InputError("cannot download")

    monkeypatch.setattr(store, "fetch", fetch)
    data = ds1(source="published", simulation=14)
    assert data.keys[-1] == "sergio/DS1/simulated_noNoise_14.csv"
    assert all(store.known_file(key) for key in data.keys)
    with pytest.raises(InputError, match="cannot download"):
        data.prepare_data()
    assert "simulated_noNoise" not in "".join(ds1(simulation=99).keys)


def test_ds1_as_it_is_configured(real_data):
    real_data(*DS1)
    data = ds1(set_sizes=[2, 3, 4])
    facts = data.describe()
    assert facts["n_cells"] == 2700
    assert facts["n_genes"] == facts["n_candidates"] == 100
    sizes = facts["n_targets_by_size"]
    assert {size: sum(roles.values()) for size, roles in sizes.items()} == {
        "2": 62,
        "3": 9,
        "4": 6,
    }
    assert set(facts["files"]) == set(DS1)
    with pytest.raises(InputError, match=naming("data.set_sizes", "1 targets", "1 regulators")):
        ds1(set_sizes=None).setup()
