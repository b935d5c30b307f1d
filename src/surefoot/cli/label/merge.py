"""`surefoot label merge`: one set of labels from those of several sources, the parts kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from surefoot.cli.label.joining import JoinedFiles
from surefoot.cli.label.votes import Votes, rate, show_votes
from surefoot.cli.say import Common, count, note, print_json, track, visible
from surefoot.errors import DataError, UsageError
from surefoot.labels.votes import VoteRule
from surefoot.traces.types import Trace

if TYPE_CHECKING:
    from surefoot.labels.consensus import DawidSkene, Merged


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class How:
    """How labels are merged."""

    rule: Literal["majority", "agreement", "dawid-skene"] = "majority"
    """How to merge."""

    source: Annotated[tuple[str, ...], Parameter(name=["--source", "-s"])] = ()
    """Who has a vote, such as `rollout` or `judge:qwen`; repeat it for more. All if not given;
    agreement takes rollout and judge then."""

    min_votes: int | None = None
    """The fewest votes of a step that is labelled: 2 for a majority if not given, 1 for
    dawid-skene."""

    ties: Literal["silent", "right", "wrong"] | None = None
    """What a majority says of a step with as many votes for right as for wrong; silent if not
    given."""

    keep: Literal["trace", "step"] | None = None
    """Whether agreement is about the whole trace (if not given), or up to where the sources
    part."""

    trusted: tuple[str, ...] = ()
    """Sources that dawid-skene takes as the truth where they speak, such as `human`."""

    smoothing: float | None = None
    """Pseudo-votes of dawid-skene; 1 if not given."""

    def check(self) -> None:
        """Refuse options that mean nothing to the rule.

        Raises:
            UsageError: there is one.
        """
        for option, value, rules in (
            ("--ties", self.ties, ("majority",)),
            ("--min-votes", self.min_votes, ("majority", "dawid-skene")),
            ("--keep", self.keep, ("agreement",)),
            ("--trusted", self.trusted or None, ("dawid-skene",)),
            ("--smoothing", self.smoothing, ("dawid-skene",)),
        ):
            if value is not None and self.rule not in rules:
                raise UsageError(
                    f"{option} means nothing to --rule {self.rule}; it is for {' and '.join(rules)}"
                )


def merge(
    *files: Annotated[str, Parameter(required=True)],
    out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None,
    how: How = How(),
    votes: Votes = Votes(),  # noqa: B008 - frozen
    show: int = 3,
    source_format: Annotated[str | None, Parameter(name="--format")] = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Merge the labels of several sources into one set, which joins them in the trace.

    Rows of the same trace, in one file or several, become one. `majority` takes what most sources
    say of a step; `agreement` labels only what all of them put alike, as a filter; `dawid-skene`
    learns how reliable each source is and writes the probability that a step is right.

    Args:
        files: Trace files with labels, in any format that `surefoot convert` knows; `-` is stdin.
        out: Where to write the traces: .jsonl, .jsonl.gz, .parquet; `-` is stdout. Without it the
            first are shown.
        show: How many traces to show when no --out is given.
        source_format: Format of the files, where it cannot be told from their rows.
        strict: Stop at the first bad row; without it bad rows are counted and told.
    """
    if common.json and out == "-":
        raise UsageError("--json and the traces cannot both go to stdout; name a file with --out")
    how.check()
    from surefoot.labels.consensus import with_merged

    traces = JoinedFiles(files, source_format, strict)
    tally = _Tally()
    merged, fit = _merging(traces, how, votes.rule())

    shown: list[Trace] = []

    def go(put: Callable[[Trace], None]) -> None:
        for trace in track(traces, "traces merged"):
            found = merged(trace)
            put(with_merged(trace, found))
            tally.add(trace, found)
        if not tally.sources:
            raise DataError(
                f"none of {count(tally.traces, 'trace')} has labels of the sources asked for; label"
                " them first, or name other sources with --source"
            )

    if out is not None:
        from surefoot.traces.store import TraceWriter

        with TraceWriter(out) as writer:
            go(writer.write)
    else:
        go(lambda trace: shown.append(trace) if len(shown) < show else None)
    result = {"rule": how.rule, **tally.to_json(), "joined": traces.told.to_json()}
    result |= {"dawid_skene": fit.to_json() if fit else None, "out": out}
    if common.json:
        print_json(result)
    else:
        _show(shown)
        _print_summary(tally, traces.told.lines(), fit, out)


