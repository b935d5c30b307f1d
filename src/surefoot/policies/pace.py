"""A pace that requests keep together: so many a minute, and so many tokens a minute."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field

from surefoot.errors import UsageError


@dataclass
class Pace:
    """Limits that many threads share; None is no limit.

    Requests are spread evenly, not sent in bursts. How many tokens one will take is not known
    before: the mean so far is set aside for it, and put right once it is answered.

    Raises:
        UsageError: a limit is not positive.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    _free_at: float = 0.0
    """When the next request may start, by the monotonic clock."""
    _paid_at: float = 0.0
    """When all tokens that are spent or set aside will be paid for."""
    _tokens: int = 0
    _answers: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"{name} is {value}; it must be positive")

    def wait(self) -> float:
        """Wait for one's turn; gives the tokens that were set aside, for `settle`."""
        with self._lock:
            now = time.monotonic()
            start = max(now, self._free_at)
            aside = self._tokens / self._answers if self._answers else 0.0
            if self.tokens_per_minute is not None:
                start = max(start, self._paid_at)
                self._paid_at = start + 60 * aside / self.tokens_per_minute
            if self.requests_per_minute is not None:
                self._free_at = start + 60 / self.requests_per_minute
        time.sleep(max(0.0, start - now))
        return aside

    def settle(self, aside: float, num_tokens: int) -> None:
        """Say what a request really took: 0 for one that failed."""
        with self._lock:
            if num_tokens:
                self._tokens += num_tokens
                self._answers += 1
            if self.tokens_per_minute is not None:
                more = 60 * (num_tokens - aside) / self.tokens_per_minute
                self._paid_at = max(self._paid_at, time.monotonic() if more > 0 else 0.0) + more
