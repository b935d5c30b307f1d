"""A policy on a server that speaks the OpenAI protocol: vLLM, SGLang, llama.cpp, OpenAI and others.

Every continuation is a request of its own with a seed of its own, so that one that fails loses no
other: its cause stands in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from surefoot.errors import ModelError, TraceError, UnscorableError, UsageError
from surefoot.policies.base import NO_TURNS, Continuation, Prefix, Sampling, Usage, sample_seeds
from surefoot.policies.openai_server import OpenAIServer, at, text_of
from surefoot.traces.layout import Layout
from surefoot.traces.split import SplitStrategy, split_steps


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatPrompt:
    """How a chat model is asked to write steps, and to go on behind those that are there.

    `first` and `further` hold `{problem}`, `further` also `{steps}`. What comes back is cut into
    steps by `split`; steps that it repeats before going on are left out.
    """

    first: str = (
        "{problem}\n\nSolve this step by step. Put a blank line between two steps, and give the "
        "final answer in \\boxed{{}} in the last one."
    )
    further: str = (
        "{problem}\n\nThe solution below is unfinished. Go on from where it stops and write only "
        "the steps that are missing, without repeating or correcting those that are there. Put a "
        "blank line between two steps, and give the final answer in \\boxed{{}} in the last one."
        "\n\n{steps}"
    )
    system: str | None = None
    split: SplitStrategy = "auto"

    def __post_init__(self) -> None:
        if "{problem}" not in self.first or "{problem}" not in self.further:
            raise UsageError("first and further must hold {problem}")
        if "{steps}" not in self.further:
            raise UsageError("further must hold {steps}")


class ServerPolicy:
    """A model behind an address such as `http://localhost:8000/v1` that writes steps. Many requests
    are under way at once.

    Plain text goes to `/completions` in a `Layout`, as token ids where the model's `tokenizer` is
    given, so that no text of a user ever becomes a special token. With `chat`, conversations go to
    `/chat/completions`. Servers do not say how probable what they wrote was: `logprob` is None. The
    seeds sent are the same for the same prefix and seed; not every server obeys them.

    Args:
        url: The address, up to and with `/v1`.
        model: The name by which the server knows the model.
        layout: How problem and steps stand in plain text.
        tokenizer: The model's tokenizer (transformers'), or None to send text.
        chat: How a chat model is asked; None sends plain text.
        stop: Further texts at which the model is done, at most three.
        limit: What the server calls the number of tokens to write, in chats.
        name: What its traces give as their source; the model's name if None.
        options: Those of `OpenAIServer`: token, num_connections, timeout_s, num_retries.

    Raises:
        UsageError: the client is not installed, or options do not go together.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        layout: Layout | None = None,
        tokenizer: Any = None,
        chat: ChatPrompt | None = None,
        stop: Sequence[str] = (),
        limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
        name: str | None = None,
        **options: Any,
    ) -> None:
        if chat is not None and (layout is not None or tokenizer is not None):
            raise UsageError("a chat has no layout or tokenizer of ours; leave them or chat out")
        if len(stop) > 3 or not all(stop):
            raise UsageError("stop holds at most three texts, none of them empty")
        self.server = OpenAIServer(url, **options)
        self.model = model
        self.layout = layout or Layout()
        self.tokenizer = tokenizer
        self.chat = chat
        self.stop = tuple(stop)
        self.limit = limit
        self.name = name or model
        self.usage = Usage()

    def continue_prefixes(
        self, prefixes: Sequence[Prefix], n: int, *, seed: int, sampling: Sampling | None = None
    ) -> list[list[Continuation]]:
        """`n` independent continuations of each prefix; one that the server failed on has `failed`.

        Raises:
            UsageError: `n` is less than 1.
            ShutError: nothing can be asked there: no connection, no permission, no such model.
        """
        if n < 1:
            raise UsageError(f"n is {n}; ask for at least one continuation")
        sampling = sampling or Sampling()
        seeds = sample_seeds(prefixes, n, seed)
        bodies = [
            {**self._body(prefix, sampling), "seed": one}
            for prefix, own in zip(prefixes, seeds, strict=True)
            for one in own
        ]
        owners = [prefix for prefix in prefixes for _ in range(n)]
        found = self._written(bodies, owners, sampling.max_new_steps)
        blank = [
            i
            for i, one in enumerate(found)
            if self._ends_early(bodies[i]) and not (one.steps or one.finished or one.failed)
        ]
        if blank:
            whole = [{**bodies[i], "stop": [*self.stop] or None} for i in blank]
            again = self._written(whole, [owners[i] for i in blank], sampling.max_new_steps)
            for i, one in zip(blank, again, strict=True):
                found[i] = replace(
                    one,
                    num_tokens=one.num_tokens + found[i].num_tokens,
                    num_read=one.num_read + found[i].num_read,
                )
        return [found[i * n : (i + 1) * n] for i in range(len(prefixes))]

    @property
    def _path(self) -> str:
        return "/completions" if self.chat is None else "/chat/completions"

    def _body(self, prefix: Prefix, sampling: Sampling) -> dict[str, Any]:
        """A request without its seed. One step alone ends where the layout has a step end; more
        cannot be counted by stop texts, and are cut here."""
        stop = [*self.stop]
        if self.chat is None and sampling.max_new_steps == 1:
            stop.append(self.layout.step_end)
        body: dict[str, Any] = {
            "model": self.model,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            **({} if sampling.top_k is None else {"top_k": sampling.top_k}),
            **({"stop": stop} if stop else {}),
        }
        if self.chat is None and prefix.turns:
            raise UnscorableError(f"{self.name} {NO_TURNS}")
        if self.chat is not None:
            messages = _messages(self.chat, prefix)
            return {**body, "messages": messages, self.limit: sampling.max_new_tokens}
        return {**body, "prompt": self._prompt(prefix), "max_tokens": sampling.max_new_tokens}

    def _prompt(self, prefix: Prefix) -> str | list[int]:
        if self.tokenizer is not None:
            (encoded,) = self.layout.encode([(prefix.problem, prefix.steps)], self.tokenizer)
            return encoded.ids
        pieces = [prefix.problem, self.layout.problem_end]
        return "".join([*pieces, *(step + self.layout.step_end for step in prefix.steps)])

    def _written(
        self, bodies: Sequence[Mapping[str, Any]], owners: Sequence[Prefix], max_steps: int | None
    ) -> list[Continuation]:
        answers = self.server.try_all(self._path, bodies)
        return [
            self._continuation(answer, body, prefix, max_steps)
            for answer, body, prefix in zip(answers, bodies, owners, strict=True)
        ]

    def _continuation(
        self, answer: Any, body: Mapping[str, Any], prefix: Prefix, max_steps: int | None
    ) -> Continuation:
        where = self.server.url + self._path
        try:
            if isinstance(answer, ModelError):
                raise answer
            text, reason = text_of(answer, where)
            read, written = (
                at(answer, where, int, "usage", name)
                for name in ("prompt_tokens", "completion_tokens")
            )
        except ModelError as error:
            return Continuation((), None, 0, False, failed=str(error))
        self.usage.calls += 1
        self.usage.prompt_tokens += read
        self.usage.new_tokens += written
        steps = self._steps(text, prefix)
        whole = len(steps)
        steps = steps[:max_steps]
        finished = reason == "stop" and len(steps) == whole and not self._cut(answer, body)
        return Continuation(tuple(steps), None, written, finished, num_read=read)

    def _cut(self, answer: Any, body: Mapping[str, Any]) -> bool:
        """Whether the text ends at the end of a step and not by itself. A server that does not say
        at which text it stopped is taken to have stopped there."""
        if not self._ends_early(body):
            return False
        choice = answer["choices"][0]
        return bool(choice.get("stop_reason", self.layout.step_end) == self.layout.step_end)

    def _ends_early(self, body: Mapping[str, Any]) -> bool:
        """Whether a request asks to stop at the end of a step."""
        return self.chat is None and self.layout.step_end in (body.get("stop") or ())

    def _steps(self, text: str, prefix: Prefix) -> list[str]:
        if self.chat is None:
            return [step for step in text.split(self.layout.step_end) if step.strip()]
        try:
            steps = split_steps(text, self.chat.split)
        except TraceError:
            return []
        known = [step.strip() for step in prefix.steps]
        if known and [step.strip() for step in steps[: len(known)]] == known:
            return steps[len(known) :]
        return steps


def _messages(chat: ChatPrompt, prefix: Prefix) -> list[dict[str, str]]:
    how = chat.further if prefix.steps else chat.first
    asked = how.format(problem=prefix.problem, steps="\n\n".join(prefix.steps))
    system = [] if chat.system is None else [("system", chat.system)]
    said = [*system, *prefix.turns, ("user", asked)]
    return [{"role": role, "content": text} for role, text in said]
