"""`surefoot label checker`: label the steps whose equations, claims and units can be checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from cyclopts import Parameter

from surefoot.cli.label.stream import Rows, stream
from surefoot.cli.say import Common, count, note, print_json, visible
from surefoot.traces.types import Trace

MOST_CAUSES = 5
"""Reasons for silence that are told one by one."""


def checker(
    *files: Annotated[str, Parameter(required=True)],
    rows: Rows = Rows(),  # noqa: B008 - frozen
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Label steps by checking what they state: exact, without a model, and silent where in doubt.

    Arithmetic, formulas, equations that must follow from the line before, values that must solve
    what was stated, inequalities, divisibility and units. Every label has its evidence beside it.

    Args:
        files: Trace files, in any format that `surefoot convert` knows; `-` is stdin.
    """
    told = _Told()
    streamed = stream(
        *(files, rows, common),
        _checked,
        settings={"verb": "checker", "annotator": "check_trace"},
        on_trace=told.add,
        show=_show,
        doing="checking",
    )
    if common.json:
        print_json({**streamed.to_json(), **told.to_json(), "out": rows.out})
        return
    told.print_summary(rows.out)
    streamed.print_summary(rows.out)


def _checked(some: Sequence[Trace]) -> Iterator[Trace]:
    from surefoot.labels.checkers import with_checks

    return map(with_checks, some)


@dataclass
class _Told:
    """What has been checked so far."""

    steps: int = 0
    right: int = 0
    wrong: int = 0
    first_errors: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)

    def add(self, trace: Trace) -> None:
        """Count one trace."""
        labels = next(one for one in reversed(trace.labels) if one.annotator == "check_trace")
        self.steps += len(labels.values)
        self.right += labels.values.count(1)
        self.wrong += labels.values.count(-1)
        self.first_errors += -1 in labels.values
        account: Any = trace.meta.get("checker", {})
        self.causes.update(account.get("causes", {}).values())
        for told in account.get("evidence", {}).values():
            self.rules.update({one["rule"] for one in told if one["verdict"] == "fails"})

    def to_json(self) -> dict[str, Any]:
        """The counts; `rules` are of the steps called wrong."""
        return {
            "steps": self.steps,
            "right": self.right,
            "wrong": self.wrong,
            "silent": self.steps - self.right - self.wrong,
            "traces_with_errors": self.first_errors,
            "rules": dict(self.rules.most_common()),
            "causes": dict(self.causes.most_common()),
        }

    def print_summary(self, out: str | None) -> None:
        """The counts, for a person."""
        say = note if out == "-" else lambda line: print(visible(line))
        silent = self.steps - self.right - self.wrong
        say(
            f"{count(self.steps, 'step')}: {self.right:,} right, {self.wrong:,} wrong,"
            f" {silent:,} silent; {count(self.first_errors, 'trace')} with an error"
        )
        if self.rules:
            found = ", ".join(f"{rule} {times:,}" for rule, times in self.rules.most_common())
            say(f"wrong by: {found}")
        for cause, times in self.causes.most_common(MOST_CAUSES):
            say(f"silent: {cause} ({times:,})")


_WORDS = {1: ("right", "green"), -1: ("wrong", "red")}


def _show(trace: Trace) -> None:
    """Print a trace with the verdict on each step and, where it fails, why."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(visible(trace.problem), style="bold"))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right", style="dim")
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    labels = next(one for one in reversed(trace.labels) if one.annotator == "check_trace")
    account: Any = trace.meta.get("checker", {})
    for i, (step, value) in enumerate(zip(trace.steps, labels.values, strict=True)):
        word, style = ("·", "dim") if value is None else _WORDS[int(value)]
        table.add_row(str(i), Text(word, style=style), Text(visible(step.text)))
        for one in account.get("evidence", {}).get(str(i), ()):
            if one["verdict"] == "fails":
                why = f"{one['rule']}: {one['text']} - {one['why']}"
                table.add_row("", "", Text(visible(why), style="red"))
    console.print(table)
    console.print("")
