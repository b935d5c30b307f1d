"""Every trace format that Surefoot reads and writes, in one dict, and how a record is
recognised."""

from __future__ import annotations

from surefoot.errors import FormatError, UsageError
from surefoot.traces.formats.agent_steps import AGENT_PROCESS_BENCH
from surefoot.traces.formats.chat import CHAT
from surefoot.traces.formats.first_error import BIGBENCH_MISTAKE, PROCESSBENCH
from surefoot.traces.formats.flat import FLAT
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.formats.label_studio import LABEL_STUDIO
from surefoot.traces.formats.math_aps import MATH_APS
from surefoot.traces.formats.meta_reasoning import MR_BEN, MR_GSM8K
from surefoot.traces.formats.ours import SUREFOOT
from surefoot.traces.formats.preference import PREFERENCE
from surefoot.traces.formats.prm800k import PRM800K
from surefoot.traces.formats.prmbench import PRMBENCH
from surefoot.traces.formats.rlhflow import RLHFLOW
from surefoot.traces.formats.search_results import SEARCH
from surefoot.traces.formats.tagged import MATH_SHEPHERD, OPENRLHF
from surefoot.traces.formats.tau_bench import TAU_BENCH
from surefoot.traces.formats.trl import TRL
from surefoot.traces.formats.who_and_when import WHO_AND_WHEN

__all__ = ["FORMATS", "Format", "LabelRule", "Record", "Written", "detect", "named"]

FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        SUREFOOT,
        SEARCH,
        FLAT,
        PRM800K,
        MATH_SHEPHERD,
        TRL,
        OPENRLHF,
        PROCESSBENCH,
        PRMBENCH,
        MR_GSM8K,
        MR_BEN,
        BIGBENCH_MISTAKE,
        RLHFLOW,
        MATH_APS,
        LABEL_STUDIO,
        PREFERENCE,
        CHAT,
        AGENT_PROCESS_BENCH,
        WHO_AND_WHEN,
        TAU_BENCH,
    )
}


def named(name: str) -> Format:
    """The format of a name.

    Raises:
        UsageError: there is none; the message lists all names.
    """
    if name not in FORMATS:
        raise UsageError(f"there is no trace format {name!r}; choose one of {', '.join(FORMATS)}")
    return FORMATS[name]


def detect(record: Record) -> Format:
    """The format that a record's keys show.

    Raises: FormatError: it is no trace of any known format, or could be of several; the message
        says what was seen.
    """
    if {"problem_id", "candidate", "step_scores"} <= record.keys():
        raise FormatError(
            "these are step scores without their traces; give the file of the traces, and this one "
            "with --scores to join them"
        )
    found = [one for one in FORMATS.values() if one.looks_like(record)]
    if len(found) == 1:
        return found[0]
    seen = ", ".join(sorted(map(str, record))[:20]) or "none"
    if found:
        names = " and ".join(one.name for one in found)
        raise FormatError(f"a record with the fields {seen} could be {names}; name the format")
    raise FormatError(
        f"a record with the fields {seen} is none of the known formats: {', '.join(FORMATS)}"
    )
