"""`surefoot label rollout`: step labels by how often a policy still arrives at the right answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from surefoot.cli.ends import open_ends
from surefoot.cli.label.policy import Writing, open_policy
from surefoot.cli.label.stream import Rows, stream
from surefoot.cli.say import Common, count, note, print_json, visible
from surefoot.errors import DataError, UsageError
from surefoot.traces.types import Trace

if TYPE_CHECKING:
    from surefoot.labels.rollouts.draws import Drawing
    from surefoot.labels.rollouts.label import RolloutRule

JOURNAL = ".rollouts.jsonl"
"""What is put behind the name of a file for that of the rollouts of an unfinished budget."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class How:
    """Which prefixes are rolled out, how often, and what becomes of the counts."""

    method: Literal["brute", "reuse", "sequential", "binary", "tree"] = "brute"
    """brute: every prefix n times; reuse: the same, counting rollouts that pass through a prefix;
    sequential: until a prefix is clear; binary: search for the first error; tree: OmegaPRM's."""

    n: int = 8
    """Rollouts of a prefix, or the most of them."""

    budget: int | None = None
    """New tokens to spend on all traces together, where they tell most; instead of a method."""

    hard: Annotated[bool, Parameter(negative="")] = False
    """Label 1 or -1 instead of k / n."""

    threshold: float | None = None
    """What k / n must be above to count as right; 0 if not given, 0.5 for a budget."""

    unfinished: Literal["wrong", "apart"] = "wrong"
    """How a rollout counts that arrives at no answer: as one that is not right, or not at all."""

    start: Annotated[bool, Parameter(negative="")] = False
    """Roll out the empty prefix too."""

    low: float = 0.0
    """A value that sequential and binary must call wrong."""

    high: float = 0.3
    """A value that they must call right."""

    false_right: float = 0.05
    """How often they may call a value of --low right."""

    false_wrong: float = 0.05
    """How often they may call a value of --high wrong."""

    rollouts: int = 48
    """Rollouts that the tree of one trace may take."""

    own: Annotated[bool, Parameter(negative="")] = False
    """Let the trace itself count as a rollout from its beginning (reuse and tree): for traces that
    this policy wrote."""

    keep_chains: Annotated[bool, Parameter(negative="")] = False
    """Keep the chains of reuse and tree, with the counts of their states."""

    def rule(self) -> RolloutRule:
        """The same, for the library.

        Raises:
            UsageError: numbers that cannot be, or options that mean nothing together.
        """
        from surefoot.labels.rollouts.budget import BudgetRule
        from surefoot.labels.rollouts.label import RolloutRule
        from surefoot.labels.rollouts.sequential import SequentialTest
        from surefoot.labels.rollouts.tree import TreeRule

        if self.budget is not None and self.method != "brute":
            raise UsageError(f"a --budget decides what is rolled out; leave out {self.method}")
        budget = None
        if self.budget is not None:
            limit = 0.5 if self.threshold is None else self.threshold
            budget = BudgetRule(tokens=self.budget, threshold=limit, most=self.n)
        return RolloutRule(
            method=self.method if budget is None else "budget",
            n=self.n,
            unfinished=self.unfinished,
            hard=self.hard,
            threshold=self.threshold or 0.0,
            start=self.start,
            test=SequentialTest(
                low=self.low,
                high=self.high,
                false_right=self.false_right,
                false_wrong=self.false_wrong,
                most=self.n,
            ),
            tree=TreeRule(num_rollouts=self.rollouts, own=self.own, keep_chains=self.keep_chains),
            budget=budget,
        )


