"""The way in from Python: own cells in, a network out; a benchmark by its name."""

from grn_exp.api.benchmarks import evaluate, load_benchmark
from grn_exp.api.inference import infer
from grn_exp.api.network import Network, load
from grn_exp.core.errors import InputError

__all__ = ["InputError", "Network", "evaluate", "infer", "load", "load_benchmark"]
