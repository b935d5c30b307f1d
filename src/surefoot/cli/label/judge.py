"""`surefoot label judge`: a stronger model reads traces and says which steps are right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from surefoot.cli.label.judges import Asking, Local, Server, opened_judge
from surefoot.cli.label.stream import Rows, stream
from surefoot.cli.progress import num_rows
from surefoot.cli.say import Common, count, note, print_json, visible
from surefoot.errors import ModelError
from surefoot.traces.types import StepLabels, Trace

if TYPE_CHECKING:
    from surefoot.models.judging import Judge
    from surefoot.policies.crew import Crew


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Price:
    """What tokens cost."""

    price_in: float | None = None
    """Of a million tokens that are read, in any currency."""

    price_out: float | None = None
    """Of a million tokens that are written."""

    def of(self, tokens_in: int, tokens_out: int) -> float | None:
        """What so many tokens cost; None where no price is known."""
        if self.price_in is None and self.price_out is None:
            return None
        return (tokens_in * (self.price_in or 0) + tokens_out * (self.price_out or 0)) / 1e6


def judge(
    *files: Annotated[str, Parameter(required=True)],
    judge: Annotated[str, Parameter(name=["--judge", "-j"])],
    annotator: str | None = None,
    asking: Asking = Asking(),  # noqa: B008 - frozen
    server: Server = Server(),  # noqa: B008 - frozen
    local: Local = Local(),  # noqa: B008 - frozen
    price: Price = Price(),
    rows: Rows = Rows(),  # noqa: B008 - frozen
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Label steps by a stronger model: k of n votes for each, with all that it wrote and its cost.

    An answer without the verdict that was asked for is kept as unreadable, and is no label. Nothing
    that the judge wrote is run. A killed run goes on with the same command and asks nothing twice.

    Args:
        files: Trace files, in any format that `surefoot convert` knows; `-` is stdin.
        judge: An OpenAI-compatible server (its key in OPENAI_API_KEY), as http://HOST:PORT/v1 with
            --model, or openai:http://HOST:PORT/v1#MODEL; or the folder or hub id of a model with a
            chat template, which judges one trace at a time.
        annotator: Whom the labels name; the model and the prompt unless given.
    """
    with opened_judge(judge, annotator, asking, server, local, rows) as (who, crew):
        told = _Told(who.annotator, price, num_rows(files))
        try:
            streamed = stream(
                *(files, rows, common),
                lambda some: _labelled(who, some, crew),
                settings={
                    "verb": "judge",
                    "model": who.writer.name,
                    "annotator": who.annotator,
                    "critic": who.critic.to_json(),
                    "show_reference": who.reference,
                    "missing": who.missing,
                    "seed": who.seed,
                },
                on_trace=told.add,
                show=_show,
                doing="judging",
                spent=told.spent,
                chunk=1024 if crew is not None else 1,
            )
        except ModelError as error:
            if not told.traces or rows.out in (None, "-") or not rows.resume:
                raise
            raise ModelError(
                f"{error}; {count(told.traces, 'trace')} are kept in {rows.out}, and the same "
                "command goes on from there"
            ) from None
    result = {
        **streamed.to_json(),
        **told.to_json(),
        "annotator": who.annotator,
        "prompt": who.prompt,
        "out": rows.out,
    }
    if common.json:
        print_json(result)
        return
    told.print_summary(rows.out)
    streamed.print_summary(rows.out)


def _labelled(who: Judge, some: Sequence[Trace], crew: Crew | None) -> Iterator[Trace]:
    from surefoot.models.judging import judge_all

    return judge_all(who, some, crew)


def _show(trace: Trace) -> None:
    from rich.console import Console

    from surefoot.cli.label.votes import show_votes

    show_votes(Console(highlight=False), trace)


@dataclass
class _Told:
    """What has been judged so far."""

    annotator: str
    price: Price
    num_rows: int | None = None
    """How many traces there are, where that is known."""
    traces: int = 0
    labelled: int = 0
    steps: int = 0
    labelled_steps: int = 0
    answers: int = 0
    unreadable: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    votes: int = 0
    agreeing: int = 0
    causes: Counter[str] = field(default_factory=Counter)

    def add(self, trace: Trace) -> None:
        """Count one trace."""
        from surefoot.models.judging import account_of, labels_by

        self.traces += 1
        self.steps += len(trace.steps)
        if (labels := labels_by(trace, self.annotator)) is not None:
            self._add_labels(labels)
        account = account_of(trace, self.annotator)
        if account is None:
            return
        self.answers += account["readable"] + len(account["unreadable"])
        self.unreadable += len(account["unreadable"])
        self.tokens_in += account["tokens_in"]
        self.tokens_out += account["tokens_out"]
        self.causes.update(account["causes"].values())

    def spent(self) -> str:
        """For the progress bar."""
        tokens = f"{self.tokens_in + self.tokens_out:,} tokens"
        cost = self.price.of(self.tokens_in, self.tokens_out)
        if cost is None:
            return tokens
        if not self.num_rows or not self.traces:
            return f"{tokens}, {cost:,.4g} spent"
        expected = cost / self.traces * self.num_rows
        return f"{tokens}, {cost:,.4g} spent of about {expected:,.4g}"

    def to_json(self) -> dict[str, Any]:
        """The counts."""
        return {
            "labelled_traces": self.labelled,
            "steps": self.steps,
            "labelled_steps": self.labelled_steps,
            "answers": self.answers,
            "unreadable": self.unreadable,
            "agreement": self.agreeing / self.votes if self.votes else None,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "cost": self.price.of(self.tokens_in, self.tokens_out),
            "causes": dict(self.causes),
        }

    def print_summary(self, out: str | None) -> None:
        """What came of it and what it took."""
        say = note if out == "-" else lambda line: print(visible(line))
        say(
            f"{count(self.labelled, 'trace')} of {self.traces:,} labelled, "
            f"{count(self.labelled_steps, 'step')} of {self.steps:,}"
        )
        if self.votes:
            say(
                f"of several votes on a step, {self.agreeing / self.votes:.1%} go with the majority"
            )
        say(f"{self.unreadable:,} of {count(self.answers, 'answer')} hold no verdict")
        for cause, times in self.causes.most_common(10):
            say(f"silent: {cause} ({times:,})")
        cost = self.price.of(self.tokens_in, self.tokens_out)
        say(
            f"{self.tokens_in:,} tokens read, {self.tokens_out:,} written"
            + ("" if cost is None else f": {cost:,.4g} in all")
        )

    def _add_labels(self, labels: StepLabels) -> None:
        self.labelled += 1
        for pair in labels.counts or ():
            if pair is None:
                continue
            good, number = pair
            self.labelled_steps += 1
            if number > 1:
                self.votes += number
                self.agreeing += max(good, number - good)
