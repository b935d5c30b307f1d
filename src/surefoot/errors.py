"""Every error that Surefoot raises on purpose.

    SurefootError
    |- UsageError        (ValueError)  an argument or option that cannot work; exit code 2
    |- TraceError        (ValueError)  a trace, its labels or its scores contradict themselves
    |- RowError          (ValueError)  one row of a file is bad: file, line, field, reason
    |- FormatError       (ValueError)  a whole file is not what it was taken for
    |- StorageError      (OSError)     a file or folder is missing, damaged or not writable
    |- ContractError     (ValueError)  a model and its contract do not fit each other
    |- AlignmentError    (ValueError)  traces and the model that is to read them do not fit
    |- DataError         (ValueError)  traces from which nothing can be learned
    |- ModelError        (ValueError)  a model cannot be found, read or run
    |  `- UnscorableError              one trace is not for this model, such as one that is too long
    |- AbstainedError    (ValueError)  a number was asked for where the model gave none
    |- WorkerError       (RuntimeError) a process that did part of the work is gone

Each says what is wrong, where, and how to mend it. The built-in co-parents let callers that know
nothing of Surefoot catch them too.
"""

from __future__ import annotations


class SurefootError(Exception):
    """The root: catch it to catch everything Surefoot raises on purpose."""


class UsageError(SurefootError, ValueError):
    """An argument or option that cannot work."""


class TraceError(SurefootError, ValueError):
    """A trace, its labels or its scores contradict themselves."""


class RowError(SurefootError, ValueError):
    """One row of a file is bad.

    `field` names the offending field (dotted, with 0-based list positions, such as
    ``steps.3.text``); `path` and `line` (1-based) are filled in by whoever reads the file.
    """

    def __init__(
        self, reason: str, *, field: str = "", path: str = "", line: int | None = None
    ) -> None:
        super().__init__(reason, field, path, line)
        self.reason = reason
        self.field = field
        self.path = path
        self.line = line

    def at(self, path: str, line: int) -> RowError:
        """The same error, placed in a file."""
        return RowError(self.reason, field=self.field, path=path, line=line)

    def __str__(self) -> str:
        place = self.path + (f":{self.line}" if self.line is not None else "")
        parts = [place, f"field {self.field!r}" if self.field else "", self.reason]
        return ": ".join(part for part in parts if part)

    def __reduce__(self) -> tuple[object, ...]:
        return (_row_error, (self.reason, self.field, self.path, self.line))


def _row_error(reason: str, field: str, path: str, line: int | None) -> RowError:
    return RowError(reason, field=field, path=path, line=line)


class FormatError(SurefootError, ValueError):
    """A whole file is not what it was taken for."""


class StorageError(SurefootError, OSError):
    """A file or folder is missing, damaged or not writable."""


class ContractError(SurefootError, ValueError):
    """A model and its contract do not fit each other."""


class AlignmentError(SurefootError, ValueError):
    """Traces and the model that is to read them do not fit each other."""


class DataError(SurefootError, ValueError):
    """Traces from which nothing can be learned."""


class ModelError(SurefootError, ValueError):
    """A model cannot be found, read or run."""


class UnscorableError(ModelError):
    """One trace is not for this model, such as one that is too long; others may be."""


class AbstainedError(SurefootError, ValueError):
    """A number was asked for where the model gave none."""


class WorkerError(SurefootError, RuntimeError):
    """A process that did part of the work is gone."""
