"""The scores of a file joined to the candidates of the pools that it tells of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from surefoot.errors import UsageError
from surefoot.evals.bon.preparing import KEY
from surefoot.traces.formats.scores import JoinReport, ScoreFile
from surefoot.traces.records import OnSkip
from surefoot.traces.types import ScoreKind, Trace


@dataclass(frozen=True)
class Joined:
    """All candidates, with scores where a row fits; whose they are, and what became of the rows."""

    traces: list[Trace]
    models: tuple[str, ...]
    report: JoinReport


def join(
    traces: Sequence[Trace],
    path: str,
    *,
    model: str | None = None,
    kind: ScoreKind = "probability",
    strict: bool = False,
    on_skip: OnSkip | None = None,
) -> Joined:
    """Join a score file to prepared candidates.

    A pool of which the file tells nothing is passed over; a candidate that is missing in a pool of
    which it does tell stays without a score, and is counted. `on_skip` is told the rows that cannot
    be read; without it they become warnings.

    Raises:
        UsageError: no row fits, candidates hold scores of that name already, or, if `strict`, one
            has no row.
        RowError: `strict`, and a row is bad, is there twice, has scores for other steps, or fits no
            candidate.
        StorageError: the file is missing or damaged.
    """
    file = ScoreFile(path, model=model, kind=kind, strict=strict, on_skip=on_skip)
    told = {trace.meta[KEY]["pool"] for trace in traces if file.has(trace)}
    found: list[Trace] = []
    names: dict[str, None] = {}
    lacking: Trace | None = None
    for trace in traces:
        if trace.meta[KEY]["pool"] not in told:
            found.append(trace)
            continue
        joined = file.join(trace)
        if joined is not trace:
            name = joined.scores[-1].model
            if any(one.model == name for one in trace.scores):
                raise UsageError(
                    f"{path}: trace {trace.id} holds scores of {name} already; give these another"
                    f" name: --scores NAME={path}"
                )
            names.setdefault(name)
        found.append(joined)
        if lacking is None and not file.has(trace):
            lacking = trace
    report = file.report()
    if not report.joined:
        counts = ", ".join(f"{name} {num}" for name, num in report.to_json().items() if num)
        raise UsageError(
            f"{path}: no row fits a candidate by problem_id and candidate, and its steps"
            f" ({counts or 'it is empty'})"
        )
    if strict:
        for error in file.misfits.values():
            raise error
        if lacking is not None:
            found_in = lacking.meta[KEY]
            raise UsageError(
                f"{path}: no row for candidate {lacking.meta.get('candidate')} of problem"
                f" {found_in['problem']!r} in {found_in['pool']}"
            )
    return Joined(found, tuple(names), report)
