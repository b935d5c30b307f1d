"""The options of a judge, and who they open: a server or a model on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from surefoot.cli.label.stream import Rows
from surefoot.errors import UsageError

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

    missing: Annotated[bool, Parameter(negative="")] = False
    """Ask about no trace that this annotator has labelled already; such as in a file of an earlier
    run, for those on which the server failed."""

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
class Local:
    """Where a model on this machine runs."""

    device: str | None = None
    """Such as cpu or cuda; the first GPU if there is one."""

    dtype: Literal["float32", "bfloat16"] | None = None
    """Numbers of the matrix products; float32 unless given."""


@contextmanager
def opened_judge(
    source: str, annotator: str | None, asking: Asking, server: Server, local: Local, rows: Rows
) -> Iterator[tuple[Judge, Crew | None]]:
    """The judge, and who asks it; answers that came in are kept until the file is whole."""
    address = _ADDRESS.fullmatch(source)
    if address is None:
        if server != Server():
            raise UsageError(
                f"{source} is no address, so options of a server mean nothing to it; leave them out"
            )
        yield _local(source, annotator, asking, local), None
        return
    if local != Local():
        raise UsageError(
            f"{source} runs elsewhere, so device and dtype mean nothing to it; leave them out"
        )
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


def _local(source: str, annotator: str | None, asking: Asking, local: Local) -> Judge:
    """A model on this machine."""
    from surefoot.models.generative import GenerativeModel
    from surefoot.models.hub import folder_of, load

    folder = folder_of(source)
    prompt, critic = asking.critic(folder)
    model = load(folder, profile="judge", device=local.device, dtype=local.dtype or "float32")
    assert isinstance(model, GenerativeModel)
    return _judge(model.writer, prompt, critic, annotator, asking)


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
        missing=asking.missing,
    )
