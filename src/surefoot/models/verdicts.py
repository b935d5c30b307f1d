"""From what a critic wrote to verdicts on steps. Nothing in it is ever run.

Reading is strict: an answer that does not say exactly what was asked for is no verdict, and never
half of one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from surefoot.errors import TraceError
from surefoot.models.critic import Critic, Reading

VERDICTS = "verdicts"
"""Where a trace's `meta` keeps what was written about it: a list of `Verdict.to_json()`."""


class Stretch(NamedTuple):
    """One stage of an answer: its fixed beginning, what the model wrote, and what closes it."""

    prefill: str
    written: str
    close: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was written about one prompt, stage by stage.

    `finished` is false where the length limit cut the last stage.
    """

    stretches: tuple[Stretch, ...] = ()
    finished: bool = True

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(map("".join, self.stretches))


class Place(NamedTuple):
    """Where a choice is made: behind this text. `forced` says that the answer did not come to it by
    itself."""

    text: str
    forced: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer, and what it says.

    `step` is the one in question, None where all are. `good` has, for the steps it says something
    about, the probability that the step is good, or 1 or 0 where the answer just says so; it is
    empty where no verdict can be read. `log_odds` has log(p / (1 - p)) of probabilities. `cut` says
    that the length limit ended the answer.
    """

    step: int | None
    sample: int
    text: str
    good: Mapping[int, float]
    log_odds: Mapping[int, float] = field(default_factory=dict)
    cut: bool = False

    def to_json(self) -> dict[str, Any]:
        """What another critic can learn from: not the log-odds, which may be infinite."""
        good = {str(k): p for k, p in self.good.items()}
        return {"step": self.step, "sample": self.sample, "text": self.text, "good": good}

    @classmethod
    def from_json(cls, values: object) -> Verdict:
        """The verdict of a JSON object.

        Raises:
            TraceError: it is none.
        """
        names = {"step", "sample", "text", "good"}
        if not isinstance(values, Mapping) or values.keys() != names:
            raise TraceError(f"{values!r} is no verdict: it has {', '.join(sorted(names))}")
        step, sample, text, good = (values[one] for one in ("step", "sample", "text", "good"))
        if (
            (step is None or _is_position(step))
            and _is_position(sample)
            and isinstance(text, str)
            and isinstance(good, Mapping)
            and all(str(k).isdecimal() and _is_probability(p) for k, p in good.items())
        ):
            return cls(step, sample, text, {int(k): float(p) for k, p in good.items()})
        raise TraceError(
            f"{values!r} is no verdict: step is a position or null, sample a number, text is text, "
            "and good gives probabilities by position"
        )


def place_of_choice(reading: Reading, answer: Answer) -> Place | None:
    """Where the choice is made, None where the answer has no place for it."""
    if reading.behind is None:
        return Place(answer.text + reading.then, False)
    *before, last = answer.stretches
    matches = [*re.finditer(reading.behind, last.written)]
    if matches:
        match = matches[0 if reading.occurrence == "first" else -1]
        written = last.prefill + last.written[: match.end()]
        return Place(Answer(tuple(before)).text + written + reading.then, False)
    if reading.otherwise is None:
        return None
    kept = Answer(answer.stretches[: reading.otherwise_stages])
    return Place(kept.text + reading.otherwise, True)


def votes(critic: Critic, answer: Answer, step: int | None, num_steps: int) -> dict[int, float]:
    """What an answer says in words: 1 for a good step and 0 for a bad one; empty where no verdict
    can be read.

    Of a first error nothing is said about the steps behind it.
    """
    if not answer.finished or not answer.stretches:
        return {}
    written = answer.stretches[-1].written
    reading = critic.reading
    if reading.kind == "pattern":
        return _by_pattern(reading, written, step, num_steps)
    said = _closing_object(written)
    if reading.kind == "first-error":
        if said.keys() != {"first_error"}:
            return {}
        first = said["first_error"]
        if first is None:
            return dict.fromkeys(range(num_steps), 1.0)
        if type(first) is not int or not 1 <= first <= num_steps:
            return {}
        return {k: float(k < first - 1) for k in range(first)}
    each = said.get("steps")
    if said.keys() != {"steps"} or not isinstance(each, list) or len(each) != num_steps:
        return {}
    if not all(isinstance(one, bool) for one in each):
        return {}
    return {k: float(one) for k, one in enumerate(each)}


def _by_pattern(
    reading: Reading, written: str, step: int | None, num_steps: int
) -> dict[int, float]:
    found = [match[1] for match in re.finditer(str(reading.pattern), written)]
    found = found if step is None else found[-1:]
    if len(found) > num_steps or not {*found} <= {reading.good, reading.bad}:
        return {}
    return {k: float(word == reading.good) for k, word in enumerate(found, step or 0)}


def _is_position(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_probability(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1  # type: ignore[operator]


def _closing_object(written: str) -> Mapping[str, Any]:
    """The JSON object without inner objects at the very end of a text, in a code fence or not;
    empty where there is none."""
    text = written.rstrip().removesuffix("```").rstrip()
    start = text.rfind("{")
    if start < 0:
        return {}
    try:
        said = json.loads(text[start:], object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice")
    return found
