"""Settings of the trainers that people move here from, as ours; one dict of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from surefoot.training.moves.axolotl import from_axolotl
from surefoot.training.moves.commands import arguments_in
from surefoot.training.moves.move import Move
from surefoot.training.moves.openrlhf import from_openrlhf
from surefoot.training.moves.trl import from_trl

__all__ = ["SOURCES", "Move", "from_axolotl", "from_openrlhf", "from_trl"]

SOURCES: Mapping[str, Callable[[str], Move]] = {
    "trl": lambda text: from_trl(arguments_in(text, "prm")),
    "axolotl": from_axolotl,
    "openrlhf": lambda text: from_openrlhf(arguments_in(text, "train_prm")),
}
"""What makes a move of the text of a file: a YAML, or a script with the command in it."""
