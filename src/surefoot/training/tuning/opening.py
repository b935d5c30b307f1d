"""Which study a folder holds, and on which data it goes on.

Other data make a new edition of the study: what was done on the old ones stays, but its values say
little of the new ones, so the best trials so far are the first to be done again.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from surefoot.errors import UsageError
from surefoot.traces.types import canonical_json
from surefoot.training.tuning.database import DATABASE_FILE, best_first, load_study
from surefoot.training.tuning.runner import Work
from surefoot.training.tuning.shelf import Edition, Shelf, StudyFile, data_hash, differences, now

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

AGAIN = 3
"""How many of the best trials on old data are done again on new data."""


def opened(
    shelf: Shelf, storage: RDBStorage, database: str, settings: Mapping[str, Any], work: Work
) -> StudyFile:
    """The study of a folder, with the data at hand as one of its editions."""
    import optuna

    settings = json.loads(json.dumps(settings))
    found = shelf.read()
    if found is None:
        found = StudyFile(settings=settings, database=database, name=_name(settings, database))
    elif other := differences(found.settings, settings):
        raise UsageError(
            f"{shelf.folder} holds a study of other settings ({', '.join(other)}); give those it "
            "was begun with, or name a new folder"
        )
    elif found.database != database:
        raise UsageError(
            f"the trials of {shelf.folder} are in {found.database}, not in {database}; give that "
            "as the storage, or name a new folder"
        )
    data = data_hash(work.traces, work.development, work.goal.traces)
    hashes = [one.data for one in found.editions]
    if data in hashes:
        current = hashes.index(data)
    else:
        current = len(hashes)
        before = found.editions[found.current] if found.editions else None
        edition = Edition(
            data=data,
            study=f"{found.name}-{current}",
            num_traces=len(work.traces),
            num_development=len(work.development),
            since=now(),
            queue=_queue(storage, before, work),
        )
        optuna.create_study(
            study_name=edition.study,
            storage=storage,
            direction=work.goal.direction,
            load_if_exists=True,
        )
        found = replace(found, editions=(*found.editions, edition))
    found = replace(found, current=current)
    shelf.write(found)
    return found


def _name(settings: Mapping[str, Any], database: str) -> str:
    """What the studies of a folder are called, which successive halving draws its brackets by: the
    same for the same settings in a file, and in a database that others use unlike any other."""
    name = f"surefoot-{hashlib.sha256(canonical_json(settings).encode()).hexdigest()[:12]}"
    return name if database == DATABASE_FILE else f"{name}-{uuid.uuid4().hex[:12]}"


def _queue(
    storage: RDBStorage, before: Edition | None, work: Work
) -> tuple[Mapping[str, Any], ...]:
    """The best points on the data before, and the settings that were given."""
    queue: list[dict[str, Any]] = []
    if before is not None:
        order = best_first(load_study(storage, before.study))
        queue = [{"params": one.params, "again": one.user_attrs["number"]} for one in order[:AGAIN]]
    own = work.space.params_of(work.config)
    same = [one for one in queue if one["params"] == own]
    for one in same:
        one["given"] = True
    if own is not None and not same:
        queue.append({"params": own, "given": True})
    return tuple(queue)
