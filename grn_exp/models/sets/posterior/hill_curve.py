"""How a target responds to a regulator's concentration: a Hill curve."""

import dataclasses
from typing import Literal

from grn_exp.models.sets.posterior.labelled_cells import Floats

Response = Literal["fitted", "sergio"]


@dataclasses.dataclass(frozen=True, eq=False)
class HillCurve:
    """``h = x^n / (H^n + x^n)`` of every gene.

    Attributes
    ----------
    half_power
        ``H^n``, shape ``(n_genes,)``.
    exponent
        n.
    facts
        What was fitted, for the run's provenance.
    """

    half_power: Floats
    exponent: float
    facts: dict[str, object] = dataclasses.field(default_factory=dict[str, object])

    def of(self, raw: Floats) -> Floats:
        """Return the responses to concentrations ``(n_cells, n_genes)``, same shape."""
        power = raw**self.exponent
        return power / (self.half_power + power)


def sergio_curve(raw: Floats) -> HillCurve:
    """Return what SERGIO simulates with: H is the regulator's mean concentration, n is 2."""
    return HillCurve(raw.mean(axis=0) ** 2 + 1e-12, 2.0)
