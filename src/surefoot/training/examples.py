"""Traces as a trainer takes them: token ids, the places that are read, and what those are taught.

Truncation does not happen: a trace that is too long is not made into an example at all, and what
lies behind the last place that is read is left out of a row, since nothing before it can see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from surefoot.models.contract import Contract
from surefoot.models.render import Rendered, Renderer, fits, render, text_of
from surefoot.traces.types import Trace
from surefoot.training.targets import StepTarget, TraceTargets


@dataclass(frozen=True, slots=True)
class Place:
    """A token that is read: its row, its position there, and the step it belongs to."""

    row: int
    position: int
    step: int
    target: StepTarget | None


@dataclass(frozen=True, slots=True)
class Example:
    """One trace: rows of token ids, places in order, and its outcome.

    Places are those that are taught something and the one that ends each step, one step after the
    other, so that the last place of a step is where its score is read.
    """

    rows: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...]
    """The first token after the prompt of each row."""
    places: tuple[Place, ...]
    outcome: bool | None
    problem: str
    reference: tuple[float, ...] = ()
    """At each place the log-probability under a reference model, where there is one."""

    @property
    def ends(self) -> list[int]:
        """The place that ends each step, by number."""
        last = {place.step: i for i, place in enumerate(self.places)}
        return [last[step] for step in sorted(last)]


def examples_of(
    traces: Sequence[Trace],
    targets: Sequence[TraceTargets],
    contract: Contract,
    renderer: Renderer,
    *,
    whole_steps: bool = False,
    every_step: bool = False,
) -> list[Example | None]:
    """An example for each trace, None where it is longer than the contract allows.

    Args:
        traces: What to learn from.
        targets: One for each trace.
        contract: Says how they are written.
        renderer: Writes them.
        whole_steps: Teach all tokens of a step, not only the one that ends it.
        every_step: Keep the steps behind the last one that is taught something, for losses that
            look at them.

    Raises:
        UnscorableError: a step leaves no token of its own.
    """
    found: list[Example | None] = []
    written = render(list(map(text_of, traces)), contract, renderer)
    for trace, own, rows in zip(traces, targets, written, strict=True):
        if not fits(rows, contract.max_tokens):
            found.append(None)
            continue
        found.append(_example(trace, own, rows, contract.reading.shift, whole_steps, every_step))
    return found


def _example(
    trace: Trace,
    targets: TraceTargets,
    rows: Sequence[Rendered],
    shift: int,
    whole_steps: bool,
    every_step: bool,
) -> Example:
    places = []
    for number, row in enumerate(rows):
        begin, final = row.start, len(row.ids) - 1
        for slot, step in zip(row.slots, row.steps, strict=True):
            end = min(max(slot + shift, 0), final)
            target = targets.steps[step]
            first = min(begin, end) if whole_steps and target is not None else end
            places += [Place(number, p, step, target) for p in range(first, end + 1)]
            begin = slot + 1
    if not every_step:
        taught = [i for i, place in enumerate(places) if place.target is not None]
        places = places[: taught[-1] + 1] if taught else []
    needed = [0] * len(rows)
    for place in places:
        needed[place.row] = max(needed[place.row], place.position + 1)
    kept = [number for number, length in enumerate(needed) if length]
    number_of = {row: i for i, row in enumerate(kept)}
    return Example(
        tuple(tuple(rows[row].ids[: needed[row]]) for row in kept),
        tuple(rows[row].start for row in kept),
        tuple(
            Place(number_of[place.row], place.position, place.step, place.target)
            for place in places
        ),
        targets.outcome,
        trace.problem,
    )
