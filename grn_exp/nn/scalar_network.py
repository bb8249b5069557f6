"""Networks that read one number, and their tables.

DeepSEM's encoder and decoder map the value of one gene in one cell to one or two numbers, with
the same weights for every gene and cell. Such a function of one variable can be evaluated on a
grid and looked up in between: for 64 cells x 1,000 genes and a grid of 4,096 points that is
sixteen times fewer evaluations, forward and backward.
"""

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn


class ScalarNetwork(nn.Module):
    """A function of one number: two hidden tanh layers (DeepSEM).

    Parameters
    ----------
    hidden_width
        Units in each hidden layer.
    n_outputs
        How many numbers come out.
    start
        ``zero``: every bias starts at zero. ``constant``: the network reads a second input that
        is always 1, and every bias starts at zero. ``merged``: in place of that input, the first
        layer's biases start as its weights would.

    Notes
    -----
    Weights are Xavier-normal. Published DeepSEM's encoder is ``constant``, its decoder ``zero``.
    """

    def __init__(
        self,
        *,
        hidden_width: int,
        n_outputs: int,
        start: Literal["zero", "constant", "merged"] = "zero",
    ) -> None:
        super().__init__()
        self.reads_constant = start == "constant"
        first = nn.Linear(2 if self.reads_constant else 1, hidden_width)
        self.layers = nn.Sequential(
            first,
            nn.Tanh(),
            nn.Linear(hidden_width, hidden_width),
            nn.Tanh(),
            nn.Linear(hidden_width, n_outputs),
        )
        _start(self.layers)
        if start == "merged":
            nn.init.normal_(first.bias, std=(2 / (2 + hidden_width)) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at every element: shape ``(...)`` to ``(n_outputs, ...)``."""
        inputs = x.reshape(-1, 1)
        if self.reads_constant:
            inputs = torch.cat([inputs, torch.ones_like(inputs)], dim=1)
        return self.layers(inputs).T.reshape(-1, *x.shape)


class ConstantNetwork(nn.Module):
    """Numbers made from a constant 1, through one hidden tanh layer (DeepSEM's latent prior).

    Parameters
    ----------
    hidden_width
        Units in the hidden layer.
    n_outputs
        How many numbers come out.

    Notes
    -----
    Weights start Xavier-normal, biases at zero. What comes out moves faster than free numbers
    would at the same rate: each is a sum over the hidden units, all of which are trained.
    """

    def __init__(self, *, hidden_width: int, n_outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(1, hidden_width), nn.Tanh(), nn.Linear(hidden_width, n_outputs)
        )
        _start(self.layers)

    def forward(self) -> Tensor:
        """Return the numbers, shape ``(n_outputs,)``."""
        one = next(self.parameters()).new_ones(1)
        return self.layers(one)


def _start(layers: nn.Sequential) -> None:
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)


class Grid:
    """A uniform grid, on which the tables of functions stand.

    Parameters
    ----------
    low, high
        First and last grid point.
    n_points
        Number of grid points.
    """

    def __init__(self, low: float, high: float, n_points: int) -> None:
        self.low, self.high, self.n_points = low, high, n_points
        self.spacing = max(high - low, 1e-6) / (n_points - 1)

    def points(self, device: torch.device) -> Tensor:
        """Return the grid points, shape ``(n_points,)``."""
        steps = torch.arange(self.n_points, device=device, dtype=torch.float32)
        return self.low + self.spacing * steps

    def interpolate(self, table: Tensor, x: Tensor) -> Tensor:
        """Look numbers up between the entries of a table.

        Parameters
        ----------
        table
            Values at the grid points, shape ``(n_outputs, n_points)``.
        x
            The numbers, any shape, all within the grid; their gradient is the slope of the cell
            they lie in.

        Returns
        -------
        Tensor
            Shape ``(n_outputs, *x.shape)``; the error is at most ``spacing^2 / 8`` times the
            largest second derivative.
        """
        return _Interpolate.apply(table, x, self)


def _ends(x: Tensor) -> tuple[float, float]:
    """Return smallest and largest element; refuse numbers that are not finite."""
    low, high = (float(end) for end in torch.aminmax(x.detach()))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise FloatingPointError(f"a network was given numbers from {low} to {high}")
    return low, high


class _Interpolate(torch.autograd.Function):
    """Linear interpolation; gradients to the table and to the positions' numbers."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, x: Tensor, grid: Grid) -> Tensor:  # noqa: ANN401
        table = table.to(torch.promote_types(table.dtype, x.dtype))
        fraction = torch.sub(x, grid.low).div_(grid.spacing)
        lower = fraction.floor().clamp_(0, grid.n_points - 2)
        fraction.sub_(lower)
        lower = lower.to(torch.int64)
        left, step = (_taken(each, lower) for each in (table[:, :-1], table.diff(dim=1)))
        for_table, for_x, _ = ctx.needs_input_grad
        # a step of the networks needs the first two, one of the adjacency the last
        kept = (lower, fraction) if for_table else (None, None)
        ctx.save_for_backward(*kept, step if for_x else None)
        ctx.grid = grid
        return left.addcmul_(step, fraction)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:  # noqa: ANN401
        (gradient,) = gradients
        lower, fraction, step = ctx.saved_tensors
        for_table = for_x = None
        if ctx.needs_input_grad[0]:
            for_table = gradient.new_zeros(gradient.shape[0], ctx.grid.n_points)
            flat = lower.reshape(-1)
            for sums, each in zip(for_table, gradient, strict=True):
                right = each * fraction
                sums[1:].scatter_add_(0, flat, right.reshape(-1))
                sums.scatter_add_(0, flat, torch.sub(each, right, out=right).reshape(-1))
        if ctx.needs_input_grad[1]:
            slope = (gradient * step).div_(ctx.grid.spacing)
            for_x = slope[0] if len(slope) == 1 else slope.sum(dim=0)
        return for_table, for_x, None


def _taken(table: Tensor, places: Tensor) -> Tensor:
    """Return ``table[:, places]``, by the fastest way that there is on a processor."""
    found = table.new_empty(len(table), *places.shape)
    for row, out in zip(table, found, strict=True):
        torch.index_select(row, 0, places.reshape(-1), out=out.view(-1))
    return found


def look_up(network: ScalarNetwork, x: Tensor, *, n_points: int) -> Tensor:
    """Evaluate a network through a table that spans ``x``: the plain call, but cheaper.

    With ``n_points = 0`` the network is evaluated at every element. Gradients flow to the
    network's weights and to ``x`` in both cases.

    Raises
    ------
    FloatingPointError
        If ``n_points`` is not 0 and ``x`` holds a NaN or infinite number: training diverged.
    """
    if n_points == 0:
        return network(x)
    grid = Grid(*_ends(x), n_points)
    return grid.interpolate(network(grid.points(x.device)), x)


class FrozenTable:
    """A network whose weights do not change for a while: tabulated once, then looked up.

    The table grows when a number lies outside it.

    Parameters
    ----------
    network
        The network to tabulate.
    n_points
        Grid points in the first table; 0 evaluates the network at every element.
    ends
        Smallest and largest of the numbers, where they are known beforehand.
    """

    def __init__(
        self,
        network: ScalarNetwork,
        *,
        n_points: int,
        ends: tuple[float, float] | None = None,
    ) -> None:
        self.network = network
        self.n_points = n_points
        self.grid: Grid | None = None
        self.table = torch.empty(0)
        if ends is not None and n_points:
            self._tabulate(*ends)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the outputs at ``x``, shape ``(n_outputs, *x.shape)``; differentiable in x.

        Raises
        ------
        FloatingPointError
            As :func:`look_up`.
        """
        if self.n_points == 0:
            return self.network(x)
        low, high = _ends(x)
        grid = self.grid
        if grid is None or low < grid.low or high > grid.high:
            # a margin, so that the numbers of the next steps fit too
            margin = 0.25 * (high - low)
            low, high = low - margin, high + margin
            if grid is not None:
                low, high = min(grid.low, low), max(grid.high, high)
            grid = self._tabulate(low, high)
        return grid.interpolate(self.table, x)

    def _tabulate(self, low: float, high: float) -> Grid:
        self.grid = Grid(low, high, self.n_points)
        device = next(self.network.parameters()).device
        with torch.no_grad():
            self.table = self.network(self.grid.points(device))
        return self.grid
