"""The processes that train together, each running the whole program: which one speaks and writes,
and what all of them agree on.

They are started by torchrun or `accelerate launch`; a program that is run plainly is the only one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch

from surefoot.errors import SurefootError

T = TypeVar("T")


def processes() -> Any:
    """accelerate's state of them; its first call opens the connection between them."""
    from accelerate import PartialState

    return PartialState(cpu=not torch.cuda.is_available())


def is_main() -> bool:
    """Whether this process is the one that writes."""
    return bool(processes().is_main_process)


def wait() -> None:
    """Go on once every process is here."""
    processes().wait_for_everyone()


def agreed(value: T) -> T:
    """What the main process has here; every process has to ask."""
    from accelerate.utils import broadcast_object_list

    held = [value]
    broadcast_object_list(held)
    return held[0]


def everywhere(holds: bool) -> bool:
    """Whether something holds in every process; every process has to ask."""
    from accelerate.utils import gather_object

    return all(gather_object([holds]))


def by_main(action: Callable[[], T]) -> T:
    """What an action of the main process gives, in every process; an error of ours that it raises
    is raised in all of them, so that none waits for ever. Every process has to ask."""
    if processes().num_processes == 1:
        return action()
    held: T | SurefootError | None = None
    if is_main():
        try:
            held = action()
        except SurefootError as error:
            held = error
    held = agreed(held)
    if isinstance(held, SurefootError):
        raise held
    return cast(T, held)
