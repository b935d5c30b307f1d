"""Commands that a launcher such as torchrun runs in several processes at once: the first one speaks
for all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from surefoot.errors import UsageError


def num_processes() -> int:
    """How many processes run this command."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def rank() -> int:
    """Which of them this one is, from 0."""
    return int(os.environ["RANK"]) if num_processes() > 1 else 0


@contextmanager
def one_voice() -> Iterator[None]:
    """Let only the first process say anything, and close what connects them once all went well."""
    if num_processes() == 1:
        yield
    elif rank() == 0:
        yield
        _part()
    else:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            yield
            _part()


def check_inputs(files: tuple[str, ...]) -> None:
    """Refuse standard input, which several processes cannot all read.

    Raises:
        UsageError: one of the files is `-`.
    """
    if "-" in files and num_processes() > 1:
        raise UsageError(
            f"{num_processes()} processes cannot all read standard input; name a file instead of -"
        )


def check_alone(what: str, instead: str) -> None:
    """Refuse to do in several processes what one does.

    Raises:
        UsageError: saying what, and what to do instead.
    """
    if num_processes() > 1:
        raise UsageError(f"{what} in one process; {instead}")


def _part() -> None:
    if "torch.distributed" in sys.modules:
        from torch import distributed

        if distributed.is_initialized():
            distributed.destroy_process_group()
