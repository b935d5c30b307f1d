"""A writer on a server that speaks the OpenAI protocol: vLLM, SGLang, llama.cpp, OpenAI and others.

Requests that fail in a way that may pass (429, 5xx, no connection, no answer in time) are repeated,
with growing pauses. Any other answer than the one asked for is an error with the address and what
was said, and never a number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from surefoot.errors import ModelError, UnscorableError, UsageError
from surefoot.policies.base import Sampling, Usage
from surefoot.policies.chat import ChatEncoder
from surefoot.policies.writer import Odds, Request, Written, before_stop, check_asked

_EXCERPT = 300
_TOO_LONG = ("context length", "context_length")
"""What servers say of a request that their model has no room for."""
_MISSING = object()


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
    ) -> None:
        for what, value, least in (
            ("num_connections", num_connections, 1),
            ("num_retries", num_retries, 0),
            ("num_logprobs", num_logprobs, 1),
        ):
            if value < least:
                raise UsageError(f"{what} is {value}; it must be at least {least}")
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"{url!r} is not an address such as http://localhost:8000/v1")
        self.url = url.rstrip("/")
        self.model = model
        self.goes_on = goes_on
        self.num_connections = num_connections
        self.num_logprobs = num_logprobs
        self.limit = limit
        self.name = name or model
        self.usage = Usage()
        self._token, self._timeout_s, self._num_retries = token, timeout_s, num_retries
        self._chat = None if tokenizer is None else ChatEncoder(tokenizer)
        self._library = _client_library()
        self._client = self._library.OpenAI(
            base_url=self.url, api_key=token or "none", timeout=timeout_s, max_retries=num_retries
        )

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
    def _where(self) -> str:
        return self.url + ("/chat/completions" if self._chat is None else "/completions")

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
        """The answers, in order. After a failure those that have not been asked never are."""
        pool = ThreadPoolExecutor(self.num_connections, thread_name_prefix="surefoot-writer")
        try:
            answers = list(pool.map(self._ask, bodies))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        for answer in answers:
            self.usage.calls += 1
            self.usage.prompt_tokens += _at(answer, self._where, int, "usage", "prompt_tokens")
            self.usage.new_tokens += _at(answer, self._where, int, "usage", "completion_tokens")
        return answers

    def _ask(self, body: Mapping[str, Any]) -> Any:
        from httpx2 import Response

        library, where = self._library, self._where
        times = self._num_retries + 1
        try:
            path = where.removeprefix(self.url)
            response = self._client.post(path, body=body, cast_to=Response)
            return json.loads(response.content)
        except library.APIStatusError as error:
            said = self._excerpt(error.response.text)
            if error.status_code == 400 and any(words in said.lower() for words in _TOO_LONG):
                raise UnscorableError(f"{where} has no room for a request: {said}") from None
            raise ModelError(f"{where}: status {error.status_code}: {said}") from None
        except library.APITimeoutError:
            raise ModelError(
                f"{where}: no answer within {self._timeout_s:g} s, {times} times; raise "
                "timeout_s, or ask for less at once with num_connections"
            ) from None
        except library.APIConnectionError as error:
            reason = error.__cause__ or error
            raise ModelError(
                f"{where}: no connection, {times} times ({reason}); is the server running there?"
            ) from None
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{where}: the answer is not JSON: {error}") from None

    def _excerpt(self, text: str) -> str:
        """The beginning of what was said, on one line and without our token."""
        if self._token:
            text = text.replace(self._token, "...")
        text = " ".join(text.split()) or "(empty)"
        return text[:_EXCERPT] + ("..." if len(text) > _EXCERPT else "")


def _written(answer: Any, stop: Sequence[str], where: str) -> Written:
    choice = _at(answer, where, dict, "choices", 0)
    if "message" in choice:
        text = _at(choice, where, (str, type(None)), "message", "content") or ""
    else:
        text = _at(choice, where, str, "text")
    text = text.encode(errors="replace").decode()
    kept = before_stop(text, stop)
    return Written(
        text if kept is None else kept,
        _at(answer, where, int, "usage", "completion_tokens"),
        _at(choice, where, (str, type(None)), "finish_reason") == "stop",
    )


def _odds(answer: Any, choices: Sequence[str], where: str) -> Odds | None:
    named = _logprobs(_at(answer, where, dict, "choices", 0), where)
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
        content = _at(choice, where, list, "logprobs", "content")
        path = ("logprobs", "content", 0, "top_logprobs")
        tokens = _at(choice, where, list, *path) if content else []
        named = [(_at(one, where, str, "token"), one.get("logprob")) for one in tokens]
    else:
        tops = _at(choice, where, list, "logprobs", "top_logprobs")
        named = _at(choice, where, dict, "logprobs", "top_logprobs", 0).items() if tops else []
    for _, logprob in named:
        number = isinstance(logprob, (int, float)) and not isinstance(logprob, bool)
        if not number or not math.isfinite(logprob):
            raise ModelError(f"{where}: a log-probability is {logprob!r}")
    return [(token, float(logprob)) for token, logprob in named]


def _at(value: Any, where: str, kind: Any, *path: str | int) -> Any:
    """What stands at a path of an answer, if it is of that kind."""
    here: Any = value
    for key in path:
        try:
            here = here[key]
        except (KeyError, IndexError, TypeError):
            here = _MISSING
            break
    if not isinstance(here, kind) or isinstance(here, bool):
        raise ModelError(
            f"{where}: the answer is not of the OpenAI protocol: its "
            f"{'.'.join(map(str, path))} is {'missing' if here is _MISSING else repr(here)[:80]}"
        )
    return here


def _client_library() -> Any:
    try:
        import openai
    except ImportError:
        raise UsageError(
            "writers on servers need the OpenAI client: pip install 'surefoot[remote]'"
        ) from None
    return openai
