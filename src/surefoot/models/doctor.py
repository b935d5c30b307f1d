"""Do these traces and this model fit each other? `examine` looks before anything is trained.

Traces are written as the model's contract says, and what would be silently wrong is counted: steps
that are lost to length, tokens that hold two things, steps without a token, labels that teach
nothing. Traces stream through and are not kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from surefoot.models.alignment import AlignmentTally, Writes
from surefoot.models.base import RewardModel
from surefoot.models.data_findings import DataTally
from surefoot.models.findings import Findings
from surefoot.traces.types import Trace

_TOGETHER = 16
"""Traces that the tokenizer is given at once; with a row for each step, one."""


def examine(traces: Iterable[Trace], model: RewardModel, *, samples: int = 0) -> Findings:
    """What is to be said of traces that a model is to be trained on or to score.

    Args:
        traces: Read once, one after the other; memory does not grow with their number, but for
            hashes of the first million.
        model: One without a contract has nothing to align; then the data alone is examined.
        samples: How many of the first traces are kept as they are written, to be shown.
    """
    data = DataTally()
    alignment = AlignmentTally(model, samples) if isinstance(model, Writes) else None
    numbered = enumerate(traces, 1)
    together = 1 if alignment is not None and alignment.one_by_one else _TOGETHER
    while some := list(islice(numbered, together)):
        for row, trace in some:
            data.add(row, trace)
        if alignment is not None:
            alignment.add(some)
    return Findings(
        model=model.name,
        traces=data.traces,
        steps=data.steps,
        errors=(*data.errors(), *(alignment.errors() if alignment else ())),
        warnings=(*data.warnings(), *(alignment.warnings() if alignment else ())),
        labels=data.balances(),
        tokens=alignment.counts() if alignment else None,
        samples=tuple(sorted(alignment.samples, key=lambda one: one.row)) if alignment else (),
    )
