"""What every test shares: a cache of its own, the real data if held, small containers."""

import gc
import importlib.machinery
import importlib.util
import os
import pwd
from collections.abc import Callable
from pathlib import Path

# before torch is imported anywhere: tests run side by side, and threads that wait for each other
# on busy cores cost minutes
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

from grn_exp.core.expression import Expression
from grn_exp.core.genes import GeneIndex
from grn_exp.core.network import Network
from grn_exp.core.views import GeneEmbedding, TrainView


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported: every run ends with a full collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch) -> Path:
    """Give every test an empty cache, so none reads or writes the user's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("GRN_EXP_CACHE", str(folder))
    return folder


def _no_user(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")


@pytest.fixture
def no_home(monkeypatch) -> None:
    """Be a user without a home folder and without an entry among the users."""
    for name in ("HOME", "XDG_CACHE_HOME", "GRN_EXP_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", _no_user)


@pytest.fixture(params=["none", "~/cache", "~nobody-of-this-name/cache", "a file", "long"])
def no_cache(request, no_home, tmp_path, monkeypatch) -> None:
    """Have no cache that could be written, for one reason after the other."""
    if request.param == "a file":
        (tmp_path / "a file").touch()
        monkeypatch.setenv("HOME", str(tmp_path / "a file"))
    elif request.param == "long":  # like one that may not be looked into, for root as well
        monkeypatch.setenv("GRN_EXP_CACHE", str(tmp_path / ("x" * 300)))
    elif request.param != "none":
        monkeypatch.setenv("GRN_EXP_CACHE", request.param)


@pytest.fixture
def lack(monkeypatch) -> Callable[[str], None]:
    """Return ``lack(package)``: it is not installed, and some folder has its name."""
    find = importlib.util.find_spec

    def hide(package: str) -> None:
        folder = importlib.machinery.ModuleSpec(package, None, is_package=True)
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: folder if name == package else find(name)
        )

    return hide


@pytest.fixture
def real_data() -> Callable[..., Path]:
    """Return ``real_data(*keys)``: the folder of real data; skips where a file is absent."""

    def folder_with(*keys: str) -> Path:
        value = os.environ.get("GRN_EXP_DATA", "")
        if not value:
            pytest.skip("GRN_EXP_DATA is not set: no real data")
        folder = Path(value)
        for key in keys:
            if not (folder / key).is_file():
                pytest.skip(f"GRN_EXP_DATA does not hold {key}")
        return folder

    return folder_with


@pytest.fixture
def no_data(monkeypatch) -> None:
    """Hide the real data."""
    monkeypatch.delenv("GRN_EXP_DATA", raising=False)


@pytest.fixture
def make_expression() -> Callable[..., Expression]:
    """Return a factory of positive random matrices."""

    def make(symbols="ABCDEF", *, n_cells: int = 7, seed: int = 0) -> Expression:
        genes = GeneIndex(symbols, name="expression matrix")
        values = np.random.default_rng(seed).gamma(2.0, size=(n_cells, len(genes)))
        return Expression(values=values.astype(np.float32), genes=genes, transform="log")

    return make


@pytest.fixture
def make_network() -> Callable[..., Network]:
    """Return a factory: ``make_network("ABC", "A>B B>C")``."""

    def make(symbols, edges: str) -> Network:
        pairs = [edge.split(">") for edge in edges.split()]
        return Network.from_names(
            GeneIndex(symbols), [r for r, _ in pairs], [t for _, t in pairs], source="test"
        )

    return make


@pytest.fixture
def make_view(make_expression) -> Callable[..., TrainView]:
    """Return a factory of views: the first ``n_regulators`` genes regulate, a few labels."""

    def make(
        symbols="ABCDEF", *, n_regulators: int = 2, width: int = 4, n_cells: int = 7, seed: int = 0
    ) -> TrainView:
        expression = make_expression(symbols, n_cells=n_cells, seed=seed)
        genes = expression.genes
        rng = np.random.default_rng([seed, 1])
        labels = rng.integers(-1, 2, size=(n_regulators, len(genes))).astype(np.int8)
        labels[np.arange(n_regulators), np.arange(n_regulators)] = -1
        embedding = GeneEmbedding(
            genes=genes,
            values=rng.standard_normal((len(genes), width)).astype(np.float32),
            known=np.ones(len(genes), dtype=np.bool_),
            source="test",
        )
        return TrainView(
            expression=expression,
            regulators=genes.take(range(n_regulators)),
            labels=labels,
            embedding=embedding,
        )

    return make