def _merging(
    traces: JoinedFiles, how: How, rule: VoteRule
) -> tuple[Callable[[Trace], Merged], DawidSkene | None]:
    """What merges one trace, and what was fitted for it to all of them."""
    from surefoot.labels.consensus import agreed, fit_dawid_skene, majority, posterior

    sources = how.source or None
    if how.rule == "majority":
        ties, least = how.ties or "silent", 2 if how.min_votes is None else how.min_votes
        return (
            lambda one: majority(one, sources=sources, rule=rule, min_votes=least, ties=ties),
            None,
        )
    if how.rule == "agreement":
        keep, asked = how.keep or "trace", how.source or ("rollout", "judge")
        return lambda one: agreed(one, sources=asked, rule=rule, keep=keep), None
    fit = fit_dawid_skene(
        track(traces, "traces read"),
        sources=sources,
        rule=rule,
        trusted=how.trusted,
        smoothing=1.0 if how.smoothing is None else how.smoothing,
    )
    fewest = 1 if how.min_votes is None else how.min_votes
    return lambda one: posterior(one, fit, sources=sources, rule=rule, min_votes=fewest), fit


@dataclass
class _Tally:
    """What has been merged so far."""

    traces: int = 0
    labelled: int = 0
    steps: int = 0
    labelled_steps: int = 0
    right: float = 0.0
    sources: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)

    def add(self, trace: Trace, merged: Merged) -> None:
        """Count one trace."""
        self.traces += 1
        self.steps += len(trace.steps)
        self.sources.update(merged.parts)
        for place, cause in merged.causes.items():
            self.causes[_kind(cause) if place == "trace" else cause] += 1
        if merged.labels is None:
            return
        self.labelled += 1
        given = [value for value in merged.labels.values if value is not None]
        self.labelled_steps += len(given)
        rating = merged.labels.scale == "rating"
        self.right += sum((value + 1) / 2 if rating else value for value in given)

    def to_json(self) -> dict[str, Any]:
        """The counts."""
        return {
            "traces": self.traces,
            "labelled_traces": self.labelled,
            "steps": self.steps,
            "labelled_steps": self.labelled_steps,
            "share_right": self.right / self.labelled_steps if self.labelled_steps else None,
            "sources": dict(self.sources),
            "causes": dict(self.causes),
        }


def _kind(cause: str) -> str:
    """A cause without what differs from trace to trace."""
    if cause.startswith("no labels"):
        return cause
    return "a source does not settle it" if "not settled" in cause else "first errors differ"


def _show(traces: Sequence[Trace]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for trace in traces:
        show_votes(console, trace)


def _print_summary(
    tally: _Tally, joins: list[str], fit: DawidSkene | None, out: str | None
) -> None:
    say = note if out == "-" else lambda line: print(visible(line))
    for line in joins:
        say(line)
    share = tally.right / tally.labelled_steps if tally.labelled_steps else 0.0
    say(
        f"{count(tally.labelled, 'trace')} of {tally.traces:,} labelled,"
        f" {count(tally.labelled_steps, 'step')} of {tally.steps:,}; {share:.0%} right"
    )
    held = ", ".join(f"{name} {times:,}" for name, times in sorted(tally.sources.items()))
    say(f"traces with labels of: {held or 'none of the sources asked for'}")
    for cause, times in tally.causes.most_common():
        say(f"silent: {cause} ({times:,})")
    if fit is not None:
        _print_fit(fit, out)
    if out not in (None, "-"):
        say(f"written to {out}")


def _print_fit(fit: DawidSkene, out: str | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, stderr=out == "-")
    end = "converged" if fit.converged else "not converged"
    console.print(
        Text(
            f"Reliability by Dawid-Skene: {fit.iterations} iterations, {end};"
            f" {fit.right:.1%} of {count(fit.num_steps, 'step')} right",
            style="bold",
        )
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("source")
    for heading in ("votes", "right if right", "wrong if wrong"):
        table.add_column(heading, justify="right")
    for name, share in fit.right_if_right.items():
        table.add_row(
            Text(visible(name)),
            f"{fit.num_votes[name]:,}",
            rate(share),
            rate(fit.wrong_if_wrong[name]),
        )
    console.print(table)
    for warning in fit.warnings:
        console.print(Text(visible(warning), style="yellow"))
