"""Training traces as columns of numbers, gathered in one pass: all that the guards need to know of
them, some hundred bytes for each step that is taught something.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from surefoot.models.findings import Place
from surefoot.stats import FloatArray
from surefoot.traces.questions import question_key
from surefoot.traces.types import Step, Trace, canonical_json
from surefoot.training.targets import StepTarget, TraceTargets

Whole: TypeAlias = NDArray[np.int64]
Hashes: TypeAlias = NDArray[np.uint64]
Flags: TypeAlias = NDArray[np.bool_]

CLASSES = ("right", "neutral", "wrong")
RIGHT, NEUTRAL, WRONG = range(3)

_ID = np.dtype([("head", ">u8"), ("tail", ">u2")])
"""A trace's id, 80 bits."""


def class_of(target: StepTarget) -> int:
    """The class that a target speaks for: wrong below a half, as everywhere, else the larger share
    of right and neutral."""
    if target.good + target.neutral < 0.5:
        return WRONG
    return RIGHT if target.good >= target.neutral else NEUTRAL


def question_of(problem: str) -> int:
    """A 64-bit hash of a question, the same however it is typeset."""
    return _hash(b"", question_key(problem).encode())


@dataclass(frozen=True, eq=False, slots=True)
class Columns:
    """T traces, and the S steps of them that are taught something, one trace after the other.

    Where outcomes are learned, a trace is one row: its last step, with the characters of all.
    """

    row: Whole
    """The number of each trace among those read, from 1; (T,)."""
    head: Hashes
    """The first 64 bits of each trace's id; (T,)."""
    tail: Whole
    """The other 16."""
    question: Hashes
    """A hash of each trace's question; (T,)."""
    num_steps: Whole
    """Steps of each trace, whether taught or not; (T,)."""
    domain: Whole
    """The place of each trace's `source` in `domains`; (T,)."""
    domains: tuple[str, ...]
    owner: Whole
    """The trace of each step; (S,)."""
    position: Whole
    """Steps before it; (S,)."""
    characters: Whole
    """Its length; (S,)."""
    content: Hashes
    """A hash of the problem, the steps before it and itself; (S,)."""
    right: FloatArray
    """The share of the right class in its target; (S,)."""
    middle: FloatArray
    """The same with neutral counted half: how right it is said to be; (S,)."""
    kind: Whole
    """Its class, as `CLASSES` counts them; (S,)."""

    @property
    def wrong(self) -> Flags:
        """Whether each step is of the wrong class; (S,)."""
        flags: Flags = self.kind == WRONG
        return flags

    def place(self, step: int, other: int | None = None) -> Place:
        """Where a taught step is, and the row of another that it is held against."""
        owner = self.owner[step]
        against = None if other is None else int(self.row[self.owner[other]])
        return Place(int(self.row[owner]), self.id(owner), int(self.position[step]), against)

    def id(self, trace: int | np.int64) -> str:
        """The id of a trace by its place here."""
        return f"{int(self.head[trace]):016x}{int(self.tail[trace]):04x}"


class Gatherer:
    """Columns in the making."""

    def __init__(self, *, outcomes: bool) -> None:
        self._outcomes = outcomes
        self._ids = bytearray()
        self._rows, self._questions = array("q"), array("Q")
        self._num_steps, self._domains_of = array("q"), array("q")
        self._domains: dict[str, int] = {}
        self._owners, self._positions, self._characters = array("i"), array("i"), array("i")
        self._contents = array("Q")
        self._rights, self._middles, self._kinds = array("d"), array("d"), array("b")
        self._question_of: Callable[[str], int] = lru_cache(maxsize=4096)(question_of)

    def add(self, row: int, trace: Trace, targets: TraceTargets) -> int:
        """Take in one trace that is taught something; gives the hash of its question."""
        owner = len(self._rows)
        self._rows.append(row)
        self._ids += bytes.fromhex(trace.id)
        question = self._question_of(trace.problem)
        self._questions.append(question)
        self._num_steps.append(len(trace.steps))
        source = trace.source or "(no source)"
        self._domains_of.append(self._domains.setdefault(source, len(self._domains)))
        before = _hash(b"", trace.problem.encode())
        last = len(trace.steps) - 1
        for i, (step, target) in enumerate(zip(trace.steps, targets.steps, strict=True)):
            before = _hash(before.to_bytes(8, "big"), _content(step))
            if target is None or (self._outcomes and i < last):
                continue
            length = sum(map(len, trace.texts)) if self._outcomes else len(step.text)
            self._owners.append(owner)
            self._positions.append(i)
            self._characters.append(length)
            self._contents.append(before)
            self._rights.append(target.good)
            self._middles.append(target.good + target.neutral / 2)
            self._kinds.append(class_of(target))
        return question

    def columns(self) -> Columns:
        """What was gathered."""
        ids = np.frombuffer(bytes(self._ids), dtype=_ID)
        return Columns(
            row=np.array(self._rows, dtype=np.int64),
            head=ids["head"].astype(np.uint64),
            tail=ids["tail"].astype(np.int64),
            question=np.array(self._questions, dtype=np.uint64),
            num_steps=np.array(self._num_steps, dtype=np.int64),
            domain=np.array(self._domains_of, dtype=np.int64),
            domains=tuple(self._domains),
            owner=np.array(self._owners, dtype=np.int64),
            position=np.array(self._positions, dtype=np.int64),
            characters=np.array(self._characters, dtype=np.int64),
            content=np.array(self._contents, dtype=np.uint64),
            right=np.array(self._rights, dtype=np.float64),
            middle=np.array(self._middles, dtype=np.float64),
            kind=np.array(self._kinds, dtype=np.int64),
        )


def _content(step: Step) -> bytes:
    if step.observation is None:
        return b"t" + step.text.encode()
    return b"o" + canonical_json([step.text, step.observation]).encode()


def _hash(before: bytes, content: bytes) -> int:
    return int.from_bytes(blake2b(before + content, digest_size=8).digest())
