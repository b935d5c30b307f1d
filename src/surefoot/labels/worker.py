"""One process of `surefoot.labels.workers`: it answers calls until its pipe closes.

It says ("ready",) once it has imported what it was told to. It is sent batches (a pickled function,
a list of arguments); it says ("loaded",) when it has found the function, then ("result", value) for
each call as soon as that ends. ("broken", cause) is its last word when it cannot begin. An alarm
that no code can hold up, whatever holds the interpreter, ends it when a call takes too long.
"""

from __future__ import annotations

import importlib
import pickle
import resource
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any


@dataclass(frozen=True, slots=True)
class Crashed:
    """The result of a call that raised, or that took its process with it."""

    cause: str


def serve(
    calls: int, results: int, timeout_s: float, memory_mb: int | None, imports: Sequence[str]
) -> None:
    """Answer the calls that arrive on one file descriptor on another."""
    _limit(resource.RLIMIT_CORE, 0)
    if memory_mb is not None:
        _limit(resource.RLIMIT_AS, memory_mb * 2**20)
    with Connection(calls, writable=False) as taken, Connection(results, readable=False) as given:
        try:
            _serve(taken, given, timeout_s, imports)
        except (EOFError, BrokenPipeError):
            return  # nobody asks any more


def _serve(taken: Connection, given: Connection, timeout_s: float, imports: Sequence[str]) -> None:
    try:
        for module in imports:
            importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - a module may raise anything; it is said
        given.send(("broken", _told(error)))
        return
    given.send(("ready",))
    while True:
        message = taken.recv_bytes()
        try:
            pickled, arguments = pickle.loads(message)
            function = pickle.loads(pickled)
        except Exception as error:  # noqa: BLE001 - as above
            given.send(("broken", _told(error)))
            return
        given.send(("loaded",))
        for argument in arguments:
            given.send_bytes(_result(function, argument, timeout_s))


def _result(function: Callable[[Any], Any], argument: Any, timeout_s: float) -> bytes:
    """The pickled message of a call; if it takes too long, the process ends here."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        return pickle.dumps(("result", function(argument)))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a call raises is its result
        return pickle.dumps(("result", Crashed(_told(error))))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500].removesuffix(": ")


def _limit(kind: int, most: int) -> None:
    """Lower a limit of this process; one that is lower already stays."""
    hard = resource.getrlimit(kind)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, hard))
