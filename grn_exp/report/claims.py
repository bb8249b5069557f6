"""What the papers claim (``paper/claims/*.yaml``), decided by the runs that are here."""

import contextlib
import dataclasses
import functools
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
import yaml

from grn_exp.core.errors import InputError, close_matches
from grn_exp.report import claim_counts
from grn_exp.report.claim_counts import Compared
from grn_exp.report.claim_means import Outcome, common, linearised, mean, mean_change, outcome_of
from grn_exp.report.claim_values import Description, NotHereError, Values
from grn_exp.report.collect import Collected
from grn_exp.report.layout import Cell, Table, line_of
from grn_exp.report.names import dataset_name
from grn_exp.runs.methods import display_name

Decision = Literal[
    "holds",
    "does not hold",
    "does not hold (within the error)",
    "undecided",
    "cannot be tested here",
]
DECISIONS: tuple[Decision, ...] = get_args(Decision)
# classes of the style sheet
_KINDS = dict(zip(DECISIONS, ("holds", "fails", "within", "open", "open"), strict=True))
_COUNTED = {
    "within the error": "within the error",
    "fails": "on the other side",
    "not here": "without runs",
}
RULE = (
    "A comparison is paired. It holds if the 95 % interval of the difference lies on the claimed "
    "side, fails if it lies on the other side, and is within the error otherwise. Where a value "
    "is a share of targets (exact match, coverage, recall), they are counted one by one, those of "
    "all splits that both sides have: the interval agrees with McNemar's exact test. Elsewhere it "
    "is Student's t over those splits, each split's model seeds averaged. A claim holds if all "
    "its comparisons do, or as many as it says. Where one is not here that could change this, the "
    "claim is undecided. A mean relative change has to be as large as claimed, and its interval "
    "clear of zero. Splits share data, and a target may be tested in several, so the intervals "
    "are too narrow; nothing is corrected for the number of comparisons."
)


