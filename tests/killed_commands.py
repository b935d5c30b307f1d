"""The command line in processes of its own, killed at exact moments.

One process imports what is heavy and forks the others, so that each starts at once. They run as the
installed command does, and die of a real SIGKILL.
"""

import importlib
import multiprocessing
import os
import resource
import signal
import sys
from dataclasses import dataclass

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["surefoot.cli.train", "surefoot.training.reward", "peft"])


@dataclass(frozen=True)
class Moment:
    """When a process dies: the `number`-th time that Python is about to do something to a path that
    ends in `path` (an audit event such as `open`, `os.mkdir` or `os.rename`), counted from when it
    first does anything to one that ends in `since`; or with the event `call`, the `number`-th call
    of `module:Class.function`. If it is `full`, no file can grow beyond so many bytes from then on,
    as on a full disk, and the process lives."""

    event: str
    path: str
    number: int = 1
    since: str = ""
    full: int | None = None


def run(arguments, moment=None):
    """Run `surefoot` with arguments; gives its exit code and all that it said, and something
    happens to it at a moment if there is one."""
    reader, writer = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_run, args=([*map(str, arguments)], writer, moment))
    process.start()
    writer.close()
    said = b""
    while some := os.read(reader.fileno(), 2**16):
        said += some
    process.join()
    return process.exitcode, said.decode()


def _run(arguments, writer, moment):
    os.environ["OMP_NUM_THREADS"] = "1"
    for stream in (1, 2):
        os.dup2(writer.fileno(), stream)
    import torch

    from surefoot.cli import main

    torch.set_num_threads(1)
    if moment is not None and moment.event == "call":
        _die_at_call(moment)
    elif moment is not None:
        _die_at_event(moment)
    sys.exit(main(arguments))


def _die_at_call(moment):
    module, _, name = moment.path.partition(":")
    owner, _, function = name.rpartition(".")
    place = importlib.import_module(module)
    place = getattr(place, owner) if owner else place
    real, calls = getattr(place, function), []

    def counted(*args, **kwargs):
        calls.append(None)
        if len(calls) == moment.number:
            _act(moment)
        return real(*args, **kwargs)

    setattr(place, function, counted)


def _die_at_event(moment):
    seen, begun = [], []

    def hook(event, args):
        paths = [os.fspath(one) for one in args if isinstance(one, str | os.PathLike)]
        if any(path.endswith(moment.since) for path in paths):
            begun.append(None)
        if not begun or event != moment.event:
            return
        if event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR):
            return
        if any(path.endswith(moment.path) for path in paths):
            seen.append(None)
            if len(seen) == moment.number:
                _act(moment)

    sys.addaudithook(hook)


def _act(moment):
    if moment.full is None:
        os.kill(os.getpid(), signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (moment.full, moment.full))
