"""The site builds without a warning, with every link right; what it shows of code runs."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl

from grn_exp import config

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_site(tmp_path):
    """One test, so that the site is built once; the notebooks run meanwhile."""
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("mkdocs is not installed")
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = {"PYTHONPATH": paths, "NO_MKDOCS_2_WARNING": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]

    def page(name):
        return (tmp_path / name / "index.html").read_text()

    cards = {path.parent.name for path in (tmp_path / "methods").glob("*/index.html")}
    assert cards == set(config.choices("model"))
    for name in cards:
        card = page(f"methods/{name}")
        sections = re.findall(r'<h2 id="(notes|references)">(.*?)(?=<h2)', card, re.S)
        assert [title for title, _ in sections] == ["notes", "references"], name
        assert all(len(re.findall(r"<(?:p|li)>", text)) for _, text in sections), name
    assert "test_unseen/ap_ratio" in page("tutorial")
    assert re.search(
        r"3 groups, \d+ regulators, .*stability of 10 half-samples", page("own_cells")
    )
    # parameters that share a description have their own defaults
    rows = re.findall(r'<tr class="doc-section-item">(.*?)</tr>', page("methods/infosem_b"), re.S)
    cells = [re.findall(r"<code>(.*?)</code>", re.sub(r"</?span[^>]*>", "", row)) for row in rows]
    defaults = {cell[0]: cell[-1] for cell in cells if cell}
    assert (defaults["sigma_w"], defaults["sigma_l"], defaults["h"]) == ("1.0", "0.1", "128")


# -- the recipes of CONTRIBUTING.md ----------------------------------------------------------


def recipe(name):
    """Return the class ``name`` as CONTRIBUTING.md writes it."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    (block,) = (block for block in blocks if f"class {name}(" in block)
    module: dict[str, object] = {"__name__": f"recipe_{name}"}
    exec(compile(block, name, "exec"), module)  # noqa: S102 - our own text
    return module[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Covariance", "Factors"])
def test_a_models_recipe_runs(name):
    from grn_exp.data.edges.toy import ToyDataModule

    data = ToyDataModule()
    model = recipe(name)()
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(model, datamodule=data)
    (found,) = trainer.test(model, datamodule=data, verbose=False)
    assert 0 < found["test_seen/ap"] <= 1


def test_the_datasets_recipe_runs(tmp_path):
    genes = "ABCDEFGH"
    rows = [
        f"{gene},{','.join(str((i * j) % 5 / 2) for j in range(1, 7))}"
        for i, gene in enumerate(genes)
    ]
    (tmp_path / "cells.csv").write_text("\n".join([",c1,c2,c3,c4,c5,c6", *rows]) + "\n")
    edges = [f"{a},{b}" for a in "ABCD" for b in genes if a < b]
    (tmp_path / "network.csv").write_text("\n".join(["Gene1,Gene2", *edges]) + "\n")
    data = recipe("MyDataModule")(
        expression_path=str(tmp_path / "cells.csv"), network_path=str(tmp_path / "network.csv")
    )
    expression, network = data.load()
    assert expression.values.shape == (6, 8)
    assert len(network) == len(edges)
