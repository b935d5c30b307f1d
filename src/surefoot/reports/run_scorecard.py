"""The scorecard of probes: what each of them does to the scorer, told by a word, a sign, a colour
and the interval on a scale, beside what it does to scorers that read nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from surefoot.evals.probes.scorecard import TOLERATED
from surefoot.reports.run_tables import Cell, Metrics, interval, number

VERDICTS: Mapping[str, tuple[str, str]] = {
    "hacked": ("bad", "✗"),
    "unsteady": ("bad", "✗"),
    "raised": ("doubt", "▲"),
    "unclear": ("doubt", "?"),
    "holds": ("good", "✓"),
    "steady": ("good", "✓"),
    "not measured": ("none", "–"),
}
"""Tone and sign of each verdict of `evals.probes.scorecard`."""

SHARES: Mapping[str, Mapping[str, str]] = {
    "attack": {
        "came_to_pass": "flagged wrong ones come to pass",
        "preference_flips": "preferences turn to the wrong answer",
    },
    "invariance": {"verdict_flipped": "verdicts flip"},
}
"""By the kind of probe, the shares that its verdict rests on, with their headings; one that no
probe of a run has gets no column."""

_CHANGES = {
    "attack": ("aggregate_change", "aggregate changes by"),
    "invariance": ("aggregate_moved", "aggregate moves by"),
}
_CASES = {"came_to_pass": "num_flagged_wrong", "preference_flips": "num_pairs"}
_TITLES = {
    "attack": "Attacks: no trace is better for them",
    "invariance": "Changes that should not matter",
}


@dataclass(frozen=True)
class Mark:
    """A baseline on the scale, at `at` percent."""

    name: str
    at: float


@dataclass(frozen=True)
class Share:
    """A share in percent with its interval, of so many cases, and the baselines under the same
    probe."""

    mean: float
    low: float
    high: float
    cases: str
    marks: tuple[Mark, ...]

    @property
    def told(self) -> str:
        """The interval in words, such as `21 % [16, 27]`."""
        return f"{self.mean:.0f} % [{self.low:.0f}, {self.high:.0f}]"

    @property
    def beside(self) -> str:
        """The baselines in words."""
        return ", ".join(f"{one.name} {one.at:.0f}" for one in self.marks)


@dataclass(frozen=True)
class ProbeRow:
    """One probe: its verdict in a word, a sign and a tone, its shares, None where one has no case,
    and the change of the aggregate."""

    name: str
    summary: str
    verdict: str
    sign: str
    tone: str
    shares: tuple[Share | None, ...]
    change: Cell
    num: str


@dataclass(frozen=True)
class Part:
    """All probes of one kind."""

    title: str
    headings: tuple[str, ...]
    change: str
    rows: tuple[ProbeRow, ...]


@dataclass(frozen=True)
class Scorecard:
    """Both kinds of probes, what some attack or some change reaches, and the share up to which a
    scorer is not called hacked, in percent."""

    parts: tuple[Part, ...]
    of_all: tuple[tuple[str, Share], ...]
    tolerated: float
    counts: tuple[tuple[str, str, int], ...]


def scorecard(metrics: Metrics) -> Scorecard | None:
    """The scorecard in the metrics of a run of probes; None in those of another kind."""
    probes: Mapping[str, Any] = metrics.get("probes") or {}
    rows: Sequence[Mapping[str, Any]] = metrics.get("rows") or []
    if not probes or not rows:
        return None
    parts = tuple(
        _part(kind, [one for one in probes.values() if one["kind"] == kind], rows[1:])
        for kind in SHARES
        if any(one["kind"] == kind for one in probes.values())
    )
    of_all = tuple(
        (heading, share)
        for name, heading in (
            ("came_to_pass", "Some attack gets a flagged wrong trace to pass"),
            ("verdict_flipped", "Some change that should not matter flips the verdict"),
        )
        if (share := _share(rows[0]["figures"].get(name), name, rows[1:], "")) is not None
    )
    verdicts = [one["verdict"] for one in probes.values()]
    counts = tuple(
        (tone, f"{sign} {verdict}", verdicts.count(verdict))
        for verdict, (tone, sign) in VERDICTS.items()
        if verdict in verdicts
    )
    return Scorecard(parts, of_all, 100 * TOLERATED, counts)


def _part(
    kind: str, probes: Sequence[Mapping[str, Any]], baselines: Sequence[Mapping[str, Any]]
) -> Part:
    change, heading = _CHANGES[kind]
    names = [name for name in SHARES[kind] if any(one["figures"].get(name) for one in probes)]
    return Part(
        _TITLES[kind],
        tuple(SHARES[kind][name] for name in names),
        heading,
        tuple(_row(one, names, change, baselines) for one in probes),
    )


def _row(
    one: Mapping[str, Any],
    names: Sequence[str],
    change: str,
    baselines: Sequence[Mapping[str, Any]],
) -> ProbeRow:
    tone, sign = VERDICTS[one["verdict"]]
    coverage, figures = one["coverage"], one["figures"]
    shares = []
    for name in names:
        num = coverage[_CASES.get(name, "num_measured")]
        shares.append(_share(figures.get(name), f"{name}/{one['probe']}", baselines, f"of {num:,}"))
    moved = figures.get(change)
    measured, applied = coverage["num_measured"], coverage["num_applied"]
    return ProbeRow(
        name=one["probe"],
        summary=one["summary"],
        verdict=one["verdict"],
        sign=sign,
        tone=tone,
        shares=tuple(shares),
        change=Cell() if moved is None else Cell(number(moved["mean"]), interval(moved)),
        num=f"{measured:,}" + (f" of {applied:,}" if measured != applied else ""),
    )


def _share(
    figure: Mapping[str, float] | None,
    name: str,
    baselines: Sequence[Mapping[str, Any]],
    cases: str,
) -> Share | None:
    if figure is None:
        return None
    marks = tuple(
        Mark(row["name"], 100 * one["mean"])
        for row in baselines
        if (one := row["figures"].get(name)) is not None
    )
    mean, low, high = (100 * figure[part] for part in ("mean", "low", "high"))
    return Share(mean, low, high, cases, marks)
