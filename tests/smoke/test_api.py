"""From Python and from the command line the numbers are the same."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import grn_exp

REGULATORS = ["SPI1", "GATA1", "CEBPA", "TAL1"]
GENES = [*REGULATORS, *(f"GENE{i}" for i in range(12))]


@pytest.fixture
def cells() -> ad.AnnData:
    rng = np.random.default_rng(0)
    cells = ad.AnnData(rng.poisson(3.0, (90, len(GENES))).astype(np.float32))
    cells.var_names, cells.obs_names = GENES, [f"cell{i}" for i in range(90)]
    cells.obs["kind"] = np.repeat(["B cell", "T/NK"], [40, 50])
    return cells


@pytest.mark.parametrize(
    ("method", "options"),
    [("pearson", {}), ("grnboost2", {}), ("deepsem", {"max_epochs": 3, "alpha": 2.0})],
)
def test_the_numbers_are_those_of_the_command(command, cells, tmp_path, method, options):
    path = tmp_path / "own.h5ad"
    cells.write_h5ad(path)
    sections = {"max_epochs": "trainer", "alpha": "model"}
    given = [f"{sections[name]}.{name}={value}" for name, value in options.items()]
    own = (f"data.path={path}", f"data.regulators=[{','.join(REGULATORS)}]")
    outcome = command(f"model={method}", "data=anndata", "seed=1", "stability=2", *own, *given)
    assert outcome.code == 0, outcome.err
    (folder,) = [each.parent for each in outcome.outputs.glob("*/*/*/*/stability.npz")]
    wanted = grn_exp.load(folder)
    options |= {"regulators": REGULATORS, "seed": 1, "stability": 2}
    in_memory = grn_exp.infer(cells, method, **options)
    pd.testing.assert_frame_equal(in_memory.edges, wanted.edges, check_exact=True)
    pd.testing.assert_frame_equal(in_memory.audit, wanted.audit)
    # the run of the command is found
    at = (folder / "metrics.json").stat().st_mtime_ns
    again = grn_exp.infer(path, method, outputs=outcome.outputs, **options)
    assert (folder / "metrics.json").stat().st_mtime_ns == at
    pd.testing.assert_frame_equal(again.edges, wanted.edges, check_exact=True)


def test_the_groups_are_those_of_the_command(command, cells, tmp_path):
    path = tmp_path / "own.h5ad"
    cells.write_h5ad(path)
    own = (f"data.path={path}", f"data.regulators=[{','.join(REGULATORS)}]", "data.groupby=kind")
    outcome = command("model=pearson", "data=anndata", *own, "hydra/launcher=basic")
    assert outcome.code == 0, outcome.err
    network = grn_exp.infer(
        path, "pearson", regulators=REGULATORS, groupby="kind", outputs=outcome.outputs
    )
    assert len(outcome.folders) == len(network.groups) == 2
    for folder, group in zip(outcome.folders, network.groups, strict=True):
        wanted = grn_exp.load(folder).edges
        pd.testing.assert_frame_equal(network.group(group).edges, wanted, check_exact=True)
