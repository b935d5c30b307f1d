"""`surefoot label select`: the traces that people should label next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from surefoot.cli.label.joining import JoinedFiles
from surefoot.cli.label.votes import Votes
from surefoot.cli.say import Common, count, note, print_json, track, visible
from surefoot.errors import DataError, UsageError
from surefoot.traces.types import Trace

if TYPE_CHECKING:
    from surefoot.labels.selection import Chosen, Selection, SelectionRule

_QUEUES = (".csv", ".json", ".jsonl")

_WIDTH = 40
"""Columns of a problem that are shown."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Choice:
    """How many traces are chosen, and how."""

    num: Annotated[int, Parameter(name=["--num", "-n"])] = 100
    """How many traces to choose."""

    by: str = "uncertainty"
    """convincing-wrong (high score, wrong answer), uncertainty (at the predicted first error),
    disagreement (of sources and models), diversity (of the text), or random."""

    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None
    """Whose scores in the traces count; those added last if not given."""

    random_share: float = 0.2
    """The share that is drawn at random with known probability, so that estimates stay
    unbiased."""

    per_question: int | None = None
    """The most traces of one question."""

    shortlist: int = 1
    """Let the strategy name so many times what it may choose, and take those whose text lies
    farthest apart."""

    labelled_by: tuple[str, ...] = ("human",)
    """Traces with labels of these sources are labelled already."""

    seed: int = 0
    """Of the random slice, and of what is equally good."""

    def rule(self) -> SelectionRule:
        """The same, for the library."""
        from surefoot.labels.selection import SelectionRule

        return SelectionRule(
            num=self.num,
            strategy=self.by,
            random_share=self.random_share,
            per_question=self.per_question,
            shortlist=self.shortlist,
            seed=self.seed,
        )


