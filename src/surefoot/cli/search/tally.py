"""What searches came to: how they ended, what they took, and how often they were right."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from surefoot.cli.say import count
from surefoot.traces.types import Trace

if TYPE_CHECKING:
    from surefoot.search.results import SearchResult
    from surefoot.stats import Estimate


def _is_unclear(trace: Trace) -> bool:
    return trace.answer is not None and trace.outcome is None


@dataclass
class Tally:
    """Counts over results, those of an earlier run among them."""

    problems: int = 0
    resumed: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    why: Counter[str] = field(default_factory=Counter)
    losses: Counter[str] = field(default_factory=Counter)
    new_tokens: int = 0
    read_tokens: int = 0
    scored_tokens: int | None = 0
    right: list[bool] = field(default_factory=list)
    """Of problems with a reference; an answer that cannot be compared counts as wrong."""
    reachable: list[bool] = field(default_factory=list)
    """Whether some solution of these is right."""
    unclear: int = 0

    def add(self, result: SearchResult) -> None:
        """Count one result."""
        self.problems += 1
        self.ended[result.ended] += 1
        if result.why is not None:
            self.why[result.why] += 1
        self.losses.update(result.losses)
        self.new_tokens += result.usage.new_tokens
        self.read_tokens += result.usage.read_tokens
        if self.scored_tokens is None or result.usage.scored_tokens is None:
            self.scored_tokens = None
        else:
            self.scored_tokens += result.usage.scored_tokens
        if result.reference is not None and result.ended != "failed":
            finished = [one.trace for one in result.solutions if one.finished]
            outcomes = [one.outcome for one in finished]
            self.right.append(bool(outcomes) and outcomes[0] is True)
            self.reachable.append(True in outcomes)
            self.unclear += bool(finished) and _is_unclear(finished[0])

    def accuracy(self) -> Estimate | None:
        """The share of chosen answers that are right, with its 95 % interval over problems."""
        from surefoot.stats import bootstrap_mean

        return bootstrap_mean([float(one) for one in self.right], seed=0) if self.right else None

    def to_json(self) -> dict[str, Any]:
        """The counts and the accuracy."""
        accuracy = self.accuracy()
        return {
            "problems": self.problems,
            "resumed": self.resumed,
            "ended": dict(self.ended),
            "why": dict(self.why),
            "losses": dict(self.losses),
            "new_tokens": self.new_tokens,
            "read_tokens": self.read_tokens,
            "scored_tokens": self.scored_tokens,
            "with_reference": len(self.right),
            "accuracy": accuracy and accuracy.to_json(),
            "some_solution_right": sum(self.reachable) / len(self.reachable)
            if self.right
            else None,
            "unclear": self.unclear,
        }

    def summary(self) -> list[str]:
        """The same in lines."""
        ended = ", ".join(f"{num:,} {how}" for how, num in self.ended.most_common())
        scored = "not counted" if self.scored_tokens is None else f"{self.scored_tokens:,}"
        lines = [
            f"{count(self.problems, 'problem')}: {ended or 'none'}",
            f"tokens: {self.new_tokens:,} written and {self.read_tokens:,} read by the policy,"
            f" {scored} by the scorer",
        ]
        if accuracy := self.accuracy():
            low, high = 100 * accuracy.low, 100 * accuracy.high
            lines.append(
                f"right: {100 * accuracy.mean:.1f} % [{low:.1f}, {high:.1f}] of"
                f" {count(len(self.right), 'problem')} with a reference; some solution is right on"
                f" {100 * sum(self.reachable) / len(self.reachable):.1f} %"
            )
        if self.unclear:
            lines.append(f"answers that cannot be compared, taken as wrong: {self.unclear:,}")
        lines += [f"ended early, {why}: {num:,}" for why, num in self.why.most_common(5)]
        lines += [f"continuations lost, {why}: {num:,}" for why, num in self.losses.most_common(5)]
        return lines
