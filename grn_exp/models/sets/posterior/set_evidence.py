"""What expression says about regulator sets, fitted to a view, for any method to use."""

import logging
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from grn_exp.core.errors import InputError
from grn_exp.core.sets import Positions, SetView
from grn_exp.models.sets.posterior.count_cells import CountCells
from grn_exp.models.sets.posterior.count_fitting import fit_counts
from grn_exp.models.sets.posterior.counts import counts_of
from grn_exp.models.sets.posterior.curve_fitting import fitted_curve
from grn_exp.models.sets.posterior.evidence import HillEvidence
from grn_exp.models.sets.posterior.fitting import (
    fit_path,
    fit_static,
    tune_static,
    with_activities,
)
from grn_exp.models.sets.posterior.hill_curve import HillCurve, Response, sergio_curve
from grn_exp.models.sets.posterior.labelled_cells import Floats, LabelledCells, safe_log
from grn_exp.models.sets.posterior.prior import SetPrior, regulator_propensity
from grn_exp.models.sets.posterior.rows import Cells
from grn_exp.models.sets.posterior.time_order import Segment, cluster_cells, ordered_in_time

log = logging.getLogger(__name__)

Time = Literal["auto", "path", "static"]
Noise = Literal["auto", "clean", "technical"]
Activity = Literal["auto", "hidden", "own"]

# candidates that no training set has and that a target's sets are searched in: set on
# simulations of SERGIO DS3 with seeds 1 to 3
N_POOL = 60


class SetEvidence:
    """Log evidence of regulator sets from expression, with parameters learnt from training sets.

    Make it with :meth:`fit`.

    Attributes
    ----------
    data
        The view's cells and training sets; genes by their place in it.
    hill
        The fitted evidence.
    time
        ``path`` or ``static``: what ``auto`` came to.
    prior
        What the training sets say about sets.
    pools
        Where each target's sets are searched, bool, shape ``(n_genes, n_genes)``.
    facts
        What was found on the way, for the run's provenance.
    """

    def __init__(
        self,
        view: SetView,
        data: LabelledCells,
        hill: HillEvidence,
        *,
        time: Literal["path", "static"],
        n_pool: int,
        facts: dict[str, object],
    ) -> None:
        self._view = view
        self.data = data
        self.hill = hill
        self.time = time
        self.facts = facts
        single = hill.single_regulators()
        self.prior = SetPrior.learn(data, regulator_propensity(single, data.is_candidate))
        self.pools = _pools(single, self.prior, data.is_candidate, n_pool)

    @classmethod
    def fit(
        cls,
        view: SetView,
        *,
        time: Time = "auto",
        response: Response = "fitted",
        activity: Activity = "auto",
        noise: Noise = "clean",
        n_pool: int = N_POOL,
        seed: int = 0,
    ) -> "SetEvidence":
        """Find the order of the cells and learn the parameters.

        Parameters
        ----------
        view
            Expression and training sets.
        time
            ``path``: cells of a type follow each other in time. ``static``: they do not.
            ``auto``: as expression tells.
        response
            ``fitted``: :func:`fitted_curve`; ``sergio``: :func:`sergio_curve`.
        activity
            What drives targets within a cell type where there is no order in time. ``hidden``:
            :class:`Activities`; ``own``: the regulators' responses as they are; ``auto``: the
            former where the curve is fitted.
        noise
            ``clean``: expression is concentrations. ``technical``: it is counts, or counts over
            their cell's total; ``response`` and ``activity`` have no part then (see
            :mod:`count_fitting`). ``auto``: ``technical`` if values are multiples of counts.
        n_pool
            Candidates that no training set has, for each target.
        seed
            Of what is drawn to tune the scales.

        Raises
        ------
        InputError
            On an option that does not exist, ``path`` where no two steps could be found, or
            ``technical`` where there are no counts.
        """
        _refuse_unknown(time=time, response=response, activity=activity, noise=noise)
        if view.expression.values.min() < 0:
            raise InputError("model: expression has negative values; give log1p values")
        data = LabelledCells.from_view(view)
        counts = _counts(data.raw, noise)
        if counts is not None:
            return cls._of_counts(view, data, counts, time=time, n_pool=n_pool)
        curve, cells = _with_curve(data, response)
        segments, in_time = _in_order(time, lambda: ordered_in_time(data.raw, cells.types))
        facts: dict[str, object] = {"n_cell_types": float(cells.types.max() + 1), **curve.facts}
        if in_time:
            facts["n_time_segments"] = float(len(segments))
            hill = fit_path(cells, data, segments)
            return cls(view, data, hill, time="path", n_pool=n_pool, facts=facts)
        if time == "auto":
            log.info("the cells follow no order in time: the evidence is that of types and cells")
        hidden = activity == "hidden" or (activity == "auto" and response == "fitted")
        return cls._static(view, data, cells, hidden=hidden, n_pool=n_pool, seed=seed, facts=facts)

    @classmethod
    def _static(
        cls,
        view: SetView,
        data: LabelledCells,
        cells: Cells,
        *,
        hidden: bool,
        n_pool: int,
        seed: int,
        facts: dict[str, object],
    ) -> "SetEvidence":
        """Fit without time order, tune the scales, and count anew with them."""
        hill, activities = fit_static(cells, data), None
        if hidden:
            hill, activities = with_activities(hill, cells, data)
            facts |= {"following": activities.following, "noise_over_level": activities.noise}
        static = cls(view, data, hill, time="static", n_pool=n_pool, facts={})
        hill, scales = tune_static(
            static.hill,
            cells,
            data,
            static.prior.new_sets,
            activities=activities,
            pools=static.pools,
            seed=seed,
        )
        return cls(view, data, hill, time="static", n_pool=n_pool, facts={**facts, **vars(scales)})

    @classmethod
    def _of_counts(
        cls, view: SetView, data: LabelledCells, counts: Floats, *, time: Time, n_pool: int
    ) -> "SetEvidence":
        cells = CountCells.of(counts)
        segments, in_time = _in_order(time, cells.ordered_in_time)
        if not in_time:
            segments = cells.segments_by_type()
        facts: dict[str, object] = {
            "noise": "technical",
            "n_cell_types": float(cells.types.max() + 1),
            **{f"count_{name}": value for name, value in vars(cells.law).items()},
        }
        if in_time:
            facts["n_time_segments"] = float(len(segments))
        hill = fit_counts(cells, data, segments, in_time=in_time)
        chosen: Literal["path", "static"] = "path" if in_time else "static"
        return cls(view, data, hill, time=chosen, n_pool=n_pool, facts=facts)

    def for_pool(self, target: str, pool: Positions) -> Callable[[Tensor], Tensor]:
        """Prepare the evidence of sets of a pool's members for one target.

        It is the full evidence, all sign patterns: 800,000 sets of four a second on one core.

        Parameters
        ----------
        target
            The gene whose regulators are asked for.
        pool
            Positions in ``view.regulators``.

        Returns
        -------
        callable
            Positions in the pool ``(n, R)``, int64, to log evidences ``(n,)``, float64, natural
            units, up to a constant of the target.
        """
        view, place = self._view, self.data.place
        gene = int(place[view.genes.positions([target])[0]])
        evidence = self.hill.pool(gene, place[view.regulator_positions[pool]])
        return lambda sets: torch.from_numpy(evidence(sets.cpu().numpy()))


