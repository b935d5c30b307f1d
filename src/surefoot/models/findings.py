"""What an examination of traces found: faults with their places and how to mend them, and figures.

`doctor.examine` makes it; a command prints it, and training refuses on its errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from surefoot.errors import AlignmentError
from surefoot.models.render import Rendered

MOST_PLACES = 3
"""Places that a finding names; it counts the others."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was found: the number of the trace among those read, from 1, its id, and the
    step. `other` is the number of the trace that it repeats or contradicts."""

    row: int
    trace: str
    step: int | None = None
    other: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One kind of fault: how often it was found, the first places, what it is, how to mend it."""

    kind: str
    count: int
    places: tuple[Place, ...]
    what: str
    mend: str


@dataclass(slots=True)
class Tally:
    """A finding in the making: a count and the first places."""

    count: int = 0
    places: list[Place] = field(default_factory=list)

    def add(self, place: Place, times: int = 1) -> None:
        """Count something, `times` times at this place."""
        self.count += times
        if len(self.places) < MOST_PLACES:
            self.places.append(place)

    def finding(self, kind: str, what: str, mend: str) -> Finding:
        """What was counted, in words."""
        return Finding(kind=kind, count=self.count, places=tuple(self.places), what=what, mend=mend)


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelBalance:
    """What the labels of one source say, step by step; values from 0.5 upwards count as right."""

    source: str
    traces: int
    right: int
    neutral: int
    wrong: int
    unlabelled: int
    masked_traces: int
    """Traces of which no step has a label of this source, though there is a place for it."""
    first_errors: Mapping[int, int]
    """How many traces have their first error at each step."""
    no_error: int
    """Traces without any error."""
    unknown: int
    """Traces whose labels do not settle where the first error is."""

    @property
    def labelled(self) -> int:
        """Steps with a label."""
        return self.right + self.neutral + self.wrong

    @property
    def majority(self) -> float | None:
        """The share of the commonest class: what always giving the same answer would reach. None
        without labels."""
        most = max(self.right, self.neutral, self.wrong)
        return most / self.labelled if self.labelled else None


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotToken:
    """A token at which scores are read, and how often."""

    id: int
    token: str
    """The text that it stands for where it is first read."""
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenCounts:
    """What became of the traces that could be written as tokens; of a second pass, nothing is
    counted."""

    rows: int
    tokens: int
    longest: int
    """Tokens of the longest row."""
    max_tokens: int
    """Tokens that the contract allows; `max_tokens - longest` positions are never used."""
    behind: int
    """Tokens behind the last slot of their row, which no score depends on."""
    steps: int
    slots: int
    slots_per_step: int
    shift: int
    """How many tokens behind the slot (before it, if negative) the contract has scores read."""
    slot_tokens: tuple[SlotToken, ...]
    """The commonest, first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """How one trace is written: its rows, those of a second pass, or why it is not."""

    row: int
    trace: str
    rows: tuple[Rendered, ...] = ()
    second: tuple[Rendered, ...] = ()
    refusal: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """Everything that was found. Errors would be silently wrong in training, in scoring or in other
    tools; warnings are to be known. `tokens` is None for a model without a contract."""

    model: str
    traces: int
    steps: int
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    labels: tuple[LabelBalance, ...]
    tokens: TokenCounts | None
    samples: tuple[Sample, ...] = ()

    def raise_errors(self) -> None:
        """Go on only if there are no errors.

        Raises:
            AlignmentError: naming each of them.
        """
        if self.errors:
            told = "; ".join(one.what for one in self.errors)
            raise AlignmentError(
                f"the traces are not fit for {self.model}: {told}; `surefoot check` names the "
                "places and how to mend them"
            )

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON; shares are added to the labels."""
        values = asdict(self)
        for row, balance in zip(values["labels"], self.labels, strict=True):
            row["majority"] = balance.majority
            row["first_errors"] = {str(k): n for k, n in balance.first_errors.items()}
        for sample, own in zip(values["samples"], self.samples, strict=True):
            for name in ("rows", "second"):
                for row, rendered in zip(sample[name], getattr(own, name), strict=True):
                    row["spans"] = [span._asdict() for span in rendered.spans]
        return values
