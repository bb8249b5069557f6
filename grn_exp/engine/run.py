"""One run, from data to files."""

import contextlib
import csv
import gc
import logging
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import yaml

from grn_exp.core.errors import InputError
from grn_exp.core.scores import EdgeScores
from grn_exp.data.base import EdgeDataModule
from grn_exp.engine.fit import fit, keep_weights, limited_threads, resolve_accelerator
from grn_exp.engine.folder import SCHEMA, RunFolder
from grn_exp.engine.loggers import Mirror
from grn_exp.engine.provenance import provenance
from grn_exp.engine.spec import RunSpec
from grn_exp.models.base import ClosedFormModel, ControlWithTruth, GradientModel, GRNModel
from grn_exp.storage.atomic import write_json, write_npz, write_text, write_with

log = logging.getLogger(__name__)

# network.csv is for reading; scores.npz holds every pair
_TOP_EDGES = 100_000


class Stopwatch:
    """Wall time by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = time.perf_counter() - start


def run(spec: RunSpec, *, force: bool = False) -> list[dict[str, Any]]:
    """Do a run and return its metric rows.

    All input is read and checked before the run folder is made, so bad input leaves no trace.

    Parameters
    ----------
    spec
        The run.
    force
        Do a finished run again; without it its results are returned as they are.

    Raises
    ------
    InputError
        If anything that the user gave cannot be used, or the folder is in use.
    """
    _quiet_lightning()
    watch = Stopwatch()
    _check_fit(spec)
    resolve_accelerator(spec.trainer)
    with watch.stage("data"):
        data = spec.make_data()
        data.prepare_data()
        data.setup()
    with watch.stage("model"):
        model = _make_model(spec, data)
    folder = RunFolder(spec.identity.folder)
    try:
        with folder.locked(), folder.logging_to_file():
            if folder.state() == "finished":
                if not force:  # another process was faster
                    return folder.metrics()
                folder.clear()
            else:
                folder.clear(keep_checkpoint=True)
            with limited_threads(spec.trainer.num_threads):
                return _run_in(folder, spec, data, model, watch)
    finally:
        del model, data
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _check_fit(spec: RunSpec) -> None:
    name, model_class = spec.identity.model, spec.model_class
    data_task, model_task = spec.data_class.task, model_class.task
    if data_task != model_task:
        able = ", ".join(spec.models_by_task(data_task))
        raise InputError(
            f"model={name} scores {model_task}, but data={spec.identity.data} "
            f"asks for {data_task}; models that can: {able or 'none'}"
        )
    epochs = spec.trainer.max_epochs
    if issubclass(model_class, ClosedFormModel) and epochs is not None:
        raise InputError(f"trainer.max_epochs={epochs}: model={name} has no epochs; drop it")
    if issubclass(model_class, GradientModel) and epochs is None:
        raise InputError(f"trainer.max_epochs: no value; model={name} is trained in epochs")


def _make_model(spec: RunSpec, data: EdgeDataModule) -> GRNModel:
    pl.seed_everything(spec.seed, workers=True, verbose=False)
    reads = spec.model_class
    view = data.view(labels=reads.reads_labels, embedding=reads.reads_embedding, seed=spec.seed)
    model = spec.make_model(view)
    if isinstance(model, ControlWithTruth):
        model.truth = data.truth
    return model


def _run_in(
    folder: RunFolder, spec: RunSpec, data: EdgeDataModule, model: GRNModel, watch: Stopwatch
) -> list[dict[str, Any]]:
    mirror: Mirror = spec.mirror
    folder.set_state("running")
    logger, rows, exit_code = None, [], 1
    try:
        write_text(folder / "config.yaml", yaml.safe_dump(spec.identity.config, sort_keys=False))
        write_npz(folder / "split.npz", data.split.arrays())
        logger = mirror.open(spec.identity)
        with watch.stage("fit"):
            history, device = fit(
                model,
                folder=folder,
                settings=spec.trainer,
                judge=data.validation_ap,
                logger=logger,
                title=f"{spec.identity.data} {spec.identity.model}",
            )
        with watch.stage("evaluate"):
            scores = model.prediction()
            rows = [row.as_dict() for row in data.evaluate(scores)]
        facts = provenance(
            data=data.describe(),
            seconds=watch.seconds,
            device=device,
            model={"n_parameters": sum(p.numel() for p in model.parameters())},
        )
        _write_results(folder, scores=scores, history=history, facts=facts, rows=rows)
        folder.set_state("finished")
        exit_code = 0
        log.info("finished: %s, fitted in %.1f s", folder.path, watch.seconds["fit"])
        keep_weights(folder.checkpoint)
    except BaseException as error:
        with contextlib.suppress(InputError):  # the disk may be what failed
            if exit_code:
                folder.set_state("failed", error=f"{type(error).__name__}: {error}".rstrip(": "))
        raise
    finally:
        _close(mirror, logger, rows, exit_code)
    return rows


def _close(mirror: Mirror, logger: Any, rows: list[dict[str, Any]], exit_code: int) -> None:  # noqa: ANN401
    """End the mirror; its trouble is not the run's, whose files are complete without it."""
    try:
        mirror.close(logger, rows, exit_code=exit_code)
    except Exception as error:  # noqa: BLE001 - a service's client may raise anything
        log.warning("the logger did not close: %s", error)


def _write_results(
    folder: RunFolder,
    *,
    scores: EdgeScores,
    history: list[dict[str, float]],
    facts: dict[str, Any],
    rows: list[dict[str, Any]],
) -> None:
    """Write every file of a finished run, the metrics last."""
    arrays = {
        "regulators": scores.regulators.array,
        "genes": scores.genes.array,
        "scores": scores.values,
    }
    write_npz(folder / "scores.npz", arrays)
    regulators, genes = scores.regulators.symbols, scores.genes.symbols
    edges = zip(*scores.ranked(_TOP_EDGES), strict=True)
    network = [(regulators[r], genes[g], str(scores.values[r, g])) for r, g in edges]
    _write_csv(folder / "network.csv", ["regulator", "target", "score"], network)
    names = list(dict.fromkeys(["epoch", *(name for row in history for name in row)]))
    epochs = [[row.get(name, "") for name in names] for row in history]
    _write_csv(folder / "history.csv", names, epochs)
    write_json(folder / "provenance.json", facts)
    write_json(folder / "metrics.json", {"schema": SCHEMA, "rows": rows})


def _write_csv(path: Path, header: list[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table without pandas, whose import a short run would notice."""

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)

    write_with(path, write)


def _quiet_lightning() -> None:
    """Leave Lightning's warnings on, its announcements and two known notices off."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.*",  # Lightning 2.6 with torch 2.13
        ".*does not have many workers.*",  # batches are index tensors, no workers wanted
        ".*srun.*",  # wherever Slurm happens to be installed
    ):
        warnings.filterwarnings("ignore", message=message)
