"""Do no harm: does a run of `surefoot eval bon` say that a scorer loses to a majority vote?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from surefoot.errors import UsageError


def harm(run: str, scorer: str) -> str | None:
    """What the run says of the scorer where it loses to a majority vote on some pool, sure or not;
    None where it does not.

    Raises:
        UsageError: the folder holds no such run, or the run nothing of this scorer.
    """
    file = Path(run) / "metrics.json"
    try:
        metrics: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        found = [(one["scorer"], one["loses"], one["said"]) for one in metrics["verdicts"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{run} holds no finished run of `surefoot eval bon` ({file} cannot be read as one)"
        ) from None
    own = [(loses, said) for name, loses, said in found if name == scorer]
    if not own:
        names = ", ".join(sorted({str(name) for name, *_ in found})) or "none"
        raise UsageError(f"{run} says nothing of {scorer}; it measured {names}")
    return next((str(said) for loses, said in own if loses), None)
