"""What a fit costs: every method that scores pairs, and its peers' own code on the same matrix."""

import contextlib
import dataclasses
import importlib.util
import io
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import apart, limit_seconds, peak_mb
from grn_exp import config
from grn_exp.core.views import TrainView
from grn_exp.data.edges.base import EdgeDataModule
from grn_exp.data.edges.beeline import BeelineDataModule
from grn_exp.data.edges.mccalla import McCallaDataModule
from grn_exp.data.edges.toy import ToyDataModule
from grn_exp.storage.conf import conf_dir

TOP = 1000
_TURNS, _SHORT = 3, 10.0  # a fit that takes less is done several times
_DATA: dict[str, Callable[[], EdgeDataModule]] = {
    "mdc": lambda: BeelineDataModule(dataset="mDC"),
    "semrau": lambda: McCallaDataModule(dataset="semrau"),
    "toy": ToyDataModule,
}
Edges = Any  # a data frame with columns TF, target, importance


def _rustscenic(view: TrainView) -> Edges:
    from rustscenic import grn

    return grn.infer(
        (view.expression.values, list(view.genes)), list(view.regulators), seed=0, verbose=False
    )


def _scenic_rs(name: str) -> Callable[[TrainView], Edges]:
    def infer(view: TrainView) -> Edges:
        call: Any = getattr(importlib.import_module("scenic_rs"), name)
        return call(view.expression.values, list(view.genes), list(view.regulators), seed=0)

    return infer


def _regdiffusion(view: TrainView) -> NDArray[np.float32]:
    from regdiffusion import LightLogger, RegDiffusionTrainer

    with contextlib.redirect_stderr(io.StringIO()), tempfile.TemporaryDirectory() as folder:
        trainer: Any = RegDiffusionTrainer(
            view.expression.values, device="cpu", seed=0, logger=LightLogger(folder)
        )
        trainer.train()
        return np.abs(trainer.model.get_adj_().detach().numpy())[view.regulator_positions]


