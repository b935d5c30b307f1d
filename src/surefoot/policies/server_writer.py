"""A writer on a server that speaks the OpenAI protocol: vLLM, SGLang, llama.cpp, OpenAI and others.

Any other answer than the one asked for is an error with the address and what was said, and never a
number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from surefoot.errors import ModelError, UsageError
from surefoot.policies.base import Sampling, Usage
from surefoot.policies.chat import ChatEncoder
from surefoot.policies.openai_server import OpenAIServer, at, text_of
from surefoot.policies.writer import Odds, Request, Written, before_stop, check_asked


class ServerWriter:
    """A model behind an address such as `http://localhost:8000/v1`. Many requests are under way at
    once.

    With the model's own `tokenizer` (transformers', with its chat template) prompts are written
    here, as a `LocalWriter` writes them, and sent as token ids to `/completions`; so no text of a
    user ever becomes a special token. Without one, conversations go to `/chat/completions`, and
    what special tokens in them become is up to the server.

    Args:
        url: The address, up to and with `/v1`.
        model: The name by which the server knows the model.
        tokenizer: The model's tokenizer, or None.
        goes_on: Whether the server, given no tokenizer, goes on with an unfinished last message
            (vLLM, SGLang), so that the beginning of an answer can be set.
        token: Sent as a bearer token, and shown nowhere.
        num_connections: How many requests may be under way at once.
        timeout_s: How long to wait for an answer.
        num_retries: How often a request is repeated.
        num_logprobs: How many log-probabilities to ask for; servers have limits of their own.
        limit: What the server calls the number of tokens to write, in chats.
        name: What its answers are signed with; the model's name if None.
        server: Who asks at this address, instead of a client made here.

    Raises:
        UsageError: the client is not installed, or a number cannot be one.
        ContractError: the tokenizer has no chat template, or is not a fast one.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        tokenizer: Any = None,
        goes_on: bool = False,
        token: str | None = None,
        num_connections: int = 16,
        timeout_s: float = 600.0,
        num_retries: int = 5,
        num_logprobs: int = 20,
        limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
        name: str | None = None,
        server: OpenAIServer | None = None,
    ) -> None:
        if num_logprobs < 1:
            raise UsageError(f"num_logprobs is {num_logprobs}; it must be at least 1")
        self.server = server or OpenAIServer(
            url,
            token=token,
            num_connections=num_connections,
            timeout_s=timeout_s,
            num_retries=num_retries,
        )
        self.model = model
        self.goes_on = goes_on
        self.num_logprobs = num_logprobs
        self.limit = limit
        self.name = name or model
        self.usage = Usage()
        self._chat = None if tokenizer is None else ChatEncoder(tokenizer)

    def write(
        self, requests: Sequence[Request], n: int, *, seed: int, sampling: Sampling | None = None
    ) -> list[list[Written]]:
        """`n` answers to each request. The seeds sent are the same for the same request and seed;
        not every server obeys them.

        Raises:
            UsageError: `n` is less than 1, a number of steps is asked for, or a request cannot be
                sent without a tokenizer.
            UnscorableError: the server has no room for a request.
            ModelError: the server failed, or did not answer as the protocol has it.
        """
        sampling = check_asked(n, sampling)
        bodies = []
        for request in requests:
            settings: dict[str, Any] = {
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                **({} if sampling.top_k is None else {"top_k": sampling.top_k}),
                **({"stop": list(request.stop)} if request.stop else {}),
            }
            body = self._body(request, sampling.max_new_tokens) | settings
            bodies += [{**body, "seed": request.seed(seed, j)} for j in range(n)]
        answers = [
            _written(answer, requests[i // n].stop, self._where)
            for i, answer in enumerate(self._ask_all(bodies))
        ]
        return [answers[i * n : (i + 1) * n] for i in range(len(requests))]

    def choose(self, requests: Sequence[Request], choices: Sequence[str]) -> list[Odds | None]:
        """How likely each choice is to come next, by the most likely tokens that the server names.

        A token stands for a choice that it is equal to or the beginning of, and of no other. A
        choice with no token among them gets the least log-probability that was named.

        Raises:
            UsageError: a request cannot be sent without a tokenizer.
            UnscorableError: the server has no room for a request.
            ModelError: the server failed, or gave no log-probabilities.
        """
        if self._chat is None:
            wanted: dict[str, Any] = {"logprobs": True, "top_logprobs": self.num_logprobs}
        else:
            self._chat.first_tokens(choices)
            wanted = {"logprobs": self.num_logprobs}
        bodies = [self._body(one, 1) | wanted | {"temperature": 0.0} for one in requests]
        return [_odds(answer, choices, self._where) for answer in self._ask_all(bodies)]

    @property
    def _path(self) -> str:
        return "/chat/completions" if self._chat is None else "/completions"

    @property
    def _where(self) -> str:
        return self.server.url + self._path

    def _body(self, request: Request, max_new_tokens: int) -> dict[str, Any]:
        """The model, the conversation and the length, as the protocol writes them."""
        if self._chat is not None:
            prompt = self._chat.encode(request)
            return {"model": self.model, "prompt": prompt, "max_tokens": max_new_tokens}
        messages = [{"role": m.role, "content": m.text} for m in request.messages]
        body = {"model": self.model, "messages": messages, self.limit: max_new_tokens}
        if not request.opens_turn or (request.prefill and not self.goes_on):
            raise UsageError(
                f"the beginning of {self.name}'s answers is set, which {self._where} may not "
                "obey; give the model's tokenizer, or goes_on=True for a server that goes on with "
                "an unfinished last message"
            )
        if request.prefill:
            messages.append({"role": "assistant", "content": request.prefill})
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        return body

    def _ask_all(self, bodies: Sequence[Mapping[str, Any]]) -> list[Any]:
        answers = self.server.ask_all(self._path, bodies)
        for answer in answers:
            self.usage.calls += 1
            self.usage.prompt_tokens += at(answer, self._where, int, "usage", "prompt_tokens")
            self.usage.new_tokens += at(answer, self._where, int, "usage", "completion_tokens")
        return answers


def _written(answer: Any, stop: Sequence[str], where: str) -> Written:
    text, reason = text_of(answer, where)
    kept = before_stop(text, stop)
    num_tokens = at(answer, where, int, "usage", "completion_tokens")
    return Written(text if kept is None else kept, num_tokens, reason == "stop")


def _odds(answer: Any, choices: Sequence[str], where: str) -> Odds | None:
    named = _logprobs(at(answer, where, dict, "choices", 0), where)
    found: list[float | None] = []
    for choice in choices:
        others = [one for one in choices if one != choice]
        own = [
            (len(token), logprob)
            for token, logprob in named
            if token
            and choice.startswith(token)
            and not any(other.startswith(token) for other in others)
        ]
        found.append(max(own)[1] if own else None)
    if all(logprob is None for logprob in found):
        return None
    least = min(logprob for _, logprob in named)
    return Odds(
        tuple(least if logprob is None else logprob for logprob in found), found.count(None)
    )


def _logprobs(choice: Mapping[str, Any], where: str) -> list[tuple[str, float]]:
    """The tokens that the server named for the next position, and their log-probabilities."""
    given = choice.get("logprobs")
    if not isinstance(given, dict):
        raise ModelError(
            f"{where}: the answer has no log-probabilities; this model must be asked on a server "
            "that gives them"
        )
    named: Iterable[tuple[Any, Any]]
    if "content" in given:
        content = at(choice, where, list, "logprobs", "content")
        path = ("logprobs", "content", 0, "top_logprobs")
        tokens = at(choice, where, list, *path) if content else []
        named = [(at(one, where, str, "token"), one.get("logprob")) for one in tokens]
    else:
        tops = at(choice, where, list, "logprobs", "top_logprobs")
        named = at(choice, where, dict, "logprobs", "top_logprobs", 0).items() if tops else []
    for _, logprob in named:
        number = isinstance(logprob, (int, float)) and not isinstance(logprob, bool)
        if not number or not math.isfinite(logprob):
            raise ModelError(f"{where}: a log-probability is {logprob!r}")
    return [(token, float(logprob)) for token, logprob in named]
