"""What the code imports, pyproject.toml declares; and the other way round."""

import ast
import itertools
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = {"grn_exp", "hydra_plugins", "benchmarks"}
PACKAGES = {  # those that are imported under another name
    "hydra": "hydra-core",
    "lightning-fabric": "pytorch-lightning",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
# pooch and pandas import two where they are there; scanpy's AnnData are what users bring
ASKED_FOR_BY_OTHERS = {"tqdm", "pyarrow", "scanpy"}
OPTIONAL = {"arboreto"}  # the benchmarks say how to install it


def imported() -> set[str]:
    names = set()
    for path in (path for folder in OWN for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module)
    return {name.split(".")[0] for name in names} - OWN - set(sys.stdlib_module_names)


def plain(requirements) -> set[str]:
    names = (re.match(r"[\w.-]+", requirement)[0] for requirement in requirements)
    return {name.replace("_", "-").lower() for name in names}


def test_dependencies_are_the_imports():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = plain(project["dependencies"])
    extras = project["optional-dependencies"]
    optional = plain(itertools.chain(*(extras[name] for name in extras if name != "dev")))
    names = plain(imported() - OPTIONAL)
    used = {PACKAGES.get(name, name) for name in names}
    assert used - required - optional == set()
    assert required - used - ASKED_FOR_BY_OTHERS == set()
