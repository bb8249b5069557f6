"""Experiment framework for gene regulatory network inference.

>>> import grn_exp
>>> network = grn_exp.infer("cells.h5ad", regulators="human")
>>> network.short_list()

Importing this package loads nothing heavy: these names are imported when they are used. What they
are made of is in its rooms, ``grn_exp.core`` (containers), ``grn_exp.metrics``,
``grn_exp.simulate``, ``grn_exp.data``, ``grn_exp.models``, ``grn_exp.engine``.
"""

TYPE_CHECKING = False  # typing would take ten times as long to import as this package
if TYPE_CHECKING:
    from grn_exp.api import InputError, Network, evaluate, infer, load, load_benchmark

__version__ = "0.1.0"
__all__ = ["InputError", "Network", "evaluate", "infer", "load", "load_benchmark"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from grn_exp import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
