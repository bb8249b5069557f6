"""Methods that are fitted once, without epochs."""

import abc
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from grn_exp.core.errors import InputError
from grn_exp.core.scores import EdgeScores
from grn_exp.core.views import TrainView
from grn_exp.models.base import GRNModel, Prediction
from grn_exp.models.state import pack, unpack
from grn_exp.nn.batches import ShuffledIndices, one_batch


class ClosedFormModel(GRNModel):
    """A method that is fitted once, without epochs.

    ``trainer.fit`` calls :meth:`fit` in its one training step. A checkpoint holds the
    prediction.

    Attributes
    ----------
    unfinished
        A file for what is done of a long fit, from which the next one goes on; None for none.
    """

    is_fitted: Tensor
    unfinished: Path | None = None

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.automatic_optimization = False
        self.register_buffer("is_fitted", torch.tensor(False))  # noqa: FBT003
        self._kept: Prediction | None = None

    def fit(self) -> None:
        """Fit to ``self.view``; called once before :meth:`predict`."""

    def seconds(self) -> float:
        """Return about how long a fit takes, by a part of it; missing (nan): no time, or unknown.

        The model has its data, and is for nothing else.
        """
        return math.nan

    def prediction(self) -> Prediction:
        """Return the prediction, which is computed once."""
        if self._kept is None:
            self._kept = self.predict()
        self.is_fitted.fill_(True)  # noqa: FBT003
        return self._kept

    def batches(self, epoch: Callable[[], int]) -> ShuffledIndices:
        """Return one batch: of everything."""
        return one_batch()

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        """Fit, and end the training."""
        self.fit()
        self.trainer.should_stop = True

    def configure_optimizers(self) -> None:
        """Return none: nothing is optimised step by step."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the prediction."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["prediction"] = pack(self.prediction())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the prediction back."""
        super().on_load_checkpoint(checkpoint)
        self._kept = unpack(checkpoint["prediction"])


class EdgeScorer(ClosedFormModel):
    """A closed form whose fit is the scores.

    It is shown the genes in the order of their symbols, so that the order in a file, and what a
    fit draws at random in that order, change no score.
    """

    @abc.abstractmethod
    def score(self, view: TrainView) -> np.ndarray:
        """Return scores of the view's pairs, shape ``(n_regulators, n_genes)``."""

    def fit(self) -> None:
        """Compute the scores."""
        ordered = self.view.by_symbol()
        values = self.score(ordered).astype(np.float32)
        scores = EdgeScores(ordered.regulators, ordered.genes, values)
        self._kept = self.as_scores(scores.align(self.view.regulators, self.view.genes))

    def predict(self) -> EdgeScores:
        """Refuse: the scores are there once the method is fitted."""
        raise InputError(f"{type(self).__name__} is not fitted yet: call trainer.fit, or fit()")
