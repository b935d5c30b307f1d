"""Scorers that have a language model write what it thinks of the steps, and read its verdict.

GenPRM, ThinkPRM, R-PRM and plain judges differ in their `Critic` alone. What the model writes is
text to be read and shown; code in it is never run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from surefoot.errors import UnscorableError
from surefoot.models.base import BatchScorer
from surefoot.models.critic import Critic
from surefoot.models.prompts import Prompts
from surefoot.models.render import text_of
from surefoot.models.verdicts import (
    VERDICTS,
    Answer,
    Stretch,
    Verdict,
    place_of_choice,
    votes,
)
from surefoot.policies.base import Sampling
from surefoot.policies.writer import Message, Odds, Request, Writer
from surefoot.traces.types import StepLabels, StepScores, Trace


@dataclass(slots=True)
class Tally:
    """What became of the answers that a model was asked for, since it was made.

    `unreadable` ones hold no verdict and count for no score; of the others, `forced` ones did not
    come to their verdict by themselves, and in `estimated` ones the server did not name one of the
    two choices. `cut` counts stages that the length limit ended.
    """

    answers: int = 0
    unreadable: int = 0
    forced: int = 0
    estimated: int = 0
    cut: int = 0


class GenerativeModel(BatchScorer):
    """A writer and its critic.

    A score is the mean over the answers in which a verdict can be read: of probabilities, or of
    votes. A step on which there is none has no score. With the reading `first-error`, an answer
    counts as a vote for every step before the first error that it names, and against that one and
    all behind it; so the score of a step is the share of answers that find no error up to it.

    The same seed gives the same answers from a local writer, whatever else is scored.
    """

    def __init__(
        self, writer: Writer, critic: Critic, *, name: str | None = None, seed: int = 0
    ) -> None:
        self.writer = writer
        self.critic = critic
        self.name = name or writer.name
        self.seed = seed
        self.tally = Tally()

    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The scores of each trace; equal traces are judged once.

        Raises:
            UnscorableError: a step has an observation, or a prompt is too long for the model.
            ModelError: a server failed.
        """
        return [
            self._scores(verdicts, len(trace.steps))
            for trace, verdicts in zip(traces, self.judge(traces), strict=True)
        ]

    def explain(self, trace: Trace) -> tuple[Verdict, ...]:
        """All that was written about a trace, with the verdicts, as `judge`."""
        return self.judge([trace])[0]

    def label(self, trace: Trace) -> StepLabels:
        """The same verdicts as labels: k of n answers call the step good; None where none says
        anything about it. A probability is a vote for the likelier of the two."""
        return self.labels_of(self.explain(trace), len(trace.steps))

    def annotate(self, trace: Trace) -> Trace:
        """The trace with those labels, and in its `meta` all that was written, from which another
        critic can learn (`surefoot.training.critic`)."""
        verdicts = self.explain(trace)
        labelled = trace.with_labels(self.labels_of(verdicts, len(trace.steps)))
        written = [verdict.to_json() for verdict in verdicts]
        return replace(labelled, meta={**trace.meta, VERDICTS: written})

    def labels_of(self, verdicts: Sequence[Verdict], num_steps: int) -> StepLabels:
        """Verdicts on a trace of so many steps as labels, as `label`."""
        counts: list[tuple[int, int] | None] = []
        for k in range(num_steps):
            said = [verdict.good[k] >= 0.5 for verdict in verdicts if k in verdict.good]
            counts.append((sum(said), len(said)) if said else None)
        shares = tuple(None if pair is None else pair[0] / pair[1] for pair in counts)
        return StepLabels(
            shares, source="judge", scale="value", annotator=self.name, counts=tuple(counts)
        )

    def judge(self, traces: Sequence[Trace]) -> list[tuple[Verdict, ...]]:
        """The verdicts on each trace, by step and sample; equal traces are judged once.

        Raises:
            UnscorableError: a step has an observation, or a prompt is too long for the model.
            ModelError: a server failed.
        """
        distinct = list({trace.id: trace for trace in traces}.values())
        texts = [text_of(trace) for trace in distinct]
        prompts = [Prompts(self.critic, text.problem, text.steps) for text in texts]
        try:
            found = (
                self._in_turns(prompts) if self.critic.unit == "turn" else self._at_once(prompts)
            )
        except UnscorableError as error:
            if len(distinct) > 1:
                raise
            raise UnscorableError(f"trace {distinct[0].id}: {error}") from None
        by_id = {trace.id: tuple(own) for trace, own in zip(distinct, found, strict=True)}
        return [by_id[trace.id] for trace in traces]

    def _at_once(self, prompts: Sequence[Prompts]) -> list[list[Verdict]]:
        whole = self.critic.unit == "trace"
        questions = [
            _Question(one, k, one.messages(k))
            for one in prompts
            for k in range(len(one.steps))
            if not whole or k == len(one.steps) - 1
        ]
        found: dict[Prompts, list[Verdict]] = {one: [] for one in prompts}
        for question, own in zip(questions, self._ask(questions)[1], strict=True):
            found[question.prompts] += own
        return list(found.values())

    def _in_turns(self, prompts: Sequence[Prompts]) -> list[list[Verdict]]:
        """The first steps of all traces, then the second, and so on; of several answers the first
        stays in the conversation."""
        found: dict[Prompts, list[Verdict]] = {one: [] for one in prompts}
        said: dict[Prompts, list[str]] = {one: [] for one in prompts}
        for k in range(max((len(one.steps) for one in prompts), default=0)):
            going = [one for one in prompts if k < len(one.steps)]
            questions = [_Question(one, k, one.messages(k, said[one])) for one in going]
            for one, answers, own in zip(going, *self._ask(questions), strict=True):
                said[one].append(answers[0].text)
                found[one] += own
        return list(found.values())

    def _ask(
        self, questions: Sequence[_Question]
    ) -> tuple[list[list[Answer]], list[list[Verdict]]]:
        """The answers to each question, and their verdicts."""
        answers = self._write(questions)
        odds = self._choose(questions, answers) if self.critic.reading.kind == "choose" else None
        verdicts: list[list[Verdict]] = []
        for i, (question, own) in enumerate(zip(questions, answers, strict=True)):
            step = None if self.critic.unit == "trace" else question.k
            verdicts.append([])
            for j, answer in enumerate(own):
                if odds is None:
                    good = votes(self.critic, answer, step, len(question.prompts.steps))
                    verdict = Verdict(step, j, answer.text, good, cut=not answer.finished)
                else:
                    verdict = _of_choice(question.k, j, answer, odds[i][j])
                self.tally.answers += 1
                self.tally.unreadable += not verdict.good
                verdicts[-1].append(verdict)
        return answers, verdicts

    def _write(self, questions: Sequence[_Question]) -> list[list[Answer]]:
        """`samples` answers to each question, stage by stage."""
        critic = self.critic
        answers = [[Answer()] * critic.samples for _ in questions]
        for number, stage in enumerate(critic.stages):
            sampling = Sampling(
                temperature=critic.temperature,
                top_p=critic.top_p,
                top_k=critic.top_k,
                max_new_tokens=stage.max_new_tokens,
            )
            # all samples of a question begin alike, so they are drawn from one request
            rows = 1 if number == 0 else critic.samples
            fixed = [one.prompts.prefill(stage, one.k) for one in questions]
            requests = [
                question.request(critic, answers[i][j].text + fixed[i], stage.stop, j)
                for i, question in enumerate(questions)
                for j in range(rows)
            ]
            written = self.writer.write(
                requests, critic.samples // rows, seed=self.seed, sampling=sampling
            )
            flat = iter([one for own in written for one in own])
            for i, own in enumerate(answers):
                for j, before in enumerate(own):
                    one = next(flat)
                    self.tally.cut += not one.finished
                    stretch = Stretch(fixed[i], one.text, _missing(one.text, stage.close))
                    own[j] = Answer((*before.stretches, stretch), one.finished)
        return answers

    def _choose(
        self, questions: Sequence[_Question], answers: Sequence[Sequence[Answer]]
    ) -> list[list[Odds | None]]:
        """How likely the good and the bad word come next, in each answer; None where it has no
        place for them or the server names neither."""
        reading = self.critic.reading
        places = [[place_of_choice(reading, answer) for answer in own] for own in answers]
        requests = [
            question.request(self.critic, place.text, (), 0)
            for question, own in zip(questions, places, strict=True)
            for place in own
            if place is not None
        ]
        chosen = iter(self.writer.choose(requests, (reading.good, reading.bad)))
        odds = [[None if place is None else next(chosen) for place in own] for own in places]
        for own, some in zip(places, odds, strict=True):
            for place, one in zip(own, some, strict=True):
                if place is not None and one is not None:
                    self.tally.forced += place.forced
                    self.tally.estimated += one.num_estimated > 0
        return odds

    def _scores(self, verdicts: Sequence[Verdict], num_steps: int) -> StepScores:
        kind = self.critic.reading.kind
        heard = [verdict for verdict in verdicts if verdict.good]
        values: list[float | None] = []
        log_odds: list[float | None] = []
        for k in range(num_steps):
            said = [
                verdict.good.get(k, 0.0 if kind == "first-error" else None) for verdict in heard
            ]
            own = [one for one in said if one is not None]
            odds = [verdict.log_odds[k] for verdict in heard if k in verdict.log_odds]
            values.append(math.fsum(own) / len(own) if own else None)
            log_odds.append(_mean_log_odds(odds) if odds else None)
        whole = kind == "choose" and all(math.isfinite(one) for one in log_odds if one is not None)
        return StepScores(
            tuple(values),
            self.name,
            kind=self.critic.kind,
            default_aggregate=self.critic.aggregate,
            threshold=self.critic.threshold,
            log_odds=tuple(log_odds) if whole else None,
        )


