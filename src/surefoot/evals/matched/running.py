"""Searches of several methods and sizes on the same problems, each kept in a file of its own.

Whole solutions are drawn once: those of a smaller best-of-n are the first ones of the largest, with
what had been written and scored by then. A beam has nothing in common with a smaller beam and is
searched anew. What a killed run has written is not searched again; searches that were cut short as
the policy or the scorer failed for good are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from surefoot.errors import UsageError
from surefoot.evals.matched.lines import BEST
from surefoot.evals.matched.ways import choice_of, sized
from surefoot.models.base import RewardModel
from surefoot.policies.base import Policy
from surefoot.search.asking import Asking
from surefoot.search.files import ResultWriter
from surefoot.search.problem_search import Search
from surefoot.search.results import Choice, Grouping, SearchResult, result_of
from surefoot.search.running import AT_ONCE, search
from surefoot.search.settings import Settings
from surefoot.search.task import Task

FOLDER = "results"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all methods have in common. Without a `folder` nothing is kept."""

    tasks: Sequence[Task]
    policy: Policy
    scorer: RewardModel | None
    settings: Settings
    folder: Path | None = None
    same: Grouping | None = None
    at_once: int = AT_ONCE


def place_of(folder: Path, name: str, n: int) -> Path:
    """The file of a method at a size."""
    return folder / FOLDER / f"{name}.{n}.jsonl"


def searched(bench: Bench, name: str, n: int) -> Iterator[SearchResult]:
    """The results of a method at a size, in order, those of an earlier run first.

    Raises:
        UsageError: the file holds something else.
        SurefootError: the policy or the scorer failed for good.
    """
    with ExitStack() as stack:
        (sink,) = _sinks(bench, [(name, n)], stack)
        yield from sink.done
        fresh = search(
            bench.tasks[len(sink.done) :],
            bench.policy,
            bench.scorer,
            sized(name, n),
            settings=replace(bench.settings, choice=choice_of(name, bench.settings.choice)),
            same=bench.same,
            at_once=bench.at_once,
        )
        for (result,) in _written(((one,) for one in fresh), [sink], len(sink.done)):
            yield result


def drawn(bench: Bench, ns: Sequence[int]) -> Iterator[tuple[SearchResult, ...]]:
    """The results of best-of-n at all sizes, ascending, problem by problem.

    Raises:
        UsageError: a file holds something else.
        SurefootError: the policy or the scorer failed for good.
    """
    sizes = sorted(ns)
    with ExitStack() as stack:
        sinks = _sinks(bench, [(BEST, n) for n in sizes], stack)
        begun = min(len(sink.done) for sink in sinks)
        for i in range(begun):
            yield tuple(sink.done[i] for sink in sinks)
        fresh = draw(
            bench.tasks[begun:],
            bench.policy,
            bench.scorer,
            sizes,
            settings=bench.settings,
            same=bench.same,
            at_once=bench.at_once,
        )
        yield from _written(fresh, sinks, begun)


def draw(
    tasks: Sequence[Task],
    policy: Policy,
    scorer: RewardModel | None,
    sizes: Sequence[int],
    *,
    settings: Settings,
    same: Grouping | None = None,
    at_once: int = AT_ONCE,
) -> Iterator[tuple[SearchResult, ...]]:
    """Best-of-n of ascending sizes on the same draws: what each would have found and taken alone.

    A search that ends early has the same end at every size that it did not reach.
    """
    kept: list[list[SearchResult]] = []

    def nested(one: Search) -> Asking[None]:
        own: list[SearchResult] = []
        kept.append(own)
        began = time.monotonic()
        before = 0
        for n in sizes:
            yield from one.grow([one.root], n - before, num_steps=None, score=False)
            _join_equal(one)
            if one.scores:
                yield from one.score(one.nodes)
            own.append(_so_far(one, settings.choice, same, time.monotonic() - began))
            before = n

    results = search(tasks, policy, scorer, nested, settings=settings, same=same, at_once=at_once)
    for i, last in enumerate(results):
        own = kept[i]
        yield (*own, *[last] * (len(sizes) - len(own)))
        kept[i] = []


def _so_far(one: Search, choice: Choice, same: Grouping | None, seconds: float) -> SearchResult:
    found = result_of(one, choice, same)
    usage = replace(found.usage, seconds=seconds)
    if one.finished:
        return replace(found, usage=usage)
    return replace(found, usage=usage, ended="no solution", why="no solution came to an end")


def _join_equal(one: Search) -> None:
    """Make whole solutions that were drawn in several goes one node, as those of one go are."""
    first = {one.root.steps: one.root}
    for node in one.nodes[1:]:
        twin = first.setdefault(node.steps, node)
        if twin is not node:
            twin.draws += node.draws
    one.nodes = [*first.values()]
    for number, node in enumerate(one.nodes):
        node.number = number
    one.root.children = one.nodes[1:]


@dataclass(frozen=True)
class _Sink:
    """Where results go, and those that are there already."""

    writer: ResultWriter | None
    done: list[SearchResult]


def _sinks(bench: Bench, wanted: Sequence[tuple[str, int]], stack: ExitStack) -> list[_Sink]:
    if bench.folder is None:
        return [_Sink(None, []) for _ in wanted]
    (bench.folder / FOLDER).mkdir(parents=True, exist_ok=True)
    sinks = []
    for name, n in wanted:
        place = place_of(bench.folder, name, n)
        writer = stack.enter_context(ResultWriter(place, resume=True))
        _check_done(place, writer.done, bench.tasks)
        sinks.append(_Sink(writer, writer.done))
    return sinks


def _check_done(place: Path, done: Sequence[SearchResult], tasks: Sequence[Task]) -> None:
    for number, (one, task) in enumerate(zip(done, tasks, strict=False), 1):
        if (one.problem, one.reference) != (task.problem, task.reference):
            raise UsageError(
                f"{place}: row {number} is about another problem than the input; name another "
                "folder, or add --no-resume to replace what is there"
            )
    if len(done) > len(tasks):
        raise UsageError(
            f"{place}: holds {len(done)} results for {len(tasks)} problems; name another folder, "
            "or add --no-resume to replace what is there"
        )


def _written(
    fresh: Iterator[tuple[SearchResult, ...]], sinks: Sequence[_Sink], begun: int
) -> Iterator[tuple[SearchResult, ...]]:
    """The same results, written; from the first one that failed on they are only written when all
    have come, so that those which a lasting failure cut short are searched again."""
    held: list[tuple[int, tuple[SearchResult, ...]]] = []
    for i, results in enumerate(fresh, begun):
        if held or any(one.ended == "failed" for one in results):
            held.append((i, results))
        else:
            _write(i, results, sinks)
        yield results
    for i, results in held:
        _write(i, results, sinks)


def _write(i: int, results: tuple[SearchResult, ...], sinks: Sequence[_Sink]) -> None:
    for one, sink in zip(results, sinks, strict=True):
        if sink.writer is not None and i >= len(sink.done):
            sink.writer.write(one)
