"""A policy and a scorer that are tables, so that what a search has to find can be worked out by
hand."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from surefoot import StepScores, Trace
from surefoot.errors import UnscorableError
from surefoot.models.base import BatchScorer
from surefoot.policies.base import Continuation, Prefix, Sampling, Usage, sample_seeds
from surefoot.search.running import search
from surefoot.search.settings import Settings

Chances = Mapping[str | None, float]
"""The next step and how probable it is; None ends the text."""

END = {None: 1.0}


class TabularPolicy:
    """Draws the next step from a table: `chances` gives the chances after a problem and steps.

    A token is a word; the end of the text is one more.
    """

    name = "tabular"

    def __init__(self, chances: Callable[[str, tuple[str, ...]], Chances], *, says_logprob=True):
        self.chances = chances
        self.says_logprob = says_logprob
        self.usage = Usage()
        self.asked: list[tuple[tuple[Prefix, ...], int, Sampling]] = []
        """What each call asked for."""

    def continue_prefixes(
        self, prefixes: Sequence[Prefix], n: int, *, seed: int, sampling: Sampling | None = None
    ) -> list[list[Continuation]]:
        sampling = sampling or Sampling()
        self.asked.append((tuple(prefixes), n, sampling))
        self.usage.calls += 1
        seeds = sample_seeds(prefixes, n, seed)
        return [
            [self._continue(prefix, random.Random(one), sampling) for one in own]
            for prefix, own in zip(prefixes, seeds, strict=True)
        ]

    def _continue(self, prefix: Prefix, rng: random.Random, sampling: Sampling) -> Continuation:
        steps: list[str] = []
        logprob, num_tokens = 0.0, 0
        while sampling.max_new_steps is None or len(steps) < sampling.max_new_steps:
            chances = self.chances(prefix.problem, (*prefix.steps, *steps))
            step = _draw(chances, rng, sampling.temperature)
            logprob += math.log(chances[step])
            words = [] if step is None else step.split()
            room = sampling.max_new_tokens - num_tokens
            if len(words) > room or not room:
                self.usage.new_tokens += num_tokens + room
                cut = [" ".join(words[:room])] if room else []
                return self._made([*steps, *cut], logprob, num_tokens + room, False)
            if step is None:
                num_tokens += 1
                self.usage.new_tokens += num_tokens
                return self._made(steps, logprob, num_tokens, True)
            num_tokens += len(words)
            steps.append(step)
        self.usage.new_tokens += num_tokens
        return self._made(steps, logprob, num_tokens, False)

    def _made(self, steps: list[str], logprob: float, num_tokens: int, finished: bool):
        return Continuation(
            tuple(steps), logprob if self.says_logprob else None, num_tokens, finished
        )


def _draw(chances: Chances, rng: random.Random, temperature: float) -> str | None:
    if temperature == 0:
        return max(chances, key=lambda step: chances[step])
    weights = [p ** (1 / temperature) for p in chances.values()]
    return rng.choices([*chances], weights)[0]


class TabularScorer(BatchScorer):
    """Scores each step by `score(problem, steps up to it)`; None where it abstains. A trace with a
    step in `unreadable` cannot be scored."""

    reads_tokens = False

    def __init__(
        self,
        score: Callable[[str, tuple[str, ...]], float | None],
        *,
        aggregate="product",
        unreadable: Sequence[str] = (),
        name="table",
    ):
        self.name = name
        self.step_score = score
        self.aggregate = aggregate
        self.unreadable = unreadable
        self.num_scored = 0

    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        for trace in traces:
            if bad := set(trace.texts) & set(self.unreadable):
                raise UnscorableError(f"cannot read {sorted(bad)[0]!r}")
        self.num_scored += len(traces)
        return [
            StepScores(
                tuple(
                    self.step_score(trace.problem, trace.texts[: i + 1])
                    for i in range(len(trace.steps))
                ),
                self.name,
                default_aggregate=self.aggregate,
            )
            for trace in traces
        ]


def table(rows: Mapping[tuple[str, ...], Chances]) -> Callable[[str, tuple[str, ...]], Chances]:
    """The same table for every problem; what is not in it ends the text."""
    return lambda problem, steps: rows.get(steps, END)


def made_up_world(seed: int, *, depth: int = 3):
    """A policy and a scorer that are made up at random but fixed: up to three ways to go on after
    every prefix, and an answer after at most `depth` steps."""

    def rng(*content: object) -> random.Random:
        return random.Random(repr((seed, *content)))

    def chances(problem: str, steps: tuple[str, ...]) -> Chances:
        if steps and "answer" in steps[-1]:
            return END
        own = rng("policy", problem, steps)
        ways = [f"step {own.randrange(9)} of {len(steps)}" for _ in range(own.randint(1, 3))]
        if len(steps) >= depth:
            ways = []
        if len(steps) >= depth or (steps and own.random() < 0.5):
            ways += [f"The answer is {own.randrange(4)}." for _ in range(2)]
        weights = {way: own.random() + 0.1 for way in ways}
        return {way: one / sum(weights.values()) for way, one in weights.items()}

    def score(problem: str, steps: tuple[str, ...]) -> float:
        return rng("scorer", problem, steps).random()

    return TabularPolicy(chances), TabularScorer(score)


def found(policy, scorer, method, *problems: str, at_once=64, outcome=None, same=None, **settings):
    """The results of searches on problems, on "p" if none is given; alone where it is one."""
    results = [
        *search(
            problems or ["p"],
            policy,
            scorer,
            method,
            settings=Settings(**settings),
            at_once=at_once,
            outcome=outcome,
            same=same,
        )
    ]
    return results if len(problems) > 1 else results[0]


def timeless(results):
    """Results without the time that they took."""
    return [replace(one, usage=replace(one.usage, seconds=0.0)) for one in results]
