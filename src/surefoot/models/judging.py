"""Stronger models as judges: their verdicts as labels, with what they cost and why they are silent.

A judge is a writer with a critic. What it wrote goes into `meta["verdicts"]`, from which another
critic can learn, and the account of it into `meta["judge"]`:

| name | what |
|---|---|
| `annotator` `prompt` `votes` | who judged, how it was asked, how often |
| `readable` `unreadable` | answers that hold a verdict; the others, each with its text and why |
| `reference` | whether the judge was shown the right answer |
| `tokens` `tokens_in` `tokens_out` `calls` | what that took |
| `causes` | why a step has no label, or with `trace` why none has |
| `earlier` | the accounts of other judges before this one |
"""

from __future__ import annotations

import copy
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from surefoot.errors import ModelError, UnscorableError
from surefoot.models.critic import Critic
from surefoot.models.generative import GenerativeModel
from surefoot.models.verdicts import VERDICTS, Verdict
from surefoot.policies.base import Usage
from surefoot.policies.crew import Crew
from surefoot.policies.openai_server import ShutError
from surefoot.policies.writer import Writer
from surefoot.traces.types import StepLabels, Trace

JUDGE = "judge"
"""Where a trace's `meta` keeps the account of its judge, and the source of the labels."""

_MOST_FAILED = 5
"""Traces in a row on which a server may fail before it is taken to be broken."""


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Who judges, and how it is asked."""

    writer: Writer
    critic: Critic
    annotator: str
    prompt: str
    """What that way of asking is called."""
    reference: bool = False
    """Whether it is shown the right answer, where a trace has one."""
    seed: int = 0
    missing: bool = False
    """Whether it is asked about no trace that this annotator has labelled already."""

    def label(self, trace: Trace) -> Trace:
        """The trace with a further set of labels, k of n votes, where any can be read, and in its
        `meta` all that was written and the account of it.

        A trace that cannot be asked about has its cause there instead.

        Raises:
            ModelError: a server failed.
        """
        if self.missing and labels_by(trace, self.annotator) is not None:
            return trace
        writer: Any = copy.copy(self.writer)
        writer.usage = usage = Usage()
        model = GenerativeModel(writer, self.critic, name=self.annotator, seed=self.seed)
        shown = self.reference and trace.reference is not None
        try:
            verdicts = model.explain(_with_reference(trace) if shown else trace)
        except UnscorableError as error:
            why = re.sub(r"^trace \w+: ", "", str(error))
            return self._told(trace, usage, (), shown, {"trace": why})
        causes = _causes(self.critic, verdicts, len(trace.steps))
        told = self._told(trace, usage, verdicts, shown, causes)
        labels = model.labels_of(verdicts, len(trace.steps))
        return told if "trace" in causes else told.with_labels(labels)

    def failed(self, trace: Trace, error: ModelError) -> Trace:
        """The trace with the reason for which a server did not answer about it."""
        return self._told(trace, Usage(), (), False, {"trace": str(error)})

    def _told(
        self,
        trace: Trace,
        usage: Usage,
        verdicts: Sequence[Verdict],
        shown: bool,
        causes: Mapping[str, str],
    ) -> Trace:
        before = _accounts(trace)
        account = {
            "annotator": self.annotator,
            "prompt": self.prompt,
            "votes": self.critic.samples,
            "readable": sum(bool(one.good) for one in verdicts),
            "unreadable": [
                {"step": one.step, "sample": one.sample, "why": _why(one), "text": one.text}
                for one in verdicts
                if not one.good
            ],
            "reference": shown,
            "tokens": usage.prompt_tokens + usage.new_tokens,
            "tokens_in": usage.prompt_tokens,
            "tokens_out": usage.new_tokens,
            "calls": usage.calls,
            "causes": dict(causes),
        }
        if before:
            account["earlier"] = [
                {k: v for k, v in one.items() if k != "earlier"} for one in before
            ]
        given = trace.meta.get(VERDICTS)
        written = [*(given if isinstance(given, list) else ()), *(v.to_json() for v in verdicts)]
        return replace(trace, meta={**trace.meta, VERDICTS: written, JUDGE: account})


def account_of(trace: Trace, annotator: str) -> Mapping[str, Any] | None:
    """The last account that a judge gave of a trace; None where there is none."""
    own = [one for one in _accounts(trace) if one.get("annotator") == annotator]
    return own[-1] if own else None


def labels_by(trace: Trace, annotator: str) -> StepLabels | None:
    """The last labels of a judge; None where there are none."""
    own = [one for one in trace.labels if (one.source, one.annotator) == (JUDGE, annotator)]
    return own[-1] if own else None


def judge_all(judge: Judge, traces: Iterable[Trace], crew: Crew | None) -> Iterator[Trace]:
    """The traces as `judge` labels them, in their order, each as soon as it is done.

    A server that fails on single traces is recorded with them. One that nobody can ask, or that
    fails on many traces in a row, ends it: what it failed on is not given, so that it is asked
    about again.

    Args:
        judge: Who is asked.
        traces: What about.
        crew: So many traces are asked about at once; None asks about one after the other.

    Raises:
        ModelError: the server is gone or broken.
    """
    failed: list[tuple[Trace, ModelError]] = []
    answered = False
    for trace, outcome in _outcomes(judge, traces, crew):
        if isinstance(outcome, ModelError):
            failed.append((trace, outcome))
            if isinstance(outcome, ShutError) or len(failed) == _MOST_FAILED:
                raise outcome
            continue
        answered = True
        yield from (judge.failed(*one) for one in failed)
        failed = []
        yield outcome
    if failed and not answered:
        raise failed[0][1]
    yield from (judge.failed(*one) for one in failed)


def _outcomes(
    judge: Judge, traces: Iterable[Trace], crew: Crew | None
) -> Iterator[tuple[Trace, Trace | ModelError]]:
    """Each trace with what came of it; a crew is given twice as many as it can take, so that it
    does not wait for the slowest."""

    def attempt(trace: Trace) -> Trace | ModelError:
        try:
            return judge.label(trace)
        except ModelError as error:
            return error

    if crew is None:
        yield from ((trace, attempt(trace)) for trace in traces)
        return
    waiting: deque[tuple[Trace, Future[Trace | ModelError]]] = deque()
    try:
        for trace in traces:
            waiting.append((trace, crew.submit(partial(attempt, trace))))
            if len(waiting) == 2 * crew.size:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        for _, future in waiting:
            future.cancel()


def _accounts(trace: Trace) -> list[dict[str, Any]]:
    """All accounts in the `meta` of a trace, the last one last."""
    last = trace.meta.get(JUDGE)
    if not isinstance(last, dict):
        return []
    earlier = last.get("earlier")
    before = earlier if isinstance(earlier, list) else []
    return [one for one in (*before, last) if isinstance(one, dict)]


def _with_reference(trace: Trace) -> Trace:
    return replace(trace, problem=f"{trace.problem}\n\n[Right answer]\n{trace.reference}")


def _causes(critic: Critic, verdicts: Sequence[Verdict], num_steps: int) -> dict[str, str]:
    """Why steps have no label."""
    said = {k for one in verdicts for k in one.good}
    if not said:
        return {"trace": "no answer holds a verdict"}
    behind = critic.reading.kind == "first-error"
    why = "behind the first error that is named" if behind else "no answer holds a verdict on it"
    return {str(k): why for k in range(num_steps) if k not in said}


def _why(verdict: Verdict) -> str:
    return "cut by the length limit" if verdict.cut else "it does not end as it was asked to"
