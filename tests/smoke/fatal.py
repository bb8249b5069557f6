"""A method whose process does not survive it, for the tests of launchers."""

import os
import signal
from pathlib import Path

import numpy as np

from grn_exp.core.views import TrainView
from grn_exp.models.closed_form import EdgeScorer


class Fatal(EdgeScorer):
    """Kills its process as often as a file named by ``FATAL`` has characters, and uses one up."""

    def score(self, view: TrainView) -> np.ndarray:
        """Die, or return equal scores."""
        lives = Path(os.environ["FATAL"])
        text = lives.read_text()
        if text:
            lives.write_text(text[1:])
            os.kill(os.getpid(), signal.SIGKILL)
        return np.ones((len(view.regulators), len(view.genes)), dtype=np.float32)


class UnreadableError(Exception):
    """Its constructor takes more than what it keeps."""

    def __init__(self, seed: int, why: str) -> None:
        super().__init__(why)
        self.seed = seed
