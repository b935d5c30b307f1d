"""The database of a study: a file of its own, or one that several workers reach by its address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surefoot.errors import StorageError, UsageError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial
    from sqlalchemy import URL

DATABASE_FILE = "study.db"
_POSTGRES = "postgresql+psycopg"
_WAIT_S = 60
"""How long one process waits for another that writes to a file."""


def address(url: str | None, folder: Path) -> URL:
    """The address of a study's database: a file in its folder unless one is given, such as
    `postgresql://user:password@host/name`.

    Raises:
        UsageError: it is none, or the package that it needs is missing.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    if url is None:
        return make_url(f"sqlite:///{(folder / DATABASE_FILE).resolve()}")
    try:
        found = make_url(url)
        if found.drivername in ("postgres", "postgresql"):
            found = found.set(drivername=_POSTGRES)
        found.get_dialect().import_dbapi()
    except ArgumentError as error:
        raise UsageError(
            f"the storage is no address of a database: {error}; write it as "
            "postgresql://user@host/name"
        ) from None
    except ImportError as error:
        raise UsageError(
            f"{found.render_as_string()} needs a package that is missing ({error}); for Postgres: "
            "pip install 'surefoot[postgres]'"
        ) from None
    return found


def open_storage(found: URL) -> RDBStorage:
    """The database at an address, with Optuna's tables in it.

    Raises:
        StorageError: it cannot be used.
    """
    from optuna.storages import RDBStorage

    is_file = found.get_backend_name() == "sqlite"
    options: dict[str, Any] = (
        {"connect_args": {"timeout": _WAIT_S}} if is_file else {"pool_pre_ping": True}
    )
    return RDBStorage(found.render_as_string(hide_password=False), engine_kwargs=options)


def load_study(storage: RDBStorage, name: str) -> Study:
    """Optuna's study of a name.

    Raises:
        StorageError: the database does not have it.
    """
    import optuna

    try:
        return optuna.load_study(
            study_name=name, storage=storage, sampler=optuna.samplers.RandomSampler(seed=0)
        )
    except KeyError:
        raise StorageError(
            f"the database does not hold {name}, of which the study's folder speaks; give the "
            "database it was begun with, or name a new folder"
        ) from None


def best_first(study: Study) -> list[FrozenTrial]:
    """Its trials that came to their end, the best first, of equal ones the one that came first."""
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    sign = -1 if study.direction is StudyDirection.MAXIMIZE else 1
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(done, key=lambda one: (sign * (one.value or 0.0), one.number))


def shown(found: URL, folder: Path) -> str:
    """An address as it may be kept and shown: without a password, and the file of a folder by its
    name, so that the folder may be moved."""
    text = found.render_as_string(hide_password=True)
    own = address(None, folder).render_as_string(hide_password=True)
    return DATABASE_FILE if text == own else text


@contextmanager
def database_errors(found: URL) -> Iterator[None]:
    """Turn what the database says into an error of ours, without a password.

    Raises:
        StorageError: it cannot be reached, or does not take what it is given.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise StorageError(
            f"the database {found.render_as_string()} cannot be used: {reason}"
        ) from error
