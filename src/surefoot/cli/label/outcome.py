"""`surefoot label outcome`: whether the answers of traces are right, wrong, or cannot be told."""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

from cyclopts import Parameter

from surefoot.cli.label.stream import Rows, stream
from surefoot.cli.say import Common, count, note, print_json, visible
from surefoot.traces.types import Trace

CHUNK = 256
MOST_CAUSES = 8
"""Reasons why an answer cannot be judged that are told one by one."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Comparing:
    """How answers are compared."""

    method: str = "auto"
    """auto asks all in turn; text, number, choice, structure or formula only that one; or a
    function of yours as module:function, which is given the reference and the answer and gives
    True, False or None."""

    tolerance: float = 0.0
    """Numbers are the same up to this share of the reference; if 0 they must be equal."""

    absolute: float = 0.0
    """Numbers are the same up to this difference."""

    algebra: bool = True
    """Compare formulas by sympy and math-verify."""


def outcome(
    *files: Annotated[str, Parameter(required=True)],
    comparing: Comparing = Comparing(),
    missing: Annotated[bool, Parameter(negative="")] = False,
    workers: int | None = None,
    timeout_s: Annotated[float, Parameter(name="--timeout")] = 10.0,
    rows: Rows = Rows(),  # noqa: B008 - frozen
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Set the outcome of traces: whether their answer is the reference.

    The answer is that of the trace, or the one found in its steps. What cannot be told is left
    open, with the reason in meta. Nothing that a model wrote is run as code.

    Args:
        files: Trace files, in any format that `surefoot convert` knows; `-` is stdin.
        missing: Leave traces alone that have an outcome.
        workers: Processes that compare; one per core unless given.
        timeout_s: Seconds that one comparison may take.
    """
    from surefoot.labels.answers import AnswerCheck, answer_workers, grade
    from surefoot.labels.answers.comparing import find_function, is_function

    if is_function(comparing.method):
        sys.path.insert(0, os.getcwd())
        find_function(comparing.method)
    check = AnswerCheck(
        comparing.method, comparing.absolute, comparing.tolerance, comparing.algebra
    )
    tally = _Tally()
    with answer_workers(workers or os.cpu_count() or 1, timeout_s, check=check) as pool:
        streamed = stream(
            files,
            rows,
            common,
            partial(grade, workers=pool, check=check, missing=missing),
            settings={
                "verb": "outcome",
                "method": check.method,
                "absolute": check.absolute,
                "relative": check.relative,
                "algebra": check.algebra,
                "missing": missing,
                "timeout_s": timeout_s,
            },
            on_trace=tally.add,
            show=_show,
            doing="comparing answers",
            chunk=CHUNK,
        )
    if common.json:
        print_json({**streamed.to_json(), **tally.to_json(), "out": rows.out})
        return
    tally.print_summary(rows.out)
    streamed.print_summary(rows.out)


@dataclass
class _Tally:
    """What was found."""

    found: Counter[bool | None] = field(default_factory=Counter)
    changed: Counter[tuple[bool, bool | None]] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    left: int = 0

    def add(self, trace: Trace) -> None:
        """Count a trace."""
        graded: Any = trace.meta.get("outcome")
        if trace.reference is None or not isinstance(graded, dict):
            self.left += 1
            return
        self.found[trace.outcome] += 1
        if graded["before"] not in (None, trace.outcome):
            self.changed[graded["before"], trace.outcome] += 1
        if trace.outcome is None:
            self.causes[graded["why"]] += 1

    def to_json(self) -> dict[str, Any]:
        """The counts; `changed` are outcomes that stood there and are another now."""
        return {
            "right": self.found[True],
            "wrong": self.found[False],
            "cannot_tell": self.found[None],
            "causes": dict(self.causes.most_common()),
            "changed": [
                {"before": before, "now": now, "traces": number}
                for (before, now), number in self.changed.most_common()
            ],
            "not_graded": self.left,
        }

    def print_summary(self, out: str | None) -> None:
        """The counts, the commonest reasons, and what is another outcome than before."""
        say = note if out == "-" else print
        graded = self.found.total()
        shares = ", ".join(
            f"{self.found[same]:,} {word} ({self.found[same] / max(graded, 1):.1%})"
            for same, word in ((True, "right"), (False, "wrong"), (None, "cannot tell"))
        )
        say(f"{count(graded, 'answer')}: {shares}")
        for cause, number in self.causes.most_common(MOST_CAUSES):
            say(f"  cannot tell {number:,}: {visible(cause)}")
        if len(self.causes) > MOST_CAUSES:
            say(f"  and {count(len(self.causes) - MOST_CAUSES, 'further reason')}")
        for (before, now), number in self.changed.most_common():
            said = "cannot tell" if now is None else "right" if now else "wrong"
            say(f"{count(number, 'outcome')} said {'right' if before else 'wrong'}, now {said}")
        if self.left:
            say(f"{count(self.left, 'trace')} left as they were: no reference, or not asked for")


def _show(trace: Trace) -> None:
    graded: Any = trace.meta.get("outcome") or {}
    said = {True: "right", False: "wrong", None: "cannot tell"}[trace.outcome]
    answer, reference = graded.get("answer", trace.answer), trace.reference or "none"
    print(f"{said}: {visible(str(answer))}")
    print(f"  reference {visible(reference)}; {visible(graded.get('why', 'not graded'))}")
