"""The command line: `main` runs a verb and turns what went wrong into a sentence and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. Each verb has a file of its own, which
is imported when it is used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import App, CycloptsError

import surefoot
from surefoot.cli.launched import one_voice, rank
from surefoot.cli.say import Common, note
from surefoot.errors import SurefootError, UsageError

VERBS = {
    "demo": ("surefoot.cli.demo:demo", "The whole loop on a built-in world, with a report."),
    "score": ("surefoot.cli.score:score", "Score the steps of traces with a model."),
    "check": ("surefoot.cli.check:check", "Do traces and a model fit each other?"),
    "convert": ("surefoot.cli.convert:convert", "Turn trace files of one format into another."),
    "label": ("surefoot.cli.label:app", "Label the steps of traces without waiting for people."),
    "search": ("surefoot.cli.search.verb:search", "Search for solutions, guided by step scores."),
    "train": ("surefoot.cli.train:train", "Train a reward model on labelled traces."),
    "move": ("surefoot.cli.move:move", "Settings of another trainer as those of train."),
    "tune": ("surefoot.cli.tune:tune", "Train with other settings, and keep the best model."),
    "export": ("surefoot.cli.export:export", "Write a model as a plain checkpoint for others."),
    "models": ("surefoot.cli.models:models", "The published reward models that can be loaded."),
    "eval": ("surefoot.cli.evaluate:app", "Measure a model on a benchmark."),
    "report": ("surefoot.cli.report:report", "Show runs of eval, and hold one against another."),
    "gateway": ("surefoot.cli.gateway:gateway", "Answer chat requests, guided by a model."),
    "view": ("surefoot.cli.view:view", "Page through traces with their scores and labels."),
}


def build_app() -> App:
    """The verbs and their help; none of them is imported yet."""
    app = App(
        name="surefoot",
        help="Process reward models: label, train, evaluate and use models that score every step.",
        version=surefoot.__version__,
        help_format="plaintext",
    )
    for name, (place, summary) in VERBS.items():
        app.command(place, name=name, help=summary)
    return app


_DASH = "./-"
"""Stands for a lone dash, stdin or stdout, while the tokens are parsed: cyclopts takes it for an
option."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # of loading weights; ours remain
    given = sys.argv[1:] if arguments is None else arguments
    tokens = [_DASH if token == "-" else token for token in given]
    try:
        command, bound, _ = build_app().parse_args(tokens, print_error=False, exit_on_error=False)
    except CycloptsError as error:
        return _failed(error, 2)
    for name, value in bound.arguments.items():
        bound.arguments[name] = _with_dashes(value)
    common = bound.arguments.get("common") or Common()
    try:
        with one_voice():
            command(*bound.args, **bound.kwargs)
        sys.stdout.flush()
    except KeyboardInterrupt as stop:
        note("; ".join(["interrupted", *getattr(stop, "__notes__", [])]))
        return 130
    except (SurefootError, OSError) as error:
        if isinstance(error.__cause__ or error, BrokenPipeError):
            # The reader has gone; what is still buffered for it must not fail again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        if common.traceback or os.environ.get("SUREFOOT_TRACEBACK") == "1":
            raise
        return _failed(error, 2 if isinstance(error, UsageError) else 1)
    return 0


def _with_dashes(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(map(_with_dashes, value))
    return "-" if value == _DASH else value


def _failed(error: Exception, code: int) -> int:
    note(f"process {rank()}: error: {error}" if rank() else f"error: {error}")
    return code
