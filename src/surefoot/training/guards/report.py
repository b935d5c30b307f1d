"""What is known of training data before any time is spent on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from surefoot.models.findings import Finding, Place
from surefoot.training.guards.balance import Balance
from surefoot.training.guards.leak import Leak
from surefoot.training.guards.lengths import TooLong
from surefoot.training.guards.overlap import Overlap
from surefoot.training.guards.repeats import Repeats
from surefoot.training.targets import Target


@dataclass(frozen=True, slots=True)
class Some:
    """How many traces something is true of, and the first of them."""

    count: int
    places: tuple[Place, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DataReport:
    """Training traces in numbers. All but the first counts are of the traces that are learned from:
    those that are not left out as unlabelled, masked or too long."""

    target: Target
    """Whether steps are learned, or the outcomes of traces: then what is said of taught steps is
    said of whole traces, each as if it were its last step."""
    read: int
    """Traces that were read."""
    unlabelled: Some
    """Traces without any label of the kind that is learned; they are left out."""
    masked: Some
    """Traces that have such labels, of which none says anything; they are left out."""
    too_long: TooLong | None
    """Traces that the model has no room for; they are left out. None if that was not looked at."""
    traces: int
    steps: int
    questions: int
    sources: Mapping[str, int]
    """How many steps each source of labels speaks of, learned from or not."""
    miscounted: Some
    """Traces with counts of votes or rollouts that do not go with their labels: none of none, a
    share that is not k of n, a rating against the majority, a count without a label."""
    balance: Balance
    by_position: tuple[Balance, ...]
    by_domain: tuple[Balance, ...]
    repeats: Repeats
    overlaps: tuple[Overlap, ...]
    leak: Leak | None
    """None if the labelled steps are not of both kinds, so that there is nothing to give away."""
    warnings: tuple[Finding, ...]

    @property
    def unit(self) -> str:
        """What is taught: steps or traces."""
        return "steps" if self.target == "steps" else "traces"

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON, with shares, and with what is over the limit, added."""
        values = asdict(self)
        for name in ("by_position", "by_domain"):
            own = zip(values[name], getattr(self, name), strict=True)
            values[name] = [_with_shares(row, one) for row, one in own]
        values["balance"] = _with_shares(values["balance"], self.balance)
        if self.leak is not None:
            values["leak"]["over"] = [one.name for one in self.leak.over]
            values["leak"]["ends"]["auroc"] = self.leak.ends.auroc
        return values


def _with_shares(row: dict[str, Any], one: Balance) -> dict[str, Any]:
    return {**row, "share_right": one.share_right, "majority": one.majority}