# our methods in other ways than by default
VARIANTS = {"grnboost2": {"grn_exp on scikit-learn": ["model.backend=sklearn"]}}
# package, then what does the same in it
PEERS: dict[str, dict[str, Callable[[TrainView], Any]]] = {
    "grnboost2": {"rustscenic": _rustscenic, "scenic_rs": _scenic_rs("grnboost2")},
    "genie3": {"scenic_rs": _scenic_rs("genie3")},
    "regdiffusion": {"regdiffusion": _regdiffusion},
}


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of one fit; the data are read and the packages imported before.

    Attributes
    ----------
    seconds
        CPU seconds.
    peak_mb
        Largest resident memory of the process, imports and data included.
    top
        Positions of the best edges.
    """

    seconds: float
    peak_mb: float
    top: NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Row:
    """One code on one matrix.

    Attributes
    ----------
    data, method, code
        What was fitted to what by whose code.
    cost
        None if it took more than the time allowed.
    ratio
        Of its seconds to those of the fastest code for this method.
    shared
        How many of its best edges are among our best.
    """

    data: str
    method: str
    code: str
    cost: Cost | None
    ratio: float | None = None
    shared: int | None = None


def measure(
    data: str, *, seconds: float, methods: list[str] | None = None, smoke: bool = False
) -> Iterator[Row]:
    """Fit each method on a dataset, in turns with its peers, each in a process of its own.

    Parameters
    ----------
    data
        ``mdc``, ``semrau`` or ``toy``, as ``data=`` has it.
    seconds
        CPU seconds after which a fit is given up.
    methods
        Names; None for all.
    smoke
        Fit in this process.

    Raises
    ------
    InputError
        If the data are not here.
    """
    os.environ["RAYON_NUM_THREADS"] = "1"
    _DATA[data]().setup()  # bad input shows here, and the parsed copy is made
    for method in methods or config.models_by_task("edges"):
        installed = filter(importlib.util.find_spec, PEERS.get(method, ()))
        codes = ["grn_exp", *VARIANTS.get(method, ()), *installed]
        costs = _in_turns(data, method, codes, seconds, smoke=smoke)
        ours = costs["grn_exp"]
        fastest = min((cost.seconds for cost in costs.values() if cost), default=None)
        for code, cost in costs.items():
            if cost is None or fastest is None or len(codes) == 1:
                yield Row(data, method, code, cost)
                continue
            shared = len(np.intersect1d(cost.top, ours.top)) if ours else None
            yield Row(data, method, code, cost, cost.seconds / fastest, shared)


def _in_turns(
    data: str, method: str, codes: list[str], seconds: float, *, smoke: bool
) -> dict[str, Cost | None]:
    found: dict[str, list[Cost | None]] = {code: [] for code in codes}
    for _ in range(_TURNS if len(codes) > 1 else 1):
        for code in codes:
            try:
                cost = apart(_fit, data, method, code, seconds, smoke=smoke)
            except BrokenProcessPool:
                cost = None
            found[code].append(cost)
        latest = [costs[-1] for costs in found.values()]
        if smoke or any(cost is None or cost.seconds > _SHORT for cost in latest):
            break
    return {code: _median(costs) for code, costs in found.items()}


def _median(costs: list[Cost | None]) -> Cost | None:
    done = [cost for cost in costs if cost is not None]
    if len(done) < len(costs):
        return None
    seconds = statistics.median(cost.seconds for cost in done)
    return Cost(seconds, max(cost.peak_mb for cost in done), done[0].top)


def _fit(data: str, method: str, code: str, seconds: float) -> Cost:
    from grn_exp.engine.fit import limited_threads

    with warnings.catch_warnings(), limited_threads(1), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        benchmark = _DATA[data]()
        benchmark.setup()
        view = benchmark.view().by_symbol()
        if code.startswith("grn_exp"):
            options = VARIANTS.get(method, {}).get(code, [])
            call = _ours(data, method, options, benchmark, Path(folder))
        else:
            importlib.import_module(code)
            call = _peer(PEERS[method][code], view)
        limit_seconds(seconds)
        start = time.process_time()
        scores = call()
        used = time.process_time() - start
        limit_seconds(1e6)
    positions = view.regulator_positions
    scores[np.arange(len(positions)), positions] = -np.inf
    return Cost(used, peak_mb(), np.argsort(-scores, axis=None, kind="stable")[:TOP])


def _peer(infer: Callable[[TrainView], Any], view: TrainView) -> Callable[[], NDArray[Any]]:
    def call() -> NDArray[Any]:
        found = infer(view)
        if isinstance(found, np.ndarray):
            return found
        scores = np.zeros((len(view.regulators), len(view.genes)))
        rows, columns = (
            view.regulators.positions(found["TF"]),
            view.genes.positions(found["target"]),
        )
        scores[rows, columns] = found["importance"]
        return scores

    return call


def _ours(
    data: str, method: str, options: list[str], benchmark: EdgeDataModule, folder: Path
) -> Callable[[], NDArray[np.float32]]:
    from hydra import compose, initialize_config_dir

    from grn_exp.engine.fit import fit
    from grn_exp.runs.folder import RunFolder

    config.register()
    names = {"data": data, "model": method}  # presets go by the data
    overrides = [f"{group}={name}" for group, name in names.items()] + options
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        cfg = compose("config", overrides=[*overrides, f"paths.outputs={folder}"])
        spec = config.build_spec(config.identify(cfg, **names))
    for package in spec.model_class.requires:
        importlib.import_module(package)
    model = spec.make_model()
    view = benchmark.view().by_symbol()

    def call() -> NDArray[np.float32]:
        model.attach(benchmark.view_for(model))
        outcome = fit(
            model,
            benchmark,
            folder=RunFolder(folder),
            settings=spec.trainer,
            logger=None,
            title=method,
        )
        prediction: Any = outcome.prediction
        return prediction.align(view.regulators, view.genes)

    return call
