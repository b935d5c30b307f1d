"""What is to be said of traces whatever model reads them: labels, repeats, blank steps.

Traces stream through and are not kept. Which of them occurred before is known by hashes, of a
bounded number.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b

from surefoot.models.findings import Finding, LabelBalance, Place, Tally
from surefoot.traces.types import Step, StepLabels, Trace, canonical_json

MOST_REMEMBERED = 1_000_000
"""Traces, and labelled steps, that are remembered by their hashes; about 100 MB for each."""

_RIGHT, _WRONG = 1, 2


@dataclass(slots=True)
class _SourceTally:
    """What one source says so far."""

    traces: int = 0
    masked: int = 0
    no_error: int = 0
    unknown: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    first_errors: Counter[int] = field(default_factory=Counter)

    def add(self, labels: StepLabels) -> None:
        """Count the labels of one trace."""
        self.traces += 1
        self.masked += all(value is None for value in labels.values)
        self.classes.update(_class_of(labels, i) for i in range(len(labels.values)))
        if not labels.knows_first_error():
            self.unknown += 1
        elif (first := labels.first_error()) is None:
            self.no_error += 1
        else:
            self.first_errors[first] += 1

    def balance(self, source: str) -> LabelBalance:
        """What was counted."""
        return LabelBalance(
            source=source,
            traces=self.traces,
            right=self.classes["right"],
            neutral=self.classes["neutral"],
            wrong=self.classes["wrong"],
            unlabelled=self.classes["unlabelled"],
            masked_traces=self.masked,
            first_errors=dict(sorted(self.first_errors.items())),
            no_error=self.no_error,
            unknown=self.unknown,
        )


class DataTally:
    """The labels, repeats and blank steps of the traces so far."""

    def __init__(self) -> None:
        self.traces = 0
        self.steps = 0
        self._labelled = 0
        self._sources: dict[str, _SourceTally] = {}
        self._masked, self._unlabelled, self._blank = Tally(), Tally(), Tally()
        self._duplicates, self._conflicts = Tally(), Tally()
        self._rows: dict[int, int] = {}
        """By the hash of a trace, the row in which it came first."""
        self._verdicts: dict[int, int] = {}
        """By the hash of a step with all before it and of a source: the row in which it was first
        labelled, times 4, plus what was said of it."""
        self._forgotten = False

    def add(self, row: int, trace: Trace) -> None:
        """Count one trace."""
        self.traces += 1
        self.steps += len(trace.steps)
        blank = [k for k, step in enumerate(trace.steps) if _is_blank(step.text)]
        if blank:
            self._blank.add(Place(row, trace.id, blank[0]), len(blank))
        self._add_labels(row, trace)
        first = self._remember(self._rows, int(trace.id[:16], 16), row)
        if first != row:
            self._duplicates.add(Place(row, trace.id, other=first))

    def balances(self) -> tuple[LabelBalance, ...]:
        """The labels of each source."""
        return tuple(one.balance(name) for name, one in sorted(self._sources.items()))

    def errors(self) -> list[Finding]:
        """What would be silently wrong."""
        found = []
        if not self.traces:
            found.append(
                Tally().finding("nothing", "no trace was read", "name a file that holds traces")
            )
        if self._masked.count:
            found.append(
                self._masked.finding(
                    "all-masked",
                    "all labels are missing, so that training learns nothing: "
                    f"{_of(self._masked, self._labelled)} labelled traces",
                    "label at least one step of each, or take these traces out",
                )
            )
        return found

    def warnings(self) -> list[Finding]:
        """What is to be known."""
        found = [*self._label_warnings(), *self._repeat_warnings()]
        if self._blank.count:
            found.append(
                self._blank.finding(
                    "blank",
                    f"nothing to be seen in the text: {_of(self._blank, self.steps)} steps",
                    "give them text, or join them with the steps beside them",
                )
            )
        return found

    def _label_warnings(self) -> list[Finding]:
        found = []
        if self._unlabelled.count and self._labelled:
            found.append(
                self._unlabelled.finding(
                    "unlabelled",
                    f"no labels, where others have some: {_of(self._unlabelled, self.traces)} "
                    "traces",
                    "training leaves them out; label them if they are to count",
                )
            )
        for one in self.balances():
            if one.majority == 1 and one.labelled > 1:
                (name,) = (n for n in ("right", "neutral", "wrong") if getattr(one, n))
                found.append(
                    Finding(
                        kind="one-class",
                        count=one.labelled,
                        places=(),
                        what=f"every label of source {one.source} says {name}: {one.labelled:,}",
                        mend="there is nothing to tell apart; add traces with other labels",
                    )
                )
        return found

    def _repeat_warnings(self) -> list[Finding]:
        found = []
        if self._conflicts.count:
            found.append(
                self._conflicts.finding(
                    "conflict",
                    "one source calls the same step, after the same steps, right and wrong; "
                    f"different steps: {self._conflicts.count:,}",
                    "settle which is meant, or keep the share of votes as a value label",
                )
            )
        if self._duplicates.count:
            found.append(
                self._duplicates.finding(
                    "duplicate",
                    "the same problem and steps as an earlier trace: "
                    f"{_of(self._duplicates, self.traces)} traces",
                    "keep one of each, or they count twice and may stand on both sides of a split",
                )
            )
        if self._forgotten:
            found.append(
                Finding(
                    kind="not-remembered",
                    count=self.traces,
                    places=(),
                    what="repeats and contradictions were looked for only among the first "
                    f"{MOST_REMEMBERED:,} different traces and labelled steps",
                    mend="sort the file by problem and examine its parts",
                )
            )
        return found

    def _add_labels(self, row: int, trace: Trace) -> None:
        if not trace.labels:
            self._unlabelled.add(Place(row, trace.id))
            return
        self._labelled += 1
        if all(value is None for one in trace.labels for value in one.values):
            self._masked.add(Place(row, trace.id))
        for labels in trace.labels:
            self._sources.setdefault(labels.source, _SourceTally()).add(labels)
        prefix = _hash(b"", trace.problem.encode())
        for k, step in enumerate(trace.steps):
            prefix = _hash(prefix, _content(step))
            for labels in trace.labels:
                self._add_verdict(row, trace, k, prefix, labels)

    def _add_verdict(
        self, row: int, trace: Trace, k: int, prefix: bytes, labels: StepLabels
    ) -> None:
        says = {"right": _RIGHT, "wrong": _WRONG}.get(_class_of(labels, k))
        if says is None:
            return
        key = int.from_bytes(_hash(prefix, labels.source.encode()))
        held = self._remember(self._verdicts, key, row << 2 | says)
        if held & says or key not in self._verdicts:
            return
        self._verdicts[key] = held | says
        self._conflicts.add(Place(row, trace.id, k, other=held >> 2))

    def _remember(self, memory: dict[int, int], key: int, value: int) -> int:
        """What is held of a key: what came first, as far as memory reaches."""
        if key in memory:
            return memory[key]
        if len(memory) < MOST_REMEMBERED:
            memory[key] = value
        else:
            self._forgotten = True
        return value


def _class_of(labels: StepLabels, i: int) -> str:
    if labels.scale == "rating" and labels.values[i] == 0:
        return "neutral"
    return {None: "unlabelled", True: "right", False: "wrong"}[labels.is_right(i)]


def _is_blank(text: str) -> bool:
    """Whether all characters are white space or have no look of their own."""
    return all(unicodedata.category(character)[0] in "ZC" for character in text)


def _content(step: Step) -> bytes:
    if step.observation is None:
        return b"t" + step.text.encode()
    return b"o" + canonical_json([step.text, step.observation]).encode()


def _hash(prefix: bytes, content: bytes) -> bytes:
    return blake2b(prefix + content, digest_size=8).digest()


def _of(tally: Tally, total: int) -> str:
    return f"{tally.count:,} of {total:,}"
