"""A tree of states in which every finished continuation counts wherever it passes.

A state is a prefix of steps. A rollout from one state is also a rollout from every state that it
passes through, since behind that state it went on as the policy does; two rollouts that write the
same steps pass through the same states. So the value of a state is k of all n chains that passed
through it having set out from it or from a state before it. Those that set out behind it do not
count for it: they were led there.

The search is OmegaPRM's (2406.06592, section 3.3, algorithm 1): pick a wrong rollout r of a state s
with 0 < value(s) < 1 by the greatest Q + U,

    Q(s, r) = alpha^(1 - value(s)) * beta^(length(r) / L)            (equation 2)
    U(s)    = c * sqrt(sum of all visits) / (1 + visits(s))          (equation 3)

and search it for its first error, rolling out the states in its middle. Where ours differs: length
is counted in steps, states that coincide are one, and a state that has its n from passing chains
costs nothing. A rollout that was picked is never picked again, and one that has no step between its
state and its end never is, so that the search comes to an end whatever the policy writes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from surefoot.errors import UsageError
from surefoot.labels.rollouts.draws import Plan, Rollout
from surefoot.labels.rollouts.ends import UNFINISHED, Ending
from surefoot.labels.rollouts.evidence import Evidence, Unfinished
from surefoot.labels.rollouts.positions import Positions

Steps = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeRule:
    """How a tree grows; the defaults of alpha, beta and c are OmegaPRM's (section 4)."""

    num_rollouts: int = 48
    """How many rollouts a trace may take; the last state picked may take n more."""
    alpha: float = 0.5
    beta: float = 0.9
    length: float = 5.0
    """L, in steps."""
    c: float = 0.125
    own: bool = False
    """Whether the trace itself counts as a chain from its beginning, which is right where this
    policy wrote it."""
    keep_chains: bool = False
    """Whether every distinct chain is kept with the counts of its states."""

    def __post_init__(self) -> None:
        if self.num_rollouts < 1:
            raise UsageError(f"num_rollouts is {self.num_rollouts}; it must be at least 1")
        for name in ("alpha", "beta"):
            if not 0 < getattr(self, name) <= 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be in (0, 1]")


@dataclass(slots=True)
class _Wrong:
    """A rollout that ended wrong, and the state it set out from."""

    state: Steps
    steps: Steps


@dataclass(slots=True)
class Tree:
    """States with what is known of them."""

    unfinished: Unfinished
    states: dict[Steps, Evidence] = field(default_factory=dict)
    visits: dict[Steps, int] = field(default_factory=dict)
    waiting: list[_Wrong] = field(default_factory=list)
    chains: dict[Steps, Ending] = field(default_factory=dict)

    def state(self, steps: Steps) -> Evidence:
        """What is known of a state."""
        return self.states.setdefault(steps, Evidence(steps, self.unfinished))

    def add(self, steps: Steps, rollouts: Iterable[Rollout]) -> None:
        """Count rollouts where they set out from and wherever they pass."""
        for one in rollouts:
            self.state(steps).add([one])
            self.passes(steps, one.steps, one.ending)

    def passes(self, start: Steps, steps: Steps, ending: Ending) -> None:
        """Count a chain at every state between its start and its end. A step that the length limit
        may have cut is no state, and a chain that nobody could judge passes nowhere."""
        if ending.right is None and ending.cause not in UNFINISHED:
            return
        for j in range(1, len(steps)):
            self.state(start + steps[:j]).count(ending)
        if ending.right is not None:
            self.chains.setdefault(start + steps, ending)
        if ending.right is False and len(steps) > 1:
            self.waiting.append(_Wrong(start, steps))

    def pick(self, rule: TreeRule) -> _Wrong | None:
        """The waiting rollout with the greatest Q + U, which waits no more; None if there is
        none."""
        total = math.sqrt(sum(self.visits.values()))

        def worth(one: _Wrong) -> float:
            value = self.states[one.state].value or 0.0
            length = len(one.steps) / rule.length
            quality = float(rule.alpha ** (1 - value)) * float(rule.beta**length)
            return quality + rule.c * total / (1 + self.visits.get(one.state, 0))

        able = [one for one in self.waiting if 0 < (self.states[one.state].value or 0.0) < 1]
        if not able:
            return None
        best = max(able, key=worth)
        self.waiting = [one for one in self.waiting if one is not best]
        self.visits[best.state] = self.visits.get(best.state, 0) + 1
        return best

    @property
    def num_rollouts(self) -> int:
        """How many were drawn."""
        return sum(one.drawn for one in self.states.values())


def grow(found: Positions, n: int, rule: TreeRule) -> Plan[None]:
    """Grow a tree from the beginning of a problem, its trace the first to be searched."""
    tree = _planted(found)
    if found.own.right is not None:
        if rule.own:
            tree.passes((), found.trace.texts, found.own)
        elif not found.own.right and len(found.steps) > 1:
            tree.waiting.append(_Wrong((), found.trace.texts))
    yield from _fill(tree, (), n)
    while tree.num_rollouts < rule.num_rollouts and (picked := tree.pick(rule)) is not None:
        right, wrong = 0, len(picked.steps)
        while wrong - right > 1:
            middle = (right + wrong) // 2
            state = picked.state + picked.steps[:middle]
            yield from _fill(tree, state, n)
            if tree.states[state].right:
                right = middle
            else:
                wrong = middle
    _account(found, tree, keep_chains=rule.keep_chains)


def reuse(found: Positions, n: int, rule: TreeRule) -> Plan[None]:
    """Every prefix of a trace with n rollouts or more, shortest first, each topped up to n behind
    those that passed through it: brute force, without drawing what is known."""
    tree = _planted(found)
    if rule.own and found.own.right is not None:
        tree.passes((), found.trace.texts, found.own)
    for state in [(), *(one.steps for one in found.asked)]:
        yield from _fill(tree, state, n)
    _account(found, tree, keep_chains=rule.keep_chains)


def _planted(found: Positions) -> Tree:
    """A tree that holds the prefixes of the trace."""
    tree = Tree(found.start.unfinished)
    tree.states |= {one.steps: one for one in found.evidence()}
    return tree


def _fill(tree: Tree, steps: Steps, n: int) -> Plan[None]:
    """Draw what a state lacks of n, once: what fails to count is not drawn again."""
    state = tree.state(steps)
    if state.n < n and not state.drawn:
        (rollouts,) = yield [state.ask(n - state.n)]
        tree.add(steps, rollouts)


def _account(found: Positions, tree: Tree, *, keep_chains: bool) -> None:
    """What was rolled out beside the prefixes of the trace, and the chains, if wanted."""
    own = {one.steps for one in found.evidence()}
    found.elsewhere = [one for steps, one in tree.states.items() if steps not in own]
    found.more["states"] = len(tree.states)
    if keep_chains:
        found.more["chains"] = [
            {"steps": list(steps), "right": ending.right, "counts": _counts(tree, steps, ending)}
            for steps, ending in tree.chains.items()
        ]


def _counts(tree: Tree, steps: Steps, ending: Ending) -> list[tuple[int, int] | None]:
    """k of n of every state of a chain, the last its own end."""
    states = [tree.states.get(steps[:k]) for k in range(1, len(steps))]
    counts = [None if one is None else one.counts for one in states]
    return [*counts, (int(bool(ending.right)), 1)]
