"""Surefoot's own rows, as one of the formats: they hold everything and lose nothing."""

from __future__ import annotations

from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.rows import trace_from_row, trace_to_row
from surefoot.traces.types import Trace


def looks_like(record: Record) -> bool:
    """A record with the version field `surefoot`."""
    return "surefoot" in record


def read(record: Record) -> list[Trace]:
    """The one trace of a row."""
    return [trace_from_row(record)]


def write(trace: Trace, rule: LabelRule) -> Written:
    """The row of a trace; `rule` has no part in it."""
    return Written((trace_to_row(trace),))


SUREFOOT = Format("surefoot", "Surefoot rows", looks_like, read, write)
