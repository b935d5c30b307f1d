"""The command line: `main` runs a verb and turns what went wrong into a sentence and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. Each verb has a file of its own, which
is imported when it is used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

import surefoot
from surefoot.cli.say import Common, note
from surefoot.errors import SurefootError, UsageError

VERBS = {
    "score": ("surefoot.cli.score:score", "Score the steps of traces with a model."),
    "convert": ("surefoot.cli.convert:convert", "Turn trace files of one format into another."),
    "eval": ("surefoot.cli.evaluate:app", "Measure a model on a benchmark."),
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        command, bound, _ = build_app().parse_args(tokens, print_error=False, exit_on_error=False)
    except CycloptsError as error:
        return _failed(error, 2)
    common = bound.arguments.get("common") or Common()
    try:
        command(*bound.args, **bound.kwargs)
        sys.stdout.flush()
    except KeyboardInterrupt as stop:
        note("; ".join(["interrupted", *getattr(stop, "__notes__", [])]))
        return 130
    except BrokenPipeError:
        # The reader of our output has gone; what is still buffered must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (SurefootError, OSError) as error:
        if common.traceback or os.environ.get("SUREFOOT_TRACEBACK") == "1":
            raise
        return _failed(error, 2 if isinstance(error, UsageError) else 1)
    return 0


def _failed(error: Exception, code: int) -> int:
    note(f"error: {error}")
    return code
