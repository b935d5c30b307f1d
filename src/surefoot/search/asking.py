"""What a search asks for. A search of one problem is a generator that yields these and is sent what
was found, so that those of many problems can be answered together."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from surefoot.models.base import Branch
from surefoot.policies.base import Prefix, Sampling
from surefoot.traces.types import Trace

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Write:
    """Continuations of prefixes: answered by a list of `Continuation` for each, as many as its
    number says."""

    prefixes: tuple[Prefix, ...]
    numbers: tuple[int, ...]
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Score:
    """The scores of further steps behind branches: answered by a `Branch` for each, or the
    `UnscorableError` that says why it has none."""

    extensions: tuple[tuple[Branch, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Rate:
    """The outcome model's word on finished solutions: answered by its `StepScores` of each."""

    traces: tuple[Trace, ...]


Ask: TypeAlias = Write | Score | Rate
Asking: TypeAlias = Generator[Ask, Any, T]
"""A part of a search that comes to a T."""
