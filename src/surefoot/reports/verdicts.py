"""What the numbers of a summary say in plain words, and no more than they carry.

A difference counts as shown only where its whole paired interval lies on one side of zero. The
pairs of the headline are fixed here, before any run, so that none is picked for its result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from surefoot.reports.words import (
    ARGMAX_BY_PRM,
    Summary,
    at,
    figure_of,
    interval,
    method,
    methods_of,
    p_value,
    points,
    share,
    sizes_of,
    unbroken,
)

HEADLINE_PAIRS = (("prm_vote", "majority"), ("prm_vote", "orm_vote"), ("prm_logprob", "logprob"))

FIGURES: Mapping[str, str] = {
    "accuracy": "right",
    "sound": "right and sound",
    "flawed_share": "flawed among right",
}
"""The figures of best-of-N and their names for people; of the last, less is better."""

_ROUNDING = 1e-9

Tone = Literal["better", "same", "worse"]


@dataclass(frozen=True)
class Verdict:
    """A sentence, and whether it speaks for the method, against it or for neither."""

    tone: Tone
    text: str


def tone(pair: Mapping[str, Any]) -> Tone:
    """What a paired difference shows: nothing where its interval touches zero."""
    difference = pair["difference"]
    if difference["low"] <= 0 <= difference["high"]:
        return "same"
    return "better" if (difference["low"] > 0) != (pair["figure"] == "flawed_share") else "worse"


def title(summary: Summary) -> str:
    """The one sentence over a report: PRM vote against majority at the largest N."""
    n = sizes_of(summary)[-1]
    ours, theirs = (figure_of(summary, name, n, "accuracy") for name in ("prm_vote", "majority"))
    pair = _pair(summary, "prm_vote", "majority", n, "accuracy")
    if ours is None or theirs is None or pair is None:
        return f"The vote weighed by step rewards was not compared with majority at {at(n)}"
    a, b = share(ours), share(theirs)
    return {
        "better": f"With {n} candidates, a vote weighed by step rewards is right in {a} of "
        f"problems; a plain majority in {b}",
        "same": f"With {n} candidates, no difference was shown between a vote weighed by step "
        f"rewards ({a} right) and a plain majority ({b})",
        "worse": f"With {n} candidates, step rewards did harm: the vote they weigh is right in "
        f"{a} of problems, a plain majority in {b}",
    }[tone(pair)]


def headline(summary: Summary) -> list[Verdict]:
    """What step rewards bought at the largest N over majority, the ORM vote and log-probability:
    right answers first, then the share of flawed chains among them."""
    n = sizes_of(summary)[-1]
    return [
        _verdict(summary, name, against, n, figure)
        for figure in ("accuracy", "flawed_share")
        for name, against in HEADLINE_PAIRS
    ]


def harms(summary: Summary) -> list[str]:
    """A line for every PRM method that is less often right than majority: at which N, and by how
    much at the largest of them."""
    lines = []
    for name in methods_of(summary):
        if method(name).family != "prm":
            continue
        below = []
        for n in sizes_of(summary):
            ours, theirs = (figure_of(summary, one, n, "accuracy") for one in (name, "majority"))
            if ours and theirs and ours["mean"] < theirs["mean"] - _ROUNDING:
                below.append((n, ours, theirs))
        if below:
            n, ours, theirs = below[-1]
            where = ", ".join(str(one) for one, _, _ in below)
            apart = "" if ours["high"] < theirs["low"] else "; the intervals overlap"
            lines.append(
                f"{method(name).label}, below majority at {at(where)}. At {at(n)}: "
                f"{share(ours, ends=True)} against {share(theirs, ends=True)}{apart}."
            )
    return lines


def over_optimised(summary: Summary) -> list[Verdict]:
    """For each choice by PRM alone: where it is right most often, and what more candidates do."""
    found = []
    for name in ARGMAX_BY_PRM:
        rows = [(n, figure_of(summary, name, n, "accuracy")) for n in sizes_of(summary)]
        curve = [(n, row) for n, row in rows if row is not None]
        if not curve:
            continue
        (best_n, best), (last_n, last) = max(curve, key=lambda row: row[1]["mean"]), curve[-1]
        start = f"{method(name).label}: {share(best)} right at its best, {at(best_n)}"
        fall = last["mean"] - best["mean"]
        if best_n == last_n:
            found.append(Verdict("better", f"{start}, the largest N: it does not fall."))
            continue
        apart = last["high"] < best["low"]
        sure = "the intervals lie apart" if apart else "the intervals overlap"
        found.append(
            Verdict(
                "worse" if apart else "same",
                f"{start}, and {share(last)} at {at(last_n)}: {points(fall)} points, {sure}.",
            )
        )
    return found


def _verdict(summary: Summary, name: str, against: str, n: int, figure: str) -> Verdict:
    a, b = method(name).label, method(against).label
    ours, theirs = (figure_of(summary, one, n, figure) for one in (name, against))
    pair = _pair(summary, name, against, n, figure)
    if ours is None or theirs is None or pair is None:
        missing = f"{a} against {b}, {FIGURES[figure]}: not compared at {at(n)}."
        return Verdict("same", missing)
    if figure == "flawed_share":
        said = (
            f"Of the right answers of {a}, {share(ours)} rest on a flawed chain; of "
            f"those of {b}, {share(theirs)}"
        )
    else:
        said = f"{a} is {FIGURES[figure]} in {share(ours)} of problems, {b} in {share(theirs)}"
    measured = (
        f"{points(pair['difference']['mean'])} points {unbroken(interval(pair['difference']))}, "
        f"{unbroken(p_value(pair['p_value']))}"
    )
    verdict = tone(pair)
    outcome = {
        "better": "in favour of step rewards.",
        "same": "the interval includes 0, so no difference is shown.",
        "worse": "step rewards did harm here.",
    }[verdict]
    return Verdict(verdict, f"{said}: {measured}; {outcome}")


def _pair(
    summary: Summary, name: str, against: str, n: int, figure: str
) -> Mapping[str, Any] | None:
    wanted = {"method": name, "against": against, "n": n, "figure": figure}
    return next((pair for pair in summary["paired"] if wanted.items() <= dict(pair).items()), None)
