"""Production rates: what drives a gene's concentration in SERGIO's equation."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from grn_exp.simulate.kinetic import KineticNetwork


def hill_response(
    concentration: NDArray[np.float64],
    half_response: NDArray[np.float64],
    coefficient: float,
    *,
    represses: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Hill response ``c^n / (H^n + c^n)``, or one minus that where ``represses``.

    Parameters
    ----------
    concentration
        ``c >= 0``; the other arrays broadcast against it.
    half_response
        ``H >= 0``, the concentration with a response of one half.
    coefficient
        ``n > 0``.
    represses
        Where the regulator represses.

    Returns
    -------
    numpy.ndarray
        In 0..1, shape of ``concentration``. A regulator that is silent everywhere (``c = H = 0``)
        neither activates nor represses.
    """
    raised = concentration**coefficient
    half_raised = half_response**coefficient
    # 1 - h is written as a quotient of its own: the difference would lose digits near 0.
    numerator = np.where(represses, half_raised, raised)
    silent = np.broadcast_to(represses, raised.shape).astype(np.float64)
    raised += half_raised
    return np.divide(numerator, raised, out=silent, where=raised > 0)


class ConstantProduction:
    """Production of the master regulators, the first layer: one rate per cell type."""

    def __init__(self, network: KineticNetwork) -> None:
        self.rates = network.master_rates[np.argsort(network.masters)]

    def initial(self) -> NDArray[np.float64]:
        """Production at the start, shape ``(n_layer, n_types)``."""
        return self.rates

    def at(self, start: int, stop: int) -> NDArray[np.float64]:
        """Production of the states ``start..stop``, shape ``(steps, n_layer, n_types)``."""
        return np.broadcast_to(self.rates, (stop - start, *self.rates.shape))


class HillProduction:
    """Production of a layer of targets from the trajectories of their regulators.

    Edges that share regulator, Hill coefficient and sign share one response curve, so a response
    is computed once and a sparse matrix of strengths sums it into the targets.
    """

    def __init__(
        self,
        network: KineticNetwork,
        layer: NDArray[np.int64],
        sampled_mean: NDArray[np.float64],
        trajectories: dict[int, NDArray[np.float32]],
    ) -> None:
        edges = np.flatnonzero(np.isin(network.target, layer))
        strength = network.strength[edges]
        curves, column = np.unique(
            np.stack(
                [network.regulator[edges], network.hill_coefficient[edges], strength < 0], axis=1
            ),
            axis=0,
            return_inverse=True,
        )
        row = np.searchsorted(layer, network.target[edges])
        self.strength = sparse.csr_array(
            (np.abs(strength), (row, column.ravel())), shape=(len(layer), len(curves))
        )
        regulator = curves[:, 0].astype(np.int64)
        self.coefficient = curves[:, 1]
        self.represses = curves[:, 2] == 1
        self.mean = sampled_mean[regulator]
        self.half_response = self.mean.mean(axis=1)
        self.trajectories = [trajectories[int(position)] for position in regulator]

    def initial(self) -> NDArray[np.float64]:
        """Production at the regulators' mean concentration, shape ``(n_layer, n_types)``."""
        return self._production(self.mean[:, None, :])[0]

    def at(self, start: int, stop: int) -> NDArray[np.float64]:
        """Production of the states ``start..stop``, shape ``(steps, n_layer, n_types)``."""
        concentration = np.stack([t[start:stop] for t in self.trajectories]).astype(np.float64)
        return self._production(concentration)

    def _production(self, concentration: NDArray[np.float64]) -> NDArray[np.float64]:
        n_curves, n_steps, n_types = concentration.shape
        response = np.empty_like(concentration)
        for coefficient in np.unique(self.coefficient):
            curves = self.coefficient == coefficient
            response[curves] = hill_response(
                concentration[curves],
                self.half_response[curves, None, None],
                float(coefficient),
                represses=self.represses[curves, None, None],
            )
        total = self.strength @ response.reshape(n_curves, n_steps * n_types)
        return np.ascontiguousarray(total.reshape(-1, n_steps, n_types).transpose(1, 0, 2))
