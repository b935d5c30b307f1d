"""Processes of their own that start at once, since they are forked off one that has imported what
is heavy; among them the command line, to which something can happen at an exact moment.
"""

import ctypes
import importlib
import multiprocessing
import os
import resource
import signal
import struct
import sys
from dataclasses import dataclass

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["surefoot.cli.train", "surefoot.training.reward", "peft"])


class Started:
    """A process that runs `work(*args)`, a function that can be imported."""

    def __init__(self, work, *args, environment=None):
        self.reader, writer = _CONTEXT.Pipe(duplex=False)
        given = (writer, {"OMP_NUM_THREADS": "1", **(environment or {})}, work, args)
        self.process = _CONTEXT.Process(target=_begin, args=given)
        self.process.start()
        writer.close()

    def lines(self):
        """What it says, on stdout and on stderr, a line at a time."""
        with os.fdopen(os.dup(self.reader.fileno()), encoding="utf-8") as said:
            yield from said

    def kill(self):
        """Kill it as `kill -9` does."""
        self.process.kill()

    def ended(self):
        """Its exit code, or minus the signal that ended it."""
        self.process.join()
        return self.process.exitcode


def _begin(writer, environment, work, args):
    os.environ.update(environment)
    for stream in (1, 2):
        os.dup2(writer.fileno(), stream)
    writer.close()
    import torch

    torch.set_num_threads(1)
    work(*args)


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


def surefoot(arguments, moment=None, *, may_write_all=True):
    """Run `surefoot` with arguments; gives its exit code and all that it said. Something happens to
    it at a moment if there is one; it may be denied what root may do to any file."""
    one = Started(_command, [*map(str, arguments)], moment, may_write_all)
    said = "".join(one.lines())
    return one.ended(), said


def _command(arguments, moment, may_write_all):
    from surefoot.cli import main

    if not may_write_all and os.geteuid() == 0:
        _give_up_rights()
    if moment is not None and moment.event == "call":
        _act_at_call(moment)
    elif moment is not None:
        _act_at_event(moment)
    sys.exit(main(arguments))


def _act_at_call(moment):
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


def _act_at_event(moment):
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


def _give_up_rights():
    """Root without its rights over the files of others, as of Linux: the modes of files count."""
    version = 0x20080522
    header = struct.pack("=Ii", version, 0)
    assert ctypes.CDLL(None, use_errno=True).capset(header, struct.pack("=6I", *[0] * 6)) == 0