def _refuse_unknown(**options: str) -> None:
    kinds = {"time": Time, "response": Response, "activity": Activity, "noise": Noise}
    for name, value in options.items():
        choices = get_args(kinds[name])
        if value not in choices:
            raise InputError(f"model.{name}={value}: choose from {', '.join(choices)}")


def _with_curve(data: LabelledCells, response: Response) -> tuple[HillCurve, Cells]:
    """Return the response curve, and the cells by type with their responses."""
    types = cluster_cells(data.raw)
    curve = fitted_curve(data, types) if response == "fitted" else sergio_curve(data.raw)
    return curve, Cells.of(data.raw, types, curve)


def _in_order(
    time: Time, look: Callable[[], tuple[list[Segment], bool]]
) -> tuple[list[Segment], bool]:
    """Return stretches of cells, and whether they are to be taken in their order in time."""
    if time == "static":
        return [], False
    segments, found = look()
    if time == "path" and not segments:
        raise InputError(
            "model.time=path: no three cells follow each other in time; choose auto or static"
        )
    return segments, found or time == "path"


def _counts(raw: Floats, noise: Noise) -> Floats | None:
    """Return the counts that expression shows, None to take it for concentrations."""
    counts = None if noise == "clean" else counts_of(raw)
    if noise == "technical" and counts is None:
        raise InputError(
            "model.noise=technical: expression has neither counts nor multiples of them; "
            "choose auto or clean"
        )
    return counts


def _pools(
    single: Floats, prior: SetPrior, is_candidate: NDArray[np.bool_], n_pool: int
) -> NDArray[np.bool_]:
    """Return where each target's sets are searched: known regulators and its likeliest others."""
    new_sets = prior.new_sets
    score = np.where(is_candidate, single + safe_log(new_sets.unseen), -np.inf)
    best = np.argsort(-score, axis=1, kind="stable")[:, :n_pool]
    pools = np.tile(new_sets.is_member.any(axis=0), (len(single), 1))
    np.put_along_axis(pools, best, np.True_, axis=1)
    return pools & is_candidate & ~np.eye(len(pools), dtype=np.bool_)
