"""What a report should make one think about before training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from surefoot.models.findings import Finding
from surefoot.training.guards.balance import Balance
from surefoot.training.guards.leak import Ends, FeatureLeak, Leak, Seen
from surefoot.training.guards.lengths import TooLong
from surefoot.training.guards.overlap import Overlap
from surefoot.training.guards.report import DataReport

_LOPSIDED = 0.95
"""Share of the commonest class from which labels are called lopsided."""

_MOST_NAMES = 5
"""Domains that a warning names."""

_UNLEAK: Mapping[Seen, str] = {
    "step by step": "any model can learn this instead of reasoning: balance the classes over it, "
    "or hold every figure against it",
    "whole traces": "a model that reads whole traces can learn this instead of reasoning, so hold "
    "every figure against it; one that scores each step before it reads on cannot see it",
}


def warnings_of(report: DataReport) -> tuple[Finding, ...]:
    """Everything of note, the worst first."""
    return (
        *_overlaps(report),
        *_leaks(report.leak, report.unit),
        *_repeats(report),
        *_left_out(report),
        *_labels(report),
    )


def _overlaps(report: DataReport) -> Iterator[Finding]:
    for one in report.overlaps:
        purpose = (
            "what is chosen on them will look better than it is"
            if one.name == "development"
            else "every figure on them is worthless"
        )
        if one.same_training_traces:
            yield Finding(
                kind=f"same-question-{one.name}",
                count=one.same_training_traces,
                places=one.same_places,
                what=f"{_of(one.same_training_traces, report.traces, 'training traces')} have a "
                f"question that {one.same_traces:,} of {one.traces:,} {one.name} traces have too "
                f"({_of(one.same_questions, one.questions, 'questions')}): {purpose}",
                mend=_apart(one),
            )
        if one.near_training_traces:
            yield Finding(
                kind=f"near-question-{one.name}",
                count=one.near_training_traces,
                places=one.near_places,
                what=f"{_of(one.near_training_traces, report.traces, 'training traces')} have a "
                f"question in nearly the words of {_few(one.near_questions, 'question')} of "
                f"{one.name} traces, with additions, cuts or another word",
                mend="read some of them, and leave them out if they are the same problems",
            )


def _apart(one: Overlap) -> str:
    if one.name == "development":
        return "split by question, so that all traces of one are on the same side"
    return "leave these training traces out"


def _leaks(found: Leak | None, unit: str) -> Iterator[Finding]:
    if found is None:
        return
    if found.ends.stopping:
        yield _stop(found.ends)
    for seen, mend in _UNLEAK.items():
        over = [one for one in found.over if one.seen == seen]
        if over:
            yield Finding(
                kind=f"leak-{seen.replace(' ', '-')}",
                count=found.steps,
                places=(),
                what=f"wrong {unit} are told from right ones without a look at what they say, with "
                f"AUROC above {found.limit:g}: by "
                + "; by ".join(f"{one.name} {_auroc(one)}" for one in over),
                mend=mend,
            )


def _stop(ends: Ends) -> Finding:
    if not ends.all_last:
        names = ", ".join(list(ends.stopping)[:_MOST_NAMES])
        more = len(ends.stopping) - _MOST_NAMES
        told = f"in traces of {names}" + (f" and {more:,} other sources" if more > 0 else "")
        told += ", each wrong step is the last labelled one of its trace"
    elif ends.others and not ends.others_last:
        told = (
            f"each of the {ends.wrong:,} wrong steps is the last labelled one of its trace, and no "
            "other step is, so that it gives every label away"
        )
    else:
        told = (
            f"each of the {ends.wrong:,} wrong steps is the last labelled one of its trace, as are "
            f"{ends.others_last:,} of the {ends.others:,} other steps"
        )
    return Finding(
        kind="labels-stop-at-errors",
        count=sum(ends.stopping.values()),
        places=(),
        what=f"{told}: the labels stop at the first error",
        mend="keep the steps behind it in the traces, and let no model and no baseline know where "
        "a trace or its labels end; a model that scores each step before it reads on does not know",
    )


def _auroc(one: FeatureLeak) -> str:
    return f"{one.auroc.mean:.3f} [{one.auroc.low:.3f}, {one.auroc.high:.3f}]" if one.auroc else "–"


def _repeats(report: DataReport) -> Iterator[Finding]:
    found = report.repeats
    if found.conflicting_steps:
        yield Finding(
            kind="conflict",
            count=found.conflicting_steps,
            places=found.conflict_places,
            what="the same step after the same steps is taught as right and as wrong: "
            f"{_of(found.conflicting_steps, found.repeated_steps, report.unit)} that occur more "
            f"than once, and {found.conflicting_labels:,} of {report.balance.labelled:,} labels",
            mend="settle which is meant, or keep the share of votes as a value label",
        )
    if found.duplicates:
        yield Finding(
            kind="duplicate",
            count=found.duplicates,
            places=found.duplicate_places,
            what=f"{_of(found.duplicates, report.traces, 'traces')} have the problem and the steps "
            "of an earlier one",
            mend="keep one of each, or they count twice",
        )


def _left_out(report: DataReport) -> Iterator[Finding]:
    if report.too_long is not None and report.too_long.traces:
        yield Finding(
            kind="too-long",
            count=report.too_long.traces,
            places=report.too_long.places,
            what=f"{_few(report.too_long.traces, 'trace')} are longer than the model has room for "
            f"and are left out, since none is ever cut; {lost_labels(report.too_long, report)}",
            mend="allow more tokens, or shorten them",
        )
    for kind, some, what, mend in (
        (
            "unlabelled",
            report.unlabelled,
            "have no label of the kind that is learned",
            "label them, or name their source of labels",
        ),
        (
            "masked",
            report.masked,
            "have labels of which none says anything",
            "label at least one step of each",
        ),
    ):
        if some.count:
            yield Finding(
                kind=kind,
                count=some.count,
                places=some.places,
                what=f"{_of(some.count, report.read, 'traces')} {what}; they are left out",
                mend=mend,
            )


def lost_labels(lost: TooLong, report: DataReport) -> str:
    """The share of each class's labels that is in traces that are too long."""
    parts = []
    for name in ("right", "neutral", "wrong"):
        gone = getattr(lost, name)
        total = gone + getattr(report.balance, name)
        if total:
            parts.append(f"{gone:,} of {total:,} {name} labels ({gone / total:.1%})")
    return "with them go " + ", ".join(parts)


def _labels(report: DataReport) -> Iterator[Finding]:
    if report.miscounted.count:
        yield Finding(
            kind="miscounted",
            count=report.miscounted.count,
            places=report.miscounted.places,
            what=f"{_of(report.miscounted.count, report.traces, 'traces')} have counts, k of n, "
            "that do not go with their labels",
            mend="write the share k / n as a value label, and leave out counts of nothing",
        )
    whole = report.balance
    if whole.majority is not None and _LOPSIDED <= whole.majority < 1:
        yield Finding(
            kind="lopsided",
            count=whole.labelled,
            places=(),
            what=f"{whole.majority:.1%} of the labels are {_commonest(whole)}: always saying so is "
            "as often right",
            mend="weigh wrong steps more (wrong_weight), add traces of the other kind, and go by "
            "measures that do not reward the commonest class",
        )


def _commonest(one: Balance) -> str:
    return max(("right", "neutral", "wrong"), key=lambda name: int(getattr(one, name)))


def _of(count: int, total: int, noun: str) -> str:
    return f"{count:,} of {total:,} {noun}"


def _few(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
