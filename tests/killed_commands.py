"""The command line in processes of its own, killed at exact moments.

One process imports what is heavy and forks the others, so that each starts at once. They run as the
installed command does, and die of a real SIGKILL.
"""

import importlib
import multiprocessing
import os
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
    of `module:Class.function`."""

    event: str
    path: str
    number: int = 1
    since: str = ""


def run(arguments, folder, moment=None):
    """Run `surefoot` with arguments, in a folder; gives its exit code and what it said on stderr,
    and dies at a moment if there is one."""
    said = folder / "said.txt"
    process = _CONTEXT.Process(target=_run, args=([*map(str, arguments)], str(said), moment))
    process.start()
    process.join()
    return process.exitcode, said.read_text()


def _run(arguments, said, moment):
    os.environ["OMP_NUM_THREADS"] = "1"
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
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
            os.kill(os.getpid(), signal.SIGKILL)
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
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
