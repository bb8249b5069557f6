"""A method and a dataset of a package of one's own, found by ``--config-dir``."""

import json
import textwrap

import pytest

from grn_exp.report.collect import collect

METHOD = """
    import numpy as np
    from grn_exp.models.closed_form import EdgeScorer

    class Covariance(EdgeScorer):
        '''Absolute covariance, to a power.'''

        def __init__(self, *, scale: float, power: float = 1.0, **options):
            super().__init__(**options)
            self.scale, self.power = scale, power

        def score(self, view):
            covariance = np.abs(np.cov(view.expression.values.T)) ** self.power
            return self.scale * covariance[view.regulator_positions]
    """
DATASET = """
    from grn_exp.data.edges.toy import ToyDataModule

    class Small(ToyDataModule):
        '''A small simulation.'''

        def __init__(self, *, n_genes: int = 50, **options):
            super().__init__(n_genes=n_genes, n_regulators=14, n_cells_per_type=12, **options)
    """
CPU = ("trainer=cpu", "trainer.num_threads=1")


@pytest.fixture
def package(tmp_path, monkeypatch, request):
    """Return the folder of a package whose name no other test has, its files beside it."""
    name = f"own_{abs(hash(request.node.name))}"
    files = {
        f"{name}/__init__.py": "",
        f"{name}/method.py": METHOD,
        f"{name}/dataset.py": DATASET,
        "my_conf/model/mine.yaml": f"_target_: {name}.method.Covariance\nscale: 1.0",
        "my_conf/model/squared.yaml": "defaults: [mine]\npower: 2.0",
        "my_conf/model/bare.yaml": f"_target_: {name}.method.Covariance",
        "my_conf/model/lost.yaml": f"_target_: {name}.nowhere.Covariance",
        "my_conf/model/broken.yaml": f"_target_: {name}.broken.Covariance",
        f"{name}/broken.py": "def (",
        "my_conf/data/small.yaml": f"_target_: {name}.dataset.Small",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / name


@pytest.fixture
def own(package, command):
    """Return ``own(*overrides)``: a command with the package's configuration."""
    folder = str(package.parent / "my_conf")
    return lambda *words: command("--config-dir", folder, *words)


def test_a_run_a_sweep_and_a_report(own, outputs):
    outcome = own("model=mine", "data=small", *CPU)
    assert outcome.code == 0, outcome.err
    config = (outcome.folder / "config.yaml").read_text()
    assert "power: 1.0" in config
    assert "n_genes: 50" in config
    facts = json.loads((outcome.folder / "provenance.json").read_text())
    assert facts["choices"]["model"] == "mine"
    assert facts["choices"]["prior"] == "dataset"
    assert own("model=mine", "data=small", "model.power=3", *CPU).code == 0
    sweep = own("-m", "model=squared,mine,degree", "data=small", "split.seed=0,1", *CPU)
    assert sweep.code == 0, sweep.err
    assert "1 of 6" in sweep.err
    table = collect(outputs).rows
    assert set(table["model"]) == {"mine", "squared", "degree"}
    assert set(table["data"]) == {"small"}
    assert "model.power=3" in " ".join(table["method_variant"])


def test_a_method_of_ones_own_retrieves(own, outputs):
    command = ("retriever=squared", "model=most_frequent_set", "data=toy_sets")
    assert own(*command).code == 2  # it chooses from no pool
    outcome = own("retriever=squared", "model=best_subset", "data=toy_sets", *CPU)
    assert outcome.code == 0, outcome.err
    assert (outputs / "runs/toy_sets/squared").is_dir()
    assert set(collect(outputs).rows["retriever"]) == {"", "squared"}


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ("model=bare", "model.scale"),
        ("model=mine model.power=x", "model.power='x'"),
        ("model=mine model.powr=2", "model.powr power"),
        ("model=mine +model.powr=2", "model.powr power"),
        ("model=lost", "model._target_= nowhere"),
        ("model=broken", "model._target_= broken"),
        ("model=mien", "model=mien mine"),
        ("model=mine data=smal", "data=smal small"),
        ("model=mine data.n_genes=x", "data.n_genes='x'"),
    ],
)
def test_what_is_wrong_is_one_line(own, overrides, words):
    outcome = own("data=small", *overrides.split(), *CPU)
    assert outcome.code == 2
    assert len(outcome.lines) == 1
    assert all(word in outcome.lines[0] for word in words.split())
    assert outcome.files == []


def test_a_finished_run_says_that_its_method_has_changed(own, package):
    command = ("model=squared", "data=small", *CPU)
    path = own(*command).folder / "provenance.json"
    assert "force=true" not in own("-m", *command).err
    source = package / "method.py"
    source.write_text(source.read_text().replace("np.abs(", "2 * np.abs("))
    for again in (own(*command), own("-m", *command)):
        assert again.code == 0
        (line,) = [line for line in again.lines if "source" in line]
        assert "force=true" in line
    facts = json.loads(path.read_text())
    del facts["method_source"]  # as in a run from before it was recorded
    path.write_text(json.dumps(facts))
    assert not [line for line in own(*command).lines if "source" in line]
    assert own(*command, "force=true").code == 0
    assert not [line for line in own(*command).lines if "source" in line]
