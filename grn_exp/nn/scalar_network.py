"""Networks that read one number, and their tables.

DeepSEM's encoder and decoder map the value of one gene in one cell to one or two numbers, with
the same weights for every gene and cell. Such a function of one variable can be evaluated on a
grid and looked up in between: for 64 cells x 1,000 genes and a grid of 4,096 points that is
sixteen times fewer evaluations, forward and backward.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from grn_exp.core.errors import InputError


class ScalarNetwork(nn.Module):
    """A function of one number: two hidden tanh layers (DeepSEM).

    Parameters
    ----------
    hidden_width
        Units in each hidden layer.
    n_outputs
        How many numbers come out.

    Notes
    -----
    Weights are Xavier-normal, biases zero, but for the first layer's: DeepSEM feeds its
    networks a second input that is always 1, whose Xavier-normal weights act as that bias.
    """

    def __init__(self, *, hidden_width: int, n_outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(1, hidden_width),
            nn.Tanh(),
            nn.Linear(hidden_width, hidden_width),
            nn.Tanh(),
            nn.Linear(hidden_width, n_outputs),
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight)
                nn.init.zeros_(layer.bias)
        first = self.layers[0]
        nn.init.normal_(first.bias, std=(2 / (2 + hidden_width)) ** 0.5)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at every element: shape ``(...)`` to ``(n_outputs, ...)``."""
        outputs = self.layers(x.reshape(-1, 1))
        return outputs.T.reshape(-1, *x.shape)


class GridPositions:
    """Where numbers lie on a uniform grid.

    Parameters
    ----------
    x
        Any shape, every element within ``[low, high]``.
    low, high
        First and last grid point.
    n_points
        Number of grid points.
    """

    def __init__(self, x: Tensor, low: float, high: float, n_points: int) -> None:
        self.spacing = max(high - low, 1e-6) / (n_points - 1)
        scaled = (x - low) / self.spacing
        self.lower = scaled.floor().clamp_(0, n_points - 2).to(torch.int64)
        self.fraction = scaled - self.lower


def grid_points(low: float, high: float, n_points: int, *, device: torch.device) -> Tensor:
    """Return the grid that :class:`GridPositions` refers to, shape ``(n_points,)``."""
    spacing = max(high - low, 1e-6) / (n_points - 1)
    return low + spacing * torch.arange(n_points, device=device, dtype=torch.float32)


def _ends(x: Tensor) -> tuple[float, float]:
    """Return smallest and largest element; refuse numbers that are not finite."""
    low, high = (float(end) for end in torch.aminmax(x))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError(
            f"training diverged: a network was given numbers from {low} to {high}; "
            "lower the learning rates"
        )
    return low, high


class _Interpolate(torch.autograd.Function):
    """Linear interpolation; gradients to the table and to the positions' numbers."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, x: Tensor, positions: GridPositions) -> Tensor:  # noqa: ANN401, ARG004
        left = table[:, positions.lower]
        step = table[:, positions.lower + 1] - left
        ctx.save_for_backward(positions.lower, positions.fraction, step)
        ctx.n_points = table.shape[1]
        ctx.spacing = positions.spacing
        return torch.addcmul(left, step, positions.fraction)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:  # noqa: ANN401
        (gradient,) = gradients
        lower, fraction, step = ctx.saved_tensors
        for_table = for_x = None
        if ctx.needs_input_grad[0]:
            for_table = gradient.new_zeros(gradient.shape[0], ctx.n_points)
            flat = lower.reshape(-1)
            right = gradient * fraction
            for_table.index_add_(1, flat, (gradient - right).flatten(1))
            for_table.index_add_(1, flat + 1, right.flatten(1))
        if ctx.needs_input_grad[1]:
            for_x = (gradient * step).sum(dim=0) / ctx.spacing
        return for_table, for_x, None


def interpolate(table: Tensor, x: Tensor, positions: GridPositions) -> Tensor:
    """Look numbers up between the entries of a table.

    Parameters
    ----------
    table
        Values at the grid points, shape ``(n_outputs, n_points)``.
    x
        The numbers, any shape; their gradient is the slope of the cell they lie in.
    positions
        Where ``x`` lies on the grid.

    Returns
    -------
    Tensor
        Shape ``(n_outputs, *x.shape)``; the error is at most ``spacing^2 / 8`` times the
        largest second derivative.
    """
    return _Interpolate.apply(table, x, positions)


def look_up(network: ScalarNetwork, x: Tensor, *, n_points: int) -> Tensor:
    """Evaluate a network through a table that spans ``x``: the plain call, but cheaper.

    With ``n_points = 0`` the network is evaluated at every element. Gradients flow to the
    network's weights and to ``x`` in both cases.

    Raises
    ------
    InputError
        If ``n_points`` is not 0 and ``x`` holds a NaN or infinite number: training diverged.
    """
    if n_points == 0:
        return network(x)
    with torch.no_grad():
        low, high = _ends(x)
        positions = GridPositions(x, low, high, n_points)
    table = network(grid_points(low, high, n_points, device=x.device))
    return interpolate(table, x, positions)


class FrozenTable:
    """A network whose weights do not change for a while: tabulated once, then looked up.

    The table grows when a number lies outside it.

    Parameters
    ----------
    network
        The network to tabulate.
    n_points
        Grid points in the first table; 0 evaluates the network at every element.
    """

    def __init__(self, network: ScalarNetwork, *, n_points: int) -> None:
        self.network = network
        self.n_points = n_points
        self.low = self.high = 0.0
        self.table: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Return the outputs at ``x``, shape ``(n_outputs, *x.shape)``; differentiable in x.

        Raises
        ------
        InputError
            As :func:`look_up`.
        """
        if self.n_points == 0:
            return self.network(x)
        with torch.no_grad():
            low, high = _ends(x)
            if self.table is None or low < self.low or high > self.high:
                self._tabulate(low, high, x.device)
            positions = GridPositions(x, self.low, self.high, self.n_points)
        if self.table is None:
            raise RuntimeError("the table was not made")
        return interpolate(self.table, x, positions)

    def _tabulate(self, low: float, high: float, device: torch.device) -> None:
        # a margin, so that the numbers of the next steps fit too
        margin = 0.25 * (high - low)
        self.low = min(self.low, low - margin) if self.table is not None else low - margin
        self.high = max(self.high, high + margin) if self.table is not None else high + margin
        self.table = self.network(grid_points(self.low, self.high, self.n_points, device=device))
