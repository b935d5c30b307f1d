"""Choose the traces that people label next: a random slice first, the rest by a strategy.

The slice is drawn without looking at anything but ids and the seed, so it is the same whatever the
model says, and every trace of the frame, the traces not labelled yet, is in it with the same known
probability. What is true of the slice is an unbiased estimate for the frame (`estimates`); what is
true of the traces the strategy chose is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np

from surefoot.errors import UsageError
from surefoot.labels.selection.candidates import Candidate
from surefoot.labels.selection.spread import farthest_first
from surefoot.labels.selection.strategies import STRATEGIES
from surefoot.traces.types import Trace

SELECTION = "selection"
"""Where a trace's `meta` keeps why it was chosen."""

RANDOM_SLICE = "random-slice"


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectionRule:
    """How many traces are chosen, and how."""

    num: int
    strategy: str = "uncertainty"
    random_share: float = 0.2
    """The share of `num` that is the random slice."""
    per_question: int | None = None
    """The most traces of one question, those of the slice included; the slice itself is not
    bound by it."""
    shortlist: int = 1
    """The strategy names so many times what it may choose, and of these are taken the ones whose
    text lies farthest apart; 1 takes the first."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise UsageError(
                f"there is no strategy {self.strategy!r}; choose one of {', '.join(STRATEGIES)}"
            )
        if self.num < 1:
            raise UsageError(f"num is {self.num}; choose at least one trace")
        if not 0 <= self.random_share <= 1:
            raise UsageError(f"random_share is {self.random_share}; it must lie between 0 and 1")
        if self.per_question is not None and self.per_question < 1:
            raise UsageError(f"per_question is {self.per_question}; it must be at least 1")
        if self.shortlist < 1:
            raise UsageError(f"shortlist is {self.shortlist}; it must be at least 1")

    @property
    def needs_features(self) -> bool:
        """Whether candidates need the features of their text."""
        return STRATEGIES[self.strategy].spreads or self.shortlist > 1


@dataclass(frozen=True, slots=True)
class Chosen:
    """Why a trace was chosen: by what, as which (from 1, the slice first), and how likely.

    `probability` is that of being in the slice, None for what the strategy chose. `frame` is how
    many traces there were to choose from.
    """

    id: str
    why: str
    rank: int
    value: float | None
    probability: float | None
    frame: int

    def to_json(self) -> dict[str, Any]:
        """All but the id."""
        return {
            "why": self.why,
            "rank": self.rank,
            "value": self.value,
            "probability": self.probability,
            "frame": self.frame,
        }


@dataclass(frozen=True)
class Selection:
    """What was chosen of a frame, and why the rest of the candidates was not to be had."""

    chosen: tuple[Chosen, ...]
    frame: int
    left_out: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "chosen": [{"id": one.id, **one.to_json()} for one in self.chosen],
            "frame": self.frame,
            "left_out": dict(self.left_out),
        }


def choose(candidates: Iterable[Candidate], rule: SelectionRule) -> Selection:
    """Choose by a rule. The order of the candidates does not matter; ties go by the hash of
    content and seed.

    Raises:
        UsageError: there is nothing to choose from, or features are needed and are not there.
    """
    found: dict[str, Candidate] = {}
    left_out: Counter[str] = Counter()
    for one in candidates:
        if one.id in found:
            left_out["there more than once"] += 1
        found.setdefault(one.id, one)
    every = [found[name] for name in sorted(found)]
    frame = [one for one in every if not one.labelled]
    if not frame:
        raise UsageError(f"all of {len(every):,} traces are labelled already, or there are none")
    num = min(rule.num, len(frame))
    num_random = round(rule.random_share * num)
    drawn = sorted(frame, key=lambda one: _draw(one.id, rule.seed))[:num_random]
    chosen = [
        Chosen(one.id, RANDOM_SLICE, i, one.priority, num_random / len(frame), len(frame))
        for i, one in enumerate(drawn, 1)
    ]
    in_slice = {one.id for one in drawn}
    rest = [one for one in frame if one.id not in in_slice]
    able = [one for one in rest if one.priority is not None]
    labelled = [one for one in every if one.labelled]
    picked = _by_strategy(able, rule, num - num_random, drawn, labelled)
    chosen += [
        Chosen(one.id, rule.strategy, i, one.priority, None, len(frame))
        for i, one in enumerate(picked, num_random + 1)
    ]
    if labelled:
        left_out["labelled already"] = len(labelled)
    if len(able) < len(rest):
        left_out[f"without {STRATEGIES[rule.strategy].needs}"] = len(rest) - len(able)
    if len(chosen) < num and len(able) > len(picked):
        left_out["over the quota of their question"] = len(able) - len(picked)
    return Selection(tuple(chosen), len(frame), left_out)


def selected(trace: Trace, chosen: Chosen) -> Trace:
    """The trace with why it was chosen in its meta."""
    return replace(trace, meta={**trace.meta, SELECTION: chosen.to_json()})


def _by_strategy(
    able: Sequence[Candidate],
    rule: SelectionRule,
    num: int,
    drawn: Sequence[Candidate],
    labelled: Sequence[Candidate],
) -> list[Candidate]:
    """The strategy's choice, best first, within the quota of each question."""
    spreads = STRATEGIES[rule.strategy].spreads
    order = sorted(able, key=lambda one: (-(one.priority or 0.0), _draw(one.id, rule.seed)))
    if not rule.needs_features:
        return _within_quota(order, rule.per_question, num, drawn)
    if not spreads:
        order = _within_quota(order, rule.per_question, num * rule.shortlist, drawn)
    taken = [*labelled, *drawn]
    chosen = farthest_first(
        _stacked(order),
        num,
        taken=_stacked(taken),
        groups=[one.question for one in order],
        most_of_group=rule.per_question,
        held=[one.question for one in drawn],
    )
    return [order[i] for i in chosen]


def _within_quota(
    order: Sequence[Candidate], quota: int | None, num: int, drawn: Sequence[Candidate]
) -> list[Candidate]:
    counts = Counter(one.question for one in drawn)
    kept: list[Candidate] = []
    for one in order:
        if len(kept) == num:
            break
        if quota is None or counts[one.question] < quota:
            counts[one.question] += 1
            kept.append(one)
    return kept


def _stacked(some: Sequence[Candidate]) -> np.ndarray[Any, np.dtype[np.float32]]:
    rows = []
    for one in some:
        if one.features is None:
            raise UsageError(
                f"candidate {one.id} has no features; make candidates with `with_features`"
            )
        rows.append(one.features)
    return np.stack(rows) if rows else np.zeros((0, 1), dtype=np.float32)


def _draw(name: str, seed: int) -> bytes:
    """A number of a trace that nothing but its id and the seed has a say in."""
    salt = (seed % 2**63).to_bytes(16, "big")
    return blake2b(name.encode(), digest_size=16, salt=salt).digest()
