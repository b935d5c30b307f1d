"""A policy on a server that speaks the OpenAI protocol: vLLM, SGLang, llama.cpp, OpenAI and others.

Every continuation is a request of its own with a seed of its own, so that one that fails loses no
other: its cause stands in its place.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from surefoot.errors import ModelError, TraceError, UnscorableError, UsageError
from surefoot.policies.base import NO_TURNS, Continuation, Prefix, Sampling, Usage, sample_seeds
from surefoot.policies.openai_server import OpenAIServer
from surefoot.policies.server_answers import Answer, answer_of, end_of
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
    are under way at once, and any number of threads may ask.

    Plain text goes to `/completions` in a `Layout`, as token ids where the model's `tokenizer` is
    given, so that no text of a user ever becomes a special token. With `chat`, conversations go to
    `/chat/completions`. The seeds sent are the same for the same prefix and seed; not every server
    obeys them.

    A request for one step ends where the step does: at the layout's step end, in a chat at a blank
    line, where its steps are paragraphs. If the server does not say at which text it stopped, and
    does not leave it in what it gives either, it is taken to have stopped there.

    Args:
        url: The address, up to and with `/v1`.
        model: The name by which the server knows the model.
        layout: How problem and steps stand in plain text.
        tokenizer: The model's tokenizer (transformers'), or None to send text.
        chat: How a chat model is asked; None sends plain text.
        stop: Further texts at which the model is done, at most three.
        limit: What the server calls the number of tokens to write, in chats.
        logprobs: Ask how probable what was written was, for `logprob`, which is None otherwise, and
            where the server does not say it of every token. It has to mean temperature 1.
        fields: Further fields of every request, such as chat_template_kwargs.
        name: What its traces give as their source; the model's name if None.
        options: Those of `OpenAIServer`: token, num_connections, timeout_s, num_retries,
            patience_s.

    Raises:
        UsageError: the client is not installed, or options do not go together.
    """

    is_elsewhere = True
    """It computes on another machine, so that this one can do something else meanwhile."""

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
        logprobs: bool = False,
        fields: Mapping[str, Any] | None = None,
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
        self.logprobs = logprobs
        self.fields = dict(fields or {})
        self.name = name or model
        self.usage = Usage()
        self._lock = threading.Lock()
        self._keeps_stops = False
        """Whether the server is known to leave in its texts that at which it stops."""

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
            if self._step_end in _stops(bodies[i]) and not (one.steps or one.finished or one.failed)
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

    @property
    def _step_end(self) -> str | None:
        """What is written at the end of a step, as far as it is known before the text is."""
        if self.chat is None:
            return self.layout.step_end
        return "\n\n" if self.chat.split in ("auto", "paragraphs") else None

    def _body(self, prefix: Prefix, sampling: Sampling) -> dict[str, Any]:
        """A request without its seed. More steps than one cannot be counted by stop texts, and are
        cut here."""
        stop = [*self.stop]
        if sampling.max_new_steps == 1 and self._step_end is not None:
            stop.append(self._step_end)
        body: dict[str, Any] = {
            "model": self.model,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            **({} if sampling.top_k is None else {"top_k": sampling.top_k}),
            **({"stop": stop} if stop else {}),
            **({"logprobs": 1 if self.chat is None else True} if self.logprobs else {}),
            **self.fields,
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
        read = [self._read(answer) for answer in answers]
        for one, body in zip(read, bodies, strict=True):
            if not isinstance(one, ModelError) and one.reason == "stop":
                self._keeps_stops |= any(one.text.endswith(stop) for stop in _stops(body))
        return [
            self._continuation(one, body, prefix, max_steps)
            for one, body, prefix in zip(read, bodies, owners, strict=True)
        ]

    def _read(self, answer: Any) -> Answer | ModelError:
        """What an answer says, or why it says nothing."""
        if isinstance(answer, ModelError):
            return answer
        try:
            one = answer_of(answer, self.server.url + self._path)
        except ModelError as error:
            return error
        with self._lock:
            self.usage.calls += 1
            self.usage.prompt_tokens += one.num_read
            self.usage.new_tokens += one.num_written
        return one

    def _continuation(
        self,
        one: Answer | ModelError,
        body: Mapping[str, Any],
        prefix: Prefix,
        max_steps: int | None,
    ) -> Continuation:
        if isinstance(one, ModelError):
            return Continuation((), None, 0, False, failed=str(one))
        stopped = self._stopped_at(one, _stops(body))
        text = one.text
        if stopped in self.stop and stopped in text:
            text = text[: text.index(stopped)]
        is_cut = stopped is not None and stopped == self._step_end
        written = self._steps(text, is_cut=is_cut)
        found = self._without_known(written, prefix)
        steps = found[:max_steps]
        more = len(steps) < len(found)
        logprob = None
        if self.logprobs and (self.chat is None or steps == written):
            end = end_of(text, self.layout.step_end, len(steps)) if more else None
            logprob = one.logprob(end)
        finished = one.reason == "stop" and not (more or is_cut)
        return Continuation(tuple(steps), logprob, one.num_written, finished, num_read=one.num_read)

    def _stopped_at(self, one: Answer, stops: Sequence[str]) -> str | None:
        """The stop text at which an answer ends; the end of a step where that is not known."""
        if not stops or one.reason != "stop":
            return None
        if one.says_stop:
            return one.stop if one.stop in stops else None
        left = [stop for stop in stops if stop in one.text]
        if left or self._keeps_stops:
            return min(left, key=one.text.index, default=None)
        return self._step_end if self._step_end in stops else None

    def _steps(self, text: str, *, is_cut: bool) -> list[str]:
        if self.chat is None:
            return [step for step in text.split(self.layout.step_end) if step.strip()]
        try:
            return split_steps(text, "paragraphs" if is_cut else self.chat.split)
        except TraceError:
            return []

    def _without_known(self, steps: list[str], prefix: Prefix) -> list[str]:
        """The steps behind those that a chat repeats before it goes on."""
        known = [step.strip() for step in prefix.steps]
        repeats = [step.strip() for step in steps[: len(known)]] == known
        return steps[len(known) :] if self.chat is not None and repeats else steps


def _stops(body: Mapping[str, Any]) -> Sequence[str]:
    return body.get("stop") or ()


def _messages(chat: ChatPrompt, prefix: Prefix) -> list[dict[str, str]]:
    how = chat.further if prefix.steps else chat.first
    asked = how.format(problem=prefix.problem, steps="\n\n".join(prefix.steps))
    system = [] if chat.system is None else [("system", chat.system)]
    said = [*system, *prefix.turns, ("user", asked)]
    return [{"role": role, "content": text} for role, text in said]
