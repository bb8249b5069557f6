"""DeepSEM written out: everything computed at every value in every step.

The reference that the model is measured and tested against. It follows the published training
(matrix inverse each step, networks evaluated on every value, gradients of all weights, half of
which the alternating optimisers then ignore) and shares no code with the model but the order of
its random numbers in training. It draws starting weights of its own, by its own rule, so that a
comparison over seeds shows a difference between the starts; :meth:`PlainDeepSEM.start_as` takes
the model's, for a comparison step by step.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor, nn

from grn_exp.models.edges.deepsem import DeepSEM
from grn_exp.nn.batches import epoch_seed


@dataclasses.dataclass
class EpochResult:
    """Mean loss and mean parts of one epoch."""

    total: float
    reconstruction: float
    kl: float
    sparsity: float


class PlainDeepSEM:
    """DeepSEM as published (``networks=published``).

    Parameters
    ----------
    model
        Where data and settings are taken from.
    seed
        Of the starting weights.
    """

    def __init__(self, model: DeepSEM, *, seed: int = 0) -> None:
        self.x, self.weight = model.cells(torch.arange(model.n_items))
        self.seed = model.seed
        self.batch_size = model.batch_size
        self.alpha, self.beta = model.options.alpha, model.options.beta
        self.decay = model.options.learning_rate_decay
        draw = torch.Generator().manual_seed(seed)
        width, n_genes = model.options.hidden_width, model.n_genes
        self.encoder = _network(draw, 2, width, width, 2)  # the value and a constant 1
        self.decoder = _network(draw, 1, width, width, 1)
        self.prior = nn.ModuleList(_network(draw, 1, width, n_genes) for _ in range(2))
        self.off_diagonal = 1 - torch.eye(n_genes)
        noise = torch.rand(n_genes, n_genes, generator=draw)
        self.a = (1 / (n_genes - 1) + 0.0002 * noise).requires_grad_()
        networks = [p for n in (self.encoder, self.decoder, self.prior) for p in n.parameters()]
        self.learning_rate = model.options.learning_rate
        self.network_optimizer = torch.optim.RMSprop(networks, lr=model.options.learning_rate)
        self.a_optimizer = torch.optim.RMSprop([self.a], lr=model.options.adjacency_learning_rate)

    def start_as(self, model: DeepSEM) -> Self:
        """Take the model's weights in place of the own ones."""
        self.encoder.load_state_dict(model.encoder.layers.state_dict())
        self.decoder.load_state_dict(model.decoder.layers.state_dict())
        for own, part in zip(self.prior, model.latent_prior, strict=True):
            own.load_state_dict(part.layers.state_dict())  # type: ignore[union-attr]
        with torch.no_grad():
            self.a.copy_(model.edge_effects)
        return self

    def scores(self) -> Tensor:
        """Return |A|, shape ``(n_genes, n_genes)``."""
        return (self.a * self.off_diagonal).abs().detach()

    def epoch(self, epoch: int) -> EpochResult:
        """Train one epoch."""
        for group in self.network_optimizer.param_groups:
            group["lr"] = self.learning_rate * self.decay**epoch
        optimizer = self.network_optimizer if epoch % 3 == 0 else self.a_optimizer
        noise = torch.Generator().manual_seed(epoch_seed(self.seed, epoch, stream=2))
        sums = torch.zeros(4)
        for batch in self._batches(epoch):
            self.network_optimizer.zero_grad()
            self.a_optimizer.zero_grad()
            parts = self._loss(batch, noise)
            parts[0].backward()
            optimizer.step()
            sums += torch.stack([part.detach() for part in parts]) * len(batch)
        return EpochResult(*(sums / len(self.x)).tolist())

    def _batches(self, epoch: int) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, epoch, stream=1))
        yield from torch.randperm(len(self.x), generator=generator).split(self.batch_size)

    def _loss(self, batch: Tensor, generator: torch.Generator) -> list[Tensor]:
        x, weight = self.x[batch], self.weight[batch]
        b = torch.eye(len(self.a)) - self.a * self.off_diagonal
        inverse = torch.inverse(b)
        encoded = self.encoder(torch.stack([x, torch.ones_like(x)], dim=-1))
        mean, log_variance = encoded[..., 0] @ b, encoded[..., 1] @ b
        one = torch.ones(1)
        prior_mean, prior_log_variance = self.prior[0](one) @ b, self.prior[1](one) @ b
        noise = torch.randn(x.shape, generator=generator)
        z = mean + noise * torch.sqrt(torch.exp(log_variance) + 1e-10)
        decoded = self.decoder((z @ inverse).unsqueeze(-1)).squeeze(-1)

        reconstruction = ((decoded - x) ** 2 * weight).sum() / weight.sum()
        log_2pi = math.log(2 * math.pi)
        log_q = -0.5 * (log_2pi + log_variance + noise**2)
        log_p = -0.5 * (
            log_2pi + prior_log_variance + (z - prior_mean) ** 2 / torch.exp(prior_log_variance)
        )
        kl = (log_q - log_p).mean(dim=1).mean()
        sparsity = self.alpha * (self.a * self.off_diagonal).abs().mean()
        return [reconstruction + self.beta * kl + sparsity, reconstruction, kl, sparsity]


def _network(draw: torch.Generator, *widths: int) -> nn.Sequential:
    """Return linear layers with tanh between them: Xavier-normal weights, biases zero."""
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(widths):
        linear = nn.Linear(n_in, n_out)
        with torch.no_grad():
            linear.weight.copy_(torch.randn(n_out, n_in, generator=draw))
            linear.weight.mul_(math.sqrt(2 / (n_in + n_out)))
            linear.bias.zero_()
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1])
