"""Chosen traces for the tools that people label in: Label Studio tasks, or a table as CSV.

What others have said of a trace sways those who are to judge it anew, and so does the reason for
which it was chosen: "convincing-wrong" gives the outcome away. So labels, scores, outcome, answers
and reasons stay behind unless they are asked for, and traces come in the order of their ids. What
comes back joins the trace it was made of, which has the same problem and steps.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from surefoot.traces.drafts import Draft
from surefoot.traces.formats import LabelRule, named
from surefoot.traces.formats.writing import record_file
from surefoot.traces.records import storage_errors
from surefoot.traces.types import Trace

COLUMNS = ("trace", "problem", "step", "text", "observation", "label")


def for_people(trace: Trace, *, blind: bool = True) -> Trace:
    """The trace as people are to see it: with its id, and, if blind, nothing that others said."""
    own = {"trace": trace.id}
    if not blind:
        return replace(trace, meta={**trace.meta, **own})
    return replace(trace, labels=(), scores=(), outcome=None, answer=None, reference=None, meta=own)


def write_label_studio(traces: Iterable[Trace], path: str, *, blind: bool = True) -> int:
    """Write traces as tasks for Label Studio, to a .json or .jsonl file; gives their number.

    `surefoot convert` reads what comes back, and `surefoot label merge` joins it to the traces.

    Raises:
        StorageError: the file cannot be written; its name keeps what was there before.
    """
    form, num = named("label-studio"), 0
    with record_file(path) as put:
        for trace in sorted(traces, key=lambda one: one.id) if blind else traces:
            for row in form.write(for_people(trace, blind=blind), LabelRule()).rows:
                put(dict(row))
            num += 1
    return num


def write_csv(traces: Iterable[Trace], path: str) -> int:
    """Write traces, blind, as a table with a row for each step and an empty column for the label;
    gives the number of traces.

    A cell that a spreadsheet would run as a formula gets an apostrophe before it.

    Raises:
        StorageError: the file cannot be written; its name keeps what was there before.
    """
    num = 0
    draft = Draft(path)
    try:
        with storage_errors(path, "write"):
            text = io.TextIOWrapper(draft.file, encoding="utf-8", newline="", write_through=True)
            table = csv.writer(text)
            table.writerow(COLUMNS)
            for trace in sorted(traces, key=lambda one: one.id):
                num += 1
                for i, step in enumerate(trace.steps):
                    table.writerow(
                        [
                            trace.id,
                            _cell(trace.problem),
                            i,
                            _cell(step.text),
                            _cell("" if step.observation is None else step.observation),
                            "",
                        ]
                    )
            text.detach()
        draft.publish()
    finally:
        draft.discard()
    return num


def _cell(value: Any) -> str:
    text = str(value)
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
