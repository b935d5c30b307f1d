"""The prefixes of a trace: which of them can be rolled out, and what is known of them so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from surefoot.labels.rollouts.ends import NO_ANSWER, NO_REFERENCE, Ending
from surefoot.labels.rollouts.evidence import Evidence, Unfinished
from surefoot.traces.types import StepLabels, Trace

NO_TEXT = "a step without text, behind which no policy of texts can go on"
NOT_ASKED = "not asked"


@dataclass(slots=True)
class Positions:
    """What is known of the prefixes of a trace.

    `steps[k]` holds the rollouts of the prefix that ends with step k, None where none can be: the
    end of a finished trace has an outcome of its own. `start` is the prefix without steps. `silent`
    says why a step has no label.
    """

    trace: Trace
    own: Ending
    start: Evidence
    steps: list[Evidence | None]
    silent: dict[int, str] = field(default_factory=dict)
    elsewhere: list[Evidence] = field(default_factory=list)
    """Prefixes of other chains that were rolled out beside."""
    more: dict[str, Any] = field(default_factory=dict)
    """What a method has to say of the trace besides, in JSON."""

    @property
    def asked(self) -> list[Evidence]:
        """The prefixes that can be rolled out, shortest first."""
        return [one for one in self.steps if one is not None]

    def evidence(self) -> list[Evidence]:
        """That of every prefix, the empty one too."""
        return [self.start, *self.asked]


def positions_of(trace: Trace, own: Ending, unfinished: Unfinished) -> Positions:
    """The prefixes of a trace whose own end is known or not.

    A trace with an outcome, or with an answer that cannot be compared, is finished: its last prefix
    is not rolled out. One without any answer may go on. Without a reference nothing is asked.
    """
    texts = trace.texts
    found = Positions(trace, own, Evidence((), unfinished), [])
    last = len(texts) - 1
    whole = True
    for k, text in enumerate(texts):
        whole = whole and bool(text.strip())
        ends = k == last and own.cause != NO_ANSWER
        if own.cause == NO_REFERENCE:
            found.silent[k] = NO_REFERENCE
        elif not whole and not (ends and own.right is not None):
            found.silent[k] = NO_TEXT
        elif ends and own.right is None:
            found.silent[k] = own.cause or NOT_ASKED
        asked = not ends and k not in found.silent
        found.steps.append(Evidence(texts[: k + 1], unfinished) if asked else None)
    return found


Rate = Callable[[Evidence], float | None]
"""The label that the rollouts of a prefix give it, None where they give none."""


def soft(evidence: Evidence) -> float | None:
    """k / n (Math-Shepherd's soft estimate, 2312.08935, equation 4)."""
    return evidence.value


def hard(threshold: float) -> Rate:
    """1 where k / n is above a threshold, else -1; above 0 it is Math-Shepherd's hard estimate
    (2312.08935, equation 3)."""

    def rate(evidence: Evidence) -> float | None:
        return None if evidence.value is None else 1 if evidence.value > threshold else -1

    return rate


def labels_of(found: Positions, rate: Rate, annotator: str, *, scale: str) -> StepLabels:
    """A label for every prefix that has one; the end of a finished trace is as its outcome."""
    wrong = 0.0 if scale == "value" else -1
    values: list[float | None] = []
    counts: list[tuple[int, int] | None] = []
    for k, evidence in enumerate(found.steps):
        if evidence is not None:
            values.append(rate(evidence))
            counts.append(evidence.counts)
        elif k in found.silent or found.own.right is None:
            values.append(None)
            counts.append(None)
        else:
            values.append(1 if found.own.right else wrong)
            counts.append((int(found.own.right), 1))
    for k, value in enumerate(values):
        if value is None and k not in found.silent:
            found.silent[k] = why_silent(found.steps[k])
    kind: Any = scale
    return StepLabels(
        tuple(values), source="rollout", scale=kind, annotator=annotator, counts=tuple(counts)
    )


def why_silent(evidence: Evidence | None) -> str:
    """What kept the rollouts of a prefix from counting."""
    causes = evidence.causes if evidence is not None else Counter[str]()
    return "; ".join(f"{num} x {cause}" for cause, num in causes.most_common(3)) or NOT_ASKED


def cost_of(found: Positions) -> Mapping[str, Any]:
    """Tokens and rollouts that the labels of a trace took, and what did not count, in JSON."""
    everywhere = [*found.evidence(), *found.elsewhere]
    causes: Counter[str] = Counter()
    for one in everywhere:
        causes.update(one.causes)
    start = found.start.counts
    return {
        "tokens": sum(one.tokens for one in everywhere),
        "rollouts": sum(one.drawn for one in everywhere),
        **({"start": start} if start else {}),
        **({"uncounted": dict(sorted(causes.items()))} if causes else {}),
        **(
            {"causes": {str(k): why for k, why in sorted(found.silent.items())}}
            if found.silent
            else {}
        ),
        **found.more,
    }
