"""A sample of DeepSEM's noise and its divergence from the prior, with their gradients written out.

A batch of a genome's cells is tens of megabytes an array, and an automatic gradient of these two
formulas would keep ten of them and pass over thirty; written out they keep two and pass over half.
"""

from typing import Any

import torch
from torch import Tensor

_EPSILON = 1e-10


def sample(
    mean: Tensor, log_variance: Tensor, prior: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Return a sample of a Gaussian, and how far it lies from the prior.

    Parameters
    ----------
    mean, log_variance
        Of the noise of each gene in each cell, shape ``(n_cells, n_genes)``.
    prior
        Mean and log-variance of each gene's prior, shape ``(2, n_genes)``.
    noise
        Standard normal, shape ``(n_cells, n_genes)``.

    Returns
    -------
    z : Tensor
        ``mean + sqrt(exp(log_variance) + 1e-10) noise``.
    divergence : Tensor
        The mean over cells and genes of ``log q(z|x) - log p(z)``.
    """
    return _Sample.apply(mean, log_variance, prior, noise)


class _Sample(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        mean: Tensor,
        log_variance: Tensor,
        prior: Tensor,
        noise: Tensor,
    ) -> tuple[Tensor, Tensor]:
        half_slope = torch.exp(log_variance)
        spread = torch.add(half_slope, _EPSILON).sqrt_()
        z = torch.addcmul(mean, noise, spread)
        half_slope.mul_(noise).div_(spread)  # twice what z grows by where the log-variance does
        precision = torch.exp(-0.5 * prior[1])
        distance = torch.sub(z, prior[0], out=spread).mul_(precision)
        ctx.save_for_backward(half_slope, distance, precision)
        squares = distance.square().mean() - noise.square().mean()
        return z, 0.5 * (prior[1].mean() - log_variance.mean() + squares)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        for_z, for_divergence = gradients
        half_slope, distance, precision = ctx.saved_tensors
        each = for_divergence / distance.numel()
        for_mean = torch.addcmul(for_z, distance, precision * each)
        for_log_variance = (for_mean * half_slope).sub_(each).mul_(0.5)
        for_prior_mean = -each * precision * distance.sum(dim=0)
        for_prior_log_variance = 0.5 * each * (len(distance) - distance.square().sum(dim=0))
        for_prior = torch.stack([for_prior_mean, for_prior_log_variance])
        return for_mean, for_log_variance, for_prior, None


def squared_error(found: Tensor, wanted: Tensor, counted: Tensor) -> Tensor:
    """Return the mean squared error over the values that count.

    Parameters
    ----------
    found, wanted
        Any shape.
    counted
        1 for a value that counts, 0 for one that does not; same shape.
    """
    return _SquaredError.apply(found, wanted, counted)


class _SquaredError(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, found: Tensor, wanted: Tensor, counted: Tensor) -> Tensor:  # noqa: ANN401
        error = torch.sub(found, wanted).mul_(counted)
        n = counted.sum()
        ctx.save_for_backward(error, n)
        return error.square().sum() / n

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        error, n = ctx.saved_tensors
        return error * (2 * gradients[0] / n), None, None
