"""The trackers that a training reports to, through transformers: TensorBoard, trackio, Weights &
Biases and others.

What TensorBoard reads is written beside the checkpoints while the model learns, and goes with the
model at the end. The others have places of their own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    TensorBoardCallback,
    get_available_reporting_integrations,
)

from surefoot.errors import UsageError

EVENTS_FOLDER = "runs"


def check_trackers(names: Sequence[str]) -> None:
    """Refuse a tracker that cannot be reported to.

    Raises:
        UsageError: transformers knows none of that name, or its package is missing.
    """
    there = get_available_reporting_integrations()
    for name in names:
        if name not in INTEGRATION_TO_CALLBACK:
            raise UsageError(
                f"report_to names {name!r}; transformers knows {', '.join(INTEGRATION_TO_CALLBACK)}"
            )
        if name not in there:
            raise UsageError(
                f"report_to names {name}, whose package is not installed: pip install {name}"
            )


def place_events(callbacks: Iterable[Any], scratch: Path) -> None:
    """Have TensorBoard's events written in `runs` of the folder that a training keeps."""
    for one in callbacks:
        if isinstance(one, TensorBoardCallback):
            one.logging_dir = str(scratch / EVENTS_FOLDER)


def keep_events(scratch: Path, folder: Path) -> None:
    """Copy the events, if there are any, into a model's folder."""
    if (scratch / EVENTS_FOLDER).is_dir():
        shutil.copytree(scratch / EVENTS_FOLDER, folder / EVENTS_FOLDER)