@dataclasses.dataclass(frozen=True)
class Check:
    """One comparison of a claim.

    Attributes
    ----------
    name
        What is compared; empty where a claim has a single comparison.
    outcome
        Of the rule.
    numbers
        What was compared, or what is missing.
    missing
        Method, dataset and network without a run.
    """

    name: str
    outcome: Outcome
    numbers: str
    missing: tuple[tuple[str, str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a claim.

    Attributes
    ----------
    where, text, name
        The claim, and where a paper makes it.
    decision
        Of all its checks.
    checks
        One per comparison.
    needed
        How many comparisons have to hold.
    commands
        Arguments of ``python -m grn_exp`` that give the runs.
    stand_ins
        Datasets whose runs read the user's own file, and the file.
    """

    where: str
    text: str
    name: str
    decision: Decision
    checks: tuple[Check, ...]
    needed: int
    commands: tuple[str, ...]
    stand_ins: tuple[tuple[str, str], ...] = ()

    @property
    def is_open(self) -> bool:
        """Say whether missing runs keep the claim from being decided."""
        return self.decision in ("undecided", "cannot be tested here")

    @property
    def reason(self) -> str:
        """The decision's grounds in a line."""
        own = (f"; {dataset_name(data)} is {source}" for data, source in self.stand_ins)
        return self._grounds() + "".join(own)

    def _grounds(self) -> str:
        if len(self.checks) == 1:
            return self.checks[0].numbers
        counts = Counter(check.outcome for check in self.checks)
        text = f"{counts.pop('holds', 0)} of {len(self.checks)} comparisons hold "
        text += f"({self.needed} have to)"
        text += "".join(f"; {count} {_COUNTED[outcome]}" for outcome, count in counts.items())
        if self.is_open:
            text += _absent(part for check in self.checks for part in check.missing)
        return text

    @property
    def details(self) -> tuple[str, ...]:
        """A line per comparison that is here, where there are several."""
        known = [check for check in self.checks if check.outcome != "not here"]
        shown = known if len(self.checks) > 1 else []
        return tuple(f"{check.name}: {check.outcome}: {check.numbers}" for check in shown)


def verdicts(collected: Collected, data: Sequence[str] = ()) -> list[Verdict]:
    """Decide every claim.

    Parameters
    ----------
    collected
        Runs, each configuration once.
    data
        Decide on these datasets alone, claims that are about some of them; all if empty. As many
        comparisons as the claim says have to hold, or all that are left.

    Raises
    ------
    InputError
        If no claim is about a dataset.
    """
    papers = _papers()
    known = {name for paper in papers for claim in paper["claims"] for name in _datasets(claim)}
    for name in set(data) - known:
        choices = close_matches(name, known) or ", ".join(sorted(known))
        raise InputError(f"--data {name}: no claim is about it; {choices}")
    found = []
    for paper in papers:
        values = Values(collected, usual=paper["settings"], preferred=paper["preferred"])
        claims = [_restricted(claim, data) if data else claim for claim in paper["claims"]]
        found += [_verdict(claim, paper["paper"], values) for claim in claims if claim]
    return found


def claims_table(found: Sequence[Verdict]) -> Table:
    """Lay verdicts out; the commands that give missing runs stand below."""
    lines = [
        [
            Cell(verdict.text, kind="claim"),
            Cell(verdict.decision, kind=f"decision {_KINDS[verdict.decision]}"),
            Cell(verdict.reason, details=verdict.details, kind="numbers"),
            Cell(verdict.where, kind="where"),
        ]
        for verdict in found
    ]
    commands = dict.fromkeys(c for verdict in found if verdict.is_open for c in verdict.commands)
    missing = [f"python -m grn_exp {command}" for command in commands]
    notes = [RULE] + (["These make the missing runs: " + "; ".join(missing)] if missing else [])
    header = ["claim", "decision", "numbers", "where"]
    return Table("claims of the papers", header, lines, notes, n_names=4)


def checks_table(found: Sequence[Verdict]) -> Table:
    """Lay out every comparison of every claim."""
    lines = [
        line_of(verdict.where, verdict.name, check.name, check.outcome, check.numbers)
        for verdict in found
        for check in verdict.checks
    ]
    header = ["where", "claim", "comparison", "outcome", "numbers"]
    return Table("comparisons of the papers' claims", header, lines, [RULE], n_names=5)


def _absent(missing: Iterable[tuple[str, str, str]]) -> str:
    """Return what has no run: methods on datasets, with the network."""
    datasets: dict[tuple[str, str], list[str]] = defaultdict(list)
    places: dict[str, list[str]] = defaultdict(list)
    methods: dict[str, list[str]] = defaultdict(list)
    for method, data, network in dict.fromkeys(missing):
        datasets[method, network].append(dataset_name(data))
    for (method, network), data in datasets.items():
        places[method].append(f"{', '.join(data)} {network.replace('_', '-')}".strip())
    for method, where in places.items():
        methods[", ".join(where)].append(display_name(method))
    text = "; ".join(f"{', '.join(found)} on {where}" for where, found in methods.items())
    return f"; no run of {text}" if text else ""


# -- reading the claims ------------------------------------------------------------------------


@functools.cache
def _papers() -> tuple[dict[str, Any], ...]:
    files = sorted((Path(__file__).parent / "paper" / "claims").glob("*.yaml"))
    return tuple(yaml.safe_load(file.read_text(encoding="utf-8")) for file in files)


def _cells(claim: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return every combination of what the claim says of ``each``."""
    each: dict[str, list[Any]] = claim.get("each", {})
    for values in itertools.product(*each.values()):
        yield dict(zip(each, values, strict=True))


def _is_data(name: str) -> bool:
    return name.rpartition(".")[2] == "data"


def _datasets(claim: dict[str, Any]) -> set[str]:
    """Return what a claim is about."""
    fixed = {name: [value] for name, value in claim["same"].items()}
    each = {**fixed, **claim.get("each", {})}
    return {value for name, of in each.items() if _is_data(name) for value in of}


def _restricted(claim: dict[str, Any], data: Sequence[str]) -> dict[str, Any] | None:
    """Return a claim on these datasets alone; None if nothing is left of it."""
    each = {
        name: [value for value in of if not _is_data(name) or value in data]
        for name, of in claim.get("each", {}).items()
    }
    fixed = {value for name, value in claim["same"].items() if _is_data(name)}
    if not all(each.values()) or not fixed <= {*data}:
        return None
    return {**claim, "each": each}


def _described(part: Description, side: str, cell: Description, same: Description) -> Description:
    """Put a side's description together: the claim's, the cell's and its own."""
    of_cell = {
        name.removeprefix(f"{side}."): value
        for name, value in cell.items()
        if not name.startswith(("left.", "right.")) or name.startswith(f"{side}.")
    }
    return {**same, **of_cell, **part}


# -- deciding ----------------------------------------------------------------------------------


def _verdict(claim: dict[str, Any], paper: str, values: Values) -> Verdict:
    values.stand_ins.clear()
    if "change" in claim:
        checks = (_change(claim, values),)
    else:
        checks = tuple(_comparison(claim, cell, values) for cell in _cells(claim))
    needed = min(claim.get("needed", len(checks)), len(checks))
    command = claim["command"]
    return Verdict(
        where=f"{paper}, {claim['where']}",
        text=claim["text"],
        name=claim["id"],
        decision=_decision(checks, needed),
        checks=checks,
        needed=needed,
        commands=tuple([command] if isinstance(command, str) else command),
        stand_ins=tuple(values.stand_ins.items()),
    )


def _decision(checks: Sequence[Check], needed: int) -> Decision:
    outcomes = [check.outcome for check in checks]
    n_holding, n_open = outcomes.count("holds"), outcomes.count("not here")
    possible = n_holding + n_open + outcomes.count("within the error")
    if n_holding >= needed:
        return "holds"
    if n_open and possible >= needed:
        return "undecided" if n_open < len(outcomes) else "cannot be tested here"
    return "does not hold (within the error)" if possible >= needed else "does not hold"


def _comparison(claim: dict[str, Any], cell: Description, values: Values) -> Check:
    name = ", ".join(dataset_name(display_name(str(value))) for value in cell.values())
    try:
        if "top" in claim:
            return _top(claim, cell, name, values)
        found = (_gains if "gain" in claim else _difference)(claim, cell, values)
    except NotHereError as error:
        return Check(name, "not here", str(error), (error.missing,) if error.missing else ())
    margin = claim.get("margin", 0.0)
    if "less" in claim:
        return Check(name, outcome_of(-found.high, -found.low, -margin), found.text)
    return Check(name, outcome_of(found.low, found.high, margin), found.text)


def _gains(claim: dict[str, Any], cell: Description, values: Values) -> Compared:
    """Return the first gain minus the second."""
    parts = [
        _described(part, side, cell, claim["same"])
        for side, pair in zip(("left", "right"), claim["gain"], strict=True)
        for part in pair
    ]
    counted = claim_counts.difference_of_gains(values, parts)
    if counted is not None:
        return counted
    table = common(values.of(part) for part in parts)
    first, second = table[0] - table[1], table[2] - table[3]
    gains = f"gains {first.mean():+.3f} and {second.mean():+.3f}; "
    return mean(first - second, gains)


def _difference(claim: dict[str, Any], cell: Description, values: Values) -> Compared:
    """Return left minus right."""
    left, right = claim.get("greater") or claim["less"]
    of_left = _described(left, "left", cell, claim["same"])
    if isinstance(right, Mapping):
        right = _described(right, "right", cell, claim["same"])
    if right != "prevalence":
        counted = claim_counts.difference(values, of_left, right)
        if counted is not None:
            return counted
    mine = values.of(of_left)
    if right == "prevalence":
        theirs = values.of(of_left, column="prevalence")
    elif isinstance(right, Mapping):
        theirs = values.of(right)
    else:
        theirs = pd.Series(float(right), index=mine.index)
    table = common([mine, theirs])
    means = f"{table[0].mean():.3f} and {table[1].mean():.3f}; "
    return mean(table[0] - table[1], means)


def _top(claim: dict[str, Any], cell: Description, name: str, values: Values) -> Check:
    """Say whether the first method is among the best ``place`` ones."""
    own, *others = [_described(part, "left", cell, claim["same"]) for part in claim["top"]["of"]]
    mine, place = values.of(own), claim["top"]["place"]
    found: dict[Outcome, list[str]] = {"fails": [], "within the error": [], "holds": []}
    missing: list[tuple[str, str, str]] = []
    for other in others:
        try:
            table = common([mine, values.of(other)])
        except NotHereError as error:
            missing.append(error.missing or (other["model"], own["data"], str(error)))
        else:
            compared = mean(table[0] - table[1], "")
            outcome = outcome_of(compared.low, compared.high, 0.0)
            found[outcome].append(display_name(other["model"]))
    titles = {"fails": "better", "within the error": "about as good", "holds": "worse"}
    text = f"{display_name(own['model'])} {mine.mean():.3f}"
    text += "".join(f"; {titles[key]}: {', '.join(of)}" for key, of in found.items() if of)
    text += _absent(missing)
    if len(found["fails"]) >= place:
        return Check(name, "fails", text)
    if len(found["holds"]) > len(others) - place:
        return Check(name, "holds", text)
    return Check(name, "not here" if missing else "within the error", text, tuple(missing))


def _change(claim: dict[str, Any], values: Values) -> Check:
    """Say whether the mean relative change is as large as claimed."""
    sign = 1.0 if "at_least" in claim else -1.0
    wanted = claim["at_least"] if sign > 0 else claim["at_most"]
    found, errors = [], []
    for cell in (cells := list(_cells(claim))):
        sides = zip(("left", "right"), claim["change"], strict=True)
        parts = [_described(part, side, cell, claim["same"]) for side, part in sides]
        try:
            counted = None if len(cells) > 1 else claim_counts.change(values, *parts)
            found.append(counted or linearised(common(values.of(part) for part in parts)))
        except NotHereError as error:
            errors.append(error)
    try:
        compared = None if errors else mean_change(found)
    except NotHereError as error:
        compared, errors = None, [error]
    if compared is None:
        missing = tuple(error.missing for error in errors if error.missing)
        text = f"{len(found)} of {len(cells)} comparisons are here"
        with contextlib.suppress(NotHereError, IndexError):
            of_these = mean_change(found)
            text += f" (of these the mean change is {of_these.value:+.1%}, {of_these.text})"
        text += _absent(missing)
        reasons = dict.fromkeys(str(error) for error in errors if not error.missing)
        return Check("", "not here", "; ".join([text, *reasons]), missing)
    text = f"mean change {compared.value:+.1%}, {compared.text}; claimed {wanted:+.1%}"
    nearest, farthest = sorted((sign * compared.low, sign * compared.high))
    outcome: Outcome = "fails" if farthest < sign * wanted else "within the error"
    if sign * compared.value >= sign * wanted and nearest > 0:
        outcome = "holds"
    return Check("", outcome, text)
