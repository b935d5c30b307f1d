"""What a file is made with, kept beside it, so that an unfinished one is gone on with alike."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surefoot.errors import UsageError

RUN_FILE = ".run.json"
"""What is put behind the name of a file for that of the settings it was made with."""


def check_settings(out: str, settings: Mapping[str, Any]) -> None:
    """Make sure that finished rows were made with these settings.

    Raises:
        UsageError: they were not, or that cannot be told.
    """
    if not os.path.isfile(out) or not os.path.getsize(out):
        return
    mend = "name another file, or add --no-resume to replace it"
    try:
        kept = json.loads(Path(out + RUN_FILE).read_text())
    except (OSError, ValueError):
        raise UsageError(
            f"{out} is there already, and {out}{RUN_FILE}, which says how it was made, cannot be"
            f" read; {mend}"
        ) from None
    given = json.loads(json.dumps(settings))
    for name in sorted({*given, *kept}):
        before, now = kept.get(name), given.get(name)
        if before != now:
            raise UsageError(
                f"{out} was begun with {name} {json.dumps(before)}, now it is"
                f" {json.dumps(now)}; {mend}"
            )


def keep_settings(out: str, settings: Mapping[str, Any]) -> None:
    """Write down what a file is made with.

    Raises:
        StorageError: that cannot be written.
    """
    from surefoot.traces.drafts import Draft

    draft = Draft(out + RUN_FILE)
    draft.file.write(json.dumps(settings, indent=2).encode() + b"\n")
    draft.publish()
