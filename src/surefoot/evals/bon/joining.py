"""The scores of files joined to the candidates of the pools that they tell of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from surefoot.errors import UsageError
from surefoot.evals.bon.preparing import KEY
from surefoot.traces.formats.scores import ScoreFile
from surefoot.traces.records import OnSkip
from surefoot.traces.types import ScoreKind, StepScores, Trace


@dataclass(frozen=True)
class Joined:
    """All candidates, with scores where rows fit; whose they are; and for each file its models and
    what became of its rows (`JoinReport`)."""

    traces: list[Trace]
    models: tuple[str, ...]
    files: dict[str, dict[str, Any]]


def join(
    traces: Sequence[Trace],
    files: Sequence[tuple[str, str | None]],
    *,
    kind: ScoreKind = "probability",
    strict: bool = False,
    on_skip: OnSkip | None = None,
) -> Joined:
    """Join score files to prepared candidates; each with the name of its model, None for the one
    that the file has or is called by.

    A pool of which a file tells nothing is passed over; a candidate that is missing in a pool of
    which it does tell stays without a score, and is counted. `on_skip` is told the rows that cannot
    be read; without it they become warnings.

    Raises:
        UsageError: no row of a file fits, candidates hold scores of that name already, or, if
            `strict`, one has no row.
        RowError: `strict`, and a row is bad, is there twice, has scores for other steps, or fits no
            candidate.
        StorageError: a file is missing or damaged.
    """
    added: list[list[StepScores]] = [[] for _ in traces]
    told: dict[str, dict[str, Any]] = {}
    for path, model in files:
        file = ScoreFile(path, model=model, kind=kind, strict=strict, on_skip=on_skip)
        models = _add(file, traces, added, strict)
        told[path] = {"models": models, **file.report().to_json()}
    return Joined(
        [
            trace.with_scores(*some) if some else trace
            for trace, some in zip(traces, added, strict=True)
        ],
        tuple(dict.fromkeys(name for one in told.values() for name in one["models"])),
        told,
    )


def _add(
    file: ScoreFile, traces: Sequence[Trace], added: Sequence[list[StepScores]], strict: bool
) -> list[str]:
    """Add the scores of a file to those of each candidate; gives the names of the models."""
    pools = {trace.meta[KEY]["pool"] for trace in traces if file.has(trace)}
    names: dict[str, None] = {}
    lacking: Trace | None = None
    for trace, some in zip(traces, added, strict=True):
        if trace.meta[KEY]["pool"] not in pools:
            continue
        scores = file.find(trace)
        if scores is not None:
            if any(one.model == scores.model for one in (*trace.scores, *some)):
                raise UsageError(
                    f"{file.path}: trace {trace.id} holds scores of {scores.model} already; give"
                    f" these another name: --scores NAME={file.path}"
                )
            names.setdefault(scores.model)
            some.append(scores)
        elif lacking is None and not file.has(trace):
            lacking = trace
    report = file.report()
    if not report.joined:
        counts = ", ".join(f"{name} {num}" for name, num in report.to_json().items() if num)
        raise UsageError(
            f"{file.path}: no row fits a candidate by problem_id and candidate, and its steps"
            f" ({counts or 'it is empty'})"
        )
    if strict:
        for error in file.misfits.values():
            raise error
        if lacking is not None:
            found = lacking.meta[KEY]
            raise UsageError(
                f"{file.path}: no row for candidate {lacking.meta.get('candidate')} of problem"
                f" {found['problem']!r} in {found['pool']}"
            )
    return list(names)
