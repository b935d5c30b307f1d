"""The folder in which a training keeps what it needs to go on after a kill."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import torch
from torch import nn

from surefoot.errors import ModelError, StorageError
from surefoot.traces.records import storage_errors
from surefoot.training.config import TrainConfig
from surefoot.training.machines import by_main

OWNER_FILE = "run.sha256"
WHOLE_FILE = "whole.json"
STATE_FILE = "trainer_state.json"


def scratch_of(out: Path) -> Path:
    """The folder beside `out` that keeps checkpoints while its model is trained.

    Raises:
        StorageError: `out` cannot be a folder, or nothing can be written there.
    """
    final = out.resolve()
    if not final.name or (final.exists() and not final.is_dir()):
        raise StorageError(f"{out} cannot hold a model: name a new folder")
    with storage_errors(str(out), "write"):
        final.parent.mkdir(parents=True, exist_ok=True)
        for folder in (final.parent, final) if final.exists() else (final.parent,):
            with TemporaryFile(dir=folder):
                pass
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
    """Make the folder this run's own; gives its last whole checkpoint, if it has one. What an
    interrupted run left half-written in it is cleared away.

    Raises:
        ModelError: that checkpoint, or the one with the best weights so far, is damaged.
        StorageError: the folder cannot be written.
    """
    return by_main(lambda: _claimed(scratch, own))


def _claimed(scratch: Path, own: str) -> Path | None:
    owner = scratch / OWNER_FILE
    with storage_errors(str(scratch), "write"):
        if not owner.is_file() or owner.read_text() != own:
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            owner.write_text(own)
        whole = _whole(scratch)
        for folder in {*scratch.glob("checkpoint-*")} - {*whole}:
            shutil.rmtree(folder)
    if not whole:
        return None
    last = whole[-1]
    _check_whole(last, "remove that folder to go on from the checkpoint before it")
    best = _best_of(last)
    if best is not None and best != last:
        _check_whole(best, f"its weights are the best so far; remove {scratch} to begin again")
    return last


def discard(scratch: Path) -> None:
    """Take the folder away once the model is kept; should that be interrupted, what is left of it
    is no one's."""
    (scratch / OWNER_FILE).unlink(missing_ok=True)
    shutil.rmtree(scratch, ignore_errors=True)


def prune(scratch: Path) -> None:
    """Keep the last two whole checkpoints, and the best one that each of them knows."""
    whole = _whole(scratch)
    kept = {*whole[-2:], *map(_best_of, whole[-2:])}
    for folder in whole:
        if folder not in kept:
            (folder / WHOLE_FILE).unlink()
            shutil.rmtree(folder)


def best_checkpoint(scratch: Path, step: int) -> Path:
    """The checkpoint of the best weights.

    Raises:
        ModelError: it is damaged.
    """
    folder = scratch / f"checkpoint-{step}"
    _check_whole(folder, f"its weights are the best; remove {scratch} to begin again")
    return folder


def mark_whole(checkpoint: Path) -> None:
    """Say of a checkpoint that everything in it has been written."""
    sums = {name: _sum_of(checkpoint / name) for name in _files(checkpoint)}
    partial = checkpoint / f"{WHOLE_FILE}.partial"
    partial.write_text(json.dumps(sums), encoding="utf-8")
    os.replace(partial, checkpoint / WHOLE_FILE)


def _whole(scratch: Path) -> list[Path]:
    """The whole checkpoints, the last one last."""
    found = [file.parent for file in scratch.glob(f"checkpoint-*/{WHOLE_FILE}")]
    return sorted(found, key=lambda folder: int(folder.name.rpartition("-")[2]))


def _best_of(checkpoint: Path) -> Path | None:
    """The checkpoint with the best weights at the time of this one."""
    state = json.loads((checkpoint / STATE_FILE).read_text(encoding="utf-8"))
    best = state["best_global_step"]
    return None if best is None else checkpoint.with_name(f"checkpoint-{best}")


def _check_whole(checkpoint: Path, mend: str) -> None:
    """Refuse a checkpoint whose files are not as they were written."""
    try:
        sums = json.loads((checkpoint / WHOLE_FILE).read_text(encoding="utf-8"))
        found = {name: _sum_of(checkpoint / name) for name in sums}
    except (OSError, ValueError, TypeError) as error:
        damage = str(error)
    else:
        changed = sorted(name for name in sums if sums[name] != found[name])
        if not changed:
            return
        damage = f"{', '.join(changed)} is not as it was written"
    raise ModelError(f"{checkpoint} is damaged: {damage}; {mend}")


def _files(folder: Path) -> Iterator[str]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.name.startswith(WHOLE_FILE):
            yield file.relative_to(folder).as_posix()


def _sum_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
