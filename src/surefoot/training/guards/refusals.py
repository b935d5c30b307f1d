"""What training must not start on, said before any time is spent."""

from __future__ import annotations

from collections.abc import Sequence

from surefoot.errors import AlignmentError, DataError
from surefoot.models.base import RewardModel
from surefoot.models.doctor import examine
from surefoot.models.findings import Finding, Findings
from surefoot.traces.types import Trace
from surefoot.training.guards.report import DataReport
from surefoot.training.guards.warnings import lost_labels

_IN_REPORT = ("nothing", "all-masked", "too-long")
"""Errors of the doctor that a report counts, and that `refuse` judges."""

MOST_EXAMINED = 2_000
"""Traces that are written as tokens to see whether they and the model fit each other."""


def refuse(report: DataReport, *, one_class: bool = False, too_long: bool = True) -> None:
    """Go on only if there is something to learn.

    Args:
        report: Of the training traces.
        one_class: Go on with labels that are all the same.
        too_long: Go on without the traces that are too long; False refuses any.

    Raises:
        DataError: there are no traces, no labels, no labels that say anything, only one class of
            them, or, where asked for, traces that are too long.
    """
    if not report.read:
        raise DataError("there is no trace to learn from; name files that hold traces")
    lost = report.too_long
    if lost is not None and lost.traces and not too_long:
        raise DataError(
            f"{lost.traces:,} of {report.read:,} traces are longer than the model has room for, "
            f"and none is ever cut (first: {lost.places[0].trace}); {lost_labels(lost, report)}; "
            "allow more tokens, shorten them, or agree to leave them out"
        )
    if not report.traces:
        raise DataError(f"none of {report.read:,} traces can be learned from: {_why(report)}")
    only = report.balance.only
    if only is not None and not one_class:
        raise DataError(
            f"all {report.balance.labelled:,} labels say {only}, so there is nothing to tell "
            "apart; add traces with other labels, or say that one class is meant"
        )


def _why(report: DataReport) -> str:
    reasons = []
    if report.unlabelled.count:
        reasons.append(
            f"{report.unlabelled.count:,} have no label of the kind that is learned (label them, "
            "or choose another source or target)"
        )
    if report.masked.count:
        reasons.append(
            f"{report.masked.count:,} have labels of which none says anything (label at least one "
            "step of each, or do not mask neutral ones)"
        )
    if report.too_long is not None and report.too_long.traces:
        reasons.append(
            f"{report.too_long.traces:,} are longer than the model has room for (allow more "
            "tokens, or take a base with more room)"
        )
    return ", ".join(reasons)


def refuse_misaligned(
    traces: Sequence[Trace], model: RewardModel, *, most: int | None = MOST_EXAMINED
) -> Findings:
    """Go on only if the model reads these traces as its contract says; gives what was found.

    Args:
        traces: What is to be learned from; at most `most` of them, evenly spread, are looked at,
            or all with None.
        model: What is to be trained, as it would score.

    Raises:
        AlignmentError: something would be silently wrong: a step that leaves no token, a slot that
            reaches into the next step, a tag that is lost, an observation that is not written.
            Traces that are too long or all masked are left to the report.
    """
    every = 1 if most is None else -(-len(traces) // most) or 1
    findings = examine(traces[::every], model)
    fatal = [one for one in findings.errors if one.kind not in _IN_REPORT]
    if fatal:
        told = "; ".join(_fault(one) for one in fatal)
        raise AlignmentError(
            f"{findings.model} would learn something wrong from these traces ("
            f"{findings.traces:,} of {len(traces):,} were examined): {told}"
        )
    return findings


def _fault(one: Finding) -> str:
    where = ""
    if one.places:
        place = one.places[0]
        step = "" if place.step is None else f", step {place.step}"
        where = f" (first: trace {place.trace}{step})"
    return f"{one.what}{where}: {one.mend}"
