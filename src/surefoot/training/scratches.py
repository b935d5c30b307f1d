"""The folder in which a training keeps what it needs to go on after a kill."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from surefoot.errors import ModelError, StorageError
from surefoot.traces.records import storage_errors
from surefoot.training.config import TrainConfig

OWNER_FILE = "run.sha256"
WHOLE_FILE = "whole.json"


def scratch_of(out: Path) -> Path:
    """The folder beside `out` that keeps checkpoints while its model is trained.

    Raises:
        StorageError: `out` cannot be a folder.
    """
    final = out.resolve()
    if not final.name or (final.exists() and not final.is_dir()):
        raise StorageError(f"{out} cannot hold a model: name a new folder")
    return final.with_name(f".{final.name}.training")


def fingerprint(
    model: nn.Module, rows: Sequence[Any], config: TrainConfig, settings: Mapping[str, Any]
) -> str:
    """A hash of all that decides the result: settings, rows and first weights."""
    digest = hashlib.sha256(repr((asdict(config), dict(settings))).encode())
    for row in rows:
        digest.update(repr(row).encode())
    for name, weight in model.state_dict().items():
        digest.update(name.encode())
        digest.update(weight.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def claim(scratch: Path, own: str) -> Path | None:
    """Make the folder this run's own; gives its last whole checkpoint, if it has one.

    Raises:
        ModelError: that checkpoint is damaged.
        StorageError: the folder cannot be written.
    """
    from accelerate import PartialState

    owner = scratch / OWNER_FILE
    processes = PartialState()
    with storage_errors(str(scratch), "write"):
        if processes.is_main_process and (not owner.is_file() or owner.read_text() != own):
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            owner.write_text(own)
        processes.wait_for_everyone()
        whole = [file.parent for file in scratch.glob(f"checkpoint-*/{WHOLE_FILE}")]
    last = max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)
    if last is not None:
        _check_whole(last)
    return last


def mark_whole(checkpoint: Path) -> None:
    """Say of a checkpoint that everything in it has been written."""
    sums = {name: _sum_of(checkpoint / name) for name in _files(checkpoint)}
    partial = checkpoint / f"{WHOLE_FILE}.partial"
    partial.write_text(json.dumps(sums), encoding="utf-8")
    os.replace(partial, checkpoint / WHOLE_FILE)


def _check_whole(checkpoint: Path) -> None:
    """Refuse a checkpoint whose files are not as they were written."""
    try:
        sums = json.loads((checkpoint / WHOLE_FILE).read_text(encoding="utf-8"))
        found = {name: _sum_of(checkpoint / name) for name in sums}
    except (OSError, ValueError) as error:
        damage = str(error)
    else:
        changed = sorted(name for name in sums if sums[name] != found[name])
        if not changed:
            return
        damage = f"{', '.join(changed)} is not as it was written"
    raise ModelError(
        f"{checkpoint} is damaged: {damage}; remove that folder to go on from the checkpoint "
        "before it"
    )


def _files(folder: Path) -> Iterator[str]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.name.startswith(WHOLE_FILE):
            yield file.relative_to(folder).as_posix()


def _sum_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