class _Question(NamedTuple):
    """One prompt about step `k`, or with its last step about a whole trace."""

    prompts: Prompts
    k: int
    messages: tuple[Message, ...]

    def request(self, critic: Critic, prefill: str, stop: tuple[str, ...], draw: int) -> Request:
        return Request(self.messages, prefill, stop, critic.opens_turn, draw)


def _missing(written: str, close: str) -> str:
    """What of the closing text is still to be put behind what was written."""
    there = next(m for m in range(len(close), -1, -1) if written.endswith(close[:m]))
    return close[there:]


def _of_choice(step: int, sample: int, answer: Answer, odds: Odds | None) -> Verdict:
    """The verdict of a choice between the good and the bad word; none where neither is possible."""
    good, bad = (-math.inf, -math.inf) if odds is None else odds.logprobs
    cut = not answer.finished
    if good == bad == -math.inf:
        return Verdict(step, sample, answer.text, {}, cut=cut)
    p = _sigmoid(good - bad)
    return Verdict(step, sample, answer.text, {step: p}, {step: good - bad}, cut)


def _sigmoid(x: float) -> float:
    """The probability of log-odds, which may be infinite."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _mean_log_odds(odds: Sequence[float]) -> float:
    """log(p / (1 - p)) of the mean p of probabilities with these log-odds."""
    return odds[0] if len(odds) == 1 else _log_sum(odds, 1) - _log_sum(odds, -1)


def _log_sum(odds: Sequence[float], sign: int) -> float:
    """log of the sum of 1 / (1 + exp(-sign * x))."""
    logs = [-math.log1p(math.exp(-abs(x))) + min(0.0, sign * x) for x in odds]
    most = max(logs)
    return most + math.log(math.fsum(math.exp(one - most) for one in logs))
