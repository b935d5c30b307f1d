"""Which chains a report shows: chosen by rule from the test pool, the PRM's failures among them.

The choice of a model on a problem is its argmax over the problem's chains: of the product of step
scores for the PRM, of the last score for the ORM. Ties go to the earlier chain, so the same traces
give the same showcases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from surefoot.errors import UsageError
from surefoot.reports.showcases import Showcase
from surefoot.traces.types import StepScores, Trace

CAUGHT = "Right by flawed logic: the ORM's choice, caught by the PRM"
INSTEAD = "The PRM's choice on the same problem"
OUTVOTED = "A wrong answer that most chains give and the PRM does not pick"
RESCUED = "What the PRM picks there, rightly"
MISSED = "The PRM's worst miss: a flawed chain it believes"
ALARM = "The PRM's worst false alarm: a right step it doubts"


@dataclass(frozen=True)
class _Chain:
    """A trace with what the rules ask of it; `first_error` None stands for a sound chain."""

    trace: Trace
    first_error: int | None
    prm: StepScores
    orm: StepScores
    product: float
    last: float

    @property
    def good(self) -> bool:
        return self.trace.outcome is True and self.first_error is None


@dataclass(frozen=True)
class _Group:
    """The chains of one problem, and what each way of choosing takes."""

    chains: Sequence[_Chain]
    by_prm: _Chain
    by_orm: _Chain

    def vote(self) -> tuple[str | None, int]:
        """The most frequent answer and its votes; None where none leads alone."""
        votes = Counter(one.trace.answer for one in self.chains if one.trace.answer is not None)
        if not votes:
            return None, 0
        (answer, count), *others = votes.most_common(2)
        return (None if others and others[0][1] == count else answer), count


def choose(traces: Sequence[Trace], *, prm: str = "prm", orm: str = "orm") -> list[Showcase]:
    """The chains worth opening, six kinds in a fixed order; a kind that the pool does not hold has
    no trace and says so.

    Every trace needs labels that settle its first error, an outcome, and scores signed `prm` and
    `orm` (`StepScores.model`).

    Raises:
        UsageError: a trace lacks its labels, its outcome or one of the scores.
    """
    chains = [_chain(trace, prm, orm) for trace in traces]
    members: dict[str, list[_Chain]] = {}
    for one in chains:
        members.setdefault(one.trace.problem, []).append(one)
    groups = [
        _Group(who, max(who, key=lambda one: one.product), max(who, key=lambda one: one.last))
        for who in members.values()
    ]
    return [*_caught(groups), *_rescued(groups), _missed(chains), _false_alarm(chains)]


def _caught(groups: Sequence[_Group]) -> list[Showcase]:
    """The ORM's choice is right and flawed, and the PRM flags just its first error; rather one
    where the PRM's own choice is good, then the one the ORM likes best."""
    found = [
        group
        for group in groups
        if group.by_orm.trace.outcome is True
        and group.by_orm.first_error is not None
        and group.by_orm.prm.first_error() == group.by_orm.first_error
    ]
    if not found:
        return [_none(CAUGHT), _none(INSTEAD)]
    group = max(found, key=lambda one: (one.by_prm.good, one.by_orm.last))
    theirs, ours = group.by_orm, group.by_prm
    step = theirs.first_error
    assert step is not None
    why = (
        f"The answer {theirs.trace.answer} is right, yet step {step + 1} is wrong. Of the "
        f"{len(group.chains)} chains for this problem the ORM likes this one best "
        f"({theirs.last:.2f}); the PRM gives step {step + 1} the score "
        f"{_score(theirs.prm, step)}, the first below its threshold of {theirs.prm.threshold:g}."
    )
    return [Showcase(CAUGHT, why, theirs.trace), Showcase(INSTEAD, _picked(ours), ours.trace)]


