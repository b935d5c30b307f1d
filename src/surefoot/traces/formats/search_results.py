"""Results of `surefoot search`: one problem a row, with its tree and its ranked solutions.

    {"surefoot_search": 1, "problem": "…", "reference": "…", "answer": "…", "ended": "done",
     "why": null, "chosen_by": "argmax",
     "scorer": {"model": "…", "kind": "probability", "default_aggregate": "min", "threshold": 0.5},
     "solutions": [{"node": 4, "answer": "…", "outcome": true, "reward": 0.9, "votes": null,
                    "finished": true, "values": [0.9, 0.95], "log_odds": [2.2, 2.9]}],
     "usage": {…}, "losses": {…},
     "tree": [{"parent": null, "steps": [], "status": "open", …}, {"parent": 0, "steps": ["…"], …}]}

Steps stand in the tree alone: those of a solution are the steps of the nodes on the way to its own.
Read as traces, a row gives its finished solutions, best first, with `meta.search` (rank, reward,
votes, draws); a row without one is a bad row. Traces cannot be written as results: they have no
tree.
"""

from __future__ import annotations

from typing import Any

from surefoot.errors import RowError, TraceError
from surefoot.traces.formats import fields
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.types import StepScores, Trace

VERSION_FIELD = "surefoot_search"
RESULT_VERSION = 1


def looks_like(record: Record) -> bool:
    """A record with the version field `surefoot_search`."""
    return VERSION_FIELD in record


def read(record: Record) -> list[Trace]:
    """The finished solutions of a row, best first."""
    check_version(record)
    found = []
    for i, (own, trace) in enumerate(solutions(record)):
        if own.get("finished") is not True:
            continue
        told = {name: own.get(name) for name in ("reward", "votes")}
        draws = record["tree"][own["node"]].get("draws")
        meta = {"search": {"rank": i, **told, "draws": draws, "chosen_by": record.get("chosen_by")}}
        found.append(
            fields.build(
                f"solutions.{i}",
                problem=trace.problem,
                steps=trace.steps,
                answer=trace.answer,
                reference=trace.reference,
                outcome=trace.outcome,
                source="search",
                scores=trace.scores,
                meta=meta,
            )
        )
    if not found:
        ended, why = record.get("ended"), record.get("why")
        raise RowError(f"the search found no solution ({ended}: {why})", field="solutions")
    return found


def write(trace: Trace, rule: LabelRule) -> Written:
    """Nothing: a trace has no tree."""
    raise TraceError("a result of a search holds its tree, which a trace does not")


def check_version(record: Record) -> None:
    """Make sure that a row is a result that can be read here.

    Raises:
        RowError: it is not.
    """
    version = record.get(VERSION_FIELD)
    if version != RESULT_VERSION or isinstance(version, bool):
        raise RowError(
            f"is {version!r}; this Surefoot reads version {RESULT_VERSION} of search results",
            field=VERSION_FIELD,
        )


def solutions(record: Record) -> list[tuple[dict[str, Any], Trace]]:
    """Each solution of a row as it stands there, and its trace.

    Raises:
        RowError: the row is not a whole result.
    """
    problem = fields.text(record, "problem")
    reference = fields.maybe_text(record, "reference")
    prefixes = _prefixes(fields.sequence(record, "tree"))
    found = []
    for i, own in enumerate(fields.sequence(record, "solutions")):
        place = f"solutions.{i}"
        if not isinstance(own, dict):
            raise RowError(f"must be an object, not {fields.kind(own)}", field=place)
        node = own.get("node")
        if isinstance(node, bool) or not isinstance(node, int) or not 0 < node < len(prefixes):
            raise RowError(f"is {node!r}, which is no node of the tree", field=f"{place}.node")
        trace = fields.build(
            place,
            problem=problem,
            steps=prefixes[node],
            answer=own.get("answer"),
            reference=reference,
            outcome=own.get("outcome"),
            scores=_scores(record, own, place),
        )
        found.append((own, trace))
    return found


def _prefixes(tree: list[Any]) -> list[tuple[str, ...]]:
    """All steps up to each node."""
    found: list[tuple[str, ...]] = []
    for i, node in enumerate(tree):
        place = f"tree.{i}"
        if not isinstance(node, dict):
            raise RowError(f"must be an object, not {fields.kind(node)}", field=place)
        parent, steps = node.get("parent"), node.get("steps")
        is_before = isinstance(parent, int) and not isinstance(parent, bool) and 0 <= parent < i
        if not (is_before if i else parent is None):
            raise RowError(f"is {parent!r}, which is no node before it", field=f"{place}.parent")
        if not isinstance(steps, list) or not all(isinstance(one, str) for one in steps):
            raise RowError("must be a list of texts", field=f"{place}.steps")
        found.append((*(found[parent] if parent is not None else ()), *steps))
    return found


def _scores(record: Record, own: dict[str, Any], place: str) -> list[StepScores]:
    """The scores of a solution, none or one."""
    if own.get("values") is None:
        return []
    scorer = record.get("scorer")
    if not isinstance(scorer, dict):
        raise RowError(f"must be an object, not {fields.kind(scorer)}", field="scorer")
    log_odds = own.get("log_odds")
    try:
        return [
            StepScores(
                tuple(own["values"]),
                log_odds=None if log_odds is None else tuple(log_odds),
                **scorer,
            )
        ]
    except (TraceError, TypeError) as error:
        raise RowError(f"its scores cannot be read: {error}", field=place) from None


SEARCH = Format("search", "results of surefoot search", looks_like, read, write)
