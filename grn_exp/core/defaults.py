"""The options of a class and their defaults, read from its source: nothing is imported."""

import ast
import functools
import importlib.util
from pathlib import Path
from typing import Any


@functools.cache
def options_of(dotted: str) -> dict[str, Any]:
    """Return the options of a class that have a default, with the default.

    Where a constructor takes ``**options``, or there is none, those of the base classes follow.
    Defaults have to be written out, as numbers, texts, lists or dicts.

    Parameters
    ----------
    dotted
        ``package.module.Class``. A class that is not found has no options.
    """
    module, _, name = dotted.rpartition(".")
    tree = _parsed(module)
    classes = [each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == name]
    if not classes:
        imported = _imports(tree).get(name)
        return options_of(imported) if imported else {}
    (cls,) = classes
    constructors = [e for e in cls.body if isinstance(e, ast.FunctionDef) and e.name == "__init__"]
    found: dict[str, Any] = {}
    for constructor in constructors:
        arguments = constructor.args
        named = arguments.args[len(arguments.args) - len(arguments.defaults) :]
        pairs = [*zip(named, arguments.defaults, strict=True)]
        pairs += [*zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
        found |= {arg.arg: ast.literal_eval(value) for arg, value in pairs if value is not None}
    if not constructors or constructors[0].args.kwarg is not None:
        for base in cls.bases:
            path = ast.unparse(base)
            found = {**options_of(_imports(tree).get(path, f"{module}.{path}")), **found}
    return found


@functools.cache
def _parsed(module: str) -> ast.Module:
    try:
        spec = importlib.util.find_spec(module) if module.startswith("grn_exp") else None
    except ImportError:
        spec = None
    if spec is None or spec.origin is None:
        return ast.Module([], [])
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def _imports(tree: ast.Module) -> dict[str, str]:
    """Return where each name that a module imports comes from."""
    return {
        alias.asname or alias.name: f"{statement.module}.{alias.name}"
        for statement in tree.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
