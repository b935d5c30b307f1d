"""Threads that nobody has to wait for: a program can end while one of them still hangs on a server.

Those of `concurrent.futures` are joined when a program ends, so that an interrupt would wait for an
answer that may take minutes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Crew:
    """So many threads, which start with the first task and end with `close`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._tasks: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._num_threads = 0

    def submit(self, task: Callable[[], T]) -> Future[T]:
        """Have a task done; one that is cancelled before it has begun never is."""
        future: Future[T] = Future()
        self._tasks.put((future, task))
        with self._lock:
            if self._num_threads < self.size:
                self._num_threads += 1
                threading.Thread(target=self._work, name="surefoot-crew", daemon=True).start()
        return future

    def close(self) -> None:
        """End each thread once it has done what was submitted before; submit nothing after."""
        for _ in range(self._num_threads):
            self._tasks.put(None)

    def _work(self) -> None:
        while (given := self._tasks.get()) is not None:
            future, task = given
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(task())
            except BaseException as error:  # noqa: BLE001 - whoever waits for the result raises it
                future.set_exception(error)
            del future, task, given  # while it waits for the next, this one's memory is free
