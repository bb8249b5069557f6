"""What a run will take, before it starts."""

import dataclasses
from collections.abc import Iterator

from grn_exp.core import memory
from grn_exp.core.memory import Sizes
from grn_exp.data.benchmark import Benchmark
from grn_exp.models.base import GRNModel

_EDGE_TABLE = 8  # numbers for each pair of a regulator and a gene
_WORTH_A_LINE = 10**8  # bytes beside what Python and its libraries take
_WORTH_TIMING = 2 * 10**6  # cells times pairs
_FEWER_GENES = (10_000, 5_000, 3_000, 2_000, 1_000, 500)


@dataclasses.dataclass(frozen=True)
class Needs:
    """What the fit of a method takes.

    Attributes
    ----------
    sizes
        Of its data.
    n_bytes
        The most that the process will hold.
    beside
        What of that is not for the data.
    """

    sizes: Sizes
    n_bytes: int
    beside: int

    @property
    def worth_a_line(self) -> bool:
        """Whether anybody would want to know."""
        return self.n_bytes - self.beside >= _WORTH_A_LINE

    @property
    def worth_timing(self) -> bool:
        """Whether a fit may take long enough for an estimate of its time."""
        return self.worth_a_line or self.sizes.n_cells * self.sizes.pairs >= _WORTH_TIMING

    def __str__(self) -> str:
        return (
            f"{self.sizes}: about {memory.in_words(self.n_bytes)} of memory, of "
            f"{memory.in_words(memory.limit())}"
        )


def expected(model: GRNModel, sizes: Sizes, beside: int | None = None) -> Needs:
    """Return what a fit takes by its sizes.

    Parameters
    ----------
    model
        Without data.
    beside
        What the process holds beside the expression matrix; None before that is read.
    """
    other = memory.held() if beside is None else beside
    n_bytes = other + sizes.matrix + model.memory(sizes) + _EDGE_TABLE * sizes.pairs
    return Needs(sizes, n_bytes, other)


def check_needs(name: str, model: GRNModel, data: Benchmark) -> Needs:
    """Return what a run will take, now that its data are read.

    Parameters
    ----------
    name
        Of the method.
    model
        Without data.

    Raises
    ------
    InputError
        If that is more than the process may use; names the option that fits.
    """
    expression = data.expression
    sizes = Sizes(expression.n_cells, expression.n_genes, len(data.truth.regulators))
    beside = memory.held() - sizes.matrix
    needs = expected(model, sizes, beside)
    if not memory.fits(needs.n_bytes):
        options = (
            option
            for option, other, fewer in _smaller(model, data, sizes)
            if memory.fits(expected(other, fewer, beside).n_bytes)
        )
        otherwise = "give fewer cells or genes, or choose a method that needs less (model=pearson)"
        option = next(options, None)
        way_out = otherwise if option is None else f"{option} fits"
        memory.require(needs.n_bytes, f"model={name} on {sizes}", way_out)
    return needs


def _smaller(
    model: GRNModel, data: Benchmark, sizes: Sizes
) -> Iterator[tuple[str, GRNModel, Sizes]]:
    """Yield options under which the run takes less."""
    if model.hparams.get("regulators") == "all":
        known = type(model)(**{**model.hparams, "regulators": "known"})
        yield "model.regulators=known", known, sizes
    for n in _FEWER_GENES:
        option, n_genes = data.option_for(n_genes=n), n + sizes.n_regulators
        if option and n_genes < sizes.n_genes:
            yield option, model, sizes._replace(n_genes=n_genes)
