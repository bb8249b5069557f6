"""trackio, a dashboard on this machine that needs no account."""

import contextlib
import contextvars
import dataclasses
import io
import logging
import os
import re
from collections.abc import Iterator
from typing import Any

import huggingface_hub

from grn_exp.core import extras
from grn_exp.core.errors import InputError, brief
from grn_exp.core.home import make_writable
from grn_exp.engine.loggers import results
from grn_exp.engine.loggers.base import EpochLogger, described, display_name
from grn_exp.engine.spec import RunIdentity
from grn_exp.runs.folder import RunFolder

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class TrackioMirror:
    """trackio's database, where ``trackio show`` looks (``TRACKIO_DIR`` moves it).

    A run that is repeated, or goes on from a checkpoint, replaces the one before.

    Parameters
    ----------
    project
        As in ``trackio.init``. The run's group is the experiment.

    Raises
    ------
    InputError
        If trackio is not installed, the project's name is none that it takes as it stands, or
        its environment cannot be used: a folder that cannot be written, a server or Space.
    """

    project: str = "grn_exp"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w-]+", self.project):
            raise InputError(
                f"logger.project={self.project}: give a name of letters, digits, - and _"
            )
        utils: Any = extras.load("trackio.utils", "logger=trackio", "grn_exp[trackio]")
        server, space = (os.environ.get(f"TRACKIO_{name}") for name in ("SERVER_URL", "SPACE_ID"))
        if space and huggingface_hub.get_token() is None:
            raise InputError(f"TRACKIO_SPACE_ID={space}: needs `hf auth login`; or unset it")
        if server and not space and not server.startswith(("http://", "https://")):
            raise InputError(f"TRACKIO_SERVER_URL={server}: give an address, with https://")
        make_writable(os.environ.get("TRACKIO_DIR") or utils.TRACKIO_DIR, "TRACKIO_DIR")

    def open(self, identity: RunIdentity) -> EpochLogger:
        """Start a run."""
        import trackio

        _forget(self.project, identity)
        try:
            with _quiet():
                # in a context of its own, since trackio.init ends the run that its context
                # knows, and members of an ensemble run inside its run
                run: Any = contextvars.copy_context().run(
                    trackio.init,
                    self.project,
                    name=display_name(identity),
                    group=identity.experiment,
                    config=described(identity),
                    embed=False,
                )
        except Exception as error:  # of its server, or Hugging Face's
            raise InputError(f"logger=trackio: {brief(error, longest=300)}") from error

        def log_epoch(values: dict[str, float], epoch: int) -> None:
            run.log({name: value for name, value in values.items() if name != "epoch"}, epoch)

        return EpochLogger(run, log_epoch)

    def close(self, logger: EpochLogger, folder: RunFolder, *, exit_code: int) -> None:
        """Hand over metrics, curves and edges, and end the run."""
        run = logger.service
        try:
            if exit_code == 0:
                run.log(_shown(folder, with_curves=logger.next_epoch > 0), logger.next_epoch)
        finally:
            with _quiet():
                run.finish()
        log.info("trackio: look at it with: trackio show --project %s", self.project)


def _forget(project: str, identity: RunIdentity) -> None:
    """Delete what an earlier attempt at the same run left."""
    import trackio

    with _quiet(), contextlib.suppress(ValueError):  # of a project that is new
        for run in trackio.Api().runs(project):
            config = run.config or {}
            of = config.get("paths", {}).get("experiment"), config.get("run_key")
            if of == (identity.experiment, identity.run_key):
                run.delete()


def _shown(folder: RunFolder, *, with_curves: bool) -> dict[str, Any]:
    import trackio

    metrics = results.flat_metrics(folder.metrics()) | results.cost(folder.facts())
    shown: dict[str, Any] = {
        name: value
        for name, value in metrics.items()
        if not (with_curves and name.startswith("val/"))  # the curve's last value
    }
    edges = results.top_edges(folder)
    if edges is not None:
        header, rows = edges
        shown["top_edges"] = trackio.Table(columns=[*header], data=[list(row) for row in rows])
    curves = results.precision_recall(folder)
    if curves:
        shown["pr_curves"] = trackio.Image(_picture(curves), caption="precision against recall")
    return shown


def _picture(curves: dict[str, results.Curve]) -> Any:  # noqa: ANN401 - an array of pixels
    """Draw the curves: trackio plots numbers against steps only."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    for subset, (recall, precision) in curves.items():
        axes.plot(recall, precision, label=subset)
    axes.legend()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep trackio's announcements from the terminal, which is for results."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
