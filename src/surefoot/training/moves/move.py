"""A training of another library as one of ours, and the settings it is made from, none of which is
dropped in silence.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from surefoot.errors import UsageError
from surefoot.training.config import RewardConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """What a training becomes here."""

    config: RewardConfig
    data: tuple[str, ...]
    """What is learned from, as it was named."""
    development: tuple[str, ...] = ()
    dev_share: float = 0.0
    """Share of the questions to be put aside, where that was asked for."""
    epochs: float | None = None
    """How often each trace is seen; None where the config says how many updates there are."""
    out: str | None = None
    notes: tuple[str, ...] = ()
    """Every setting that is not carried over, and what becomes of it."""

    def command(self, config: str) -> str:
        """The command that trains this way, with the settings in a file of that name."""
        parts = ["surefoot", "train", *self.data, "--config", config]
        if self.epochs is not None:
            parts += ["--epochs", f"{self.epochs:g}"]
        for file in self.development:
            parts += ["--dev", file]
        if self.dev_share:
            parts += ["--dev-share", f"{self.dev_share:g}"]
        return shlex.join([*parts, "--out", self.out or "prm"])


class Given:
    """Settings that are taken one by one; what is left at the end is told.

    Args:
        settings: By name; a list holds the words behind an option.
        prefix: What stands before a name where it is written, for messages.
    """

    def __init__(self, settings: Mapping[str, Any], prefix: str = "") -> None:
        self.left = dict(settings)
        self.prefix = prefix
        self.notes: list[str] = []
        unfilled = [name for name, value in settings.items() if "$" in str(value)]
        if unfilled:
            self.notes.append(f"{self._named(unfilled)}: variables of a shell are not filled in")

    def texts(self, name: str) -> list[str]:
        """The words of a setting; none where it is not given."""
        value = self.left.pop(name, [])
        return [str(one) for one in (value if isinstance(value, list) else [value])]

    def text(self, name: str) -> str | None:
        """One word, or those of it behind each other; None where it is not given."""
        words = self.texts(name)
        return " ".join(words) if words else None

    def needed(self, name: str) -> str:
        """The same of a setting that there must be."""
        found = self.text(name)
        if found is None:
            raise UsageError(f"{self.prefix}{name} is not given, and it is needed")
        return found

    def known(self, name: str) -> float | None:
        """A number; None where it is not given."""
        words = self.texts(name)
        if not words:
            return None
        try:
            (word,) = words
            return float(word)
        except ValueError:
            raise UsageError(
                f"{self.prefix}{name} is {' '.join(words)}; it must be a number"
            ) from None

    def number(self, name: str, default: float) -> float:
        """A number, or what it is where it is not given."""
        found = self.known(name)
        return default if found is None else found

    def whole(self, name: str, default: int) -> int:
        """A whole number, or what it is where it is not given."""
        found = self.number(name, default)
        if found != int(found):
            raise UsageError(f"{self.prefix}{name} is {found:g}; it must be a whole number")
        return int(found)

    def flag(self, name: str, default: bool = False) -> bool:
        """Yes or no; an option with nothing behind it is yes."""
        if name not in self.left:
            return default
        word = (self.text(name) or "true").lower()
        if word == "auto":
            self.notes.append(f"{self.prefix}{name}: auto is taken for yes")
        elif word not in ("true", "false", "1", "0", "yes", "no"):
            raise UsageError(f"{self.prefix}{name} is {word}; it must be true or false")
        return word in ("true", "1", "yes", "auto")

    def refuse(self, name: str, reason: str) -> None:
        """Refuse a setting, unless it is off.

        Raises:
            UsageError: it is on.
        """
        if name in self.left and (word := self.text(name)) not in ("False", "false", "0", "None"):
            raise UsageError(f"{self.prefix}{name}{f' {word}' if word else ''}: {reason}")

    def tell(self, names: Iterable[str], what: str) -> None:
        """Tell what becomes of those settings that are given."""
        if told := [name for name in names if self.left.pop(name, None) is not None]:
            self.notes.append(f"{self._named(told)}: {what}")

    def move(self, changes: Mapping[str, Any], **rest: Any) -> Move:
        """The move to a config with these changes; what was not taken is told."""
        self.tell(sorted(self.left), "not known here, and left out")
        config = RewardConfig().changed({"loop.optimizer": "adamw", **changes})
        return Move(config=config, notes=tuple(self.notes), **rest)

    def _named(self, names: Sequence[str]) -> str:
        return ", ".join(f"{self.prefix}{name}" for name in names)


SCHEDULES = {
    "linear": "linear",
    "cosine": "cosine",
    "cosine_with_min_lr": "cosine",
    "constant": "constant",
    "constant_with_warmup": "constant",
}


def schedule(given: Given, name: str, default: str) -> str:
    """The schedule of the rate.

    Raises:
        UsageError: there is none like it.
    """
    asked = given.text(name) or default
    if asked not in SCHEDULES:
        raise UsageError(
            f"{given.prefix}{name} is {asked}, which is not to be had here; take one of "
            f"{', '.join(SCHEDULES)}"
        )
    if asked == "cosine_with_min_lr":
        given.notes.append(f"{given.prefix}{name} {asked}: the rate falls to 0 here")
    return SCHEDULES[asked]


NOT_CLIPPED = 1e9
"""A norm that no gradient reaches."""


def most_norm(given: Given, name: str) -> float:
    """The norm to which gradients are clipped; 0 stands for no clipping."""
    return given.number(name, 1.0) or NOT_CLIPPED


def warmup(share: float) -> dict[str, float]:
    """The share of the updates in which the rate rises; what `wsd` would need is left room for."""
    return {"loop.warmup": share, "loop.decay": min(0.5, 1 - share)}


def layers(names: Sequence[str]) -> list[str]:
    """Names of linear layers; none are all of them."""
    return [] if list(names) == ["all-linear"] else list(names)
