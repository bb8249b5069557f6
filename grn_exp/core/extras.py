"""Packages that not everyone has installed."""

import importlib
import importlib.util
import warnings
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from grn_exp.core.errors import InputError, brief


def is_installed(package: str) -> bool:
    """Say whether there is such a package, and not only a folder or file of the user's."""
    spec = importlib.util.find_spec(package)
    return spec is not None and bool(spec.origin) and not _is_users(spec)


def _is_users(spec: ModuleSpec) -> bool:
    """Say whether what Python found is a file, or a folder where the command was started."""
    if spec.submodule_search_locations is None:
        return True
    return Path(spec.origin or "").parent.parent == Path.cwd()


def load(module: str, wanted_by: str, install: str) -> ModuleType:
    """Import a module of an optional package.

    Parameters
    ----------
    module
        Its dotted name; the first part is the package's.
    wanted_by
        The choice that needs it, for the message.
    install
        What pip is to install.

    Raises
    ------
    InputError
        If the package is not installed, hidden by a file or folder of the user's, or broken.
    """
    package = module.partition(".")[0]
    spec = importlib.util.find_spec(package)
    if spec is not None and spec.origin and _is_users(spec):
        raise InputError(f"{wanted_by}: {spec.origin} hides the package {package}; rename it")
    if spec is None or spec.origin is None:  # None of a folder that only has the package's name
        raise InputError(f"{wanted_by}: {package} is not installed; pip install '{install}'")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the package's own code
            return importlib.import_module(module)
    except Exception as error:  # a broken package may raise anything
        reason = f"{type(error).__name__}: {brief(error)}"
        raise InputError(
            f"{wanted_by}: {package} cannot be imported ({reason}); pip install "
            f"--force-reinstall '{install}'"
        ) from error