def rollout(
    *files: Annotated[str, Parameter(required=True)],
    writing: Writing,
    world: Annotated[str | None, Parameter(name="--world")] = None,
    check: Annotated[str, Parameter(name="--check")] = "auto",
    how: How = How(),
    rows: Rows = Rows(),  # noqa: B008 - frozen
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Label steps by how often a policy still arrives at the right answer from them.

    Every trace needs a reference answer. Counts k of n are kept beside the labels; what the labels
    of a trace took, and why a step has none, stands in its meta.

    Args:
        files: Trace files, in any format that `surefoot convert` knows; `-` is stdin.
        world: Judge ends exactly, by a built-in world: last-digit.
        check: How answers are compared where no world is given: auto, or another method of
            answer checking, or a function as module:function.
    """
    rule = how.rule()
    settings = {**writing.settings(), "world": world, "check": check, "rule": asdict(rule)}
    with open_ends(world, check) as ends:
        from surefoot.labels.rollouts.draws import Drawing

        policy = open_policy(writing)
        drawing = Drawing(policy, ends, writing.sampling(), writing.seed)
        tally = _Tally()
        forget: Callable[[], None] = lambda: None  # noqa: E731
        if rule.budget is None:
            label = _by_trace(rule, drawing)
        else:
            label, forget = _by_budget(files, rows, rule, drawing)
        told = stream(
            files,
            rows,
            common,
            label,
            settings=settings,
            on_trace=tally.add,
            show=_show,
            doing="rolling out",
            spent=lambda: f"{policy.usage.new_tokens:,} tokens",
        )
        forget()
    spent = {"prompt_tokens": policy.usage.prompt_tokens, "new_tokens": policy.usage.new_tokens}
    if tally.traces and not tally.labelled:
        raise DataError(
            f"no step of {count(tally.traces, 'trace')} has a label: {tally.most_common()}"
        )
    if common.json:
        print_json({**told.to_json(), **tally.to_json(), "spent": spent, "out": rows.out})
        return
    say = note if rows.out == "-" else print
    say(visible(tally.summary()))
    say(f"{spent['new_tokens']:,} tokens written and {spent['prompt_tokens']:,} read by this run")
    told.print_summary(rows.out)


def _by_trace(rule: RolloutRule, drawing: Drawing) -> Callable[[Sequence[Trace]], Iterable[Trace]]:
    from surefoot.labels.rollouts.label import label_rollouts

    return lambda some: label_rollouts(some, rule, drawing)


def _by_budget(
    files: Sequence[str], rows: Rows, rule: RolloutRule, drawing: Drawing
) -> tuple[Callable[[Sequence[Trace]], Iterable[Trace]], Callable[[], None]]:
    """What looks up labels that all traces together decide, and what to do when all are written.

    Rollouts are kept in a file of their own until then, so that a killed run does not draw them
    again.
    """
    from surefoot.labels.rollouts.label import META, label_rollouts
    from surefoot.policies.remembered import RememberedPolicy
    from surefoot.traces.convert import read_any

    if "-" in files:
        raise UsageError("a --budget is shared by all traces, so they are read twice; name a file")
    forget: Callable[[], None] = lambda: None  # noqa: E731
    if rows.out is not None and rows.out.endswith(".jsonl"):
        remembered = RememberedPolicy(drawing.policy, rows.out + JOURNAL)
        if not rows.resume:
            remembered.forget()
            remembered = RememberedPolicy(drawing.policy, rows.out + JOURNAL)
        drawing, forget = replace(drawing, policy=remembered), remembered.forget
    known: dict[tuple[Any, ...], Trace] = {}

    def label(some: Sequence[Trace]) -> Iterator[Trace]:
        if not known:
            traces = [
                one
                for file in files
                for one in read_any(file, rows.source_format, strict=False, on_skip=lambda _: None)
            ]
            labelled = label_rollouts(traces, rule, drawing)
            known.update((_asked(t), done) for t, done in zip(traces, labelled, strict=True))
        for trace in some:
            done = known[_asked(trace)]
            took = {**trace.meta, META: done.meta[META]}
            yield replace(trace.with_labels(done.labels[-1]), meta=took)

    return label, forget


def _asked(trace: Trace) -> tuple[Any, ...]:
    """All of a trace that its labels depend on."""
    return trace.id, trace.reference, trace.outcome


@dataclass
class _Tally:
    """What has been labelled so far."""

    traces: int = 0
    steps: int = 0
    labelled: int = 0
    rollouts: int = 0
    tokens: int = 0
    uncounted: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)

    def add(self, trace: Trace) -> None:
        """Count one trace."""
        labels, took = trace.labels[-1], trace.meta["rollout"]
        self.traces += 1
        self.steps += len(labels.values)
        self.labelled += sum(value is not None for value in labels.values)
        self.rollouts += took["rollouts"]
        self.tokens += took["tokens"]
        self.uncounted.update(took.get("uncounted", {}))
        self.causes.update(took.get("causes", {}).values())

    def to_json(self) -> dict[str, Any]:
        """The counts. Rollouts that several traces share count for each of them."""
        return {
            "steps": self.steps,
            "labelled_steps": self.labelled,
            "rollouts": self.rollouts,
            "tokens": self.tokens,
            "uncounted": dict(self.uncounted),
            "causes": dict(self.causes),
        }

    def most_common(self) -> str:
        """Why most steps have no label."""
        return self.causes.most_common(1)[0][0] if self.causes else "they have no steps"

    def summary(self) -> str:
        """The counts in lines."""
        lines = [
            f"{count(self.traces, 'trace')}: {self.labelled:,} of {count(self.steps, 'step')}"
            f" labelled by {count(self.rollouts, 'rollout')}"
        ]
        lines += [f"rollouts with {why}: {num:,}" for why, num in self.uncounted.most_common(5)]
        lines += [f"no label, {why}: {num:,}" for why, num in self.causes.most_common(5)]
        return "\n".join(lines)


def _show(trace: Trace) -> None:
    labels = trace.labels[-1]
    print(visible(trace.problem))
    for k, step in enumerate(trace.steps):
        value = labels.values[k]
        pair = labels.counts[k] if labels.counts is not None else None
        said = "–" if value is None else f"{value:.2f}"
        of = "" if pair is None else f"{pair[0]} of {pair[1]}"
        print(f"  {k:3d} {said:>5} {of:>8}  {visible(step.text)}")
    print()
