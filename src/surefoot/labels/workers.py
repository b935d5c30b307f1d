"""Calls in processes of their own, each with a hard limit of time and memory; start at `Workers`.

A call may hang in C, take all memory or crash its interpreter: its process is killed and replaced,
the call's result is `TimedOut` or `Crashed`, and no other call is lost. Processes are started
afresh (never forked off this one, so that its threads and models do not matter), import what the
function needs and nothing else, and end with this process, however that ends.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing import Pipe
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from surefoot.errors import UsageError, WorkerError
from surefoot.labels.worker import Crashed

__all__ = ["Crashed", "TimedOut", "Workers"]

A = TypeVar("A")
R = TypeVar("R")

MAX_BATCH = 32
"""Calls that a process is sent at once, at most."""

BATCH_S = 0.05
"""Calls are sent in batches that take about this long, so that sending costs little beside them."""

MAX_AHEAD = 512
"""Calls per process that may be begun before the result of the first of them is taken."""

GRACE_S = 2.0
"""A process that outlives its own alarm by so much is killed from here."""

START_S = 120.0
"""How long a process may take to start, or to import a function."""


MAX_NOT_BEGUN = 3
"""Processes that may be gone before they began, one after another, until that is an error."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The result of a call that did not end within its limit."""

    seconds: float


class Workers:
    """A pool of processes, to be used in a `with` block; see `map`.

    Args:
        num_processes: at most so many calls run at once; a process starts when there is work.
        timeout_s: wall-clock limit of one call, in seconds.
        memory_mb: address space of one process, in MB, where the system keeps to it (Linux does);
            None for no limit.
        imports: modules that a process imports before its first call, outside its limit of time.
    """

    def __init__(
        self,
        num_processes: int,
        timeout_s: float,
        *,
        memory_mb: int | None = 2048,
        imports: Sequence[str] = (),
    ) -> None:
        if num_processes < 1:
            raise UsageError(f"{num_processes} worker processes; at least 1 is needed")
        if not 0 < timeout_s < float("inf"):
            raise UsageError(f"a limit of {timeout_s} seconds for a call; it must be above 0")
        if memory_mb is not None and memory_mb < 64:
            raise UsageError(f"{memory_mb} MB for a worker process; it needs at least 64")
        self.num_processes = num_processes
        self.timeout_s = timeout_s
        self.memory_mb = memory_mb
        self.imports = tuple(imports)
        self._processes: list[_Process] = []
        self._open = False
        self._mapping = False

    def __enter__(self) -> Self:
        self._open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open = False
        self._end(self._processes)

    def map(
        self, function: Callable[[A], R], arguments: Iterable[A]
    ) -> Iterator[R | TimedOut | Crashed]:
        """The result of the function for each argument, in order, each as soon as it is there.

        A call that raises gives `Crashed` too, with the error as its cause. Arguments are read as
        far ahead as there is room for (`MAX_AHEAD` a process), so a stream may be of any length.

        Raises:
            UsageError: the pool is not open, or is busy with another `map`; or the function cannot
                be found by a new process (it must be of a module, and not of the main one).
            WorkerError: processes are gone before they can begin, again and again.
        """
        self._check_open()
        return self._results(_Job(_pickled(function), enumerate(arguments)))

    def _check_open(self) -> None:
        if not self._open:
            raise UsageError("these workers are not there; use map inside `with Workers(...)`")

    def _results(self, job: _Job) -> Iterator[Any]:
        if self._mapping:
            raise UsageError("these workers are busy; end one map before the next, or open others")
        self._mapping = True
        try:
            while not job.finished:
                self._check_open()
                self._feed(job)
                if job.first in job.done:
                    yield job.pop()
                else:
                    self._listen(job)
        finally:
            self._mapping = False
            self._end([one for one in self._processes if one.state != "idle"])

    def _feed(self, job: _Job) -> None:
        """Give every idle process a batch, and start one more if there is work for it."""
        room = MAX_AHEAD * self.num_processes
        for process in self._processes:
            if process.state == "idle" and (batch := job.take(job.size, room)):
                process.send(job.function, batch)
        starting = any(one.state == "starting" for one in self._processes)
        if len(self._processes) < self.num_processes and not starting and job.peek(room):
            self._processes.append(_Process(self.timeout_s, self.memory_mb, self.imports))

    def _listen(self, job: _Job) -> None:
        """Wait for news of any process; take all that is there, and kill those that hang."""
        by_pipe = {one.results: one for one in self._processes}
        soonest = min((one.deadline for one in self._processes), default=0.0)
        news = wait(list(by_pipe), max(0.0, min(soonest - time.monotonic(), 60.0)))
        for pipe, process in by_pipe.items():
            if pipe in news:
                self._hear(process, job)
            elif process.deadline < time.monotonic() and not pipe.poll():
                self._lose(process, job, hangs=True)

    def _hear(self, process: _Process, job: _Job) -> None:
        try:
            while process.results.poll():
                process.hear(*process.results.recv(), job=job)
        except (EOFError, OSError):  # the second, in the middle of a message
            self._lose(process, job, hangs=False)

    def _lose(self, process: _Process, job: _Job, *, hangs: bool) -> None:
        """A process is gone or hangs: blame the call that it was at, and give back the others."""
        self._end([process])
        if process.state == "idle":
            return
        code = process.popen.returncode
        ending = f"ended with code {code}" if code >= 0 else f"was killed by signal {-code}"
        job.again.extendleft(reversed(process.batch))
        if process.state != "busy":
            job.not_begun += 1
            if job.not_begun < MAX_NOT_BEGUN:
                return
            raise WorkerError(
                f"{job.not_begun} worker processes could not begin, the last {ending}; look for the"
                f" reason above, or let them take more memory than {self.memory_mb} MB"
            )
        hangs |= code == -signal.SIGALRM
        index, _ = job.again.popleft()
        job.done[index] = (
            TimedOut(self.timeout_s) if hangs else Crashed(f"the worker process {ending}")
        )

    def _end(self, processes: Iterable[_Process]) -> None:
        ending = list(processes)
        for process in ending:
            process.kill()
        for process in ending:
            process.collect()
            self._processes.remove(process)


