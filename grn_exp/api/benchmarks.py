"""A benchmark by its name, and a network judged on it."""

import logging
from typing import TYPE_CHECKING, Any, Literal, get_args

from grn_exp import compose
from grn_exp.api.network import Network
from grn_exp.config import build_spec
from grn_exp.core.errors import InputError
from grn_exp.core.scores import EdgeScores
from grn_exp.core.sets import RegulatorSets
from grn_exp.data.benchmark import Benchmark

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

_Missing = Literal["refuse", "lowest"]
_DIVIDED_ON_REQUEST = ("anndata", "anndata_sets")


def load_benchmark(name: str, split_seed: int = 0, **options: Any) -> Benchmark:
    """Return a benchmark, a Lightning DataModule; its files are downloaded when they are needed.

    Parameters
    ----------
    name
        What ``data=`` takes: ``mesc``, ``sergio_ds1``, ``toy``; ``anndata`` with ``path=``,
        ``known=`` and ``split="seen_unseen"``; ``anndata_sets`` with ``path=`` and ``known=``.
    split_seed
        Which division into training and test.
    options
        Of the dataset (``gene_set=``), of the division (``validation_fraction=``), or ``prior=``.

    Raises
    ------
    InputError
        If there is no such benchmark or option.
    """
    undivided = name in _DIVIDED_ON_REQUEST and "split" not in options and not split_seed
    identity = compose.identify(
        {"data": name, "model": "random"},  # any method: its part is not used
        options,
        {} if undivided else {"split.seed": split_seed},
        sections=("data", "split"),
    )
    return build_spec(identity).make_data()


def evaluate(
    network: Network | EdgeScores | RegulatorSets,
    benchmark: Benchmark,
    *,
    missing: _Missing = "refuse",
) -> "pd.DataFrame":
    """Judge a network on the held-out pairs of a benchmark: one row a metric and subset.

    Parameters
    ----------
    missing
        A pair of the benchmark that the network lacks is refused, or scored below all others: a
        network that lacks many then does worse than its method would.

    Raises
    ------
    InputError
        If pairs are missing and that is not allowed, or ``network`` or ``benchmark`` is none.
    """
    import pandas as pd

    if not isinstance(benchmark, Benchmark):
        kind = type(benchmark).__name__
        raise InputError(f"benchmark: {kind}; give one of load_benchmark(...)")
    if not isinstance(network, Network | EdgeScores | RegulatorSets):
        kind = type(network).__name__
        raise InputError(f"network: {kind}; give a Network, as infer or load returns it")
    if missing not in get_args(_Missing):
        choices = ", ".join(get_args(_Missing))
        raise InputError(f"missing={missing!r}: choose from {choices}")
    if missing == "lowest" and isinstance(network, Network):
        truth = benchmark.truth
        network = network.to_scores(truth.regulators, truth.genes)
    try:
        rows = [row.as_dict() for row in benchmark.evaluate(network)]
    except InputError as error:
        if isinstance(network, Network) and not {*benchmark.truth.genes} <= {*network.genes}:
            raise InputError(f"{error}; missing='lowest' scores such pairs below all") from error
        raise
    if not rows:
        raise InputError(
            "benchmark: it has no held-out pairs to judge by; load_benchmark(..., "
            'split="seen_unseen") holds some back'
        )
    return pd.DataFrame(rows)
