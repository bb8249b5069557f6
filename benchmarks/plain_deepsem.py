"""DeepSEM written out: everything computed at every value in every step.

The reference that the model is measured and tested against. It follows the published training
(matrix inverse each step, networks evaluated on every value, gradients of all weights, half of
which the alternating optimisers then ignore) and shares no code with the model but its starting
weights and the order of its random numbers.
"""

import dataclasses
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from grn_exp.models.base import epoch_seed
from grn_exp.models.edges.deepsem import DeepSEM


@dataclasses.dataclass
class EpochResult:
    """Mean loss and mean parts of one epoch."""

    total: float
    reconstruction: float
    kl: float
    sparsity: float


class PlainDeepSEM:
    """DeepSEM with the starting weights of a given model.

    Parameters
    ----------
    model
        Where weights, data and settings are copied from.
    """

    def __init__(self, model: DeepSEM) -> None:
        self.x, self.weight = model.cells(torch.arange(model.n_items))
        self.seed = model.seed
        self.batch_size = model.batch_size
        self.alpha, self.beta = model.options.alpha, model.options.beta
        self.decay = model.options.learning_rate_decay
        self.encoder = _copy_network(model.encoder.layers)
        self.decoder = _copy_network(model.decoder.layers)
        self.prior = model.prior_moments.detach().clone().requires_grad_()
        self.a = model.edge_effects.detach().clone().requires_grad_()
        self.off_diagonal = 1 - torch.eye(len(self.a))
        networks = [*self.encoder.parameters(), *self.decoder.parameters(), self.prior]
        self.learning_rate = model.options.learning_rate
        self.network_optimizer = torch.optim.RMSprop(networks, lr=model.options.learning_rate)
        self.a_optimizer = torch.optim.RMSprop([self.a], lr=model.options.adjacency_learning_rate)

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
        encoded = self.encoder(x.unsqueeze(-1))
        mean, log_variance = encoded[..., 0] @ b, encoded[..., 1] @ b
        prior_mean, prior_log_variance = self.prior[0] @ b, self.prior[1] @ b
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


def _copy_network(layers: nn.Sequential) -> nn.Sequential:
    first, second, third = (layer for layer in layers if isinstance(layer, nn.Linear))
    copy = nn.Sequential(
        nn.Linear(1, first.out_features),
        nn.Tanh(),
        nn.Linear(first.out_features, second.out_features),
        nn.Tanh(),
        nn.Linear(second.out_features, third.out_features),
    )
    copy.load_state_dict(layers.state_dict())
    return copy
