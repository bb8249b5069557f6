"""What the source of a class says of it, nothing imported: its options, and whether it changed."""

import ast
import functools
import hashlib
import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

REQUIRED = "???"  # OmegaConf's sign for a value that has to be given


class _Source(NamedTuple):
    """Where a class is written, its syntax tree, and the dotted paths of its bases."""

    path: Path
    tree: ast.ClassDef
    bases: tuple[str, ...]


@functools.cache
def options_of(dotted: str) -> dict[str, Any]:
    """Return the options of a class with their defaults.

    Where a constructor takes ``**options``, or there is none, those of the base classes follow.
    An option of the class itself without a default is ``???``. What a constructor gives its base
    itself is not an option, nor is what has a default that is not written out (as a number,
    string, list or dict).

    Parameters
    ----------
    dotted
        ``package.module.Class``, of this package or one of your own. A class that is not found
        has no options.
    """
    return _options(dotted, dotted.partition(".")[0], required=True)


def source_hash(*dotted: str) -> str:
    """Hash the files that classes and their bases are written in, of this package and their own.

    Returns
    -------
    str
        The same wherever the files are; of no file where a class is not found.
    """
    files = {path for each in dotted for path in _files(each, each.partition(".")[0])}
    parts = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def _options(dotted: str, package: str, *, required: bool) -> dict[str, Any]:
    source = _source(dotted, package)
    if source is None:
        return {}
    body = source.tree.body
    constructors = [e for e in body if isinstance(e, ast.FunctionDef) and e.name == "__init__"]
    found: dict[str, Any] = {}
    for constructor in constructors:
        for name, default in _arguments(constructor.args):
            if default is None and required:
                found[name] = REQUIRED
            elif default is not None:
                try:
                    found[name] = ast.literal_eval(default)
                except ValueError:  # a constant by its name: nothing is imported to look it up
                    continue
    if not constructors or constructors[0].args.kwarg is not None:
        # what a constructor gives its base itself
        fixed = {
            keyword.arg
            for constructor in constructors
            for node in ast.walk(constructor)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "super().__init__"
            for keyword in node.keywords
        }
        for base in source.bases:
            inherited = _options(base, package, required=False)
            found = {k: v for k, v in inherited.items() if k not in fixed} | found
            if not _passes_on(base, package):
                break  # the others are given nothing
    return found


def _passes_on(dotted: str, package: str) -> bool:
    """Say whether a class's own constructor, if it has one, takes ``**options``."""
    source = _source(dotted, package)
    body = [] if source is None else source.tree.body
    constructors = [e for e in body if isinstance(e, ast.FunctionDef) and e.name == "__init__"]
    return all(each.args.kwarg is not None for each in constructors)


def _arguments(arguments: ast.arguments) -> list[tuple[str, ast.expr | None]]:
    """Return each argument but ``self`` with its default, None where it has none."""
    n_without = len(arguments.args) - len(arguments.defaults)
    defaults: list[ast.expr | None] = [None] * n_without + list(arguments.defaults)
    pairs = [*zip(arguments.args, defaults, strict=True)][1:]
    pairs += [*zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return [(argument.arg, default) for argument, default in pairs]


def _files(dotted: str, package: str) -> set[Path]:
    source = _source(dotted, package)
    if source is None:
        return set()
    return {source.path}.union(*(_files(base, package) for base in source.bases))


@functools.cache
def _source(dotted: str, package: str) -> _Source | None:
    """Find a class where it is written; only this package's and ``package``'s files are read."""
    module, _, name = dotted.rpartition(".")
    try:
        wanted = module.partition(".")[0] in ("grn_exp", package)
        spec = importlib.util.find_spec(module) if wanted else None
        path = Path(spec.origin) if spec and spec.origin else None
        tree = ast.parse(path.read_text(encoding="utf-8")) if path else ast.Module([], [])
    except Exception:  # noqa: BLE001 - a package's own code; what is wrong is said on import
        return None
    imported = _imports(tree, "" if spec is None else spec.parent or "")
    for each in tree.body:
        if path and isinstance(each, ast.ClassDef) and each.name == name:
            bases = []
            for base in map(ast.unparse, each.bases):
                first, dot, rest = base.partition(".")
                bases.append(imported.get(first, f"{module}.{first}") + dot + rest)
            return _Source(path, each, tuple(bases))
    return _source(imported[name], package) if name in imported else None


def _imports(tree: ast.Module, package: str) -> dict[str, str]:
    """Return where each name that a module imports comes from."""
    found = {}
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom):
            relative = "." * statement.level + (statement.module or "")
            module = importlib.util.resolve_name(relative, package)
            found |= {
                each.asname or each.name: f"{module}.{each.name}" for each in statement.names
            }
        elif isinstance(statement, ast.Import):
            for each in statement.names:
                first = each.name.partition(".")[0]
                found |= {each.asname: each.name} if each.asname else {first: first}
    return found
