"""A server that speaks the OpenAI protocol: many requests under way, repeated where that may help.

Requests that fail in a way that may pass (429, 5xx, no connection, no answer in time) are repeated,
with growing pauses; a server that is gone may be waited for. Any other answer than the one asked
for is an error with the address and what was said.
"""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from surefoot.errors import ModelError, UnscorableError, UsageError
from surefoot.policies.crew import Crew

_EXCERPT = 300
_TOO_LONG = ("context length", "context_length")
"""What servers say of a request that their model has no room for."""
_SHUT = frozenset({401, 403, 404})
"""Statuses that say nothing of a request, but that nobody gets an answer this way."""
_GONE = frozenset({502, 503, 504})
"""Statuses that say that the server is not there, or not yet."""
_PAUSES_S = 0.25, 5.0
"""How long a server that is gone is left alone, at first and at most; doubled in between."""
_MISSING = object()


class ShutError(ModelError):
    """Nothing can be asked there: no connection, no permission, no such model."""


class OpenAIServer:
    """The client of one address, for any number of threads.

    Args:
        url: The address, up to and with `/v1`.
        token: Sent as a bearer token, and shown nowhere.
        num_connections: How many requests may be under way at once.
        timeout_s: How long to wait for an answer.
        num_retries: How often a request is repeated.
        patience_s: How long to wait beyond that for a server that cannot be reached, counted from
            when it went away: one that comes back in time was never missed.

    Raises:
        UsageError: the client is not installed, or a number cannot be one.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        num_connections: int = 16,
        timeout_s: float = 600.0,
        num_retries: int = 5,
        patience_s: float = 0.0,
    ) -> None:
        for what, value, least in (
            ("num_connections", num_connections, 1),
            ("num_retries", num_retries, 0),
        ):
            if value < least:
                raise UsageError(f"{what} is {value}; it must be at least {least}")
        if not patience_s >= 0:
            raise UsageError(f"patience_s is {patience_s}; it must be at least 0")
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"{url!r} is not an address such as http://localhost:8000/v1")
        self.url = url.rstrip("/")
        self.num_connections = num_connections
        self._token, self._timeout_s, self._num_retries = token, timeout_s, num_retries
        self._patience_s = patience_s
        self._gone_since: float | None = None
        self._crew = Crew(num_connections)
        weakref.finalize(self, self._crew.close)
        self._library = _client_library()
        self._client = self._library.OpenAI(
            base_url=self.url, api_key=token or "none", timeout=timeout_s, max_retries=num_retries
        )

    def ask(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to one request, JSON of any kind.

        Raises:
            UnscorableError: the server has no room for it.
            ShutError: nothing can be asked there.
            ModelError: the server failed, or its answer is not JSON.
        """
        from httpx2 import Response

        where, pause_s = self.url + path, _PAUSES_S[0]
        while True:
            try:
                response = self._client.post(path, body=body, cast_to=Response)
                self._gone_since = None
                return json.loads(response.content)
            except self._library.APIError as error:
                if not self._waits_for(error):
                    raise self._told(error, where) from None
            except (ValueError, RecursionError) as error:
                raise ModelError(f"{where}: the answer is not JSON: {error}") from None
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _PAUSES_S[1])

    def ask_all(self, path: str, bodies: Iterable[Mapping[str, Any]]) -> list[Any]:
        """The answers, in order. After a failure those that have not been asked never are."""
        futures = [self._crew.submit(partial(self.ask, path, body)) for body in bodies]
        try:
            return [one.result() for one in futures]
        finally:
            for one in futures:
                one.cancel()

    def try_all(self, path: str, bodies: Sequence[Mapping[str, Any]]) -> list[Any | ModelError]:
        """The answers, in order, and in place of one that failed its error.

        Raises:
            ShutError: nothing can be asked there: it failed so, and nothing was answered.
        """

        futures = [self._crew.submit(partial(self._attempt, path, body)) for body in bodies]
        try:
            found = [one.result() for one in futures]
        finally:
            for one in futures:
                one.cancel()
        shut = [one for one in found if isinstance(one, ShutError)]
        if shut and all(isinstance(one, ModelError) for one in found):
            raise shut[0]
        return found

    def _attempt(self, path: str, body: Mapping[str, Any]) -> Any | ModelError:
        try:
            return self.ask(path, body)
        except ModelError as error:
            return error

    def _waits_for(self, error: Exception) -> bool:
        """Whether a server that gives this error is gone, and may come back in time."""
        library = self._library
        if isinstance(error, library.APIStatusError):
            gone = error.status_code in _GONE
        else:
            gone = isinstance(error, library.APIConnectionError)
            gone = gone and not isinstance(error, library.APITimeoutError)
        if not gone:
            return False
        now = time.monotonic()
        if self._gone_since is None:
            self._gone_since = now
        return now - self._gone_since < self._patience_s

    def _told(self, error: Any, where: str) -> ModelError | UnscorableError:
        """An error of the client, in our words."""
        library, times = self._library, self._num_retries + 1
        if isinstance(error, library.APIStatusError):
            said = self._excerpt(error.response.text)
            if error.status_code == 400 and any(words in said.lower() for words in _TOO_LONG):
                return UnscorableError(f"{where} has no room for a request: {said}")
            kind = ShutError if error.status_code in _SHUT else ModelError
            return kind(f"{where}: status {error.status_code}: {said}")
        if isinstance(error, library.APITimeoutError):
            return ModelError(
                f"{where}: no answer within {self._timeout_s:g} s, {times} times; raise "
                "timeout_s, or ask for less at once with num_connections"
            )
        if isinstance(error, library.APIConnectionError):
            waited = f" and for {self._patience_s:g} s" if self._patience_s else ""
            return ShutError(
                f"{where}: no connection, {times} times{waited} ({error.__cause__ or error}); is "
                "the server running there?"
            )
        return ModelError(f"{where}: {error}")

    def _excerpt(self, text: str) -> str:
        """The beginning of what was said, on one line and without our token."""
        if self._token:
            text = text.replace(self._token, "...")
        text = " ".join(text.split()) or "(empty)"
        return text[:_EXCERPT] + ("..." if len(text) > _EXCERPT else "")


def at(value: Any, where: str, kind: Any, *path: str | int) -> Any:
    """What stands at a path of an answer, if it is of that kind.

    Raises:
        ModelError: it is not.
    """
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


def text_of(answer: Any, where: str) -> tuple[str, str | None]:
    """The text of the first choice, of a chat or not, and why it ends there.

    Raises:
        ModelError: the answer is not of the protocol.
    """
    choice = at(answer, where, dict, "choices", 0)
    if "message" in choice:
        text = at(choice, where, (str, type(None)), "message", "content") or ""
    else:
        text = at(choice, where, str, "text")
    reason = at(choice, where, (str, type(None)), "finish_reason")
    return text.encode(errors="replace").decode(), reason


def _client_library() -> Any:
    try:
        import openai
    except ImportError:
        raise UsageError(
            "models on servers that speak the OpenAI protocol need its client: "
            "pip install 'surefoot[remote]'"
        ) from None
    return openai