class _Job:
    """What one `map` has still to do, and what is done but not yet taken."""

    def __init__(self, function: bytes, source: Iterator[tuple[int, Any]]) -> None:
        self.function = function
        self.source = source
        self.dry = False
        self.again: deque[tuple[int, Any]] = deque()
        self.done: dict[int, Any] = {}
        self.first = 0
        self.begun = 0
        self.size = 1
        self.not_begun = 0

    @property
    def finished(self) -> bool:
        """Whether every result was taken."""
        return self.dry and self.first == self.begun

    def take(self, size: int, room: int) -> list[tuple[int, Any]]:
        """The next calls, at most `size`, and no further ahead than `room`."""
        batch = [self.again.popleft() for _ in range(min(size, len(self.again)))]
        more = max(0, min(size - len(batch), self.first + room - self.begun))
        fresh = list(islice(self.source, more))
        self.dry |= len(fresh) < more
        self.begun += len(fresh)
        return batch + fresh

    def peek(self, room: int) -> bool:
        """Whether a call waits to be taken."""
        if not self.again:
            self.again.extend(self.take(1, room))
        return bool(self.again)

    def learn(self, seconds: float) -> None:
        """Choose the size of the next batches by the time that a call took."""
        self.size = max(1, min(MAX_BATCH, 4 * self.size, round(BATCH_S / max(seconds, 1e-6))))

    def pop(self) -> Any:
        """The result that is to be taken next, which is there."""
        self.first += 1
        return self.done.pop(self.first - 1)


class _Process:
    """One process: starting, idle, loading the function of its batch, or busy with its first call.

    `deadline` is when it must have said something, in seconds of the monotonic clock.
    """

    def __init__(self, timeout_s: float, memory_mb: int | None, imports: tuple[str, ...]) -> None:
        calls, self.calls = Pipe(duplex=False)
        self.results, results = Pipe(duplex=False)
        given = (calls.fileno(), results.fileno(), timeout_s, memory_mb, imports)
        find = f"import sys; sys.path[:] = {sys.path!r}"
        self.popen = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"{find}; from surefoot.labels.worker import serve; serve{given}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=2,
            pass_fds=given[:2],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"},
            start_new_session=True,
        )
        calls.close()
        results.close()
        self.timeout_s = timeout_s
        self.state: Literal["starting", "idle", "loading", "busy"] = "starting"
        self.batch: deque[tuple[int, Any]] = deque()
        self.num_sent = 0
        self.began = time.monotonic()
        self.deadline = self.began + START_S

    def send(self, function: bytes, batch: list[tuple[int, Any]]) -> None:
        """Give it a batch; it is idle, so it reads at once."""
        self.batch.extend(batch)
        self.num_sent = len(batch)
        self.state = "loading"
        self.deadline = time.monotonic() + START_S
        with suppress(BrokenPipeError):  # it is gone, as the pipe of its results tells next
            self.calls.send((function, [argument for _, argument in batch]))

    def hear(self, kind: str, *said: Any, job: _Job) -> None:
        """Take a message: it is ready, has loaded a function, has a result, or cannot begin."""
        now = time.monotonic()
        match kind:
            case "ready":
                self.state, self.deadline = "idle", float("inf")
            case "loaded":
                self.state, self.began, self.deadline = "busy", now, now + self.timeout_s + GRACE_S
                job.not_begun = 0
            case "result":
                self.deadline = now + self.timeout_s + GRACE_S
                job.done[self.batch.popleft()[0]] = said[0]
                if not self.batch:
                    self.state, self.deadline = "idle", float("inf")
                    job.learn((now - self.began) / self.num_sent)
            case _:
                raise UsageError(f"a worker process cannot begin: {said[0]}")

    def kill(self) -> None:
        """Kill it and whatever it started."""
        with suppress(ProcessLookupError, PermissionError):  # of a group that is gone already
            os.killpg(self.popen.pid, signal.SIGKILL)

    def collect(self) -> None:
        """Take its exit code, so that no zombie stays, and close its pipes."""
        self.popen.wait()
        self.calls.close()
        self.results.close()


def _pickled(function: Callable[..., Any]) -> bytes:
    """The function as a new process can find it."""
    name = getattr(function, "__qualname__", repr(function))
    if getattr(function, "__module__", None) == "__main__":
        raise UsageError(f"{name} is of the main program; put it into a module of its own")
    try:
        return pickle.dumps(function)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UsageError(f"{name} must be a function of a module: {error}") from None
