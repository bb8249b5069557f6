"""What the neural set scorers share: encoder, negatives, ranking loss, decoding."""

import abc
import dataclasses
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from grn_exp.core.errors import InputError
from grn_exp.core.sets import Positions, RegulatorSets, SetView
from grn_exp.decode.base import Decoder, SetScore
from grn_exp.models.base import GradientModel, OptimizerFactory, epoch_seed
from grn_exp.models.sets.base import PooledSelector
from grn_exp.models.sets.negatives import NegativeSets
from grn_exp.nn.gene_encoder import GeneEncoder, gene_features


class EncoderFactory(Protocol):
    """A :class:`GeneEncoder` with its widths fixed."""

    def __call__(self, n_cells: int) -> GeneEncoder:
        """Make the encoder for genes of so many cells."""
        ...


@dataclasses.dataclass(frozen=True)
class RankingTraining:
    """How a set scorer is trained (Residual HOS2, section 4.3 and appendix D).

    Parameters
    ----------
    negatives
        Draws the wrong sets.
    optimizer
        Makes the optimiser.
    margin
        ``m``.
    learning_rate, warmup_steps
        The rate, reached linearly over the first steps; 0 for the full rate from the start.
    batch_size
        Targets in a batch.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    negatives: NegativeSets
    optimizer: OptimizerFactory
    margin: float = 1.0
    learning_rate: float = 2e-4
    warmup_steps: int = 0
    batch_size: int = 16

    def __post_init__(self) -> None:
        if self.learning_rate <= 0:
            raise InputError(
                f"model.training.learning_rate={self.learning_rate}: give a number above 0"
            )
        for name, least in (("margin", 0), ("warmup_steps", 0), ("batch_size", 1)):
            if getattr(self, name) < least:
                raise InputError(
                    f"model.training.{name}={getattr(self, name)}: give {least} or more"
                )


class NeuralSelector(PooledSelector, GradientModel):
    """Base of the set scorers that are trained by ranking (Residual HOS2, section 4.3).

    For each training target the true set is to score higher than ``J`` wrong ones by a margin:
    ``mean over j of softplus(m - (Score(S*) - Score(S_j)))``. A method implements
    :meth:`score_sets` and :meth:`pool_score`.

    Parameters
    ----------
    view
        Training data and pools.
    decoder
        How the best set is found.
    encoder
        Makes the encoder: a gene's features ``(n_cells,)`` to ``z`` of shape ``(dim,)``.
    training
        Negatives, margin, rate and optimiser.
    """

    features: Tensor

    def __init__(
        self,
        view: SetView,
        *,
        decoder: Decoder,
        encoder: EncoderFactory,
        training: RankingTraining,
    ) -> None:
        GradientModel.__init__(
            self,
            view,
            n_items=len(view.train),
            batch_size=training.batch_size,
            optimizer=training.optimizer,
        )
        self.decoder = decoder
        self.training_options = training
        self.encoder = encoder(view.expression.n_cells)
        self.register_buffer("features", gene_features(view.expression), persistent=False)
        self._regulator_genes = torch.as_tensor(view.regulator_positions)
        self._target_genes = torch.as_tensor(view.genes.positions(view.train.targets))
        self._train_pools = self.pools.of(view.train.targets)
        self._rng = np.random.default_rng(view.seed)
        self._near_miss_share = training.negatives.near_miss_start
        self._embedded: Tensor | None = None

    # -- a method's own part -----------------------------------------------------------------

    @abc.abstractmethod
    def score_sets(self, targets: Tensor, sets: Tensor) -> Tensor:
        """Score sets of each target.

        Parameters
        ----------
        targets
            Embeddings of the targets, shape ``(n_targets, dim)``.
        sets
            Embeddings of the sets' members, shape ``(n_targets, n_sets, R, dim)``.

        Returns
        -------
        Tensor
            Shape ``(n_targets, n_sets)``.
        """

    @abc.abstractmethod
    def pool_score(self, target: Tensor, pool: Tensor) -> SetScore:
        """Return the score of sets of a pool, given embeddings ``(dim,)``, ``(n_pool, dim)``."""

    # -- training ------------------------------------------------------------------------------

    def begin_epoch(self, epoch: int) -> None:
        """Draw dropout and negatives by seed and epoch, and move the curriculum on."""
        torch.manual_seed(epoch_seed(self.view.seed, epoch, stream=2))
        self._rng = np.random.default_rng([self.view.seed, epoch, 0x5E7])
        n_epochs = self.trainer.max_epochs or 1
        negatives = self.training_options.negatives
        self._near_miss_share = negatives.near_miss_share(epoch, n_epochs)

    def on_train_batch_start(self, batch: Tensor, batch_idx: int) -> None:
        """Raise the rate in the first steps."""
        del batch, batch_idx
        warmup_steps = self.training_options.warmup_steps
        if self.global_step < warmup_steps:
            factor = (self.global_step + 1) / warmup_steps
            for group in self.trainer.optimizers[0].param_groups:
                group["lr"] = group["initial_lr"] * factor

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All parameters at one rate."""
        return [{"params": list(self.parameters()), "lr": self.training_options.learning_rate}]

    def loss(self, batch: Tensor) -> dict[str, Tensor]:
        """Return the margin-ranking loss of a batch of training targets, their mean."""
        total = torch.zeros((), device=self.features.device)
        for rows, sets in self._examples(batch.cpu()):
            scores = self.example_scores(rows, sets)
            gap = scores[:, :1] - scores[:, 1:]
            total = total + F.softplus(self.training_options.margin - gap).mean(dim=1).sum()
        return {"total": total / len(batch)}

    def example_scores(self, rows: Tensor, sets: Tensor) -> Tensor:
        """Score sets of training targets.

        Parameters
        ----------
        rows
            Positions in the training sets, shape ``(b,)``.
        sets
            Positions in the candidates, shape ``(b, n_sets, R)``.

        Returns
        -------
        Tensor
            Shape ``(b, n_sets)``.
        """
        targets, members = self._embed(self._target_genes[rows], self._regulator_genes[sets])
        return self.score_sets(targets, members)

    def _examples(self, batch: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return, for each set size, targets ``(b,)`` and their sets ``(b, 1 + J, R)``.

        The true set comes first.
        """
        by_size: dict[int, list[tuple[int, np.ndarray]]] = {}
        for row in batch.tolist():
            true = self.view.train.members[row]
            wrong = self.training_options.negatives.sample(
                true, self._train_pools[row], share=self._near_miss_share, rng=self._rng
            )
            by_size.setdefault(len(true), []).append((row, np.vstack([true, wrong])))
        return [
            (torch.tensor([row for row, _ in each]), torch.tensor(np.stack([s for _, s in each])))
            for each in by_size.values()
        ]

    def _embed(self, targets: Tensor, regulators: Tensor) -> tuple[Tensor, Tensor]:
        """Encode genes once each, however often they occur."""
        genes, places = torch.unique(
            torch.cat([targets, regulators.flatten()]), return_inverse=True
        )
        device = self.features.device
        embedded = self.encoder(self.features[genes.to(device)])[places.to(device)]
        return (
            embedded[: len(targets)],
            embedded[len(targets) :].unflatten(0, tuple(regulators.shape)),
        )

    # -- decoding ------------------------------------------------------------------------------

    def prediction(self) -> RegulatorSets:
        """Encode all genes once, then search every query's pool."""
        was_training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                self._embedded = self.encoder(self.features)
                return super().prediction()
        finally:
            self._embedded = None
            self.train(was_training)

    def set_score(self, target: str, pool: Positions) -> SetScore:
        """Return the score of sets of a pool's members for one target."""
        embedded = self.encoder(self.features) if self._embedded is None else self._embedded
        gene = int(self.view.genes.positions([target])[0])
        return self.pool_score(embedded[gene], embedded[self._regulator_genes[pool]])
