"""One run, from data to files."""

import contextlib
import gc
import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import yaml

from grn_exp.core import extras
from grn_exp.core.errors import InputError
from grn_exp.core.scores import EdgeScores
from grn_exp.data.benchmark import Benchmark
from grn_exp.engine.artefacts import read_scores, write_results
from grn_exp.engine.edges import table_of, write_edges
from grn_exp.engine.fit import (
    check_resumption,
    check_trainer,
    fit,
    keep_weights,
    limited_threads,
    resolve_accelerator,
)
from grn_exp.engine.loggers import EpochLogger, Mirror
from grn_exp.engine.needs import check_needs
from grn_exp.engine.outcome import Outcome, average, earlier_fit, with_spread
from grn_exp.engine.pace import announce
from grn_exp.engine.provenance import provenance
from grn_exp.engine.spec import RunSpec
from grn_exp.engine.stability import stability_of
from grn_exp.models.base import GRNModel
from grn_exp.models.gradient import GradientModel
from grn_exp.models.sets.base import PooledSelector
from grn_exp.runs.folder import CONFIG, SPLIT, RunFolder
from grn_exp.runs.source import method_source, warn_if_changed
from grn_exp.storage.atomic import write_npz, write_text

log = logging.getLogger(__name__)

_WORTH_SAYING = 10.0  # seconds that a fit will take


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Put down how long a block took."""
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start


def run(spec: RunSpec, *, force: bool = False, wait: bool = False) -> list[dict[str, Any]]:
    """Do a run and return its metric rows.

    All input is read and checked before the run folder is made, so bad input leaves no trace.
    A method that chooses from retrieved candidates has the retrieval as a run of its own, which
    is done first unless it is finished.

    Parameters
    ----------
    spec
        The run.
    force
        Do a finished run again; without it its results are returned as they are.
    wait
        Where another process has the folder, wait until it is done.

    Raises
    ------
    InputError
        If anything that the user gave cannot be used, or the folder is in use.
    """
    _quiet_lightning()
    seconds: dict[str, float] = {}
    _check_fit(spec)
    resolve_accelerator(spec.trainer)
    with _timed(seconds, "data"):
        data: Benchmark = spec.make_data()
        data.prepare_data()
        data.setup()
        if spec.decoder is not None:
            data.check_decoder(spec.decoder)
    needs = check_needs(spec.identity.model, spec.make_model(), data)
    if issubclass(spec.model_class, GradientModel):
        check_trainer(spec.trainer, data)
    if spec.retriever is not None:
        with _timed(seconds, "retrieval"):
            _retrieve(spec, [spec.retriever, *spec.fold_retrievers], data)
    with _timed(seconds, "model"):
        model = _make_model(spec, data)
    if spec.trainer.resume_from is not None:
        check_resumption(spec.trainer.resume_from, model)
    folder = RunFolder(spec.identity.folder)
    try:
        with folder.locked(wait=wait), folder.logging_to_file():
            if folder.state() == "finished":
                if not force:  # another process was faster
                    return folder.metrics()
                folder.clear()
            else:
                if not force:
                    folder.warn_of_damage()
                folder.clear(keep_checkpoint=True)
            with limited_threads(spec.trainer.num_threads):
                if needs.worth_a_line:
                    log.info(str(needs))
                if needs.worth_timing:
                    announce(spec, model, folder, least=0 if needs.worth_a_line else _WORTH_SAYING)
                return _run_in(folder, spec, data, model, seconds, force=force)
    finally:
        del model, data
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _retrieve(spec: RunSpec, retrievers: Sequence[RunSpec], data: Benchmark) -> None:
    """Give a benchmark the scores of runs that retrieve, which several selectors may wait for."""
    folders = [RunFolder(each.identity.folder) for each in retrievers]
    states = [folder.state() for folder in folders]
    if any(state != "finished" for state in states):
        truth = data.truth
        values = np.zeros((len(truth.regulators), len(truth.genes)), dtype=np.float32)
        blank = [EdgeScores(truth.regulators, truth.genes, values)] * len(retrievers)
        data.use_candidates(blank[0], blank[1:])
        _make_model(spec, data)  # its options are refused now, not later
    for retriever, folder, state in zip(retrievers, folders, states, strict=True):
        if state == "finished":
            warn_if_changed(folder, retriever.identity.config)
            continue
        try:
            run(retriever, wait=True)
        except InputError as error:
            raise InputError(f"retriever={retriever.identity.model}: {error}") from error
    scores = [read_scores(folder) for folder in folders]
    data.use_candidates(scores[0], scores[1:])


def _check_fit(spec: RunSpec) -> None:
    name, model_class = spec.identity.model, spec.model_class
    if model_class.task not in spec.data_class.tasks:
        other = spec.data_class.elsewhere.get(model_class.task)
        elsewhere = f"choose data={other}; " if other else ""
        able = [model for task in spec.data_class.tasks for model in spec.models_by_task(task)]
        raise InputError(
            f"model={name} is for {model_class.task}, but data={spec.identity.data} is for "
            f"{' and '.join(spec.data_class.tasks)}; {elsewhere}models that can: {', '.join(able)}"
        )
    for package in model_class.requires:
        extras.load(package, f"model={name}", f"grn_exp[{name}]")
    if issubclass(model_class, GradientModel):
        if spec.trainer.max_epochs is None:
            raise InputError(f"trainer.max_epochs: no value; model={name} is trained in epochs")
    elif spec.trainer.resume_from is not None:
        raise InputError(f"ckpt_path: model={name} has no epochs to go on with; drop it")
    if spec.members and model_class.task != "edges":
        raise InputError(
            f"ensemble={len(spec.members)}: model={name} chooses sets, which have no mean; drop "
            "ensemble=..., or sweep over seed=0,1,2"
        )
    if spec.members and not model_class.draws:
        raise InputError(
            f"ensemble={len(spec.members)}: model={name} draws nothing at random, so all seeds "
            "give the same scores; drop ensemble=..."
        )
    chooses = issubclass(model_class, PooledSelector)
    for group, part in (("decoder", spec.decoder), ("retriever", spec.retriever)):
        if part is not None and not chooses:
            raise InputError(f"{group}: model={name} chooses from no pool; drop {group}=...")
    sums_only = spec.decoder is not None and spec.decoder.needs_decomposable
    if chooses and sums_only and not model_class.decomposable:
        raise InputError(
            f"decoder=top_r: model={name} scores a set as more than the sum of its members; "
            "choose decoder=exact, beam, local_search or sample_rerank"
        )
    if spec.retriever is not None:
        _check_fit(spec.retriever)
        if spec.retriever.model_class.task != "edges":
            able = ", ".join(spec.models_by_task("edges"))
            raise InputError(f"retriever={spec.identity.retriever}: choose from {able}")


def _make_model(spec: RunSpec, data: Benchmark) -> GRNModel:
    pl.seed_everything(spec.identity.config["seed"], workers=True, verbose=False)
    model = spec.make_model()
    model.attach(data.view_for(model))
    model.check(spec.trainer.max_epochs)
    return model


def _run_in(
    folder: RunFolder,
    spec: RunSpec,
    data: Benchmark,
    model: GRNModel,
    seconds: dict[str, float],
    *,
    force: bool,
) -> list[dict[str, Any]]:
    """Fit in a folder that says how it goes, before, after and where it fails."""
    mirror: Mirror = spec.mirror
    folder.set_state("running")
    logger, rows, exit_code = None, [], 1
    try:
        write_text(folder / CONFIG, yaml.safe_dump(spec.identity.config, sort_keys=False))
        write_npz(folder / SPLIT, {**data.split.arrays(), "labels": data.truth.labels})
        logger = mirror.open(spec.identity)
        rows = _fit_and_write(folder, spec, data, model, logger, seconds=seconds, force=force)
        folder.set_state("finished")
        exit_code = 0
        log.info("finished: %s, fitted in %.1f s", folder.path, seconds["fit"])
        keep_weights(folder.checkpoint, model)
        folder.unfinished.unlink(missing_ok=True)
    except BaseException as error:
        with contextlib.suppress(InputError):  # the disk may be what failed
            if exit_code:
                folder.set_ended(error)
        raise
    finally:
        try:
            if logger is not None:
                mirror.close(logger, folder, exit_code=exit_code)
        except Exception as error:  # noqa: BLE001 - a service's client may raise anything
            # the run's files are complete without it
            log.warning("the logger did not close: %s", error)
    return rows


def _fit_and_write(
    folder: RunFolder,
    spec: RunSpec,
    data: Benchmark,
    model: GRNModel,
    logger: EpochLogger | None,
    *,
    seconds: dict[str, float],
    force: bool,
) -> list[dict[str, Any]]:
    """Fit, judge and write the results; return the metric rows."""
    halves = []
    if spec.halves:
        with _timed(seconds, "stability"):
            halves = _fit_halves(spec, force=force)
    with _timed(seconds, "fit"):
        outcome = _outcome(folder, spec, data, model, logger, force=force)
    with _timed(seconds, "evaluate"):
        rows = [row.as_dict() for row in data.evaluate(outcome.prediction)]
    if outcome.members:
        rows = with_spread(rows, outcome.members)
    seconds |= outcome.seconds
    found = {}
    if isinstance(outcome.prediction, EdgeScores):
        found = _write_network(folder, data, outcome.prediction, halves)
    facts = provenance(
        data=data.describe(), seconds=seconds, device=outcome.device, model=outcome.model
    )
    own: dict[str, Any] = {
        "fit_key": spec.fit_key,
        "choices": dict(spec.identity.choices),
        "method_source": method_source(spec.identity.config),
    }
    write_results(
        folder,
        prediction=outcome.prediction,
        tables={**data.tables(outcome.prediction), **outcome.tables},
        history=outcome.history,
        facts={**facts, **own, **outcome.origin, **found},
        rows=rows,
    )
    return rows


def _fit_halves(spec: RunSpec, *, force: bool) -> list[RunFolder]:
    """Do the runs on half-samples of the cells; finished ones are taken as they are."""
    for half in spec.halves:
        run(half, force=force, wait=True)
    return [RunFolder(half.identity.folder) for half in spec.halves]


def _write_network(
    folder: RunFolder, data: Benchmark, scores: EdgeScores, halves: Sequence[RunFolder]
) -> dict[str, Any]:
    """Write the edges with what stands beside their scores; return facts for the provenance."""
    stability = stability_of(map(read_scores, halves), scores) if halves else None
    if stability is not None:
        stability.write(folder, scores)
    table = table_of(scores, data, stability)
    write_edges(folder, table, n_top=data.top_edges, all_edges=data.writes_all_edges)
    facts: dict[str, Any] = {"sign": "correlation", "n_edges": len(table.order)}
    if stability is not None:
        facts |= {"top_edges": stability.n_top, "stability_fits": stability.n_fits}
    return {"network": facts}


def _outcome(
    folder: RunFolder,
    spec: RunSpec,
    data: Benchmark,
    model: GRNModel,
    logger: EpochLogger | None,
    *,
    force: bool,
) -> Outcome:
    """Average the members, take over the fit of another split's run, or fit."""
    if spec.members:
        members = [run(member, force=force, wait=True) for member in spec.members]
        folders = [RunFolder(member.identity.folder) for member in spec.members]
        return average(folders, members)
    earlier = earlier_fit(folder, spec.fit_key) if spec.fit_key and not force else None
    if earlier is not None:
        log.info(
            "the fit is that of run %s: nothing that it depends on differs",
            earlier.origin["fitted_in"],
        )
        return earlier
    return fit(
        model,
        data,
        folder=folder,
        settings=spec.trainer,
        logger=logger,
        title=f"{spec.identity.data} {spec.identity.model}",
    )


def _quiet_lightning() -> None:
    """Leave Lightning's warnings on, its announcements and two known notices off."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.*",  # Lightning 2.6 with torch 2.13
        ".*does not have many workers.*",  # batches are index tensors, no workers wanted
        ".*srun.*",  # wherever Slurm happens to be installed
        ".*callbacks used to create the checkpoint.*",  # ckpt_path may be another run's
    ):
        warnings.filterwarnings("ignore", message=message)
