"""Command lines in scripts: which of them runs a program, and the options behind it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from surefoot.errors import UsageError

_ENDS = ("&&", "||", "|", ";", "&", ">", ">>", "2>&1")


def arguments_in(script: str, program: str) -> list[str]:
    """The arguments of the first command in a script that runs a program: a file of that name with
    or without `.py`, or the last part of a module's.

    Raises:
        UsageError: there is none.
    """
    for line in script.replace("\\\n", " ").splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue  # half of a quotation that spans lines
        for i, word in enumerate(words):
            name = word.removesuffix(".py").replace("/", ".").rpartition(".")[2]
            if name == program:
                rest = words[i + 1 :]
                return rest[: next((j for j, one in enumerate(rest) if one in _ENDS), None)]
    raise UsageError(f"none of its commands runs {program}; a script with such a command is needed")


def options(arguments: Sequence[str]) -> dict[str, list[str]]:
    """Options by name, with the words behind each; the last of equal ones counts.

    Raises:
        UsageError: a word stands before the first option.
    """
    found: dict[str, list[str]] = {}
    words: list[str] | None = None
    for word in arguments:
        if word.startswith("--"):
            name, equals, value = word.removeprefix("--").partition("=")
            words = found[name.replace("-", "_")] = [value] if equals else []
        elif words is None:
            raise UsageError(f"{word} is no option; options begin with --")
        else:
            words.append(word)
    return found
