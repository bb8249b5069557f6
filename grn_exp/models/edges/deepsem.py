"""DeepSEM (Shu et al. 2021): a structural equation variational autoencoder."""

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from grn_exp.core.errors import InputError
from grn_exp.core.memory import Sizes
from grn_exp.core.ranges import require_in
from grn_exp.core.scores import EdgeScores
from grn_exp.core.views import Items, TrainView
from grn_exp.models.gradient import GradientModel
from grn_exp.models.optimisers import Optimizer
from grn_exp.nn.batches import epoch_seed
from grn_exp.nn.gaussian_noise import sample, squared_error
from grn_exp.nn.scalar_network import ConstantNetwork, FrozenTable, ScalarNetwork, look_up
from grn_exp.nn.structural import FullMixing, RegulatorMixing
from grn_exp.nn.z_scores import Standardisation, ZScores

# a table that serves a whole epoch may be finer than one that is made in every step
_FROZEN_FACTOR = 2


class DeepSEM(GradientModel):
    """Gene expression explained through a gene-to-gene adjacency (InfoSEM eq. 4 to 8).

    Each value is encoded by itself into a mean and a log-variance, both are taken through
    ``I - A`` to the noise ``z``, a sample of ``z`` goes back through its inverse and is decoded
    value by value. Loss of a batch, with means over its cells and genes::

        reconstruction + beta * [log q(z|x) - log p(z)] + alpha * mean |A|

    ``p(z)`` is a learned Gaussian a gene that goes through ``I - A`` like the posterior. Epochs
    0, 3, 6, ... train the networks with A frozen, the others train A with the networks frozen
    (DeepSEM's published schedule), and each phase computes only what changes in it.

    Unsupervised: reads expression only. A subclass with another prior of the adjacency
    overrides :meth:`effects`, :meth:`adjacency_terms` and :meth:`adjacency_groups`.

    Parameters
    ----------
    alpha
        Weight of ``mean |A|``, the mean over all ordered gene pairs. In the units of this loss,
        which is a mean over cells and genes, the Laplace prior of eq. 5 has ``alpha = n_genes /
        (n_cells sigma_a)``.
    beta
        Weight of the Kullback-Leibler term.
    standardise
        ``nonzero``: z-score with mean and spread of a gene's non-zero cells, clipped to +-10; a
        zero is scaled like any value, but left out of the reconstruction error. ``all``: plain
        z-score, every value counts.
    regulators
        ``all``: any gene may regulate (the papers); ``known``: only the view's regulators have
        outgoing edges, which costs far less on many genes.
    score
        ``abs`` ranks by |A| (the papers), ``signed`` by A.
    learning_rate, learning_rate_decay
        Of the networks, and its factor an epoch.
    adjacency_learning_rate
        Of A.
    networks
        ``published``: as in DeepSEM's code, the encoder reads a constant 1 beside the value, all
        biases start at zero, and mean and log-variance of the latent prior are networks
        ``1 -> hidden_width -> n_genes`` of a constant. ``merged``: what a constant adds to is a
        bias that starts as its weights would, in both networks, and the latent prior's moments
        are free numbers that start at zero.
    hidden_width
        Units of the networks' hidden layers.
    table_points
        Grid points for the networks' tables while the networks train, twice as many while they
        are frozen; 0 evaluates the networks at every value.
    batch_size, optimizer, scheduler, seed
        As in :class:`GradientModel`; batches are cells.

    Raises
    ------
    InputError
        If no gene varies.

    Notes
    -----
    Assumes that expression is a linear structural equation model in a space that each value
    enters by itself. Reads expression alone. A step solves a linear system, ``n_genes^3``
    operations (``R^3`` with ``regulators=known``), and a pass over a batch costs ``n_genes^2
    batch_size``.

    References
    ----------
    - Shu et al. (2021), Modeling gene regulatory networks using neural network architectures,
      Nature Computational Science 1. doi:10.1038/s43588-021-00099-8
    """

    batches_of: ClassVar[Items] = "cells"
    regulator_positions: Tensor
    own_columns: Tensor

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        beta: float = 0.01,
        standardise: Standardisation = "nonzero",
        regulators: Literal["all", "known"] = "all",
        score: Literal["abs", "signed"] = "abs",
        learning_rate: float = 1e-4,
        learning_rate_decay: float = 0.95,
        adjacency_learning_rate: float = 2e-5,
        networks: Literal["published", "merged"] = "published",
        hidden_width: int = 128,
        table_points: int = 2048,
        batch_size: int = 64,
        optimizer: Optimizer = {"_target_": "torch.optim.RMSprop", "_partial_": True},
        **options: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, optimizer=optimizer, **options)
        require_in(
            "(0, inf)",
            learning_rate=learning_rate,
            learning_rate_decay=learning_rate_decay,
            adjacency_learning_rate=adjacency_learning_rate,
            hidden_width=hidden_width,
        )
        require_in("[0, inf)", alpha=alpha, beta=beta)
        if table_points < 0 or table_points == 1:
            raise InputError(f"model.table_points={table_points}: give 2 or more, or 0 for none")
        self.known_only = regulators == "known"
        # what stays the same within a phase: see begin_epoch
        self._mixing: FullMixing | RegulatorMixing | None = None
        self._frozen_encoder: FrozenTable | None = None
        self._frozen_decoder: FrozenTable | None = None
        self._frozen_latent: Tensor | None = None
        self._frozen_terms: dict[str, Tensor] = {}
        self._noise: torch.Generator | None = None

    def build(self, view: TrainView) -> None:
        """Standardise the expression, and make networks and adjacency."""
        self.n_genes = len(view.genes)
        self.cells = ZScores(view.expression.values, self.options.standardise)
        positions = view.regulator_positions
        own_columns = positions if self.known_only else np.arange(self.n_genes)
        self.hold(regulator_positions=positions, own_columns=own_columns)
        self._add_networks()
        # DeepSEM's start
        start = 1 / max(self.n_genes - 1, 1) + 2e-4 * torch.rand(self.n_rows, self.n_genes)
        self.edge_effects = nn.Parameter(self.without_self_pairs(start))

    def _add_networks(self) -> None:
        width = self.options.hidden_width
        published = self.options.networks == "published"
        starts = ("constant", "zero") if published else ("merged", "merged")
        self.encoder = ScalarNetwork(hidden_width=width, n_outputs=2, start=starts[0])
        self.decoder = ScalarNetwork(hidden_width=width, n_outputs=1, start=starts[1])
        if published:
            moments = [ConstantNetwork(hidden_width=width, n_outputs=self.n_genes) for _ in "mv"]
            self.latent_prior = nn.ModuleList(moments)
        else:
            zeros = nn.Parameter(torch.zeros(self.n_genes))
            self.latent_prior = nn.ParameterList([zeros, nn.Parameter(zeros.detach().clone())])

    def latent_moments(self) -> Tensor:
        """Return mean and log-variance of ``p(z)`` before ``I - A``, shape ``(2, n_genes)``."""
        prior = self.latent_prior
        return torch.stack(
            [part() for part in prior] if isinstance(prior, nn.ModuleList) else [*prior]
        )

    def memory(self, sizes: Sizes) -> int:
        """Return about how many bytes a fit takes beside the expression matrix.

        That is A with its gradient, its optimiser's state and copies in a step, and a batch.
        """
        rows = sizes if self.known_only else sizes._replace(n_regulators=sizes.n_genes)
        return 8 * rows.pairs + 40 * sizes._replace(n_cells=self.batch_size).matrix

    # -- the adjacency ---------------------------------------------------------------------

    def effects(self) -> Tensor:
        """Return A before its self-pairs are set to zero, shape ``(n_rows, n_genes)``."""
        return self.edge_effects

    def adjacency_terms(self) -> dict[str, Tensor]:
        """Return the named terms that the prior of A adds to the loss (eq. 5)."""
        return {"sparsity": self.options.alpha * absolute_sum(self.edge_effects) / self.n_genes**2}

    def adjacency_groups(self) -> list[dict[str, Any]]:
        """Return the parameter groups that the adjacency epochs train."""
        return [{"params": [self.edge_effects], "lr": self.options.adjacency_learning_rate}]

    @property
    def n_rows(self) -> int:
        """Genes that may regulate."""
        return len(self.own_columns)

    def without_self_pairs(self, matrix: Tensor) -> Tensor:
        """Return ``matrix`` with zero where a gene meets itself."""
        rows = torch.arange(self.n_rows, device=matrix.device)
        zero = matrix.new_zeros(())
        return matrix.index_put((rows, self.own_columns), zero)

    def adjacency(self) -> Tensor:
        """Return ``A[regulator, target]``, shape ``(n_rows, n_genes)``."""
        effects = self.effects()
        if effects is self.edge_effects:  # zero there from the start, and so is their gradient
            return effects
        return self.without_self_pairs(effects)

    def predict(self) -> EdgeScores:
        """Return |A| or A of the view's regulators."""
        with torch.no_grad():
            adjacency = self.adjacency()
            if not self.known_only:
                adjacency = adjacency[self.regulator_positions]
            signed = self.options.score == "signed"
            return self.as_scores(adjacency.clone() if signed else adjacency.abs())

    # -- training --------------------------------------------------------------------------

    @staticmethod
    def trains_networks(epoch: int) -> bool:
        """Say whether an epoch trains the networks (and not the adjacency)."""
        return epoch % 3 == 0

    def network_parameters(self) -> list[nn.Parameter]:
        """Return the weights of encoder, decoder and latent prior."""
        return [
            *self.encoder.parameters(),
            *self.decoder.parameters(),
            *self.latent_prior.parameters(),
        ]

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the networks' group and the adjacency's groups."""
        networks = {
            "params": self.network_parameters(),
            "lr": self.options.learning_rate,
            "decay": self.options.learning_rate_decay,
        }
        return [networks, *self.adjacency_groups()]

    def begin_epoch(self, epoch: int) -> None:
        """Freeze one half of the model and compute, once, what then cannot change."""
        networks = self.trains_networks(epoch)
        for parameter in self.network_parameters():
            parameter.requires_grad_(networks)
        for group in self.adjacency_groups():
            for parameter in group["params"]:
                parameter.requires_grad_(not networks)
        self._mixing = self._frozen_decoder = self._frozen_latent = None
        self._frozen_terms = {}
        if networks:
            self._frozen_encoder = None
        with torch.no_grad():
            if networks:
                self._mixing = self._mix(reuse=True)
                self._frozen_terms = self.adjacency_terms()
            else:
                n_points = _FROZEN_FACTOR * self.options.table_points
                if self._frozen_encoder is None:
                    self._frozen_encoder = FrozenTable(
                        self.encoder, n_points=n_points, ends=self.cells.ends
                    )
                self._frozen_decoder = FrozenTable(self.decoder, n_points=n_points)
                self._frozen_latent = self.latent_moments()
        generator = torch.Generator(device=self.edge_effects.device)
        self._noise = generator.manual_seed(epoch_seed(self.seed, epoch, stream=2))

    def _mix(self, *, reuse: bool) -> FullMixing | RegulatorMixing:
        if self.known_only:
            return RegulatorMixing(self.adjacency(), self.own_columns)
        return FullMixing(self.effects(), reuse=reuse)

    def loss(self, batch: Tensor) -> dict[str, Tensor]:
        """Return the loss of a batch of cells and its parts."""
        x, counted = self.cells(batch)
        if self._frozen_encoder is not None:
            moments = self._frozen_encoder(x)
        else:
            moments = look_up(self.encoder, x, n_points=self.options.table_points)
        mixing = self._mixing if self._mixing is not None else self._mix(reuse=False)
        z, divergence = self._noise_of(moments, mixing)
        h = mixing.propagate(z)
        if self._frozen_decoder is not None:
            decoded = self._frozen_decoder(h)[0]
        else:
            decoded = look_up(self.decoder, h, n_points=self.options.table_points)[0]
        parts = {
            "reconstruction": squared_error(decoded, x, counted),
            "kl": divergence,
            **(self._frozen_terms or self.adjacency_terms()),
        }
        weights = {"kl": self.options.beta}
        total = torch.stack([weights.get(name, 1.0) * part for name, part in parts.items()]).sum()
        return {"total": total, **parts}

    def _noise_of(
        self, moments: Tensor, mixing: FullMixing | RegulatorMixing
    ) -> tuple[Tensor, Tensor]:
        """Return a sample of ``z`` by its encoded moments, and its divergence from the prior."""
        n_cells = moments.shape[1]
        latent = self._frozen_latent if self._frozen_latent is not None else self.latent_moments()
        mixed = mixing.remove(torch.cat([moments.flatten(0, 1), latent]))
        mean, log_variance, prior = mixed.split([n_cells, n_cells, 2])
        noise = torch.randn(mean.shape, generator=self._noise, device=mean.device)
        return sample(mean, log_variance, prior, noise)


def absolute_sum(matrix: Tensor) -> Tensor:
    """Return the sum of absolute values; neither it nor its gradient copies the matrix twice."""
    return _AbsoluteSum.apply(matrix)


class _AbsoluteSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        ctx.save_for_backward(matrix)
        return torch.linalg.vector_norm(matrix, ord=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (matrix,) = ctx.saved_tensors
        return torch.sgn(matrix).mul_(gradients[0])
