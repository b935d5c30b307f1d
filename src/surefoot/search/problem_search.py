"""The search on one problem: what a method grows, prunes and finishes.

A method is a function of a `Search` that yields what it asks for (`surefoot.search.asking`): it
calls `grow` and reads the nodes that come back. Budgets, broken continuations and scorers that
cannot read a prefix are seen to here, so that a method knows nothing of them.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from surefoot.errors import SurefootError, UnscorableError
from surefoot.labels.answers import extract_answer, stated_answer
from surefoot.models.base import Branch, Session
from surefoot.policies.base import Continuation, Prefix, Sampling
from surefoot.search.asking import Asking, Rate, Score, Write
from surefoot.search.losses import POLICY_FAILED, REPEATS, UNSCORABLE, cause_of, circle_of
from surefoot.search.reward import Reward
from surefoot.search.task import Limits, Task, Usage
from surefoot.search.tree import Node
from surefoot.traces.types import Trace

Method: TypeAlias = "Callable[[Search], Asking[None]]"


class Spent(Exception):  # noqa: N818 - no error: the way a search ends that can pay for no more
    """Nothing is left to pay for another step."""


class Broken(Exception):  # noqa: N818 - likewise
    """The policy or the scorer failed for good."""


class Search:
    """One problem under search.

    Args:
        task: The problem.
        session: Where its prefixes are scored; None where nothing is scored.
        root: The problem's branch in the session.
        sampling: Temperature, top_p and top_k of the policy.
        reward: What a node is worth.
        limits: Where it stops.
        seed: Of everything that is drawn here; the policy has its own.
        rates: Whether an outcome model rates finished solutions.
    """

    def __init__(
        self,
        task: Task,
        session: Session | None,
        root: Branch | None,
        *,
        sampling: Sampling,
        reward: Reward,
        limits: Limits,
        seed: int,
        rates: bool = False,
    ) -> None:
        self.task = task
        self.sampling = sampling
        self.reward = reward
        self.limits = limits
        self.root = Node(None, (), 0, 0, branch=root)
        self.nodes = [self.root]
        self.usage = Usage()
        self.losses: Counter[str] = Counter()
        """Why continuations came to nothing, and how many."""
        self.ended = "done"
        self.why: str | None = None
        self.rng = np.random.default_rng([seed, Prefix(task.problem).seed(seed, 0)])
        self._session = session
        self._rates = rates
        self._rated = False
        self._drawn: Counter[tuple[str, ...]] = Counter()
        self._asked_tokens = 0
        """The most tokens of a continuation in the last request."""
        self._is_short = False
        """Whether it is the budget that allowed no more of them."""
        self._begun = time.monotonic()

    @property
    def scores(self) -> bool:
        """Whether there is a scorer."""
        return self._session is not None

    def value(self, node: Node) -> float:
        """What a node is worth; minus infinity where it has no score, or is finished and was to be
        rated and could not be."""
        if self._rated and node.status == "finished" and node.outcome is None:
            return -math.inf
        return self.reward.of(node)

    @property
    def finished(self) -> list[Node]:
        """Whole solutions, in the order in which they were found."""
        return [node for node in self.nodes if node.status == "finished"]

    def play(self, method: Method) -> Asking[None]:
        """Follow a method to its end, or as far as budget, policy and scorer let it."""
        try:
            yield from method(self)
        except Spent as spent:
            self.ended, self.why = "budget", str(spent)
        except Broken as broken:
            self.ended, self.why = "failed", str(broken)
        if self._rates and self.ended != "failed" and self.finished:
            try:
                yield from self._rate()
            except Broken as broken:
                self.ended, self.why = "failed", str(broken)
        if not self.finished and self.ended == "done":
            self.ended, self.why = "no solution", self._why_none()
        self.usage.seconds = time.monotonic() - self._begun

    def grow(
        self,
        nodes: Sequence[Node],
        numbers: int | Sequence[int],
        *,
        num_steps: int | None = 1,
        temperature: float | None = None,
        score: bool = True,
    ) -> Asking[list[list[Node]]]:
        """The children that come of drawing so many continuations of each node, scored.

        Equal draws are one child, those of an earlier call among them, so that a node that was
        given up may come back; those that came to nothing are none and are counted in `losses`.
        A node that the policy ends is finished itself, and then is its own only child.

        Args:
            nodes: Open ones.
            numbers: Draws from each node, or from every one.
            num_steps: Steps of a continuation; None goes on to the end.
            temperature: Instead of the search's.
            score: Whether the children are scored, if there is a scorer.
        """
        each = [numbers] * len(nodes) if isinstance(numbers, int) else [*numbers]
        chosen = [(node, n) for node, n in zip(nodes, each, strict=True) if n > 0]
        found: dict[Node, list[Node]] = {node: [] for node in nodes}
        if chosen:
            written = yield from self._write(chosen, num_steps, temperature)
            for (node, _), some in zip(chosen, written, strict=True):
                for one in some:
                    self._take(node, one, found[node], num_steps)
            if score and self.scores:
                yield from self.score([one for own in found.values() for one in own])
        return [[one for one in found[node] if one.status != "dead"] for node in nodes]

    def score(self, nodes: Sequence[Node]) -> Asking[None]:
        """Have nodes scored that were not; one that the scorer cannot read is dead."""
        asked = [
            node
            for node in dict.fromkeys(nodes)
            if node.scores is None and node.steps and node.status != "dead"
        ]
        if not asked:
            return
        extensions = tuple(map(_extension, asked))
        found = yield Score(extensions)
        self.usage.asks += 1
        for node, (_, steps), branch in zip(asked, extensions, found, strict=True):
            if isinstance(branch, UnscorableError):
                self._lose(node, f"{UNSCORABLE}: {branch}")
                continue
            node.branch, node.scores = branch, branch.scores
            if node.status == "finished":
                self.release([node])
            self.usage.scored_steps += len(steps)
            if branch.num_tokens is None or self.usage.scored_tokens is None:
                self.usage.scored_tokens = None
            else:
                self.usage.scored_tokens += branch.num_tokens

    def prune(self, nodes: Sequence[Node]) -> None:
        """Give open nodes up for better ones."""
        for node in nodes:
            node.status = "pruned"
        self.release(nodes)

    def release(self, nodes: Sequence[Node]) -> None:
        """Free the scorer's memory of nodes that are not continued any more; their scores stay."""
        for node in nodes:
            if node.branch is not None and self._session is not None and node is not self.root:
                self._session.drop(node.branch)
                node.branch = None

    def close(self) -> None:
        """Free all of the scorer's memory of this problem."""
        self.release(self.nodes)
        root, self.root.branch = self.root.branch, None
        if root is not None and self._session is not None and root is not self._session.root:
            self._session.drop(root)

    def _write(
        self, chosen: Sequence[tuple[Node, int]], num_steps: int | None, temperature: float | None
    ) -> Asking[list[list[Continuation]]]:
        prefixes = []
        for node, n in chosen:
            steps = node.text
            drawn = self._drawn[steps]
            prefixes.append(Prefix(self.task.problem, steps, drawn, self.task.turns))
            self._drawn[steps] += n
        self._asked_tokens = self._room(sum(n for _, n in chosen), num_steps)
        sampling = replace(
            self.sampling,
            max_new_steps=num_steps,
            max_new_tokens=self._asked_tokens,
            temperature=self.sampling.temperature if temperature is None else temperature,
        )
        numbers = tuple(n for _, n in chosen)
        written: list[list[Continuation]] = yield Write(tuple(prefixes), numbers, sampling)
        self.usage.asks += 1
        for one in (one for own in written for one in own):
            self.usage.new_tokens += one.num_tokens
            self.usage.read_tokens += one.num_read
            self.usage.samples += 1
        return written

    def _room(self, num: int, num_steps: int | None) -> int:
        """Tokens that each of so many continuations may take.

        Raises:
            Spent: not one.
        """
        limits = self.limits
        if limits.seconds is not None and time.monotonic() - self._begun >= limits.seconds:
            raise Spent(f"{limits.seconds:g} seconds are over")
        self._is_short = False
        most = limits.solution_tokens
        if num_steps is not None:
            most = min(most, limits.step_tokens * num_steps)
        if limits.tokens is None:
            return most
        left = limits.tokens - self.usage.new_tokens
        if left < num:
            raise Spent(
                f"{self.usage.new_tokens:,} of {limits.tokens:,} tokens are spent, too many for "
                f"{num} more continuations"
            )
        self._is_short = left // num < most
        return min(most, left // num)

    def _take(
        self, node: Node, one: Continuation, siblings: list[Node], num_steps: int | None
    ) -> None:
        """Turn a continuation into a child of a node, or note why it is none."""
        if one.failed is not None:
            self.losses[f"{POLICY_FAILED}: {one.failed}"] += 1
            return
        if not one.steps:
            if one.finished and node.steps:
                node.status = "finished"
                node.ends += 1
                if node not in siblings:
                    siblings.append(node)
            else:
                self.losses["no step was written"] += 1
            return
        for twin in node.children:
            if twin.steps == one.steps:
                self._take_again(twin, siblings)
                return
        logprob = None
        if node.logprob is not None and one.logprob is not None:
            logprob = node.logprob + one.logprob
        child = Node(node, one.steps, len(self.nodes), node.depth + len(one.steps), logprob=logprob)
        child.num_tokens = node.num_tokens + one.num_tokens
        self.nodes.append(child)
        node.children.append(child)
        siblings.append(child)
        whole = num_steps is not None and len(one.steps) >= num_steps
        if one.finished or stated_answer(one.steps[-1]) is not None:
            child.status = "finished"
        elif not whole or (num_steps == 1 and one.num_tokens >= self._asked_tokens):
            self._lose(child, f"cut by the {'token budget' if self._is_short else 'length limit'}")
        elif child.num_tokens >= self.limits.solution_tokens:
            self._lose(child, "longer than a solution may be")
        elif period := circle_of(child.text):
            what = "the same step" if period == 1 else f"the same {period} steps"
            self._lose(child, f"writes {what} {REPEATS} times")
        elif child.depth >= self.limits.max_steps:
            self._lose(child, f"{child.depth} steps without an end")

    def _take_again(self, node: Node, siblings: list[Node]) -> None:
        """Count one more draw of a child; one that was given up is open again."""
        node.draws += 1
        if node.status == "dead":
            assert node.why is not None, "who is dead has a reason"
            self.losses[cause_of(node.why)] += 1
        elif node not in siblings:
            siblings.append(node)
            if node.status == "pruned":
                node.status = "open"

    def _lose(self, node: Node, why: str) -> None:
        node.status, node.why = "dead", why
        self.losses[cause_of(why)] += node.draws

    def _why_none(self) -> str:
        if not self.losses:
            return "no solution came to an end"
        cause, num = self.losses.most_common(1)[0]
        lost = (node.why for node in self.nodes if node.why is not None)
        why = next((one for one in lost if cause_of(one) == cause), cause)
        return f"nothing is left to go on from; most often: {why} ({num} times)"

    def _rate(self) -> Asking[None]:
        finished = self.finished
        rated = yield Rate(tuple(self.trace(node) for node in finished))
        self._rated = True
        self.usage.asks += 1
        for node, scores in zip(finished, rated, strict=True):
            if isinstance(scores, SurefootError):
                self.losses["the outcome model gave nothing"] += 1
            elif scores.scored:
                node.outcome = scores.aggregate()

    def trace(self, node: Node) -> Trace:
        """The prefix of a node as a trace with its scores."""
        scores = () if node.scores is None else (node.scores,)
        return Trace(
            self.task.problem,
            node.text,
            answer=answer_of(node),
            reference=self.task.reference,
            scores=scores,
        )


def answer_of(node: Node) -> str | None:
    """The answer of a finished solution: looked for in its last step, then in all of them."""
    if node.status != "finished":
        return None
    steps = node.text
    last = extract_answer(steps[-1])
    return last if last is not None else extract_answer("\n".join(steps))


def _extension(node: Node) -> tuple[Branch, tuple[str, ...]]:
    """The nearest scored prefix of a node, and the steps since."""
    steps: tuple[str, ...] = ()
    for one in node.path():
        if one is not node and one.branch is not None:
            return one.branch, steps
        steps = (*one.steps, *steps)
    raise AssertionError("the root always has a branch")


def best(search: Search, nodes: Sequence[Node], num: int) -> list[Node]:
    """The nodes of highest value, those that were found first where values are equal."""
    return sorted(nodes, key=lambda node: (-search.value(node), node.number))[:num]
