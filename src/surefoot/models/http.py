"""JSON over HTTP with a server that may be busy, restart or fail: it is asked again, or it is an
error, and never a number.

A `Server` is asked again, after a growing pause, while it says that it is busy (429, 502, 503, 504)
or the connection breaks or times out. Anything else that is not an answer is a `ModelError` with
the address, the status and the beginning of what was said.
"""

from __future__ import annotations

import json
import math
import os
import random
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from surefoot.errors import ModelError, UsageError

if TYPE_CHECKING:
    import httpx2

BUSY = (429, 502, 503, 504)
"""The statuses after which a server is asked again."""

_HINTS = {
    401: "; it wants a token, or another one",
    403: "; the token does not allow this",
    404: "; is the address right?",
    413: "; send less in one request",
}
_EXCERPT = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long to wait, and how often to ask again."""

    timeout_s: float = 300.0
    """For a connection, and for each next piece of an answer."""
    num_retries: int = 6
    first_wait_s: float = 0.5
    """The first pause; each further one is twice as long. Up to half of it is taken off by chance.
    """
    longest_wait_s: float = 60.0
    """No pause is longer; a server that asks for a longer one has failed."""

    def __post_init__(self) -> None:
        for name in ("timeout_s", "first_wait_s", "longest_wait_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be above 0, and finite")
        if self.num_retries < 0:
            raise UsageError(f"num_retries is {self.num_retries}; it must be 0 or more")


class Server:
    """A server that is asked for JSON. Several threads may ask at once.

    A server that has never answered is not waited for if it refuses the connection: its address is
    more likely wrong.

    Args:
        url: Such as `http://localhost:8000`, with any path that comes before those of the protocol.
        token: Sent as a bearer token, and shown nowhere. None takes what the environment variable
            `token_variable` holds, if anything.
        token_variable: The name of that variable.
        patience: How long to wait.
        num_connections: How many requests may be under way at once.
        chance: Draws from [0, 1), for the pauses.

    Raises:
        UsageError: the address or the token cannot be one, or the HTTP client is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        token_variable: str | None = None,
        patience: Patience | None = None,
        num_connections: int = 4,
        chance: Callable[[], float] = random.random,
    ) -> None:
        if num_connections < 1:
            raise UsageError(f"num_connections is {num_connections}; it must be at least 1")
        self._http = _http_client()
        self.url = _checked_url(url, self._http)
        self.patience = patience or Patience()
        self.num_connections = num_connections
        self._chance = chance
        if token is None and token_variable is not None:
            token = os.environ.get(token_variable)
        self._token = _checked_token(token)
        self._has_answered = False
        self._client = self._http.Client(
            headers={"Authorization": f"Bearer {self._token}"} if self._token else {},
            timeout=self.patience.timeout_s,
            limits=self._http.Limits(max_connections=num_connections),
        )

    def get(self, path: str) -> Any:
        """The JSON at a path such as `/model`.

        Raises:
            ModelError: there is none, after as many attempts as patience allows.
        """
        return self._ask("GET", path, None, threading.Event())

    def post(self, path: str, bodies: Sequence[str]) -> Generator[Any, None, None]:
        """The JSON answers to JSON bodies, in their order; several are under way at once. What has
        not been sent when this generator is closed, or fails, never is.

        Raises:
            ModelError: one was not answered, after as many attempts as patience allows.
        """
        stop = threading.Event()
        if len(bodies) == 1:
            yield self._ask("POST", path, bodies[0], stop)
            return
        failures: list[ModelError] = []

        def ask(body: str) -> Any:
            try:
                return None if stop.is_set() else self._ask("POST", path, body, stop)
            except ModelError as failure:
                failures.append(failure)
                stop.set()

        pool = ThreadPoolExecutor(self.num_connections, thread_name_prefix="surefoot-http")
        try:
            for asked in [pool.submit(ask, body) for body in bodies]:
                answer = asked.result()
                if failures:
                    raise failures[0]
                yield answer
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Close the connections, for good."""
        self._client.close()

    def _ask(self, method: str, path: str, body: str | None, stop: threading.Event) -> Any:
        """The answer to a request that is repeated while it fails; `stop` ends the pauses."""
        where = f"{method} {self.url}{path}"
        attempt = 1
        while True:
            try:
                return self._ask_once(where, method, path, body)
            except _AskAgainError as failure:
                if attempt <= self.patience.num_retries:
                    stop.wait(failure.wait_s + self._pause(attempt))
                if attempt > self.patience.num_retries or stop.is_set():
                    times = "once" if attempt == 1 else f"{attempt} times"
                    raise ModelError(f"{where} failed {times}; at last: {failure}") from None
            attempt += 1

    def _ask_once(self, where: str, method: str, path: str, body: str | None) -> Any:
        try:
            response = self._client.request(
                method,
                self.url + path,
                content=None if body is None else body.encode(),
                headers={} if body is None else {"Content-Type": "application/json"},
            )
        except self._http.DecodingError as error:
            raise ModelError(f"{where}: the answer is damaged: {error}") from None
        except self._http.ConnectError as error:
            if not self._has_answered:
                raise ModelError(
                    f"{where}: no connection ({error}); is the server running there?"
                ) from None
            raise _AskAgainError(f"no connection ({error})") from None
        except self._http.TransportError as error:
            kind = type(error).__name__
            raise _AskAgainError(f"{kind}: {error}" if str(error) else kind) from None
        self._has_answered = True
        status = response.status_code
        if status in BUSY:
            wait_s = _asked_wait_s(response.headers.get("Retry-After", ""))
            said = f"status {status}: {self._excerpt(response)}"
            if wait_s > self.patience.longest_wait_s:
                raise ModelError(
                    f"{where}: {said}; it asks to wait {wait_s:.0f} s, longer than longest_wait_s, "
                    f"{self.patience.longest_wait_s:.0f} s"
                )
            raise _AskAgainError(said, wait_s)
        if not response.is_success:
            hint = _HINTS.get(status, "")
            if target := response.headers.get("Location"):
                hint = f"; it points to {target}, give that address"
            raise ModelError(f"{where}: status {status}: {self._excerpt(response)}{hint}")
        try:
            return json.loads(response.content, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise ModelError(
                f"{where}: the answer is not JSON ({error}): {self._excerpt(response)}"
            ) from None

    def _pause(self, attempt: int) -> float:
        wait_s = self.patience.first_wait_s * 2.0 ** min(attempt - 1, 60)
        return min(wait_s, self.patience.longest_wait_s) * (1 - self._chance() / 2)

    def _excerpt(self, response: httpx2.Response) -> str:
        """The beginning of what was said, on one line and without our token."""
        text = response.text
        if self._token:
            text = text.replace(self._token, "...")
        text = " ".join(text.split())
        return text[:_EXCERPT] + ("..." if len(text) > _EXCERPT else "") if text else "(empty)"


def requests(sizes: Sequence[int], most: int, room: int) -> Iterator[tuple[int, int]]:
    """Where requests begin and end that hold at most `most` items each, and at most `room` of their
    sizes; an item that is larger goes alone."""
    begin = filled = 0
    for i, size in enumerate(sizes):
        if i > begin and (i - begin == most or filled + size > room):
            yield begin, i
            begin, filled = i, 0
        filled += size
    if sizes:
        yield begin, len(sizes)


class _AskAgainError(Exception):
    """A request failed in a way that may pass, at the earliest after `wait_s`."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def _http_client() -> Any:
    try:
        import httpx2
    except ImportError:
        raise UsageError(
            "models on servers need an HTTP client: pip install 'surefoot[remote]'"
        ) from None
    return httpx2


def _checked_url(url: str, http: Any) -> str:
    try:
        parsed = http.URL(url)
    except (http.InvalidURL, TypeError) as error:
        raise UsageError(f"this is not an address: {error}") from None
    if parsed.userinfo:
        raise UsageError("the address holds a password, which would be shown; give a token instead")
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
        raise UsageError(f"{url!r} is not an address such as http://localhost:8000")
    return url.rstrip("/")


def _checked_token(token: str | None) -> str | None:
    """The token, if it can stand in a header; the message never shows it."""
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise UsageError("the token holds spaces or characters that no token has; is it whole?")
    return token or None


def _asked_wait_s(retry_after: str) -> float:
    """Seconds from now that a `Retry-After` header asks for; 0 where it asks for none."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        moment: datetime = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _no_number(name: str) -> float:
    raise ValueError(f"it holds {name}, which is no number; a missing one is null")
