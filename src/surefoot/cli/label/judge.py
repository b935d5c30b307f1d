"""`surefoot label judge`: a stronger model reads traces and says which steps are right."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from surefoot.cli.label.stream import Rows, num_rows, stream
from surefoot.cli.say import Common, count, note, print_json, visible
from surefoot.errors import ModelError, UsageError
from surefoot.traces.types import StepLabels, Trace

if TYPE_CHECKING:
    from surefoot.models.critic import Critic
    from surefoot.models.judging import Judge
    from surefoot.policies.crew import Crew

_ADDRESS = re.compile(r"(?:openai:)?(https?://[^#]*)(?:#(.+))?")

ANSWERS_FILE = ".answers.jsonl"
"""What is put behind the name of a file for that of the answers that came in while it was made."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Asking:
    """How the judge is asked."""

    prompt: str | None = None
    """judge (the first error, unless said), judge-steps (each step), another profile that writes
    verdicts, or a file such as critic.json."""

    votes: int | None = None
    """Answers to each question; what the prompt says unless given."""

    temperature: float | None = None
    """Of the answers; what the prompt says unless given."""

    max_new_tokens: int | None = None
    """Longest answer; what the prompt says unless given."""

    show_reference: Annotated[bool, Parameter(negative="")] = False
    """Show the judge the right answer of a trace that has one."""

    seed: int = 0
    """Of the answers; not every server obeys it."""

    def critic(self, folder: Path | None) -> tuple[str, Critic]:
        """What the way of asking is called, and that way; a folder may have its own.

        Raises:
            UsageError, ContractError: there is none, or it cannot be changed so.
        """
        from surefoot.models.critic import CRITIC_FILE, Critic
        from surefoot.models.profiles import critic_of, profiles

        if self.prompt is None and folder is not None and (folder / CRITIC_FILE).is_file():
            name, critic = CRITIC_FILE, Critic.load(folder)
        else:
            given = self.prompt or "judge"
            name = given if given in profiles() else Path(given).name
            critic = critic_of(given)
        changes: dict[str, Any] = {"samples": self.votes, "temperature": self.temperature}
        if self.max_new_tokens is not None:
            own = tuple(replace(one, max_new_tokens=self.max_new_tokens) for one in critic.stages)
            changes["stages"] = own
        return name, replace(critic, **{k: v for k, v in changes.items() if v is not None})


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Server:
    """How a server is asked."""

    model: str | None = None
    """The name by which the server knows the judge."""

    connections: int = 16
    """Requests under way at once."""

    requests_per_minute: float | None = None
    """No more than that, spread evenly."""

    tokens_per_minute: float | None = None
    """No more than that, read and written, as well as it can be told beforehand."""

    timeout_s: float = 600.0
    """Seconds to wait for an answer."""

    retries: int = 5
    """How often a request is repeated after 429, 5xx, no answer or no connection; a pause that the
    server names (Retry-After) is kept."""

    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the server calls the length of an answer."""

    goes_on: Annotated[bool, Parameter(negative="")] = False
    """The server goes on with an unfinished last message (vLLM, SGLang), which prompts need that
    begin the answer themselves."""


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
    asking: Asking = Asking(),
    server: Server = Server(),
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
    with _opened(judge, annotator, asking, server, rows) as (who, crew):
        told = _Told(price, num_rows(files))
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


@contextmanager
def _opened(
    source: str, annotator: str | None, asking: Asking, server: Server, rows: Rows
) -> Iterator[tuple[Judge, Crew | None]]:
    """The judge, and who asks it; answers that came in are kept until the file is whole."""
    address = _ADDRESS.fullmatch(source)
    if address is None:
        if server != Server():
            raise UsageError(
                f"{source} is no address, so options of a server mean nothing to it; leave them out"
            )
        from surefoot.models.hub import folder_of
        from surefoot.policies.local_writer import LocalWriter

        folder = folder_of(source)
        prompt, critic = asking.critic(folder)
        yield _judge(LocalWriter.load(folder), prompt, critic, annotator, asking), None
        return
    url, named = address.groups()
    model = named or server.model
    if model is None or server.model not in (None, model):
        raise UsageError(f"name the model behind {url} with --model")
    from surefoot.policies.crew import Crew
    from surefoot.policies.kept_server import Answers, KeptServer
    from surefoot.policies.pace import Pace
    from surefoot.policies.server_writer import ServerWriter

    prompt, critic = asking.critic(None)
    pace = Pace(server.requests_per_minute, server.tokens_per_minute)
    keeps = rows.resume and rows.out is not None and rows.out.endswith(".jsonl")
    answers = Answers(Path(f"{rows.out}{ANSWERS_FILE}") if keeps else None)
    client = KeptServer(
        url,
        pace=pace,
        answers=answers,
        token=os.environ.get("OPENAI_API_KEY"),
        num_connections=server.connections,
        timeout_s=server.timeout_s,
        num_retries=server.retries,
    )
    writer = ServerWriter(url, model, goes_on=server.goes_on, limit=server.limit, server=client)
    done = False
    try:
        yield _judge(writer, prompt, critic, annotator, asking), Crew(2 * server.connections)
        done = True
    finally:
        answers.close(discard=done)


def _judge(
    writer: Any, prompt: str, critic: Critic, annotator: str | None, asking: Asking
) -> Judge:
    from surefoot.models.judging import Judge

    return Judge(
        writer=writer,
        critic=critic,
        annotator=annotator or f"{writer.name}/{prompt}",
        prompt=prompt,
        reference=asking.show_reference,
        seed=asking.seed,
    )


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
        account = trace.meta["judge"]
        self.traces += 1
        self.steps += len(trace.steps)
        self.answers += account["readable"] + len(account["unreadable"])
        self.unreadable += len(account["unreadable"])
        self.tokens_in += account["tokens_in"]
        self.tokens_out += account["tokens_out"]
        self.causes.update(account["causes"].values())
        if "trace" not in account["causes"]:
            self._add_labels(trace.labels[-1])

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
