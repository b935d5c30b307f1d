"""What becomes of traces when a contract writes them as tokens, and what goes wrong then.

Length, slots, tokens that hold text of two pieces, steps that leave no token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol, runtime_checkable

from surefoot.errors import UnscorableError
from surefoot.models.contract import Contract
from surefoot.models.findings import Finding, Place, Sample, SlotToken, Tally, TokenCounts
from surefoot.models.markers import MarkerTally, tag_of
from surefoot.models.render import Rendered, Renderer, Text, fits, text_of
from surefoot.models.windows import windows
from surefoot.traces.types import Trace

_MOST_SLOT_TOKENS = 10

_USUAL_ENDS = ("a", "1", "a.", "(a)", "$a$", "\\text{a}")
"""Steps that end as most do; a template that keeps its tag apart from these keeps it apart."""


@runtime_checkable
class Writes(Protocol):
    """A reward model that writes traces as tokens by a contract."""

    renderer: Renderer
    contract: Contract


class _Steps(NamedTuple):
    """The steps of one trace with which something is wrong."""

    merged: set[int]
    empty: set[int]
    untagged: set[int]
    joined: set[int]
    beyond: set[int]


class AlignmentTally:
    """What came of writing the traces so far; `num_samples` of the first are kept as written."""

    def __init__(self, model: Writes, num_samples: int) -> None:
        self.renderer, self.contract = model.renderer, model.contract
        template = self.renderer.template
        self.one_by_one = template.past is not None
        """Whether each step is a row of its own."""
        self.samples: list[Sample] = []
        self._num_samples = num_samples
        self._in_windows = getattr(model, "long", "error") == "windows"
        self._slots_per_step = template.step.count("{slot}")
        self._has_tag = bool(tag_of(template))
        self._markers = MarkerTally(self.renderer)
        self._traces = self._all_steps = self._steps = self._slots = 0
        self._rows = self._tokens = self._longest = self._behind = 0
        self._steps_beyond = self._labels_beyond = 0
        self._slot_ids: Counter[int] = Counter()
        self._slot_texts: dict[int, str] = {}
        self._long, self._windowed, self._odd = Tally(), Tally(), Tally()
        self._merged, self._empty, self._untagged, self._joined = (Tally() for _ in range(4))
        self._observed = Tally()

    def add(self, some: Sequence[tuple[int, Trace]]) -> None:
        """Write some traces and look at them."""
        texts: list[tuple[int, Trace, Text]] = []
        for row, trace in some:
            self._traces += 1
            self._all_steps += len(trace.steps)
            self._markers.add(row, trace)
            try:
                texts.append((row, trace, text_of(trace)))
            except UnscorableError as error:
                steps = [k for k, one in enumerate(trace.steps) if one.observation is not None]
                self._observed.add(Place(row, trace.id, steps[0]), len(steps))
                if row <= self._num_samples:
                    self.samples.append(Sample(row=row, trace=trace.id, refusal=str(error)))
        first = self.renderer([text for _, _, text in texts], explain=True)
        good, bad = self._second(texts, first, 1), self._second(texts, first, 0)
        for (row, trace, text), *written in zip(texts, first, good, bad, strict=True):
            self._look(row, trace, text, written)
            if row <= self._num_samples:
                self.samples.append(
                    Sample(
                        row=row, trace=trace.id, rows=tuple(written[0]), second=tuple(written[1])
                    )
                )

    def counts(self) -> TokenCounts:
        """The figures."""
        return TokenCounts(
            rows=self._rows,
            tokens=self._tokens,
            longest=self._longest,
            max_tokens=self.contract.max_tokens,
            behind=self._behind,
            steps=self._steps,
            slots=self._slots,
            slots_per_step=self._slots_per_step,
            shift=self.contract.reading.shift,
            slot_tokens=tuple(
                SlotToken(id=one, token=self._slot_texts[one], count=number)
                for one, number in self._slot_ids.most_common(_MOST_SLOT_TOKENS)
            ),
        )

    def errors(self) -> list[Finding]:
        """What would be silently wrong."""
        steps = f"of {self._steps:,} steps"
        found = [*self._lengths(), *([] if self._sums_up else [self._merging()])]
        if not self._may_join_tag:
            found.append(self._lost_tags())
        found += [
            self._empty.finding(
                "no-token",
                f"no token is left of the step: {self._empty.count:,} {steps}",
                "the tokenizer or the template's `replace` takes all of its text; write it with "
                "characters that the tokenizer knows",
            ),
            self._odd.finding(
                "slot-count",
                f"not {self._slots_per_step} for each step: the slots of {self._odd.count:,} of "
                f"{self._traces:,} traces",
                "this is a fault of Surefoot; please report it with the contract and such a trace",
            ),
            self._observed.finding(
                "observation",
                "observations, which the template does not write: "
                f"{self._observed.count:,} of {self._all_steps:,} steps; their traces are not "
                "aligned here",
                "put what the model is to read into the text of the step",
            ),
        ]
        return [one for one in found if one.count]

    def warnings(self) -> list[Finding]:
        """What is to be known."""
        steps = f"of {self._steps:,} steps"
        found = [
            self._windowed.finding(
                "windowed",
                f"longer than the contract's {self.contract.max_tokens:,} tokens, so scored in "
                f"windows: {self._windowed.count:,} of {self._traces:,} traces",
                "nothing to do for scores; training takes whole traces, so shorten them for it",
            ),
            *([self._merging()] if self._sums_up else []),
            *([self._lost_tags()] if self._may_join_tag else []),
            self._joined.finding(
                "merged-text",
                "a token that holds text of the step and of the template around it: "
                f"{self._joined.count:,} {steps}",
                "nothing to do if the model was trained on whole texts, as this template says; "
                "tools that tokenize steps alone get other tokens",
            ),
            *self._markers.warnings(),
        ]
        return [one for one in found if one.count]

    def _lengths(self) -> list[Finding]:
        room = f"the contract's {self.contract.max_tokens:,} tokens"
        lost = (
            f"{self._long.count:,} of {self._traces:,} traces (beyond it: "
            f"{self._steps_beyond:,} steps with {self._labels_beyond:,} labels)"
        )
        if self._in_windows:
            return [
                self._long.finding(
                    "too-long",
                    f"a problem and one step alone are longer than {room}: {lost}",
                    "shorten the problem or the step; not even a window holds them",
                )
            ]
        return [
            self._long.finding(
                "too-long",
                f"longer than {room}: {lost}",
                "shorten them, allow more tokens if the model has as many positions, or score "
                "them in windows (--long windows)",
            )
        ]

    def _merging(self) -> Finding:
        return self._merged.finding(
            "merged-slot",
            "the token that ends a step reaches into what follows: "
            f"{self._merged.count:,} of {self._steps:,} steps",
            "set a {cut} behind {slot} in the contract's template, or end these steps otherwise",
        )

    def _lost_tags(self) -> Finding:
        return self._untagged.finding(
            "lost-tag",
            "the tag is no token of its own but merged with the end of the step: "
            f"{self._untagged.count:,} of {self._steps:,} steps",
            "take the white space off the end of these steps, or set a {cut} before the tag if the "
            "model was trained so",
        )

    @property
    def _sums_up(self) -> bool:
        """Whether scores are sums over tokens, which a merged one changes by little."""
        return self.contract.reading.head == "token-log-ratio"

    @property
    def _may_join_tag(self) -> bool:
        """Whether steps that end as most do join the tag too, so that the model has learnt it."""
        usual = self.renderer([Text("?", _USUAL_ENDS)], explain=True)[0]
        return bool(_steps_of(usual, self.contract.max_tokens, self._has_tag).untagged)

    def _second(
        self,
        texts: Sequence[tuple[int, Trace, Text]],
        first: Sequence[Sequence[Rendered]],
        which: int,
    ) -> list[list[Rendered]]:
        """The rows of the second pass, had the first preferred the bad (0) or the good (1) token;
        none where there is no second pass."""
        if self.contract.template.second is None:
            return [[] for _ in texts]
        sign = self.contract.reading.tokens[which]
        signs = [[sign] * len(row.slots) for rows in first for row in rows]
        return self.renderer([text for _, _, text in texts], signs=signs, explain=True)

    def _look(self, row: int, trace: Trace, text: Text, written: list[list[Rendered]]) -> None:
        first = written[0]
        self._count(first, len(trace.steps))
        if sum(len(one.slots) for one in first) != len(trace.steps) * self._slots_per_step:
            self._odd.add(Place(row, trace.id))
        every = [one for rows in written for one in rows]
        found = _steps_of(every, self.contract.max_tokens, self._has_tag)
        tallies = (self._merged, self._empty, self._untagged, self._joined)
        for tally, steps in zip(tallies, found, strict=False):
            if steps:
                tally.add(Place(row, trace.id, min(steps)), len(steps))
        if fits(every, self.contract.max_tokens):
            return
        if self._in_windows and (found.empty or self._fits_windows(text, first)):
            self._windowed.add(Place(row, trace.id))
            return
        self._long.add(Place(row, trace.id, min(found.beyond, default=None)))
        self._steps_beyond += len(found.beyond)
        self._labels_beyond += sum(
            labels.values[k] is not None for labels in trace.labels for k in found.beyond
        )

    def _count(self, rows: Sequence[Rendered], num_steps: int) -> None:
        self._steps += num_steps
        self._rows += len(rows)
        for row in rows:
            self._tokens += len(row.ids)
            self._longest = max(self._longest, len(row.ids))
            self._behind += len(row.ids) - 1 - row.slots[-1]
            self._slots += len(row.slots)
            for slot in row.slots:
                if slot >= 0:
                    self._slot_ids[row.ids[slot]] += 1
                    self._slot_texts.setdefault(row.ids[slot], row.texts[slot])

    def _fits_windows(self, text: Text, rows: Sequence[Rendered]) -> bool:
        try:
            windows(text, rows, self.renderer, self.contract.max_tokens)
        except UnscorableError:
            return False
        return True


def _steps_of(rows: Sequence[Rendered], room: int, has_tag: bool) -> _Steps:
    """The steps of one trace with which something is wrong, in any of its rows."""
    found = _Steps(set(), set(), set(), set(), set())
    for row in rows:
        found.merged.update(row.steps[i] for i in row.merged)
        found.empty.update(row.empty)
        slots: dict[int, list[int]] = {}
        for slot, step in zip(row.slots, row.steps, strict=True):
            slots.setdefault(step, []).append(slot)
        found.beyond.update(step for step, own in slots.items() if max(own) >= room)
        written: set[int] = set()
        told: set[int] = set()
        for span, after in pairwise((*row.spans, None)):
            if span is None or span.step is None or span.kind != "step" or span.step not in slots:
                continue
            written.add(span.step)
            if span.end > span.begin or (span.text and span.is_joined):
                told.add(span.step)
            if span.is_joined or (after is not None and after.is_joined):
                found.joined.add(span.step)
            if has_tag and any(span.begin <= slot < span.end for slot in slots[span.step]):
                found.untagged.add(span.step)
        found.empty.update(written - told)
    found.joined.difference_update(found.merged, found.untagged)
    return found
