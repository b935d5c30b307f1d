"""Everything that was measured of methods of search, as the `metrics.json` of a run.

`rows`, `leads`, `paired` and `warnings` are those of every evaluation; `matched` holds the lines
with their tokens, for the pictures and tables that only this kind of run has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from surefoot.evals.matched.attempts import Line
from surefoot.evals.matched.lines import BEST, MAJORITY, PLAIN, VOTE
from surefoot.evals.matched.measuring import COSTS, FIGURES, Matched
from surefoot.stats import Difference

KIND = "search"
TITLE = "search at equal tokens"
REFERENCE = "Snell et al. 2024, arXiv:2408.03314, section 5; tokens are counted, not samples"
RIVALS = (BEST, PLAIN, VOTE, MAJORITY)
"""What a method of search has to beat at equal tokens."""
COSTLY = ("policy tokens", "verifier tokens", "read tokens", "all tokens", "seconds")
LEVEL = 0.05
MANY = 8
"""Comparisons beyond which a small p-value among them says little."""


def metrics(found: Matched) -> dict[str, Any]:
    """The metrics of a run."""
    order = _in_order(found)
    chief = order[0]
    rivals = [one.name for one in order if one.name in RIVALS and one.name != chief.name]
    return {
        "kind": KIND,
        "title": TITLE,
        "reference": REFERENCE,
        "headline": {"accuracy": "right", "sound": "right and sound"},
        "unit": "problems",
        "num_traces": found.num_problems,
        "left_out": dict(found.left_out),
        "counts": _counts(found),
        "rows": [_row(found, one) for one in order],
        "rival": f"{rivals[0]} at equal policy tokens" if rivals else "",
        "leads": {
            f"{name} at equal policy tokens": leads
            for name in rivals
            if (leads := _leads(found, chief, name))
        },
        "paired": pairs(found),
        "warnings": warnings(found),
        "matched": {
            "exchange": found.exchange,
            "lines": [_line(found, one) for one in order],
        },
        "details": {"every method at every size": _table(found, order)},
    }


def pairs(found: Matched) -> list[dict[str, Any]]:
    """Every method of search at every size against every rival, for both ways to count tokens."""
    rows = []
    for ours in found.lines:
        for n in sorted(ours.sizes):
            for theirs in found.lines:
                if ours.kind != "search" or theirs.name not in RIVALS:
                    continue
                for cost in COSTS:
                    for figure in FIGURES:
                        gap = found.difference(ours.name, n, theirs.name, figure=figure, cost=cost)
                        if gap is not None:
                            rows.append(
                                {
                                    "method": ours.name,
                                    "n": n,
                                    "against": theirs.name,
                                    "at equal": cost,
                                    "figure": figure,
                                    "difference": gap.to_json(),
                                    "p_value": gap.p_value,
                                }
                            )
    return rows


def warnings(found: Matched) -> list[str]:
    """First where search does not beat what is simpler, then what is odd about the data."""
    said = [
        told
        for line in found.lines
        if line.kind == "search"
        for rival in RIVALS
        for cost in COSTS
        if (told := _verdict(found, line, rival, cost)) is not None
    ]
    loud = [one for one in said if "DOES HARM" in one]
    said = [*loud, *(one for one in said if one not in loud)]
    for reason, num in found.left_out.items():
        said.append(f"{num} problems are left out of every figure: {reason}")
    said += _ends(found)
    for line in found.lines:
        if found.mean("verifier tokens", line.name, line.largest) is None:
            said.append(
                f"the scorer of {line.name} does not say how many tokens it read, so nothing is "
                "compared with it at equal tokens of policy and scorer"
            )
    num = sum(row["figure"] == "accuracy" for row in pairs(found))
    if num > MANY:
        said.append(f"p-values are those of single comparisons, and there are {num} of accuracy")
    return said


def _verdict(found: Matched, line: Line, rival: str, cost: str) -> str | None:
    """What must be said of a method at its largest size against a rival; None where it is shown to
    be better, or there is no such rival."""
    if all(one.name != rival for one in found.lines):
        return None
    n = line.largest
    took = found.mean(cost, line.name, n)
    if took is None:
        return None
    what = f"{line.name} at n = {n} ({took:,.0f} {cost} a problem)"
    gap = found.difference(line.name, n, rival, cost=cost)
    if gap is None:
        other = found.line(rival)
        ends = [found.mean(cost, rival, size) for size in sorted(other.sizes)]
        known = [end for end in ends if end is not None]
        if not known:
            return None
        return (
            f"{what} is not compared with {rival}, whose sizes take {min(known):,.0f} to "
            f"{max(known):,.0f}: run it at more sizes"
        )
    if gap.p_value < LEVEL and gap.mean > 0:
        return None
    where = f"at equal {cost}: {_points(gap)}"
    if gap.p_value < LEVEL and gap.mean < 0:
        return f"{what} DOES HARM: it loses to {rival} {where}"
    return f"{what} DOES NOT BEAT {rival} {where}"


def _points(gap: Difference) -> str:
    low, high = 100 * gap.low, 100 * gap.high
    return f"{100 * gap.mean:+.1f} points [{low:+.1f}, {high:+.1f}], p = {gap.p_value:.3f}"


def _ends(found: Matched) -> list[str]:
    """Searches that did not come to their end."""
    said = []
    for line in found.lines:
        if line.kind != "search" and line.name != BEST:
            continue
        for n in sorted(line.sizes):
            if ended := found.ended(line, n):
                told = ", ".join(f"{num} {why}" for why, num in ended.most_common())
                said.append(
                    f"{line.name} at n = {n}: {ended.total()} of {found.num_problems} searches "
                    f"ended early ({told}); one that gave no answer, or failed, counts as wrong"
                )
    return said


def _in_order(found: Matched) -> list[Line]:
    """Methods of search first, then choices among whole solutions, then controls."""
    kinds = ("search", "best of n", "control")
    return sorted(found.lines, key=lambda one: kinds.index(one.kind))


def _row(found: Matched, line: Line) -> dict[str, Any]:
    n = line.largest
    figures = {}
    for figure in FIGURES:
        one = found.estimate(figure, line.name, n)
        figures[figure] = one and one.to_json()
    return {
        "name": row_name(found, line),
        "is_baseline": line.kind == "control",
        "figures": figures,
        "thresholds": {},
    }


def row_name(found: Matched, line: Line) -> str:
    """A method with its largest size and the tokens that it took there."""
    took = found.mean("policy tokens", line.name, line.largest)
    return f"{line.name}, n = {line.largest}, {took:,.0f} tokens"


def _leads(found: Matched, chief: Line, rival: str) -> dict[str, Any]:
    gaps = {
        figure: found.difference(chief.name, chief.largest, rival, figure=figure)
        for figure in FIGURES
    }
    return {figure: gap.to_json() for figure, gap in gaps.items() if gap is not None}


def _line(found: Matched, line: Line) -> dict[str, Any]:
    points = []
    for n in sorted(line.sizes):
        point: dict[str, Any] = {"n": n}
        for name in (*FIGURES, *COSTLY):
            one = found.estimate(name, line.name, n)
            point[name] = one and one.to_json()
        points.append({**point, "ended": dict(found.ended(line, n))})
    return {"name": line.name, "kind": line.kind, "points": points}


def _table(found: Matched, order: Sequence[Line]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for line in order:
        for point in _line(found, line)["points"]:
            told = {name: point[name] for name in FIGURES}
            told |= {name: one and one["mean"] for name in COSTLY for one in [point[name]]}
            rows.append({"method": line.name, "n": point["n"], **told})
    return rows


def _counts(found: Matched) -> dict[str, int]:
    return {
        "problems measured": found.num_problems,
        "problems left out": sum(found.left_out.values()),
        "methods": len(found.lines),
        "searches that ended early": sum(
            found.ended(line, n).total()
            for line in found.lines
            if line.kind == "search" or line.name == BEST
            for n in line.sizes
        ),
    }