def _rescued(groups: Sequence[_Group]) -> list[Showcase]:
    """Most chains give one wrong answer, the PRM's choice a right one; rather by a sound chain,
    then where the majority is largest. The wrong answer is shown by its chain of lowest product."""
    found = [
        (group, answer, count)
        for group in groups
        for answer, count in [group.vote()]
        if answer is not None and group.by_prm.trace.outcome is True
        if any(one.trace.answer == answer and one.trace.outcome is False for one in group.chains)
    ]
    if not found:
        return [_none(OUTVOTED), _none(RESCUED)]
    group, answer, count = max(
        found, key=lambda one: (one[0].by_prm.good, one[2] / len(one[0].chains))
    )
    voters = [one for one in group.chains if one.trace.answer == answer]
    shown = min(voters, key=lambda one: one.product)
    why = (
        f"{count} of {len(group.chains)} chains answer {answer}, so majority voting does too; the "
        f"right answer is {shown.trace.reference or group.by_prm.trace.answer}. Of them, this is "
        f"the one that the PRM likes least."
    )
    ours = group.by_prm
    return [Showcase(OUTVOTED, why, shown.trace), Showcase(RESCUED, _picked(ours), ours.trace)]


def _missed(chains: Sequence[_Chain]) -> Showcase:
    """The flawed chain with no step below the threshold that has the highest product."""
    found = [one for one in chains if one.first_error is not None and one.prm.first_error() is None]
    if not found:
        return _none(MISSED)
    worst = max(found, key=lambda one: one.product)
    step = worst.first_error
    assert step is not None
    right = "right" if worst.trace.outcome else "wrong"
    num_flawed = sum(one.first_error is not None for one in chains)
    why = (
        f"Step {step + 1} is wrong and the PRM gives it {_score(worst.prm, step)}; no step falls "
        f"below its threshold of {worst.prm.threshold:g}. The answer is {right}. Of "
        f"{num_flawed:,} flawed chains the PRM flags no step in {len(found):,}."
    )
    return Showcase(MISSED, why, worst.trace)


def _false_alarm(chains: Sequence[_Chain]) -> Showcase:
    """The sound chain with the lowest step score below the threshold."""
    sound = [one for one in chains if one.first_error is None]
    found = [one for one in sound if one.prm.first_error() is not None]
    if not found:
        return _none(ALARM)
    worst = min(found, key=lambda one: min(one.prm.scored))
    low = min(worst.prm.scored)
    why = (
        f"Every step is right, yet the PRM gives step {worst.prm.values.index(low) + 1} only "
        f"{low:.2f}. It raises a false alarm in {len(found):,} of {len(sound):,} sound chains."
    )
    return Showcase(ALARM, why, worst.trace)


def _picked(one: _Chain) -> str:
    right = "right" if one.trace.outcome else "wrong"
    logic = (
        "every step is right" if one.first_error is None else f"step {one.first_error + 1} is wrong"
    )
    return (
        f"The product of its step scores, {one.product:.2f}, is the highest of its problem. The "
        f"answer {one.trace.answer} is {right}, and {logic}."
    )


def _score(scores: StepScores, step: int) -> str:
    value = scores.values[step]
    return "no score" if value is None else f"{value:.2f}"


def _none(title: str) -> Showcase:
    return Showcase(title, "no chain of this kind is in the test pool.", None)


def _chain(trace: Trace, prm: str, orm: str) -> _Chain:
    by_model = {scores.model: scores for scores in trace.scores}
    missing = [f"scores of {name!r}" for name in (prm, orm) if name not in by_model]
    labels = next((one for one in trace.labels if one.knows_first_error()), None)
    missing += ["labels that settle its first error"] if labels is None else []
    missing += ["an outcome"] if trace.outcome is None else []
    if missing or labels is None:
        raise UsageError(f"trace {trace.id} has no {', no '.join(missing)}; a showcase needs them")
    ours, theirs = by_model[prm], by_model[orm]
    return _Chain(
        trace,
        labels.first_error(),
        ours,
        theirs,
        ours.aggregate("product"),
        theirs.aggregate("last"),
    )
