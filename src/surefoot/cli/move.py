"""`surefoot move`: the settings of another trainer as those of `surefoot train`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from surefoot.cli.say import Common, note, print_json
from surefoot.errors import StorageError, UsageError
from surefoot.traces.records import storage_errors


def move(
    source: Literal["trl", "axolotl", "openrlhf"],
    file: str,
    /,
    *,
    out: Annotated[Path, Parameter(alias="-o")] = Path("training.json"),
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Turn a training with another library into settings of `surefoot train`.

    Prints the command that trains with them. Every setting that is not carried over is told, with
    what becomes of it; what would change what is learned is refused.

    Args:
        source: The library.
        file: Axolotl's YAML, or a script with the command that runs TRL's prm.py or OpenRLHF's
            train_prm; `-` is stdin.
        out: The file to write, for --config.
    """
    from surefoot.training.moves import SOURCES

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{file} cannot be read: {error}") from None
    try:
        made = SOURCES[source](text)
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from None
    settings = made.config.to_json()
    with storage_errors(str(out), "write"):
        out.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    command = made.command(str(out))
    if common.json:
        print_json({"out": str(out), "command": command, "notes": list(made.notes)})
        return
    for one in made.notes:
        note(one)
    print(command)
