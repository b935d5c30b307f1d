"""A report on training data as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from surefoot.models.findings import Finding, Place
from surefoot.training.guards.balance import Balance
from surefoot.training.guards.leak import Leak
from surefoot.training.guards.overlap import Overlap
from surefoot.training.guards.report import DataReport


def summary(report: DataReport) -> str:
    """The report in plain text, warnings last; names that came with the data have their control
    characters spelled out."""
    return "\n".join(_visible(line) for line in _lines(report))


def _lines(report: DataReport) -> Iterator[str]:
    yield (
        f"{report.traces:,} of {report.read:,} traces are learned from: {report.steps:,} steps of "
        f"{report.questions:,} questions; {report.balance.labelled:,} {report.unit} have a target"
    )
    left_out = {"no label": report.unlabelled.count, "all masked": report.masked.count}
    if report.too_long is not None:
        left_out["too long"] = report.too_long.traces
    yield "left out: " + ", ".join(f"{count:,} {why}" for why, count in left_out.items())
    if report.sources:
        yield "labelled steps: " + ", ".join(
            f"{count:,} by {source}" for source, count in report.sources.items()
        )
    if report.traces:
        yield ""
        yield from _table((report.balance,), "")
        if report.by_position:
            yield from _table(report.by_position, "position")
        yield from _table(report.by_domain, "domain")
        yield ""
        yield _repeats(report)
        yield from (_overlap(one) for one in report.overlaps)
        yield from _leak(report.leak, report.unit)
    for finding in report.warnings:
        yield ""
        yield from _warning(finding)


def _table(rows: Sequence[Balance], heading: str) -> Iterator[str]:
    width = max(8, *(len(one.name) for one in rows))
    yield f"{heading:<{width}}  {'right':>9}{'neutral':>9}{'wrong':>9}  share right"
    for one in rows:
        share = "–" if one.share_right is None else f"{one.share_right:.1%}"
        yield f"{one.name:<{width}}  {one.right:>9,}{one.neutral:>9,}{one.wrong:>9,}  {share:>11}"


def _repeats(report: DataReport) -> str:
    found = report.repeats
    return (
        f"repeats: {found.duplicates:,} traces; {found.repeated_steps:,} {report.unit} are taught "
        f"more than once, {found.conflicting_steps:,} of them as right and as wrong"
    )


def _overlap(one: Overlap) -> str:
    gone = f"; {one.left_out:,} more were left out for that" if one.left_out else ""
    return (
        f"questions of {one.traces:,} {one.name} traces: {one.same_questions:,} of "
        f"{one.questions:,} are in {one.same_training_traces:,} training traces, "
        f"{one.near_questions:,} nearly so in {one.near_training_traces:,}{gone}"
    )


def _leak(found: Leak | None, unit: str) -> Iterator[str]:
    if found is None:
        return
    yield ""
    yield (
        f"AUROC of wrong {unit} without reading them (a sample of {found.traces:,} traces, 95 % "
        f"interval over traces; limit {found.limit:g})"
    )
    width = max(len(one.name) for one in found.features)
    for one in found.features:
        if one.auroc is None:
            figure = "–    one of the halves of the questions lacks a class"
        else:
            figure = f"{one.auroc.mean:.3f}  [{one.auroc.low:.3f}, {one.auroc.high:.3f}]"
        way = {True: "more is wrong", False: "less is wrong", None: ""}[one.more_is_wrong]
        yield f"  {one.name:<{width}}  {figure}  {one.seen:<13} {way}".rstrip()


def _warning(finding: Finding) -> Iterator[str]:
    yield f"! {finding.kind}: {finding.what}"
    yield from (f"    {_place(place)}" for place in finding.places)
    yield f"    mend: {finding.mend}"


def _place(place: Place) -> str:
    step = "" if place.step is None else f", step {place.step}"
    other = "" if place.other is None else f"; other: row {place.other:,}"
    return f"row {place.row:,}{step}, trace {place.trace}{other}"


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
