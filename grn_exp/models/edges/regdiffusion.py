"""RegDiffusion (Zhu and Slonim 2024), through its own package."""

import contextlib
import io
import sys
import tempfile
import warnings
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from grn_exp.core.errors import InputError
from grn_exp.core.memory import Sizes
from grn_exp.core.ranges import require_in
from grn_exp.core.views import TrainView
from grn_exp.models.closed_form import EdgeScorer


class RegDiffusion(EdgeScorer):
    """A diffusion model whose denoiser passes messages along a gene-to-gene adjacency.

    Trained by the ``regdiffusion`` package with its defaults; the score is the magnitude of the
    soft-thresholded adjacency. Cells in which all genes are alike, and genes that do not vary
    once each cell is scaled to [0, 1], as the package does, are left out; such a gene scores 0.

    Parameters
    ----------
    n_steps
        Training steps.
    batch_size
        Cells in a step, drawn with replacement.
    device
        ``cpu`` or ``cuda``.

    Raises
    ------
    InputError
        If the device does not exist, or fewer than two genes vary.

    Notes
    -----
    Assumes that a gene can be denoised from its regulators. Reads expression alone. A step
    costs about ``batch_size n_genes^2`` operations.

    References
    ----------
    - Zhu and Slonim (2024), From noise to knowledge: diffusion probabilistic model-based neural
      inference of gene regulatory networks, Journal of Computational Biology 31.
    """

    requires: ClassVar[tuple[str, ...]] = ("regdiffusion",)

    def __init__(
        self,
        *,
        n_steps: int = 1000,
        batch_size: int = 128,
        device: Literal["cpu", "cuda"] = "cpu",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        require_in("(0, inf)", n_steps=n_steps, batch_size=batch_size)
        if device == "cuda" and not torch.cuda.is_available():
            raise InputError("model.device=cuda: torch sees no GPU here; use model.device=cpu")

    def build(self, view: TrainView) -> None:
        """Check that genes vary."""
        _, genes = _that_vary(view.expression.values)
        if genes.sum() < 2:
            raise InputError(
                f"model=regdiffusion: {int(genes.sum())} of {len(genes)} genes vary "
                "over the cells once each cell is scaled, as the method does; it needs 2, check "
                "the matrix"
            )

    def memory(self, sizes: Sizes) -> int:
        """Return about how many bytes a fit takes beside the expression matrix."""
        return 4 * sizes.matrix + 8 * sizes._replace(n_regulators=sizes.n_genes).pairs

    def score(self, view: TrainView) -> np.ndarray:
        """Train, and return the magnitudes."""
        cells, genes = _that_vary(view.expression.values)
        adjacency = np.zeros((len(genes), len(genes)))
        found = self._trained(view.expression.values[np.ix_(cells, genes)])
        adjacency[np.ix_(genes, genes)] = found
        return np.abs(adjacency[view.regulator_positions])

    def _trained(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the adjacency, ``[regulator, target]``."""
        # the package always draws a progress bar; only a terminal should get it
        seen = sys.stderr if sys.stderr.isatty() else io.StringIO()
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stderr(seen),
            tempfile.TemporaryDirectory() as folder,
        ):
            warnings.simplefilter("ignore")  # of the package's own code
            from regdiffusion import LightLogger, RegDiffusionTrainer

            trainer: Any = RegDiffusionTrainer(
                values,
                n_steps=self.options.n_steps,
                batch_size=self.options.batch_size,
                device=self.options.device,
                seed=self.seed,
                logger=LightLogger(folder),  # its own one writes into the working directory
            )
            trainer.train()
            return trainer.model.get_adj_().detach().cpu().numpy()


def _that_vary(values: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the cells and genes that the package can scale.

    It scales each cell to [0, 1] first, so a gene that is the highest of every cell does not vary
    either; without it another gene may be.
    """
    cells, genes = np.ones(len(values), bool), np.ones(values.shape[1], bool)
    while genes.any():
        shown = values[:, genes]
        width = np.ptp(shown, axis=1, keepdims=True)
        cells = width[:, 0] > 0
        scaled = (shown - shown.min(axis=1, keepdims=True))[cells] / width[cells]
        varies = scaled.std(axis=0) > 0 if cells.any() else np.zeros(shown.shape[1], bool)
        if varies.all():
            break
        genes[genes] = varies
    return cells, genes