def select(
    *files: Annotated[str, Parameter(required=True)],
    choice: Choice = Choice(),
    out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None,
    queue: str | None = None,
    blind: bool = True,
    votes: Votes = Votes(),  # noqa: B008 - frozen
    show: int = 10,
    source_format: Annotated[str | None, Parameter(name="--format")] = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Choose the traces that people should label next, and write them for an annotation tool.

    Score the traces first, with `surefoot score`. Rows of the same trace, in one file or several,
    are joined, so a file of finished labels keeps its traces from being chosen again.

    Args:
        files: Trace files, in any format that `surefoot convert` knows; `-` is stdin.
        out: Where to write the chosen traces, with why in their meta: .jsonl, .jsonl.gz, .parquet;
            `-` is stdout.
        queue: Where to write them for people: Label Studio tasks (.json, .jsonl) or a table with a
            row for each step (.csv).
        blind: Leave labels, scores, outcome, answers and reasons out of the queue, so that they
            sway nobody; --no-blind leaves them in.
        show: How many of the chosen to show.
        source_format: Format of the files, where it cannot be told from their rows.
        strict: Stop at the first bad row; without it bad rows are counted and told.
    """
    if common.json and out == "-":
        raise UsageError("--json and the traces cannot both go to stdout; name a file with --out")
    if queue is not None and not queue.lower().endswith(_QUEUES):
        raise UsageError(f"--queue {queue}: name it {', '.join(_QUEUES)}")
    if queue is not None and out not in (None, "-") and Path(queue) == Path(str(out)):
        raise UsageError(f"--out and --queue are both {queue}; name two files")
    from surefoot.labels.selection import candidate_of, choose

    rule = choice.rule()
    traces = JoinedFiles(files, source_format, strict)
    models: Counter[str] = Counter()

    def told(trace: Trace) -> Trace:
        models.update({one.model for one in trace.scores})
        return trace

    selection = choose(
        (
            candidate_of(
                told(trace),
                rule.strategy,
                model=choice.model,
                labelled_by=choice.labelled_by,
                rule=votes.rule(),
                with_features=rule.needs_features,
            )
            for trace in track(traces, "traces read")
        ),
        rule,
    )
    if choice.model is not None and choice.model not in models:
        held = ", ".join(sorted(models)) or "none at all"
        raise DataError(f"no trace holds scores of {choice.model!r}; they hold those of {held}")
    if not selection.chosen:
        causes = ", ".join(f"{number:,} {why}" for why, number in selection.left_out.items())
        raise DataError(f"nothing can be chosen: {causes}")
    _write(traces, selection, out, queue, blind)
    if common.json:
        result = {"strategy": rule.strategy, "seed": rule.seed, **selection.to_json()}
        print_json({**result, "joined": traces.told.to_json(), "out": out, "queue": queue})
        return
    _print(traces, selection, rule, show, out, queue)


def _chosen_traces(traces: JoinedFiles, selection: Selection) -> list[Trace]:
    """The chosen traces in the order of their rank."""
    from surefoot.labels.selection import selected

    reasons = {one.id: one for one in selection.chosen}
    found = {trace.id: trace for trace in traces if trace.id in reasons}
    return [selected(found[one.id], one) for one in selection.chosen]


def _write(
    traces: JoinedFiles, selection: Selection, out: str | None, queue: str | None, blind: bool
) -> None:
    if out is None and queue is None:
        return
    from surefoot.labels.selection import write_csv, write_label_studio
    from surefoot.traces.store import write_traces

    chosen = _chosen_traces(traces, selection)
    if out is not None:
        write_traces(out, chosen)
    if queue is not None and queue.lower().endswith(".csv"):
        write_csv(chosen, queue)
    elif queue is not None:
        write_label_studio(chosen, queue, blind=blind)


def _print(
    traces: JoinedFiles,
    selection: Selection,
    rule: SelectionRule,
    show: int,
    out: str | None,
    queue: str | None,
) -> None:
    say = note if out == "-" else lambda line: print(visible(line))
    for line in traces.told.lines():
        say(line)
    drawn = sum(one.probability is not None for one in selection.chosen)
    say(
        f"{count(len(selection.chosen), 'trace')} of {selection.frame:,} chosen:"
        f" {drawn:,} at random, {len(selection.chosen) - drawn:,} by {rule.strategy}"
    )
    short = min(rule.num, selection.frame) - len(selection.chosen)
    if short:
        say(f"{short:,} fewer than asked for")
    for why, number in selection.left_out.items():
        say(f"not to be chosen: {count(number, 'trace')} {why}")
    if show and out != "-":
        _table(traces, selection, show)
    for path in (out, queue):
        if path not in (None, "-"):
            say(f"written to {path}")


def _table(traces: JoinedFiles, selection: Selection, show: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for head, justify in (("rank", "right"), ("why", "left"), ("value", "right")):
        table.add_column(head, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("outcome", no_wrap=True)
    table.add_column("problem", no_wrap=True)
    for one, trace in _some(traces, selection, show):
        is_random = one.probability is not None
        outcome = {True: ("right", "green"), False: ("wrong", "red"), None: ("–", "dim")}
        problem = Text(visible(trace.problem.replace("\n", " ")))
        problem.truncate(_WIDTH, overflow="ellipsis")
        table.add_row(
            str(one.rank),
            Text(one.why, style="cyan" if is_random else "magenta"),
            "–" if one.value is None else f"{one.value:.3f}",
            Text(*outcome[trace.outcome]),
            problem,
        )
    console = Console(highlight=False)
    console.print("", table)


def _some(traces: JoinedFiles, selection: Selection, show: int) -> Iterator[tuple[Chosen, Trace]]:
    """The first of the slice and the first of the strategy's choice, half of each."""
    drawn = [one for one in selection.chosen if one.probability is not None]
    picked = [one for one in selection.chosen if one.probability is None]
    head = drawn[: max(show // 3, show - len(picked))] if picked else drawn[:show]
    some = [*head, *picked[: show - len(head)]]
    wanted = {one.id for one in some}
    found = {trace.id: trace for trace in traces if trace.id in wanted}
    return ((one, found[one.id]) for one in some)
