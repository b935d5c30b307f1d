"""What the checkers find, as labels of a trace with the evidence beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from surefoot.labels.checkers.traces import check_trace
from surefoot.labels.equations import StepCheck
from surefoot.traces.types import StepLabels, Trace

ANNOTATOR = "check_trace"
CHECKER = "checker"
"""The key of the account in a trace's `meta`."""

RATINGS: Mapping[str, int] = {"holds": 1, "fails": -1}


def is_checked(trace: Trace) -> bool:
    """Whether a trace has labels of `with_checks` already."""
    return any(one.source == "checker" and one.annotator == ANNOTATOR for one in trace.labels)


def with_checks(trace: Trace) -> Trace:
    """The trace with a further set of labels, and the evidence under `meta["checker"]`.

    1 where everything that could be checked holds, -1 where something fails, None elsewhere, with
    the reason among the account's `causes`. A trace that is labelled so already stays as it is.
    """
    if is_checked(trace):
        return trace
    checks = check_trace(trace.problem, trace.texts)
    labels = ratings(checks, ANNOTATOR)
    account = {
        "annotator": ANNOTATOR,
        "evidence": {str(i): _evidence(one) for i, one in enumerate(checks) if _told(one)},
        "causes": {
            str(i): _cause(one) for i, one in enumerate(checks) if one.verdict == "cannot tell"
        },
    }
    return replace(trace.with_labels(labels), meta={**trace.meta, CHECKER: account})


def ratings(checks: Sequence[StepCheck], annotator: str) -> StepLabels:
    """The verdicts on the steps of a trace as labels."""
    values = tuple(RATINGS.get(check.verdict) for check in checks)
    return StepLabels(values, source="checker", annotator=annotator)


def _told(check: StepCheck) -> bool:
    return check.verdict != "cannot tell"


def _evidence(check: StepCheck) -> list[dict[str, Any]]:
    """The statements that the verdict on a step rests on."""
    return [
        {"text": one.text, "verdict": one.verdict, "rule": one.rule, "why": one.why}
        for one in check.statements
        if one.verdict == check.verdict
    ]


def _cause(check: StepCheck) -> str:
    """Why nothing is said of a step."""
    if not check.statements:
        return "nothing to check"
    doubted = (one.why for one in check.statements if None not in (one.left, one.right))
    return next(doubted, check.statements[0].why)
