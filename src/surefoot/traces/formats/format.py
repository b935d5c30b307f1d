"""What a foreign format is: a name, how to know its records, and how to read and write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from surefoot.traces.types import Trace

Record: TypeAlias = Mapping[str, Any]
"""One decoded JSON object of a file."""


@dataclass(frozen=True, slots=True)
class LabelRule:
    """How a graded label becomes right or wrong where a target knows only those two.

    `neutral` says how a rating of 0 counts; `threshold` is the least value in [0, 1] that counts
    as right. Wherever the rule had to be applied, the writer says so in `Written.lost`.
    """

    neutral: bool = True
    threshold: float = 0.5


@dataclass(frozen=True, slots=True)
class Written:
    """Records of the target format, and what of the trace they cannot hold.

    `lost` names each kind of loss once (such as ``"neutral labels"``); it is empty where
    everything is kept.
    """

    rows: tuple[dict[str, Any], ...]
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """One format, both ways.

    `looks_like(record)` recognises a record by its keys. `read(record)` gives its traces (some
    records hold several) or raises RowError with the field at fault. `write(trace, rule)` gives
    records, or raises TraceError where the target cannot express the trace at all. `join(traces,
    rule)`, where there is one, writes the traces that came from one record
    (`fields.record_of`) back as one record.
    """

    name: str
    title: str
    looks_like: Callable[[Record], bool]
    read: Callable[[Record], list[Trace]]
    write: Callable[[Trace, LabelRule], Written]
    join: Callable[[Sequence[Trace], LabelRule], Written] | None = None
